"""What is refused, and how, before a tool is reached."""

import gzip

import httpx2
import pytest

from tests.mcp_gateway.json_rpc import TOOLS_LIST, McpClient, modern_headers

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
METADATA = "/.well-known/oauth-protected-resource"


def challenge(response: httpx2.Response) -> str:
    assert response.status_code == 401
    header: str = response.headers["www-authenticate"]
    return header


# Who is calling --------------------------------------------------------------------------------


@pytest.mark.requirement("RFC 9728 §5.1; MCP 2026-07-28 Authorization")
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
@pytest.mark.parametrize(
    ("path", "metadata"),
    [
        ("/mcp", "/mcp"),
        ("/mcp/", "/mcp/"),
        ("/sse", "/sse"),
        ("/messages/", "/sse"),
        ("/messages", "/sse"),
    ],
)
def test_without_a_token_every_method_is_pointed_at_the_metadata(
    http, server, method, path, metadata
):
    response = http.request(method, path)
    assert challenge(response) == (
        f'Bearer resource_metadata="{server}{METADATA}{metadata}", scope="wiv:read wiv:write"'
    )
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.requirement("RFC 9728 §3.3")
@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/sse"])
def test_the_metadata_names_the_url_as_the_client_typed_it(http, server, path):
    url = challenge(http.post(path)).partition('resource_metadata="')[2].partition('"')[0]
    assert http.get(url).json()["resource"] == f"{server}{path}"


@pytest.mark.requirement("RFC 6750 §3.1")
def test_an_unknown_token_is_told_so(http):
    response = http.post("/mcp", headers={"Authorization": "Bearer nobody-knows-this"})
    assert 'error="invalid_token"' in challenge(response)
    assert response.json()["error"] == "invalid_token"


@pytest.mark.parametrize("value", ["Basic dXNlcjpwYXNz", "Bearer", "0123456789"])
def test_what_is_no_bearer_token_is_no_credential(http, value):
    assert "error=" not in challenge(http.post("/mcp", headers={"Authorization": value}))


def test_a_token_with_impossible_characters_is_not_looked_up(http, sandbox):
    sandbox.forget_requests()
    response = http.post("/mcp", headers={"Authorization": 'Bearer a"b c'})
    assert 'error="invalid_token"' in challenge(response)
    assert sandbox.requests("propelauth") == []


@pytest.mark.requirement("RFC 8707 §2")
def test_a_token_for_sse_is_refused_at_mcp(http, sign_in):
    token = sign_in("/sse").tokens["access_token"]
    assert 'error="invalid_token"' in challenge(McpClient(http, token).request("tools/list"))
    assert McpClient(http, token, path="/messages/").request("ping").status_code == 400


def test_an_api_key_may_come_in_its_own_header(http, api_key):
    headers = {"X-API-Key": api_key, "Accept": "*/*"}
    assert http.post("/mcp", headers=headers, json=TOOLS_LIST).status_code == 200


def test_the_same_key_in_both_headers_is_fine(mcp):
    headers = {"X-API-Key": mcp.credential}
    assert mcp.post(headers=headers, json=TOOLS_LIST).status_code == 200


@pytest.mark.requirement("RFC 6750 §2")
def test_two_different_credentials_are_refused(mcp):
    response = mcp.post(headers={"X-API-Key": "another"}, json=TOOLS_LIST)
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"
    assert 'error="invalid_request"' in response.headers["www-authenticate"]


def test_a_browser_gets_a_page_that_leads_to_connect(http, server):
    response = http.get("/mcp", headers={"Accept": BROWSER})
    assert "resource_metadata=" in challenge(response)
    assert response.headers["content-type"].startswith("text/html")
    assert f'href="{server}/connect"' in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize(
    "accept", ["*/*", "", "application/json, text/html", "text/html;q=0.1, */*", "text/html;q=x"]
)
def test_everybody_else_gets_json(http, accept):
    assert http.get("/mcp", headers={"Accept": accept}).json()["error"] == "invalid_token"


def test_a_key_that_can_not_be_checked_is_not_called_invalid(http, sandbox):
    sandbox.fault("propelauth", "*", "status", status=500, times=None)
    response = McpClient(http, "a" * 96).request("tools/list")
    assert response.status_code == 503
    assert response.headers["retry-after"]


# Methods and paths -----------------------------------------------------------------------------


@pytest.mark.requirement("MCP 2026-07-28 Streamable HTTP")
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT", "PATCH"])
def test_once_known_only_post_is_served_on_mcp(http, api_key, method):
    response = http.request(method, "/mcp", headers={"Authorization": f"Bearer {api_key}"})
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


def test_sse_is_opened_with_get_only(mcp):
    mcp.path = "/sse"
    response = mcp.request("ping")
    assert response.status_code == 405
    assert response.headers["allow"] == "GET"


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
def test_both_spellings_are_served_without_a_redirect(mcp, path):
    mcp.path = path
    assert mcp.request("tools/list").status_code == 200


def test_everything_else_is_djangos(http):
    assert http.get("/healthz").json() == {"status": "ok"}


# Host, Origin, CORS ----------------------------------------------------------------------------


@pytest.mark.requirement("MCP 2026-07-28 Security Warning")
@pytest.mark.parametrize("host", ["evil.test", "evil.test:8000", "127.0.0.1.evil.test", ""])
def test_another_host_is_misdirected(http, host):
    assert http.post("/mcp", headers={"Host": host}).status_code == 421


