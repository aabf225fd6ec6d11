"""Credentials at the gateway's door: those we issued and those users bring."""

from datetime import timedelta

import httpx2
import pytest
from django.conf import settings
from django.utils import timezone

from oauth_bridge import outbox, own_credentials
from oauth_bridge.models import AccessToken, Application, EndUserApiKey, User
from sandbox import fixtures
from tests.mcp_gateway.json_rpc import McpClient
from tests.wiv_routes import SHIPPED

BOTH_KINDS = pytest.mark.parametrize("kind", ["api_key", "opaque"])
VALIDATE = "/api/backend/v1/end_user_api_keys/validate"


@pytest.fixture
def gateway(http):
    def present(credential: str, path: str = "/mcp") -> McpClient:
        return McpClient(http, credential, path)

    return present


def refusal(answer: httpx2.Response) -> str:
    """The `error` of a 401's challenge."""
    assert answer.status_code == 401, answer.text
    challenge = answer.headers["www-authenticate"]
    assert "resource_metadata=" in challenge
    return "invalid_token" if 'error="invalid_token"' in challenge else ""


# Tokens we issued --------------------------------------------------------------------------------


@BOTH_KINDS
def test_the_first_call_with_a_fresh_token_asks_propelauth_nothing(
    client, browser, gateway, sandbox, settings, kind
):
    settings.ACCESS_TOKEN_KIND = kind
    token = client.sign_in(browser())["access_token"]
    sandbox.forget_requests()
    assert len(gateway(token).tool_names()) == SHIPPED
    assert gateway(token).call("wiv_list_workflows")["structuredContent"]["total"] > 0
    [to_wiv] = sandbox.requests("wiv")
    assert "x-api-key" in to_wiv["headers"]
    # The one request in which Wiv's half of the sandbox asks PropelAuth's isn't ours.
    assert [received["path"] for received in sandbox.requests("propelauth")] == []


@BOTH_KINDS
def test_wiv_never_sees_an_opaque_token_and_always_the_key(
    client, browser, gateway, sandbox, settings, kind
):
    settings.ACCESS_TOKEN_KIND = kind
    token = client.sign_in(browser())["access_token"]
    gateway(token).call("wiv_list_spaces")
    [to_wiv] = sandbox.requests("wiv")
    assert (to_wiv["headers"]["x-api-key"] == token) == (kind == "api_key")
    assert "authorization" not in to_wiv["headers"]


@pytest.mark.requirement("RFC 6750 §3.1")
@BOTH_KINDS
def test_an_expired_token_is_401(client, browser, gateway, settings, kind):
    settings.ACCESS_TOKEN_KIND = kind
    token = client.sign_in(browser())["access_token"]
    AccessToken.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert refusal(gateway(token).request("tools/list")) == "invalid_token"


@pytest.mark.requirement("RFC 8707 §2, MCP 2026-07-28: tokens are good for their audience only")
@BOTH_KINDS
def test_a_token_for_one_resource_is_401_at_another(
    new_client, browser, gateway, server, settings, kind
):
    settings.ACCESS_TOKEN_KIND = kind
    for_sse = new_client(resource=f"{server}/sse").sign_in(browser())["access_token"]
    assert refusal(gateway(for_sse).request("tools/list")) == "invalid_token"
    for_mcp = new_client(resource=f"{server}/mcp").sign_in(browser())["access_token"]
    assert refusal(gateway(for_mcp, "/messages/").request("tools/list")) == "invalid_token"
    assert gateway(for_mcp, "/mcp/").request("tools/list").status_code == 200


def test_a_token_asked_for_without_a_resource_is_good_for_both(new_client, browser, gateway, http):
    token = new_client(resource=None).sign_in(browser())["access_token"]
    assert gateway(token).request("tools/list").status_code == 200
    with http.stream("GET", "/sse", headers={"Authorization": f"Bearer {token}"}) as stream:
        assert stream.status_code == 200


@BOTH_KINDS
def test_a_revoked_token_is_401_at_once(client, browser, gateway, settings, kind):
    settings.ACCESS_TOKEN_KIND = kind
    token = client.sign_in(browser())["access_token"]
    client.revoke(token)
    assert refusal(gateway(token).request("tools/list")) == "invalid_token"


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
def test_a_revoked_key_of_ours_never_passes_as_one_the_user_brought(
    client, browser, gateway, sandbox, settings, path
):
    """Even while PropelAuth, which can't be reached to delete it, would still vouch for it."""
    settings.ACCESS_TOKEN_KIND = "api_key"
    token = client.sign_in(browser())["access_token"]
    sandbox.fault("propelauth", "/api/backend/v1/end_user_api_keys/*", "status", times=None)
    client.revoke(token)
    outbox.deliver_soon().result(30)
    sandbox.clear_faults()
    assert len(sandbox.api_keys()) == 1
    sandbox.forget_requests()
    assert refusal(gateway(token, path).request("tools/list")) == "invalid_token"
    assert sandbox.requests("propelauth") == []


