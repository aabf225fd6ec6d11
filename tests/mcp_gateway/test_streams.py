"""HTTP+SSE: who may post to a stream, and what its client hears."""

import socket
import time
from contextlib import ExitStack
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.utils import timezone

from mcp_gateway.models import Tool
from mcp_gateway.streams import keeper, outbox, stream
from mcp_gateway.streams.models import OpenStream, StreamMessage, StreamWorker
from oauth_bridge import own_credentials
from oauth_bridge.credentials import Secret
from oauth_bridge.models import AccessToken, Application, Denial, User
from sandbox import fixtures
from tests.mcp_gateway.event_stream import INITIALIZE
from tests.mcp_gateway.json_rpc import McpClient
from tests.mcp_gateway.test_tools import wait_until
from tests.wiv_routes import SHIPPED

# Seconds. By itself a stream goes on for an hour.
SOON = 10


@pytest.mark.requirement("MCP 2024-11-05 HTTP with SSE")
def test_a_call_is_accepted_and_answered_on_the_stream(open_stream, api_key):
    with open_stream(api_key) as stream:
        stream.initialize()
        answer = stream.request("tools/call", {"name": "wiv_list_spaces", "arguments": {}})
        assert not answer["result"].get("isError")
        assert "FinOps" in answer["result"]["content"][0]["text"]


def test_a_stream_is_not_shared_with_another_caller(open_stream, api_key, make_key):
    other = make_key(fixtures.MAX, fixtures.MSP)
    with open_stream(api_key) as stream:
        stream.messages.credential = other
        assert stream.messages.request("ping").status_code == 404


def test_each_post_is_authenticated(open_stream, api_key, http):
    with open_stream(api_key) as stream:
        assert http.post(stream.messages.path, json={}).status_code == 401


def test_a_missing_scope_is_answered_on_the_post(open_stream, sign_in):
    token = sign_in("/sse", scope="wiv:read").tokens["access_token"]
    with open_stream(token) as stream:
        stream.initialize()
        params = {"name": "wiv_start_execution", "arguments": {"workflow_id": "wf_7f3a"}}
        response = stream.messages.request("tools/call", params)
        assert response.status_code == 403
        assert "oauth-protected-resource/sse" in response.headers["www-authenticate"]


@pytest.mark.parametrize("body", [b"{hunter2", b'{"jsonrpc": "2.0", "hunter2": 1}'])
def test_a_broken_message_is_refused_and_neither_logged_nor_fatal(
    open_stream, api_key, body, caplog
):
    with open_stream(api_key) as stream:
        headers = {"Content-Type": "application/json"}
        assert stream.messages.post(content=body, headers=headers).status_code == 400
        assert "hunter2" not in caplog.text
        stream.initialize()


def test_the_stream_ends_when_its_token_is_revoked(open_stream, sign_in):
    client = sign_in("/sse")
    token = client.tokens["access_token"]
    with open_stream(token) as stream:
        stream.initialize()
        client.revoke(token)
        started = time.monotonic()
        stream.read_to_the_end()
        assert time.monotonic() - started < SOON
        assert stream.messages.request("ping").status_code == 401


@pytest.mark.requirement("MCP 2025-11-25 Tools, List Changed Notification")
def test_a_client_hears_that_the_tools_changed(open_stream, api_key):
    with open_stream(api_key) as stream:
        capabilities = stream.initialize()["capabilities"]
        assert capabilities["tools"] == {"listChanged": True}
        assert len(stream.request("tools/list")["result"]["tools"]) == SHIPPED
        Tool.objects.filter(name="wiv_list_spaces").update(title="Changed")
        titles: set[str] = set()
        while "Changed" not in titles:  # the first may announce the test's own new catalog
            assert stream.next_message()["method"] == "notifications/tools/list_changed"
            tools = stream.request("tools/list")["result"]["tools"]
            titles = {tool["title"] for tool in tools}


