"""Whatever is posted to the MCP endpoints, it is answered in the protocol's own form."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.examples import as_long_as_it_takes, fuzz
from tests.fuzz.target import Answer, Header, Target
from tests.fuzz.values import encoded, header_values, spoiled, texts, url_bytes, values
from tests.mcp_gateway.event_stream import INITIALIZE, EventStream
from tests.mcp_gateway.json_rpc import MODERN_META

pytestmark = as_long_as_it_takes

TOOLS = ("wiv_list_spaces", "wiv_get_workflow", "wiv_start_execution", "wiv_list_cases")
PARAMS: dict[str, dict[str, Any]] = {
    "initialize": INITIALIZE,
    "ping": {},
    "server/discover": {},
    "tools/list": {"cursor": "eyJvIjogMX0"},
    "tools/call": {"name": TOOLS[0], "arguments": {"workflow_id": "wf_7f3a", "limit": 5}},
    "resources/list": {},
    "resources/read": {"uri": "file:///etc/passwd"},
    "prompts/get": {"name": "x", "arguments": {"a": "b"}},
    "completion/complete": {
        "ref": {"type": "ref/prompt", "name": "x"},
        "argument": {"name": "a", "value": "b"},
    },
    "logging/setLevel": {"level": "debug"},
    "subscriptions/listen": {"notifications": {"toolsListChanged": True}},
    "notifications/initialized": {},
    "notifications/cancelled": {"requestId": 1, "reason": "x"},
    "notifications/progress": {"progressToken": 1, "progress": 0.5},
    "$/unknown": {},
}
VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28", "2099-01-01", "")
PATHS = (b"/mcp", b"/mcp/", b"/mcp/readonly", b"/mcp/x/cases", b"/messages/", b"/messages")


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    """A good one of either era."""
    method = draw(st.sampled_from(sorted(PARAMS)))
    params = dict(PARAMS[method])
    if method == "tools/call":
        params["name"] = draw(st.sampled_from(TOOLS))
    if draw(st.booleans()):
        params["_meta"] = {**MODERN_META, "progressToken": draw(st.integers() | texts)}
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
    if not method.startswith("notifications/"):
        message["id"] = draw(st.integers() | texts)
    return message


bodies = encoded(spoiled(messages()) | spoiled(messages()) | messages() | values)


@st.composite
def headers(draw: st.DrawFn) -> list[Header]:
    """Good ones mostly; those of the newer era match the body only by chance."""
    usual = {
        b"Content-Type": b"application/json",
        b"Accept": b"application/json, text/event-stream",
    }
    version = draw(st.sampled_from(VERSIONS))
    if version:
        usual[b"MCP-Protocol-Version"] = version.encode()
        usual[b"Mcp-Method"] = draw(st.sampled_from(sorted(PARAMS))).encode()
        usual[b"Mcp-Name"] = draw(st.sampled_from(TOOLS)).encode()
    others = st.sampled_from(
        [
            *(b"Content-Type", b"Accept", b"MCP-Protocol-Version", b"Mcp-Method", b"Mcp-Name"),
            *(b"Mcp-Session-Id", b"Last-Event-ID", b"Mcp-Param-Limit", b"Origin", b"User-Agent"),
            *(b"X-Forwarded-For", b"Cookie", b"Content-Encoding", b"Accept-Encoding", b"Expect"),
        ]
    )
    odd = draw(st.lists(st.tuples(others, header_values), max_size=2))
    return [*usual.items(), *odd]


def credential(api_key: str) -> list[Header]:
    return [(b"Authorization", b"Bearer " + api_key.encode())]


def assert_in_the_protocols_form(answer: Answer, body: bytes) -> None:
    """JSON-RPC 2.0 section 5, or an OAuth error where the credential is at fault."""
    if answer.status in (202, 204):
        assert answer.body == b""
        return
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        return
    assert answer.headers.get("content-type", "").startswith("application/json"), answer.text
    told = json.loads(answer.body, parse_constant=pytest.fail)
    if isinstance(told.get("error"), str):
        assert answer.status in (400, 401, 403)
        return
    assert told["jsonrpc"] == "2.0"
    assert ("result" in told) != ("error" in told)
    if "error" in told:
        assert isinstance(told["error"]["code"], int)
        assert isinstance(told["error"]["message"], str)
    else:
        assert answer.status == 200
        assert told["id"] == json.loads(body)["id"]


@fuzz
@given(path=st.sampled_from(PATHS), headers=headers(), body=bodies)
def test_a_message_is_answered_as_one(target: Target, api_key, path, headers, body):
    answer = target.send(b"POST", path, [*headers, *credential(api_key)], body)
    if not path.startswith(b"/messages"):
        assert_in_the_protocols_form(answer, body)


@fuzz
@given(
    method=st.sampled_from([b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE"]),
    path=st.sampled_from([*PATHS, b"/sse"]),
    odd=url_bytes,
    headers=headers(),
)
def test_another_method_or_path_is_answered(target: Target, method, path, odd, headers):
    """Without a credential: a stream that is opened has no end."""
    target.send(method, path + odd.replace(b"?", b"", 1), headers)
    target.send(method, path + b"?" + odd, headers)


@fuzz
@given(
    value=header_values, scheme=st.sampled_from([b"Bearer ", b"Basic ", b"bearer", b"", b"DPoP "])
)
def test_a_made_up_credential_is_refused(target: Target, value, scheme):
    for name, sent in ((b"Authorization", scheme + value), (b"X-API-Key", value)):
        answer = target.send(b"POST", b"/mcp", [(name, sent)], b"{}")
        assert answer.status in (400, 401, 429)


# Calls --------------------------------------------------------------------------------------------


@st.composite
def tool_calls(draw: st.DrawFn, schemas: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Arguments of the right names and of any value."""
    name = draw(st.sampled_from(sorted(schemas)))
    names = st.sampled_from([*schemas[name].get("properties", {"a": {}}), "_wiv_api_key"])
    arguments = draw(st.dictionaries(names | texts, values, max_size=5))
    return {"name": draw(st.just(name) | st.just(name) | texts), "arguments": arguments}


