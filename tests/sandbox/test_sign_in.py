"""PropelAuth's OAuth 2.1 for MCP: login page, organization picker, token, introspection."""

import pytest

from sandbox import fixtures
from tests.sandbox.conftest import (
    CLIENT,
    CODE_VERIFIER,
    REDIRECT_URI,
    RESOURCE,
    Sandbox,
    code_of,
    redirected,
)

METADATA = "/.well-known/oauth-authorization-server/oauth/2.1"


@pytest.mark.requirement("RFC 8414 §3.1")
def test_the_metadata_is_at_the_inserted_path_and_names_the_endpoints(sandbox: Sandbox):
    metadata = sandbox.get(METADATA).json()
    assert metadata["token_endpoint"] == str(sandbox.base_url.join("/oauth/2.1/token"))
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert sandbox.get("/.well-known/oauth-authorization-server").status_code == 404


def test_a_user_signs_in_and_the_code_becomes_an_opaque_token(sandbox: Sandbox):
    answer = redirected(sandbox.log_in(fixtures.ANA_EMAIL))
    assert answer["state"] == "a-state"
    issued = sandbox.redeem(answer["code"]).json()
    assert len(issued["access_token"]) == 96
    assert issued["token_type"] == "Bearer"
    assert issued["expires_in"] == 5400
    assert issued["scope"] == "wiv:use"


def test_the_login_page_is_a_plain_form_that_names_the_users(sandbox: Sandbox):
    page = sandbox.authorize()
    assert page.headers["content-type"].startswith("text/html")
    assert 'type="email" name="email"' in page.text
    assert 'type="password" name="password"' in page.text
    assert fixtures.MAX_EMAIL in page.text


def test_a_wrong_password_shows_the_form_again_and_the_right_one_still_works(sandbox: Sandbox):
    page = sandbox.authorize()
    again = sandbox.submit(page, email=fixtures.ANA_EMAIL, password="wrong")
    assert again.status_code == 401
    assert "Wrong e-mail or password." in again.text
    assert f'value="{fixtures.ANA_EMAIL}"' in again.text
    answer = sandbox.submit(again, email=fixtures.ANA_EMAIL, password=fixtures.PASSWORD)
    assert code_of(answer)


def test_a_blocked_user_is_told_so_and_gets_no_code(sandbox: Sandbox):
    page = sandbox.log_in(fixtures.BEA_EMAIL)
    assert page.status_code == 403
    assert "This account is blocked." in page.text


def test_cancelling_is_access_denied(sandbox: Sandbox):
    answer = redirected(sandbox.submit(sandbox.authorize(), action="cancel"))
    assert answer["error"] == "access_denied"
    assert answer["state"] == "a-state"


def test_a_login_page_works_once(sandbox: Sandbox):
    page = sandbox.authorize()
    login = {"email": fixtures.ANA_EMAIL, "password": fixtures.PASSWORD}
    assert sandbox.submit(page, **login).status_code == 302
    assert sandbox.submit(page, **login).status_code == 400


def test_two_sign_ins_at_once_stay_apart(sandbox: Sandbox):
    first, second = sandbox.authorize(state="first"), sandbox.authorize(state="second")
    login = {"password": fixtures.PASSWORD}
    late = redirected(sandbox.submit(second, email=fixtures.MAX_EMAIL, **login))
    early = redirected(sandbox.submit(first, email=fixtures.ANA_EMAIL, **login))
    assert (early["state"], late["state"]) == ("first", "second")


@pytest.mark.parametrize(
    "missing", ["response_type", "state", "code_challenge", "resource", "redirect_uri", "client_id"]
)
def test_a_missing_parameter_is_an_error_page(sandbox: Sandbox, missing: str):
    assert sandbox.authorize(**{missing: None}).status_code == 400


@pytest.mark.parametrize(
    "redirect_uri",
    [REDIRECT_URI + "/", REDIRECT_URI.replace(":8000", ":8001"), "https://evil.test/callback"],
)
@pytest.mark.requirement("RFC 6749 §3.1.2.4")
def test_a_redirect_uri_must_match_exactly(sandbox: Sandbox, redirect_uri: str):
    page = sandbox.authorize(redirect_uri=redirect_uri)
    assert page.status_code == 400
    assert "location" not in page.headers


