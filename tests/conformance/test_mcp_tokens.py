"""MCP: which tokens the MCP endpoints take, what these open, and what Wiv gets to see of them."""

import uuid

import pytest

from mcp_gateway.models import Tool
from oauth_bridge.models import AccessToken
from sandbox import fixtures
from tests.mcp_gateway.event_stream import open_stream
from tests.mcp_gateway.json_rpc import TOOLS_LIST, McpClient
from tests.oauth_bridge.test_credentials import propelauth_jwt
from tests.wiv_routes import SHIPPED

__all__ = ["open_stream"]  # the fixture


@pytest.mark.requirement("MCP 2026-07-28 Token Requirements")
@pytest.mark.parametrize("name", ["access_token", "token", "api_key", "x-api-key"])
def test_a_token_in_the_query_is_no_credential(client, browser, http, name):
    token = client.sign_in(browser())["access_token"]
    answer = http.post("/mcp", params={name: token}, json=TOOLS_LIST)
    assert answer.status_code == 401
    assert "error=" not in answer.headers["www-authenticate"]


@pytest.fixture
def strict(settings):
    """As MCP has it to the letter: see docs/security.md for what else is on offer, and why."""
    settings.ACCESS_TOKEN_KIND = "opaque"
    settings.ACCEPT_API_KEYS = False
    settings.ACCEPT_PROPELAUTH_JWTS = False


@pytest.mark.requirement("MCP 2026-07-28 Access Token Privilege Restriction: token passthrough")
def test_set_to_the_letter_no_token_of_a_client_travels_on_to_wiv(
    client, browser, http, sandbox, strict
):
    token = client.sign_in(browser())["access_token"]
    mcp = McpClient(http, token)
    assert mcp.call("wiv_list_spaces")["structuredContent"]["total"] > 0
    [to_wiv] = sandbox.requests("wiv")
    assert token not in str(to_wiv)


@pytest.mark.requirement("MCP 2026-07-28 Access Token Privilege Restriction: audience")
def test_set_to_the_letter_no_token_that_wasnt_issued_here_is_taken(
    client, browser, http, sandbox, make_key, strict
):
    jwt = propelauth_jwt(sandbox, active_org_id=fixtures.ACME)
    for foreign in (make_key(), jwt, "0123456789abcdef" * 6):
        assert McpClient(http, foreign).request("tools/list").status_code == 401
    mcp = McpClient(http, client.sign_in(browser())["access_token"])
    for foreign in (make_key(), jwt):
        assert mcp.refused("wiv_list_spaces", _wiv_api_key=foreign)
    assert sandbox.requests("wiv") == []


@pytest.mark.requirement("MCP 2026-07-28 Step-Up Authorization Flow: scope hierarchies")
def test_a_token_that_may_write_may_read(client, browser, http):
    mcp = McpClient(http, client.sign_in(browser())["access_token"])
    AccessToken.objects.update(scope="wiv:write")
    assert len(mcp.tool_names()) == SHIPPED
    assert not mcp.call("wiv_list_spaces").get("isError")


@pytest.mark.requirement("MCP 2026-07-28 Runtime Insufficient Scope Errors: consistency")
def test_every_writing_tool_asks_for_the_same_scopes_at_once(new_client, browser, http):
    reader = McpClient(http, new_client(scope="wiv:read").sign_in(browser())["access_token"])
    names = Tool.objects.filter(required_scope="wiv:write").values_list("name", flat=True)
    assert len(names) == 4
    for name in names:
        answer = reader.request("tools/call", {"name": name, "arguments": {}})
        assert answer.status_code == 403
        assert 'scope="wiv:read wiv:write"' in answer.headers["www-authenticate"]


@pytest.mark.requirement("MCP 2026-07-28 Runtime Insufficient Scope Errors")
def test_stepping_up_takes_one_more_sign_in(new_client, browser, http):
    client = new_client(scope="wiv:read")
    reader = McpClient(http, client.sign_in(browser())["access_token"])
    call = {"name": "wiv_start_execution", "arguments": {"workflow_id": fixtures.MONTHLY_REPORT}}
    challenge = reader.request("tools/call", call).headers["www-authenticate"]
    client.scope = challenge.partition('scope="')[2].partition('"')[0]
    stepped_up = McpClient(http, client.sign_in(browser())["access_token"])
    assert not stepped_up.request("tools/call", call).json()["result"].get("isError")


@pytest.mark.requirement("MCP 2025-11-25 Security Best Practices: Session Hijacking")
def test_the_session_ids_of_streams_are_random(open_stream, make_key):
    key = make_key()
    with open_stream(key) as first, open_stream(key) as second:
        paths = [first.messages.path, second.messages.path]
    ids = [uuid.UUID(path.partition("session_id=")[2]) for path in paths]
    assert ids[0] != ids[1]
    assert [each.version for each in ids] == [4, 4], "made of 122 random bits"


@pytest.mark.requirement("MCP 2026-07-28 Canonical Server URI: uppercase scheme and host")
def test_scheme_and_host_of_a_resource_may_be_in_upper_case(new_client, browser, server, settings):
    settings.PUBLIC_URL = "https://mcp.example.test"
    client = new_client(resource="HTTPS://MCP.Example.Test/mcp")
    client.register()
    answer = browser().get(client.authorization_url())
    assert answer.status_code == 200, answer.headers.get("location")
