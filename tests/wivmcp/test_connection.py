"""What a client may do to its connection, at a real uvicorn: the process that is served."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest

from mcp_gateway.call_log.models import CallLogEntry
from oauth_bridge.models import SecurityEvent
from tests.mcp_gateway.event_stream import open_stream
from tests.mcp_gateway.json_rpc import McpClient
from tests.mcp_gateway.test_tools import wait_until
from tests.wivmcp.raw_client import RawClient, raw_client
from wivmcp.connection import MAX_UNFINISHED_BYTES

__all__ = ["open_stream"]  # a fixture

GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /token HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CALL = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wiv_list_spaces"}}'
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def post_to_mcp(api_key: str, body: bytes, *headers: str) -> bytes:
    lines = (
        "POST /mcp HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {api_key}",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        f"Content-Length: {len(body)}",
        *headers,
    )
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


@pytest.fixture
def raw(server: str) -> Iterator[RawClient]:
    with raw_client(server) as client:
        yield client


@pytest.fixture
def api_key(make_key) -> str:
    key: str = make_key()
    return key


@pytest.fixture
def impatient(settings) -> None:
    settings.SLOW_CLIENT_TIMEOUT = timedelta(seconds=0.5)


# Size -------------------------------------------------------------------------------------------


@pytest.mark.requirement("RFC 6585 §5")
@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (GET + b"X-Padding: ", b"x" * 5000),
        (GET, b"x: y\r\n" * 800),
        (b"GET /", b"x" * 5000),
        (b"", b"\r\n" * 2500),
    ],
    ids=["value", "number", "line", "nothing"],
)
def test_a_head_without_end_is_refused_while_it_comes_in(raw, start, piece):
    raw.send(start)
    raw.drip(piece)
    assert raw.status() == 431


def test_one_header_without_end_costs_no_more_than_the_limit(raw):
    raw.send(GET + b"X-Padding: " + b"x" * MAX_UNFINISHED_BYTES + b"xx")
    assert raw.status() == 431


def test_headers_within_the_limit_are_taken_in_any_pieces(raw):
    head = GET + b"X-Padding: " + b"x" * 20_000 + b"\r\nConnection: close\r\n\r\n"
    for start in range(0, len(head), 333):
        raw.send(head[start : start + 333])
    assert raw.status() == 200


@pytest.mark.parametrize("start", [b"2;", b"2\r\nhi\r\n0\r\nX-Trailer: "], ids=["before", "after"])
def test_what_surrounds_a_chunk_has_an_end_too(raw, start):
    raw.send(CHUNKED + start)
    raw.drip(b"x" * 5000)
    assert raw.is_closed_within(0)


def test_a_body_in_tiny_chunks_is_taken(raw):
    """Of which there are more than of the body: what is counted begins anew with each."""
    raw.send(CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    raw.send(b"1;an=extension\r\nx\r\n" * 10_000 + b"0\r\n\r\n")
    assert raw.status() == 400  # /token can't read it


# Trailers ---------------------------------------------------------------------------------------


@pytest.mark.requirement("RFC 9110 §6.5.1")
def test_a_credential_after_the_body_is_none(raw, api_key):
    raw.send(
        b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\n{}\r\n0\r\nAuthorization: Bearer " + api_key.encode() + b"\r\n\r\n"
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )
    assert raw.status() == 401


@pytest.mark.requirement("RFC 9110 §6.5.1; RFC 7239 §8.1")
def test_an_address_after_the_body_isnt_the_proxys(raw, settings):
    """It would stand behind the one that the proxy wrote, which is the one that counts."""
    settings.TRUSTED_PROXY_COUNT = 1
    raw.send(
        b"POST /register HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
        b"X-Forwarded-For: 203.0.113.9\r\nConnection: close\r\n\r\n"
        b"2\r\n{}\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
    )
    assert raw.status() == 400
    assert SecurityEvent.objects.get().address == "203.0.113.9"


# Time -------------------------------------------------------------------------------------------


@pytest.mark.requirement("RFC 9110 §15.5.9")
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("start", "piece"),
    [(b"GET /", b"x"), (GET, b"a: b\r\n"), (GET + b"X-Padding: ", b"x"), (b"\r\n", b"\r\n")],
)
def test_headers_that_drip_are_given_up(raw, start, piece):
    raw.send(start)
    raw.drip(piece)
    assert raw.status() == 408


@pytest.mark.usefixtures("impatient")
def test_a_connection_without_a_request_is_closed(raw):
    assert raw.read() == b""


@pytest.mark.requirement("RFC 9110 §15.5.9")
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("path", ["/token", "/register", "/connect/sign-in", "/admin/login/"])
@pytest.mark.parametrize("framing", [b"Content-Length: 5000", b"Transfer-Encoding: chunked"])
def test_a_body_that_drips_is_given_up(raw, path, framing):
    raw.send(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode() + framing + b"\r\n\r\n")
    raw.drip(b"1\r\nx\r\n" if framing.endswith(b"chunked") else b"x")
    assert raw.status() == 408


@pytest.mark.requirement("RFC 9110 §15.5.9")
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("path", ["/mcp", "/messages/?session_id=00"])
def test_a_message_that_drips_is_given_up(raw, api_key, path):
    raw.send(
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {api_key}\r\n"
        "Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n".encode()
    )
    raw.drip(b"x")
    answer = raw.read()
    assert b" 408 " in answer
    assert b'"jsonrpc":"2.0"' in answer


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("path", ["/mcp", "/healthz"])
def test_who_was_answered_can_not_go_on_dripping(raw, path):
    """Nobody reads the rest of a body that was refused, or needed no look."""
    raw.send(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n\r\n".encode())
    raw.drip(b"x")
    assert b" 401 " in raw.read() or path == "/healthz"


@pytest.mark.usefixtures("impatient")
def test_a_call_may_take_longer_than_its_client(http, api_key, sandbox):
    sandbox.fault("wiv", "*", "delay", delay_seconds=1)
    assert not McpClient(http, api_key).call("wiv_list_spaces").get("isError")


@pytest.mark.usefixtures("impatient")
def test_the_next_request_begins_its_own_time(server):
    with raw_client(server) as raw:
        for last in (b"", b"", b"Connection: close\r\n"):
            assert not raw.is_closed_within(0.3)
            raw.send(GET + last + b"\r\n")
        assert raw.read().count(b" 200 ") == 3


@pytest.mark.usefixtures("impatient")
def test_an_answer_that_nobody_reads_is_given_up(server, api_key, sandbox, settings):
    """Long ones, of which the buffers in between hold a few."""
    settings.ANSWER_MAX_BYTES = 4 * 1024 * 1024
    rows = {"data": [{"name": "x" * 1000}] * 1500}
    sandbox.fault("wiv", "*", "status", status=200, body=rows, times=None)
    with raw_client(server, receive_buffer=2048) as raw:
        raw.send(post_to_mcp(api_key, CALL) * 10)
        raw.drip(GET + b"\r\n")  # as the end isn't seen by who doesn't read


# Number -----------------------------------------------------------------------------------------


def test_with_as_many_connections_as_may_be_others_are_told_to_wait(server, settings):
    settings.MAX_CONNECTIONS = 12
    with ExitStack() as stack:
        clients = [stack.enter_context(raw_client(server)) for _ in range(20)]
        clients[-1].send(GET + b"\r\n")
        answer = clients[-1].read()
    assert b" 503 " in answer
    assert b"retry-after: 5" in answer.lower()


def test_afterwards_everybody_is_served(server, settings, http):
    with ExitStack() as stack:
        settings.MAX_CONNECTIONS = 1
        for _ in range(5):
            stack.enter_context(raw_client(server))
    settings.MAX_CONNECTIONS = 100
    assert http.get("/healthz").status_code == 200


def test_a_pipeline_is_answered_in_order(raw):
    raw.send(GET + b"\r\n" + POST + b"Content-Length: 2\r\n\r\nhi")
    raw.send(GET + b"Connection: close\r\n\r\n")
    answers = raw.read().split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200", b"400", b"200"]


@pytest.mark.usefixtures("impatient")
def test_a_request_that_drips_behind_another_leaves_that_ones_answer_whole(
    server, api_key, sandbox
):
    sandbox.fault("wiv", "*", "delay", delay_seconds=1)
    with raw_client(server) as raw:
        raw.send(post_to_mcp(api_key, CALL) + GET)
        answer = raw.read()
    assert answer.count(b"HTTP/1.1") == 1
    assert b" 200 " in answer
    assert b'"result"' in answer


@pytest.mark.requirement("MCP 2026-07-28 Streamable HTTP, Cancellation")
def test_a_client_that_sent_more_and_hung_up_is_gone_all_the_same(server, api_key, sandbox):
    sandbox.fault("wiv", "*", "delay", delay_seconds=20)
    meta = "io.modelcontextprotocol/"
    body = CALL.replace(
        b'spaces"',
        f'spaces","_meta":{{"{meta}protocolVersion":"2026-07-28",'
        f'"{meta}clientCapabilities":{{}}}}'.encode(),
    )
    version = "MCP-Protocol-Version: 2026-07-28"
    names = (version, "Mcp-Method: tools/call", "Mcp-Name: wiv_list_spaces")
    with raw_client(server) as raw:
        raw.send(post_to_mcp(api_key, body, *names) + GET + b"\r\n")
        wait_until(lambda: sandbox.requests("wiv"))
    wait_until(lambda: CallLogEntry.objects.filter(outcome="cancelled").exists())


def test_a_stream_lives_longer_than_a_request(server, open_stream, settings, api_key):
    settings.SLOW_CLIENT_TIMEOUT = timedelta(seconds=0.3)
    with open_stream(api_key) as stream:
        stream.initialize()
        with raw_client(server) as raw:
            assert raw.is_closed_within(5)  # so the time has passed for who sends nothing
        assert stream.request("tools/list")["result"]["tools"]