def test_redirect_uris_can_be_changed_while_it_runs(sandbox: Sandbox):
    sandbox.control("redirect-uris", redirect_uris=["https://mcp.test/oauth/callback"])
    assert sandbox.authorize().status_code == 400
    assert sandbox.authorize(redirect_uri="https://mcp.test/oauth/callback").status_code == 200


def test_an_unknown_client_is_reported_to_an_allowed_redirect_uri_only(sandbox: Sandbox):
    answer = redirected(sandbox.authorize(client_id="nobody"))
    assert answer == {"error": "invalid_client", "state": "a-state"}
    elsewhere = sandbox.authorize(client_id="nobody", redirect_uri="https://evil.test/")
    assert elsewhere.status_code == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"resource": "not a URL"}, "invalid_target"),
        ({"scope": "wiv:use root"}, "invalid_scope"),
    ],
)
def test_other_faults_go_back_to_the_client(sandbox: Sandbox, changes: dict[str, str], error: str):
    assert redirected(sandbox.authorize(**changes))["error"] == error


@pytest.mark.requirement("RFC 6749 §4.1.2")
def test_a_code_works_once(sandbox: Sandbox):
    code = code_of(sandbox.log_in(fixtures.ANA_EMAIL))
    assert sandbox.redeem(code).status_code == 200
    again = sandbox.redeem(code)
    assert again.status_code == 400
    assert again.json()["error"] == "invalid_grant"


def test_a_code_lives_a_minute(sandbox: Sandbox):
    code = code_of(sandbox.log_in(fixtures.ANA_EMAIL))
    sandbox.control("clock", advance_seconds=61)
    assert sandbox.redeem(code).json()["error"] == "invalid_grant"