def test_a_client_that_has_not_said_hello_is_told_nothing(open_stream, api_key):
    with open_stream(api_key) as stream:
        Tool.objects.filter(name="wiv_list_spaces").update(title="Changed")
        time.sleep(1.5)  # longer than the notification would take
        assert stream.request("ping")["result"] == {}


def test_mcp_does_not_promise_notifications(mcp):
    result = mcp.request("initialize", INITIALIZE).json()["result"]
    assert result["capabilities"]["tools"] == {"listChanged": False}


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("", 400, "session_id is required"),
        ("?session_id=hunter2", 400, "Invalid session ID"),
        ("?session_id=00000000000000000000000000000000", 404, "Could not find session"),
    ],
)
def test_a_message_for_no_stream_is_answered_as_the_sdk_does(http, api_key, query, status, text):
    answer = McpClient(http, api_key, path=f"/messages/{query}").request("ping")
    assert (answer.status_code, answer.text) == (status, text)


# The end of a credential ------------------------------------------------------------------------


ENDS_OF_A_TOKEN = {
    "expired": lambda: AccessToken.objects.update(expires=timezone.now()),
    "its client is blocked": lambda: Application.objects.update(blocked_at=timezone.now()),
    "its client is gone": lambda: AccessToken.objects.update(application=None),
    "its user is inactive": lambda: User.objects.update(is_active=False),
    "for another resource": lambda: AccessToken.objects.update(resource=["https://other.test"]),
    "its user is denied": lambda: Denial.objects.create(kind="user", value=fixtures.ANA),
    "its organization is": lambda: Denial.objects.create(kind="organization", value=fixtures.ACME),
}


@pytest.mark.parametrize("end", ENDS_OF_A_TOKEN)
def test_the_stream_ends_when_its_token_isnt_good_any_more(open_stream, sign_in, end, monkeypatch):
    monkeypatch.setattr(keeper, "EXPIRY_GRACE", 0.0)
    token = sign_in("/sse").tokens["access_token"]
    with open_stream(token) as stream:
        stream.initialize()
        ENDS_OF_A_TOKEN[end]()
        started = time.monotonic()
        stream.read_to_the_end()
        assert time.monotonic() - started < SOON


def test_a_client_that_refreshes_in_time_keeps_its_stream(open_stream, sign_in):
    """It learns from a 401 to its POST that its token has expired."""
    client = sign_in("/sse")
    with open_stream(client.tokens["access_token"]) as stream:
        stream.initialize()
        AccessToken.objects.update(expires=timezone.now())
        assert stream.messages.request("tools/list").status_code == 401
        stream.messages.credential = client.refresh().json()["access_token"]
        assert stream.request("tools/list")["result"]["tools"]
        client.revoke(stream.messages.credential)
        stream.read_to_the_end()


ENDS_OF_A_KEY = {
    "it is denied": lambda key: Denial.objects.create(kind="api_key", value=Secret(key).checksum()),
    "its user is denied": lambda key: Denial.objects.create(kind="user", value=fixtures.ANA),
    "its organization is": lambda key: Denial.objects.create(
        kind="organization", value=fixtures.ACME
    ),
    "its user is inactive": lambda key: User.objects.create(
        username=fixtures.ANA, propelauth_user_id=fixtures.ANA, is_active=False
    ),
}


@pytest.mark.parametrize("end", ENDS_OF_A_KEY)
def test_the_stream_ends_when_a_brought_key_is_shut_out(open_stream, api_key, end):
    with open_stream(api_key) as stream:
        stream.initialize()
        ENDS_OF_A_KEY[end](api_key)
        started = time.monotonic()
        stream.read_to_the_end()
        assert time.monotonic() - started < SOON


def test_the_stream_ends_once_propelauth_says_no(open_stream, api_key, sandbox):
    with open_stream(api_key) as stream:
        stream.initialize()
        sandbox.backend(
            "DELETE", f"/end_user_api_keys/{api_key[:32]}", fixtures.BACKEND_API_KEY
        ).raise_for_status()
        own_credentials.verdicts.clear()  # as a minute later
        stream.read_to_the_end()


