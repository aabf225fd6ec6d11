"""Do clients find us by every road they try, and may web pages read no more than they need?"""

import httpx2
import pytest

from oauth_bridge.models import AccessToken, Grant
from tests.mcp_gateway.json_rpc import McpClient

AUTHORIZATION_SERVER = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
RESOURCE = "/.well-known/oauth-protected-resource"
LISTED = "http://localhost:6274"  # ALLOWED_ORIGINS of the tests' settings
UNLISTED = (
    "https://evil.example",
    "http://localhost:6274.evil.example",
    "https://localhost:6274",
    "http://localhost",
    "null",
)
OURS = (
    AUTHORIZATION_SERVER,
    f"{AUTHORIZATION_SERVER}/mcp",
    f"{AUTHORIZATION_SERVER}/mcp/",
    f"{AUTHORIZATION_SERVER}/sse",
    f"{AUTHORIZATION_SERVER}/sse/",
    OPENID,
    f"{OPENID}/mcp",
    f"{OPENID}/mcp/",
    f"{OPENID}/sse",
    f"{OPENID}/sse/",
    f"/mcp{OPENID}",
    f"/sse{OPENID}",
)
RESOURCES = {
    RESOURCE: "/mcp",
    f"{RESOURCE}/mcp": "/mcp",
    f"{RESOURCE}/mcp/": "/mcp/",
    f"{RESOURCE}/sse": "/sse",
    f"{RESOURCE}/sse/": "/sse/",
    f"/mcp{RESOURCE}": "/mcp",
    f"/sse{RESOURCE}": "/sse",
}
LIES = (
    {"X-Forwarded-Host": "evil.example"},
    {"X-Forwarded-Proto": "https"},
    {"X-Forwarded-Proto": "http", "X-Forwarded-Port": "8443"},
    {"X-Forwarded-Prefix": "/evil", "X-Script-Name": "/evil", "X-Original-URL": "/evil"},
    {"Forwarded": 'for=1.2.3.4;host="evil.example";proto=https'},
    {"Host": "127.0.0.1"},
    {"Host": "127.0.0.1:1"},
)


def cors(answer: httpx2.Response) -> dict[str, str]:
    names = [name for name in answer.headers if name.startswith("access-control-")]
    return {name: answer.headers[name] for name in names}


def preflight(http: httpx2.Client, path: str, origin: str, method: str = "POST") -> httpx2.Response:
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "x"}
    return http.options(path, headers={"Origin": origin, **asked})


# Metadata --------------------------------------------------------------------------------------


@pytest.mark.requirement("RFC 8414 §3, §5; MCP 2026-07-28 Authorization Server Metadata Discovery")
@pytest.mark.parametrize("path", OURS)
def test_the_same_metadata_is_wherever_a_client_looks_for_it(http, path):
    answer = http.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert "max-age=" in answer.headers["cache-control"]
    assert answer.content == http.get(AUTHORIZATION_SERVER).content


@pytest.mark.requirement("RFC 9728 §3, §3.3")
@pytest.mark.parametrize(("path", "resource"), RESOURCES.items())
def test_each_resource_is_described_under_the_url_a_client_has(http, server, path, resource):
    answer = http.get(path)
    assert answer.headers["content-type"] == "application/json"
    assert "max-age=" in answer.headers["cache-control"]
    assert answer.json()["resource"] == server + resource
    assert answer.json()["authorization_servers"] == [server]


@pytest.mark.requirement("RFC 9110 §9.3.2")
@pytest.mark.parametrize("path", [AUTHORIZATION_SERVER, f"{RESOURCE}/mcp"])
def test_metadata_has_a_head_too(http, path):
    answer = http.head(path)
    assert answer.status_code == 200
    assert answer.headers["content-length"] == str(len(http.get(path).content))


@pytest.mark.requirement("RFC 8414 §3.3: the issuer never follows the request")
@pytest.mark.parametrize("lie", LIES, ids=lambda lie: " ".join(f"{k}={v}" for k, v in lie.items()))
def test_what_a_request_says_of_its_host_changes_no_byte(http, server, settings, lie):
    settings.TRUSTED_PROXY_COUNT = 1
    for path in (AUTHORIZATION_SERVER, f"{RESOURCE}/mcp", f"{RESOURCE}/sse"):
        assert http.get(path, headers=lie).content == http.get(path).content
    assert http.get(AUTHORIZATION_SERVER, headers=lie).json()["issuer"] == server
    challenge = http.post("/mcp", headers=lie).headers["www-authenticate"]
    assert f'resource_metadata="{server}{RESOURCE}/mcp"' in challenge


