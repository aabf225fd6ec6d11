"""How many requests one principal may have under way."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from sandbox import fixtures
from tests.mcp_gateway.json_rpc import MODERN_META, McpClient, modern_headers
from tests.mcp_gateway.test_tools import wait_until
from wivmcp.asgi import gateway


@pytest.fixture(autouse=True)
def two_at_once(settings):
    settings.CONCURRENT_REQUESTS = 2


@pytest.fixture
def hanging(mcp, sandbox):
    """Two calls that Wiv takes a second for."""
    mcp.request("tools/list")  # PropelAuth is asked about the key once
    sandbox.fault("wiv", "*", "delay", delay_seconds=1, times=2)
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(mcp.call, "wiv_list_spaces") for _ in range(2)]
        wait_until(lambda: len(sandbox.requests("wiv")) == 2)
        yield calls


def test_one_more_is_told_to_wait_and_then_served(mcp, hanging):
    answer = mcp.request("tools/list")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["error"]["code"] == -32600
    assert "At most 2 requests at once" in answer.json()["error"]["message"]
    assert not any(call.result().get("isError") for call in hanging)
    assert mcp.request("tools/list").status_code == 200


def test_another_key_of_the_same_person_is_no_way_round(http, make_key, hanging):
    assert McpClient(http, make_key()).request("tools/list").status_code == 429


def test_nobody_else_is_touched(http, make_key, hanging):
    other = make_key(fixtures.MAX, fixtures.CONTOSO)
    assert McpClient(http, other).request("tools/list").status_code == 200


def test_a_stream_takes_no_place_and_a_message_to_it_does(mcp, open_stream, hanging):
    with open_stream(mcp.credential) as stream:
        assert stream.messages.request("ping").status_code == 429
        [call.result() for call in hanging]
        assert stream.messages.request("ping").status_code == 202


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"jsonrpc": "2.0", "id": 1, "method": "nothing"}'])
def test_what_is_refused_gives_its_place_back(mcp, body):
    for _ in range(4):
        answer = mcp.post(content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code != 429


def test_a_call_that_fails_gives_its_place_back(mcp, sandbox):
    sandbox.fault("wiv", "*", "status", status=500, times=None)
    for _ in range(4):
        assert mcp.request("tools/call", {"name": "wiv_list_spaces"}).status_code == 200


def test_a_client_that_hangs_up_gives_its_place_back(mcp, server, sandbox):
    sandbox.fault("wiv", "*", "delay", delay_seconds=60, times=None)
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    body["params"] = {"name": "wiv_list_spaces", "arguments": {}, "_meta": MODERN_META}
    for _ in range(4):
        with httpx2.Client(base_url=server, timeout=0.3) as impatient:
            client = McpClient(impatient, mcp.credential)
            with pytest.raises(httpx2.ReadTimeout):
                client.post(json=body, headers=modern_headers("tools/call", "wiv_list_spaces"))
        wait_until(lambda: gateway.run and len(gateway.run.in_flight) == 0)


def test_zero_is_no_limit(mcp, settings, hanging):
    settings.CONCURRENT_REQUESTS = 0
    assert mcp.request("tools/list").status_code == 200