def test_streams_stay_open_while_propelauth_is_away(open_stream, api_key, sandbox, monkeypatch):
    """One question that isn't answered holds up nobody else's end."""
    monkeypatch.setattr(outbox, "PING_INTERVAL", 0.2)
    with open_stream(api_key) as stream:
        stream.initialize()
        sandbox.forget_requests()
        sandbox.fault("propelauth", "/api/*", "drop", times=None)
        own_credentials.verdicts.clear()
        wait_until(lambda: sandbox.requests("propelauth"))
        sandbox.clear_faults()
        assert not stream.request("ping").get("error")


# Pings, life and places -------------------------------------------------------------------------


def test_an_idle_stream_is_pinged(open_stream, api_key, monkeypatch):
    assert outbox.PING_INTERVAL == 15
    monkeypatch.setattr(outbox, "PING_INTERVAL", 0.2)
    with open_stream(api_key) as stream:
        for _ in range(3):
            stream.next_comment()
        stream.initialize()


@pytest.fixture
def quick_end(monkeypatch, settings):
    """In the last part of their life streams end as soon as nothing is under way."""
    monkeypatch.setattr(stream, "QUIET", 0.1)
    monkeypatch.setattr(stream, "JITTER", 0.0)
    return settings


def test_an_idle_stream_ends_before_its_life_does(open_stream, api_key, quick_end):
    quick_end.SSE_STREAM_LIFETIME = timedelta(seconds=8)
    with open_stream(api_key) as stream:
        began = time.monotonic()
        stream.initialize()
        stream.read_to_the_end()
        assert 5.5 < time.monotonic() - began < 8
    with open_stream(api_key) as stream:
        stream.initialize()


def test_a_call_under_way_is_answered_before_its_stream_ends(
    open_stream, api_key, quick_end, monkeypatch, sandbox
):
    monkeypatch.setattr(stream, "LAST_PART", 0.7)
    quick_end.SSE_STREAM_LIFETIME = timedelta(seconds=10)
    quick_end.WIV_TIMEOUT = timedelta(seconds=30)
    sandbox.fault("wiv", "/spaces", "delay", delay_seconds=4)
    with open_stream(api_key) as opened:
        opened.initialize()
        answer = opened.request("tools/call", {"name": "wiv_list_spaces", "arguments": {}})
        assert "FinOps" in str(answer)
        opened.read_to_the_end()


def test_a_stream_takes_nothing_new_before_its_end_but_answers_what_it_took(
    open_stream, api_key, quick_end, monkeypatch, sandbox
):
    """A client that calls without a pause would else be cut off in the middle of a call."""
    monkeypatch.setattr(stream, "LAST_PART", 0.7)
    quick_end.SSE_STREAM_LIFETIME = timedelta(seconds=10)
    quick_end.WIV_TIMEOUT = timedelta(seconds=30)
    sandbox.fault("wiv", "/spaces", "delay", delay_seconds=7)
    with open_stream(api_key) as opened:
        opened.initialize()
        params = {"name": "wiv_list_spaces", "arguments": {}}
        assert opened.messages.request("tools/call", params).status_code == 202
        notification = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}
        wait_until(lambda: opened.messages.post(json=notification).status_code == 404)
        assert "FinOps" in str(opened.next_message())
        opened.read_to_the_end()


def test_a_call_that_outlives_its_stream_is_answered_with_an_error(
    open_stream, api_key, quick_end, sandbox
):
    quick_end.SSE_STREAM_LIFETIME = timedelta(seconds=6)
    quick_end.WIV_TIMEOUT = timedelta(seconds=30)
    sandbox.fault("wiv", "/spaces", "hang")
    with open_stream(api_key) as opened:
        opened.initialize()
        answer = opened.request("tools/call", {"name": "wiv_list_spaces", "arguments": {}})
        assert answer["error"]["message"] == "Connection closed"
        opened.read_to_the_end()
    sandbox.clear_faults()