@pytest.mark.requirement("RFC 7636 §4.6")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "another-verifier-of-at-least-43-characters-long"}, "invalid_grant"),
        ({"redirect_uri": fixtures.REDIRECT_URIS[1]}, "invalid_grant"),
        ({"resource": "https://elsewhere.test/mcp"}, "invalid_target"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_a_code_is_bound_to_its_request(sandbox: Sandbox, changes: dict[str, str], error: str):
    refusal = sandbox.redeem(code_of(sandbox.log_in(fixtures.ANA_EMAIL)), **changes)
    assert refusal.status_code == 400
    assert refusal.json()["error"] == error


def test_a_wrong_client_secret_is_401(sandbox: Sandbox):
    form = {"grant_type": "authorization_code", "code": "any"}
    wrong = (fixtures.CLIENT_ID, "0" * 96)
    refusal = sandbox.post("/oauth/2.1/token", data=form, auth=wrong)
    assert refusal.status_code == 401
    assert refusal.json()["error"] == "invalid_client"
    assert refusal.headers["www-authenticate"].startswith("Basic")
    without_secret = sandbox.post("/oauth/2.1/token", data=form | {"client_id": fixtures.CLIENT_ID})
    assert without_secret.status_code == 401


def test_the_client_secret_may_come_in_the_form(sandbox: Sandbox):
    form = {
        "grant_type": "refresh_token",
        "refresh_token": "unknown",
        "client_id": CLIENT[0],
        "client_secret": CLIENT[1],
    }
    assert sandbox.post("/oauth/2.1/token", data=form).json()["error"] == "invalid_grant"


def test_a_refresh_token_is_rotated(sandbox: Sandbox):
    issued = sandbox.redeem(code_of(sandbox.log_in(fixtures.ANA_EMAIL))).json()
    form = {"grant_type": "refresh_token", "refresh_token": issued["refresh_token"]}
    refreshed = sandbox.post("/oauth/2.1/token", data=form, auth=CLIENT).json()
    assert sandbox.introspect(refreshed["access_token"])["sub"] == fixtures.ANA
    assert sandbox.introspect(issued["access_token"]) == {"active": False}
    assert sandbox.post("/oauth/2.1/token", data=form, auth=CLIENT).status_code == 400


@pytest.mark.requirement("RFC 7662 §2.2")
def test_introspection_names_the_user_the_resource_and_the_only_organization(sandbox: Sandbox):
    answer = sandbox.introspect(sandbox.access_token(fixtures.ANA_EMAIL))
    assert answer["active"] is True
    assert answer["sub"] == fixtures.ANA
    assert answer["email"] == fixtures.ANA_EMAIL
    assert answer["aud"] == RESOURCE
    assert answer["client_id"] == fixtures.CLIENT_ID
    assert answer["org_id"] == fixtures.ACME
    assert answer["exp"] - answer["iat"] == 5400


def test_introspection_names_no_organization_of_a_user_with_several(sandbox: Sandbox):
    assert "org_id" not in sandbox.introspect(sandbox.access_token(fixtures.MAX_EMAIL))


def test_introspection_can_leave_out_what_the_real_tenant_may_leave_out(sandbox: Sandbox):
    token = sandbox.access_token(fixtures.ANA_EMAIL)
    sandbox.control("introspection", org_id="omit", exp=False, aud="resource")
    answer = sandbox.introspect(token)
    assert not answer.keys() & {"org_id", "exp", "aud"}
    assert answer["resource"] == RESOURCE


def test_introspection_has_credentials_of_its_own(sandbox: Sandbox):
    form = {"token": "x"}
    assert sandbox.post("/oauth/2.1/introspect", data=form).status_code == 401
    assert sandbox.post("/oauth/2.1/introspect", data=form, auth=CLIENT).status_code == 401


def test_an_expired_or_unknown_token_is_inactive(sandbox: Sandbox):
    token = sandbox.access_token(fixtures.ANA_EMAIL)
    sandbox.control("clock", advance_seconds=5400)
    assert sandbox.introspect(token) == {"active": False}
    assert sandbox.introspect("unknown") == {"active": False}


def test_the_organization_picker_asks_only_when_switched_on(sandbox: Sandbox):
    sandbox.control("introspection", org_id="picker")
    page = sandbox.log_in(fixtures.MAX_EMAIL)
    assert page.status_code == 200
    assert "Orbit MSP" in page.text
    code = code_of(sandbox.submit(page, org_id=fixtures.NORTHWIND))
    token = sandbox.redeem(code).json()["access_token"]
    assert sandbox.introspect(token)["org_id"] == fixtures.NORTHWIND


def test_the_organization_picker_refuses_an_organization_that_is_not_the_users(sandbox: Sandbox):
    sandbox.control("introspection", org_id="picker")
    page = sandbox.log_in(fixtures.MAX_EMAIL)
    assert sandbox.submit(page, org_id=fixtures.ACME).status_code == 400


def test_a_user_without_organization_signs_in_without_one(sandbox: Sandbox):
    answer = sandbox.introspect(sandbox.access_token(fixtures.NORA_EMAIL))
    assert answer["sub"] == fixtures.NORA
    assert "org_id" not in answer


@pytest.mark.requirement("RFC 7591 §3.2.1")
def test_a_public_client_can_register_and_sign_a_user_in(sandbox: Sandbox):
    redirect_uri = "http://127.0.0.1:33418/callback"
    registration = {"redirect_uris": [redirect_uri], "token_endpoint_auth_method": "none"}
    registered = sandbox.post("/oauth/2.1/register", json=registration)
    assert registered.status_code == 201
    client_id = registered.json()["client_id"]
    assert "client_secret" not in registered.json()
    changes = {"client_id": client_id, "redirect_uri": redirect_uri}
    code = code_of(sandbox.log_in(fixtures.ANA_EMAIL, **changes))
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": CODE_VERIFIER}
    assert sandbox.post("/oauth/2.1/token", data=form | changes).status_code == 200


def test_a_registration_without_redirect_uris_is_refused(sandbox: Sandbox):
    refusal = sandbox.post("/oauth/2.1/register", json={"client_name": "x"})
    assert refusal.status_code == 400
    assert refusal.json()["error"] == "invalid_redirect_uri"


def test_with_mcp_off_its_endpoints_are_404(sandbox: Sandbox):
    sandbox.control("mcp", enabled=False)
    assert sandbox.get(METADATA).status_code == 404
    assert sandbox.authorize().status_code == 404
    assert sandbox.post("/oauth/2.1/token", data={}).status_code == 404
    assert sandbox.post("/oauth/2.1/introspect", data={}).status_code == 404
    assert sandbox.backend("GET", f"/user/{fixtures.ANA}").status_code == 200
    sandbox.control("mcp", enabled=True)
    assert sandbox.get(METADATA).status_code == 200