def test_a_key_of_ours_is_refused_even_when_every_row_of_it_is_gone(
    client, browser, gateway, settings
):
    settings.ACCESS_TOKEN_KIND = "api_key"
    token = client.sign_in(browser())["access_token"]
    AccessToken.objects.all().delete()
    EndUserApiKey.objects.all().delete()
    assert refusal(gateway(token).request("tools/list")) == "invalid_token"


@pytest.mark.parametrize("what", ["client blocked", "user switched off"])
def test_an_admins_block_works_at_once(client, browser, gateway, what):
    token = client.sign_in(browser())["access_token"]
    if what == "client blocked":
        Application.objects.update(blocked_at=timezone.now())
    else:
        User.objects.update(is_active=False)
    assert refusal(gateway(token).request("tools/list")) == "invalid_token"


def test_a_token_that_may_only_read_lists_and_calls_no_writing_tool(
    new_client, browser, gateway, sandbox, settings
):
    settings.ACCESS_TOKEN_KIND = "api_key"
    token = new_client(scope="wiv:read").sign_in(browser())["access_token"]
    names = gateway(token).tool_names()
    assert "wiv_list_workflows" in names
    assert "wiv_start_execution" not in names
    answer = gateway(token).request(
        "tools/call",
        {"name": "wiv_start_execution", "arguments": {"workflow_id": fixtures.MONTHLY_REPORT}},
    )
    assert answer.status_code == 403
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="wiv:read wiv:write"' in challenge
    assert sandbox.requests("wiv") == []


@BOTH_KINDS
def test_wivs_401_ends_the_sign_in_only_when_propelauth_agrees(
    client, browser, gateway, sandbox, settings, kind
):
    settings.ACCESS_TOKEN_KIND = kind
    token = client.sign_in(browser())["access_token"]
    sandbox.fault("wiv", "/workflows", "status", status=401)
    assert "401" in gateway(token).refused("wiv_list_workflows")
    assert gateway(token).request("tools/list").status_code == 200
    [key] = sandbox.api_keys()
    sandbox.backend(
        "DELETE", f"/end_user_api_keys/{key['api_key_id']}", fixtures.BACKEND_API_KEY
    ).raise_for_status()
    gateway(token).refused("wiv_list_workflows")
    assert refusal(gateway(token).request("tools/list")) == "invalid_token"


# Credentials users bring -------------------------------------------------------------------------


def test_propelauth_is_asked_about_a_brought_key_once_a_minute(gateway, sandbox, make_key):
    key = make_key(fixtures.ANA, fixtures.ACME)
    sandbox.forget_requests()
    for _ in range(3):
        assert gateway(key).request("tools/list").status_code == 200
    assert [received["path"] for received in sandbox.requests("propelauth")] == [VALIDATE]


def test_a_refusal_is_remembered_too(gateway, sandbox):
    unknown = "0123456789abcdef" * 6
    for _ in range(3):
        assert refusal(gateway(unknown).request("tools/list")) == "invalid_token"
    assert len(sandbox.requests("propelauth")) == 1


@pytest.mark.parametrize(
    ("user_id", "organization_id"),
    [(fixtures.ANA, None), (None, None)],
    ids=["personal", "generic"],
)
def test_a_key_without_organization_is_401(gateway, make_key, user_id, organization_id):
    key = make_key(user_id, organization_id)
    assert refusal(gateway(key).request("tools/list")) == "invalid_token"


def test_while_propelauth_is_away_a_brought_key_gets_503(gateway, sandbox, make_key):
    key = make_key(fixtures.ANA, fixtures.ACME)
    sandbox.fault("propelauth", VALIDATE, "status", status=500)
    answer = gateway(key).request("tools/list")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert gateway(key).request("tools/list").status_code == 200


def test_our_own_misconfiguration_is_never_the_users_fault(gateway, sandbox, make_key):
    key = make_key(fixtures.ANA, fixtures.ACME)
    sandbox.fault("propelauth", VALIDATE, "status", status=401)
    assert gateway(key).request("tools/list").status_code == 503


def test_an_operator_can_refuse_brought_keys(gateway, make_key, settings, sandbox):
    settings.ACCEPT_API_KEYS = False
    key = make_key(fixtures.ANA, fixtures.ACME)
    sandbox.forget_requests()
    assert refusal(gateway(key).request("tools/list")) == "invalid_token"
    assert sandbox.requests("propelauth") == []


# JWTs --------------------------------------------------------------------------------------------


def propelauth_jwt(sandbox, **fields) -> str:
    body = {"user_id": fixtures.ANA, "duration_in_minutes": 10, **fields}
    answer = sandbox.backend("POST", "/access_token", fixtures.BACKEND_API_KEY, json=body)
    return str(answer.raise_for_status().json()["access_token"])