def test_a_life_without_limit(open_stream, api_key, quick_end, monkeypatch):
    quick_end.SSE_STREAM_LIFETIME = timedelta(0)
    monkeypatch.setattr(outbox, "PING_INTERVAL", 0.2)
    with open_stream(api_key) as opened:
        for _ in range(4):
            opened.next_comment()
        assert opened.request("ping")["result"] == {}


def test_one_person_has_so_many_streams_and_others_arent_touched(
    open_stream, http, api_key, make_key, settings
):
    settings.SSE_STREAMS_PER_USER = 2
    with ExitStack() as stack:
        opened = [stack.enter_context(open_stream(key)) for key in (api_key, make_key())]
        refused = http.get("/sse", headers={"X-API-Key": api_key})
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "10"
        assert "You have 2 streams open already" in refused.json()["error"]["message"]
        stack.enter_context(open_stream(make_key(fixtures.MAX, fixtures.MSP)))
        assert opened[0].request("ping")["result"] == {}
    with open_stream(api_key):
        pass


def test_a_worker_has_so_many_streams(open_stream, http, api_key, make_key, settings):
    settings.SSE_STREAMS_PER_WORKER = 1
    with open_stream(make_key(fixtures.MAX, fixtures.MSP)) as opened:
        refused = http.get("/sse", headers={"X-API-Key": api_key})
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "5"
        assert McpClient(http, api_key).tool_names()  # /mcp needs no stream
        assert opened.request("ping")["result"] == {}


def test_a_client_that_doesnt_read_loses_its_stream(http, server, api_key, monkeypatch):
    monkeypatch.setattr(outbox, "READING_PATIENCE", 0.5)
    address = urlsplit(server)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((address.hostname, address.port))
        head = f"GET /sse HTTP/1.1\r\nHost: {address.netloc}\r\nX-API-Key: {api_key}\r\n\r\n"
        connection.sendall(head.encode())
        received = b""
        while b"session_id" not in received:
            received += connection.recv(1024)
        path = received.partition(b"data: ")[2].splitlines()[0].decode()
        messages = McpClient(http, api_key, path=path)
        wait_until(lambda: messages.request("tools/list").status_code == 404, seconds=20)


def test_what_a_worker_left_that_died_is_cleaned_up(transactional_db):
    """Others do it within a minute; this is for when there are none."""
    an_hour_ago = timezone.now() - timedelta(hours=1)
    worker = StreamWorker.objects.create(id=uuid4(), seen_at=an_hour_ago)
    open_stream = OpenStream.objects.create(id=uuid4(), worker=worker, subject="somebody")
    StreamMessage.objects.create(stream=open_stream, sealed="sealed")
    call_command("run_due", verbosity=0)
    assert not StreamMessage.objects.filter(stream=open_stream).exists()
    assert not StreamWorker.objects.filter(pk=worker.pk).exists()


# Clients that come back -------------------------------------------------------------------------


def test_a_client_that_comes_back_may_go_on_without_a_handshake(open_stream, api_key):
    """As EventSource does: TypeScript SDK 1.x."""
    with open_stream(api_key) as opened:
        tools = opened.request("tools/list")["result"]["tools"]
        assert len(tools) == SHIPPED
        Tool.objects.filter(name="wiv_list_spaces").update(title="Changed")
        assert opened.next_message()["method"] == "notifications/tools/list_changed"


def test_a_client_is_told_when_to_come_back(open_stream, api_key):
    with open_stream(api_key) as opened:
        assert 250 <= opened.retry_ms <= 1000


def test_a_call_has_the_id_that_its_post_was_answered_with(open_stream, api_key, sandbox):
    call = {"name": "wiv_list_workflows", "arguments": {}}
    with open_stream(api_key) as stream:
        accepted = stream.messages.request("tools/call", call)
        assert stream.next_message()["id"] == 1
    [sent] = sandbox.requests("wiv")
    assert sent["headers"]["x-request-id"] == accepted.headers["x-request-id"]