@pytest.fixture(scope="module")
def schemas(target: Target, api_key: str) -> dict[str, dict[str, Any]]:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    usual = [(b"Content-Type", b"application/json"), (b"Accept", b"*/*")]
    answer = target.send(b"POST", b"/mcp", [*usual, *credential(api_key)], body)
    return {tool["name"]: tool["inputSchema"] for tool in answer.json()["result"]["tools"]}


@fuzz
@given(data=st.data())
def test_a_call_with_any_arguments_has_a_result_or_an_error(target, api_key, schemas, data):
    call = data.draw(tool_calls(schemas))
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    body = json.dumps(message).encode()
    usual = [(b"Content-Type", b"application/json"), (b"Accept", b"*/*")]
    answer = target.send(b"POST", b"/mcp", [*usual, *credential(api_key)], body)
    assert_in_the_protocols_form(answer, body)
    if b"failed to handle this call" in answer.body:
        pytest.fail(f"nobody expected that: {call}")


# HTTP+SSE -----------------------------------------------------------------------------------------


@pytest.fixture
def stream(target: Target, api_key: str) -> Iterator[EventStream]:
    with httpx2.Client(base_url=target.deployment.url, timeout=30) as http:
        headers = {"Authorization": f"Bearer {api_key}"}
        with http.stream("GET", "/sse", headers=headers) as response:
            yield EventStream(http, api_key, response)


def test_a_stream_goes_on_whatever_is_posted_to_it(target: Target, api_key, stream):
    """Nothing is answered twice, nothing in another form, and the next one is answered as ever."""
    stream.initialize()
    path = stream.messages.path.encode()
    number = 0

    @fuzz
    @given(headers=headers(), body=bodies)
    def post(headers: list[Header], body: bytes) -> None:
        nonlocal number
        number += 1
        answer = target.send(b"POST", path, [*headers, *credential(api_key)], body)
        assert answer.status < 500
        marker = f"marker {number}"
        ping = {"jsonrpc": "2.0", "id": marker, "method": "ping"}
        assert stream.messages.post(json=ping).status_code == 202
        deadline = time.monotonic() + 20
        while (message := stream.next_message()).get("id") != marker:
            assert message["jsonrpc"] == "2.0"
            assert time.monotonic() < deadline
        assert message["result"] == {}

    post()