def test_the_port_may_be_the_proxys(http):
    assert http.post("/mcp", headers={"Host": "127.0.0.1"}).status_code == 401


@pytest.mark.requirement("MCP 2026-07-28 Security Warning")
@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://127.0.0.1", ""])
def test_a_foreign_web_page_is_refused_before_its_token_is_looked_at(http, origin):
    response = http.post("/mcp", headers={"Origin": origin})
    assert response.status_code == 403
    assert response.json()["error"]["code"] == -32600
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("origin", ["http://localhost:6274", None])
def test_an_allowed_page_may_read_answer_and_challenge(http, server, origin):
    origin = origin or server
    response = http.post("/mcp", headers={"Origin": origin})
    challenge(response)
    assert response.headers["access-control-allow-origin"] == origin
    assert "www-authenticate" in response.headers["access-control-expose-headers"]
    assert "Origin" in response.headers["vary"]


@pytest.mark.parametrize(("path", "method"), [("/mcp", "POST"), ("/sse", "GET")])
def test_a_preflight_needs_no_token(http, path, method):
    headers = {"Origin": "http://localhost:6274", "Access-Control-Request-Method": method}
    response = http.options(path, headers=headers)
    assert response.status_code == 204
    assert method in response.headers["access-control-allow-methods"]
    allowed = response.headers["access-control-allow-headers"]
    for name in ("authorization", "x-api-key", "mcp-protocol-version", "mcp-method", "mcp-name"):
        assert name in allowed


# Sizes and bodies ------------------------------------------------------------------------------


def test_a_declared_body_that_is_too_large_is_refused(mcp, settings):
    response = mcp.post(content=b" " * (settings.MCP_MAX_BODY_BYTES + 1), headers=JSON)
    assert response.status_code == 413


def test_a_streamed_body_that_is_too_large_is_refused(mcp, settings):
    chunks = (b" " * 65536 for _ in range(settings.MCP_MAX_BODY_BYTES // 65536 + 2))
    assert mcp.post(content=chunks, headers=JSON).status_code == 413


def test_headers_that_are_too_large_are_refused(http, settings):
    headers = {"X-Padding": "x" * settings.MCP_MAX_HEADER_BYTES}
    assert http.post("/mcp", headers=headers).status_code == 431


@pytest.mark.requirement("RFC 9110 §15.5.16")
@pytest.mark.parametrize("path", ["/mcp", "/messages/?session_id=00"])
def test_a_compressed_message_is_refused(mcp, path):
    mcp.path = path
    body = gzip.compress(b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}')
    answer = mcp.post(content=body, headers=JSON | {"Content-Encoding": "gzip"})
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "identity"
    assert "without Content-Encoding" in answer.json()["error"]["message"]


def nested(levels: int) -> bytes:
    """A ping with so many levels, its own two included."""
    inner = b"[" * (levels - 2) + b"]" * (levels - 2)
    return b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"a": ' + inner + b"}}"


def test_a_message_may_be_nested_so_deep(mcp):
    assert mcp.post(content=nested(64), headers=JSON).status_code == 200
    for levels in (65, 150, 5_000):
        answer = mcp.post(content=nested(levels), headers=JSON)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32700)
        assert "deeper than 64 levels" in answer.json()["error"]["message"]


def test_brackets_in_a_text_are_no_levels(mcp):
    assert mcp.request("ping", {"_meta": {"a": "[{" * 1000}}).status_code == 200


@pytest.mark.requirement("RFC 8259 §4, §6")
@pytest.mark.parametrize("version", [{}, modern_headers("ping")])
@pytest.mark.parametrize(
    ("member", "why"),
    [
        (b'"a": 1, "a": 2', "twice"),
        (b'"a": 1, "\\u0061": 2', "twice"),
        (b'"a": NaN', "NaN, which isn't JSON"),
        (b'"a": -Infinity', "-Infinity, which"),
        (b'"a": 1e999', "too large"),
        (b'"a": ' + b"9" * 5000, "isn't JSON"),
        (b'"a": "\xff"', "isn't JSON"),
        (b'"a": "\xed\xa0\x80"', "isn't JSON"),
        (b'"a": "\\ud800"', "half of a character"),
        (b'"\\uDFFF": 1', "half of a character"),
        (b'"a": "\x00"', "isn't JSON"),
    ],
)
def test_what_parsers_take_differently_goes_no_further(mcp, version, member, why):
    body = b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {' + member + b"}}"
    answer = mcp.post(content=body, headers=JSON | version)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == -32700
    assert why in answer.json()["error"]["message"]


def test_a_method_that_is_there_twice_is_neither(mcp):
    """Which of them is checked must not be a question."""
    call = b'{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{}}'
    assert mcp.post(content=call, headers=JSON).status_code == 400


@pytest.mark.parametrize("version", [{}, modern_headers("tools/call", "wiv_list_spaces")])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b'{"a": "\\ud800"}', -32700),
        (b"[" * 100_000, -32700),
        (b"[]", -32600),
        (b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', -32600),
        (b'"tools/list"', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": "hunter2"}', -32600),
    ],
)
def test_a_body_that_is_no_message_is_told_so_and_not_repeated(mcp, version, body, code):
    response = mcp.post(content=body, headers=JSON | version)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == code
    assert response.json()["id"] is None
    assert "hunter2" not in response.text


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_is_not_declared_as_json_is_refused(mcp, content_type):
    response = mcp.post(content=b"{}", headers={"Content-Type": content_type})
    assert response.status_code == 415


JSON = {"Content-Type": "application/json"}