@pytest.mark.requirement("RFC 8414 §3.3: byte for byte what the operator configured")
def test_every_url_is_made_of_the_public_url(http, settings):
    settings.PUBLIC_URL = "https://mcp.example.com"
    text = http.get(AUTHORIZATION_SERVER).text + http.get(f"{RESOURCE}/sse").text
    assert '"issuer": "https://mcp.example.com"' in text
    assert '"resource": "https://mcp.example.com/sse"' in text
    assert "http://" not in text


@pytest.mark.requirement("RFC 8707 §2")
@pytest.mark.parametrize(
    ("path", "canonical"),
    [("/mcp", "/mcp"), ("/mcp/", "/mcp"), ("/sse", "/sse"), ("/sse/", "/sse")],
)
def test_a_slash_at_the_end_names_the_same_resource(
    new_client, browser, http, server, path, canonical
):
    client = new_client(resource=f"{server}{path}")
    client.sign_in(browser())
    assert Grant.objects.get().resource == [server + canonical]
    assert AccessToken.objects.get().resource == [server + canonical]
    called = McpClient(http, client.tokens["access_token"])
    assert (called.request("tools/list").status_code == 200) == (canonical == "/mcp")


# CORS ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", [LISTED, "https://any.example"])
@pytest.mark.parametrize("path", [*OURS, *RESOURCES, "/.well-known/anything"])
def test_metadata_is_public_to_every_page_but_without_credentials(http, path, origin):
    for answer in (
        http.get(path, headers={"Origin": origin}),
        preflight(http, path, origin, "GET"),
    ):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
    assert "mcp-protocol-version" in answer.headers["access-control-allow-headers"]


@pytest.mark.parametrize("path", ["/register", "/token", "/revoke"])
def test_a_listed_page_may_call_the_endpoints_and_read_the_answer(http, path):
    asked = preflight(http, path, LISTED)
    assert asked.status_code == 204
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert {"authorization", "content-type"} <= {
        name.strip() for name in asked.headers["access-control-allow-headers"].split(",")
    }
    for answer in (asked, http.post(path, headers={"Origin": LISTED})):
        assert answer.headers["access-control-allow-origin"] == LISTED
        assert "access-control-allow-credentials" not in answer.headers
        assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    ("path", "method"), [("/mcp", "POST"), ("/sse", "GET"), ("/messages/", "POST")]
)
def test_a_listed_page_may_call_the_mcp_endpoints_and_read_the_challenge(http, path, method):
    asked = preflight(http, path, LISTED, method)
    assert asked.status_code == 204
    assert method in asked.headers["access-control-allow-methods"]
    answer = http.request(method, path, headers={"Origin": LISTED})
    assert answer.status_code == 401
    assert "www-authenticate" in answer.headers["access-control-expose-headers"]
    for each in (asked, answer):
        assert each.headers["access-control-allow-origin"] == LISTED
        assert "access-control-allow-credentials" not in each.headers
        assert "Origin" in each.headers["vary"]


@pytest.mark.parametrize("origin", UNLISTED)
@pytest.mark.parametrize("path", ["/register", "/token", "/revoke", "/mcp", "/sse", "/messages/"])
def test_an_unlisted_page_may_read_nothing(http, path, origin):
    answers = (
        preflight(http, path, origin),
        http.post(path, headers={"Origin": origin}),
        http.get(path, headers={"Origin": origin}),
    )
    assert not any("access-control-allow-origin" in answer.headers for answer in answers)


@pytest.mark.requirement("OAuth 2.1 §3.1: no CORS at the authorization endpoint")
@pytest.mark.parametrize(
    "path",
    [
        "/authorize",
        "/oauth/callback",
        "/oauth/organization/00000000-0000-0000-0000-000000000000",
        "/connect",
        "/connect/sign-in",
        "/admin/",
        "/admin/login/",
        "/healthz",
        "/",
    ],
)
def test_no_page_of_another_origin_may_read_what_is_for_people(http, path):
    for answer in (
        preflight(http, path, LISTED),
        http.get(path, headers={"Origin": LISTED}),
        http.post(path, headers={"Origin": LISTED}),
    ):
        assert cors(answer) == {}