def test_a_propelauth_jwt_works_and_reaches_wiv_as_a_bearer_token(gateway, sandbox):
    token = propelauth_jwt(sandbox, active_org_id=fixtures.ACME)
    assert gateway(token).call("wiv_list_spaces")["structuredContent"]["total"] > 0
    [to_wiv] = sandbox.requests("wiv")
    assert to_wiv["headers"]["authorization"] == f"Bearer {token}"
    assert "x-api-key" not in to_wiv["headers"]


def test_a_jwt_of_somebody_with_several_organizations_needs_an_active_one(gateway, sandbox):
    without = propelauth_jwt(sandbox, user_id=fixtures.MAX)
    assert refusal(gateway(without).request("tools/list")) == "invalid_token"
    chosen = propelauth_jwt(sandbox, user_id=fixtures.MAX, active_org_id=fixtures.CONTOSO)
    assert gateway(chosen).request("tools/list").status_code == 200


def forged(algorithm: str) -> str:
    import jwt

    now = int(timezone.now().timestamp())
    issuer = settings.PROPELAUTH_AUTH_URL.replace("http://", "https://")
    claims = {
        "sub": fixtures.ANA,
        "iss": issuer,
        "iat": now,
        "exp": now + 600,
        "org_member_info": {"org_id": fixtures.ACME},
    }
    key = "" if algorithm == "none" else "x" * 64
    return jwt.encode(claims, key, algorithm=algorithm)


@pytest.mark.requirement("RFC 8725 §3.1")
@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_jwt_signed_by_somebody_else_is_401(gateway, algorithm):
    assert refusal(gateway(forged(algorithm)).request("tools/list")) == "invalid_token"


def test_an_expired_jwt_is_401(gateway, sandbox, monkeypatch):
    token = propelauth_jwt(sandbox, active_org_id=fixtures.ACME)
    monkeypatch.setattr(own_credentials, "JWT_LEEWAY_SECONDS", -3600)
    assert refusal(gateway(token).request("tools/list")) == "invalid_token"


def test_an_operator_can_refuse_jwts(gateway, sandbox, settings):
    settings.ACCEPT_PROPELAUTH_JWTS = False
    token = propelauth_jwt(sandbox, active_org_id=fixtures.ACME)
    assert refusal(gateway(token).request("tools/list")) == "invalid_token"


# `_wiv_api_key` ----------------------------------------------------------------------------------


def test_a_key_in_an_argument_decides_whose_wiv_is_called(
    client, browser, gateway, sandbox, make_key
):
    token = client.sign_in(browser())["access_token"]
    other = make_key(fixtures.MAX, fixtures.CONTOSO)
    mine = gateway(token).call("wiv_list_spaces")
    theirs = gateway(token).call("wiv_list_spaces", _wiv_api_key=other)
    assert mine["structuredContent"] != theirs["structuredContent"]
    assert sandbox.requests("wiv")[-1]["headers"]["x-api-key"] == other
    assert "_wiv_api_key" not in str(sandbox.requests("wiv")[-1]["query"])


def test_a_key_in_an_argument_doesnt_widen_the_scope(
    new_client, browser, gateway, make_key, sandbox
):
    token = new_client(scope="wiv:read").sign_in(browser())["access_token"]
    answer = gateway(token).request(
        "tools/call",
        {
            "name": "wiv_start_execution",
            "arguments": {
                "workflow_id": fixtures.MONTHLY_REPORT,
                "_wiv_api_key": make_key(fixtures.ANA, fixtures.ACME),
            },
        },
    )
    assert answer.status_code == 403
    assert sandbox.requests("wiv") == []


def test_a_revoked_token_of_ours_is_no_key_for_an_argument(
    new_client, browser, gateway, settings, sandbox
):
    settings.ACCESS_TOKEN_KIND = "api_key"
    token = new_client().sign_in(browser())["access_token"]
    minted = new_client().sign_in(browser())["access_token"]
    assert "isn't a valid" in gateway(token).refused("wiv_list_spaces", _wiv_api_key=minted)
    assert sandbox.requests("wiv") == []


# What was found on the way -----------------------------------------------------------------------


def test_a_revoked_opaque_token_is_401_even_while_propelauth_is_away(
    client, browser, gateway, sandbox, settings
):
    settings.ACCESS_TOKEN_KIND = "opaque"
    token = client.sign_in(browser())["access_token"]
    client.revoke(token)
    sandbox.forget_requests()
    sandbox.fault("propelauth", VALIDATE, "status", status=500, times=None)
    assert refusal(gateway(token).request("tools/list")) == "invalid_token"
    assert VALIDATE not in [received["path"] for received in sandbox.requests("propelauth")]


def test_a_jwt_in_an_argument_is_confirmed_as_a_jwt(client, browser, gateway, sandbox):
    token = client.sign_in(browser())["access_token"]
    other = propelauth_jwt(sandbox, active_org_id=fixtures.ACME)
    sandbox.fault("wiv", "/spaces", "status", status=401)
    assert "401" in gateway(token).refused("wiv_list_spaces", _wiv_api_key=other)
    assert gateway(token).request("tools/list").status_code == 200
