"""OAuth 2.1 §1.4, §2.4, §3.2, §4.3, §7: what /token takes, and what it gives out."""

import math
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from oauth_bridge.models import Grant, RefreshToken
from tests.mcp_gateway.json_rpc import McpClient
from tests.robot import signed_in

NQSCHARS = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")
ODD = 'a"b\\c\N{EURO SIGN}'


def bits(value: str) -> float:
    """Of a random string; those of ours are of letters and digits, at the least."""
    assert re.fullmatch(r"[A-Za-z0-9_-]+", value)
    return len(value) * math.log2(62)


def altered(value: str) -> str:
    return value[:-1] + ("a" if value[-1] != "a" else "b")


# Clients ---------------------------------------------------------------------------------------


@pytest.mark.requirement("OAuth 2.1 §3.2.2, §3.2.4: client authentication")
@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
def test_a_wrong_secret_is_refused_for_codes_and_refresh_tokens(new_client, browser, method):
    client = new_client(auth_method=method)
    code = client.obtain_code(browser())
    right, client.client_secret = client.client_secret, "wrong"
    refused = client.redeem(code)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    client.client_secret = right
    client.redeem(code)
    client.client_secret = "wrong"
    refused = client.refresh()
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


@pytest.mark.requirement("OAuth 2.1 §2.4.1: no credentials in the request URI")
def test_a_secret_in_the_url_authenticates_nobody(new_client, browser):
    client = new_client(auth_method="client_secret_post")
    form = {"grant_type": "authorization_code", "code_verifier": client.verifier}
    form["code"] = client.obtain_code(browser())
    credentials = {"client_id": client.client_id, "client_secret": client.client_secret}
    url = f"{client.issuer}/token"
    assert client.http.post(url, params=credentials, data=form).status_code == 400
    assert client.http.post(url, data={**form, **credentials}).status_code == 200


@pytest.mark.requirement("OAuth 2.1 §3.2: unrecognized parameters are ignored")
def test_a_token_request_may_have_parameters_nobody_knows(client, browser):
    code = client.obtain_code(browser())
    assert client.redeem(code, unheard_of="x", audience="y").status_code == 200
    assert client.refresh(unheard_of="x").status_code == 200


@pytest.mark.requirement("OAuth 2.1 §4.3.1: refresh_token is REQUIRED")
def test_a_refresh_without_a_refresh_token_is_malformed(client, browser):
    client.sign_in(browser())
    answer = client.token_request(grant_type="refresh_token")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.requirement("OAuth 2.1 §3.2.4: the challenge is of the scheme the client used")
def test_a_client_that_used_basic_is_challenged_for_basic(new_client, browser):
    client = new_client(auth_method="client_secret_basic")
    code = client.obtain_code(browser())
    client.client_secret = "wrong"
    refused = client.redeem(code)
    assert refused.status_code == 401
    [challenge] = refused.headers.get_list("www-authenticate")
    assert challenge.startswith("Basic realm=")


# Grants ----------------------------------------------------------------------------------------


@pytest.mark.requirement("OAuth 2.1 §4.1.3, RFC 9700 §4.8.2: no code without a challenge")
@pytest.mark.parametrize("verifier", ["the right one", None])
def test_a_code_without_a_challenge_gives_no_token(client, browser, sandbox, verifier):
    """/authorize makes none; should one ever be there, it is worth nothing."""
    code = client.obtain_code(browser())
    Grant.objects.update(code_challenge="", code_challenge_method="")
    answer = client.redeem(code, code_verifier=verifier and client.verifier)
    assert answer.status_code == 400
    assert sandbox.api_keys() == []


@pytest.mark.requirement("OAuth 2.1 §1.4.1: the scope is said when it isn't the one asked for")
def test_the_answer_says_the_scope_that_was_granted(new_client, browser):
    client = new_client(scope="wiv:read offline_access")
    assert client.sign_in(browser())["scope"] == "wiv:read"


@pytest.mark.requirement("OAuth 2.1 §4.3.3, RFC 9700 §4.14.2: unused refresh tokens expire")
def test_a_refresh_token_nobody_uses_expires(client, browser, settings):
    client.sign_in(browser())
    token = RefreshToken.objects.get()
    assert token.expires <= timezone.now() + settings.REFRESH_TOKEN_LIFETIME
    RefreshToken.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert client.refresh().json()["error"] == "invalid_grant"


@pytest.mark.requirement("OAuth 2.1 §3.2.4: characters of error and error_description")
@pytest.mark.parametrize(
    "changes",
    [{"scope": ODD}, {"resource": ODD}, {"grant_type": ODD}, {"client_id": ODD}, {"code": "\x01"}],
)
def test_a_token_error_echoes_no_character_that_isnt_allowed(client, browser, changes):
    client.sign_in(browser())
    answer = client.refresh(**changes) if "grant_type" not in changes else None
    answer = answer or client.token_request(**changes)
    error = answer.json()
    assert NQSCHARS.fullmatch(error["error"])
    assert NQSCHARS.fullmatch(error.get("error_description", "none"))
    assert "error_uri" not in error


# Secrets ---------------------------------------------------------------------------------------


@pytest.mark.requirement("OAuth 2.1 §1.4.2, §7.7: at most 2^-128, better 2^-160")
def test_what_we_give_out_is_random_and_long(new_client, browser, settings):
    settings.ACCESS_TOKEN_KIND = "opaque"
    given: list[str] = []
    for _ in range(2):
        client = new_client(auth_method="client_secret_post")
        code = client.obtain_code(browser())
        tokens = client.redeem(code).json()
        given += [code, client.client_secret]
        given += [tokens["access_token"].removeprefix("wivmcp_at_")]
        given += [tokens["refresh_token"].removeprefix("wivmcp_rt_")]
    assert min(bits(value) for value in given) >= 160
    assert len(set(given)) == len(given)


@pytest.mark.requirement("OAuth 2.1 §1.4, §4.3: tokens can't be generated or modified")
@pytest.mark.parametrize("kind", ["api_key", "opaque"])
def test_what_was_altered_is_unknown(client, browser, http, settings, kind):
    settings.ACCESS_TOKEN_KIND = kind
    code = client.obtain_code(browser())
    assert client.redeem(altered(code)).json()["error"] == "invalid_grant"
    tokens = client.redeem(code).json()
    assert McpClient(http, altered(tokens["access_token"])).request("ping").status_code == 401
    refused = client.refresh(altered(tokens["refresh_token"]))
    assert refused.json()["error"] == "invalid_grant"


@pytest.mark.requirement("OAuth 2.1 §7.1.3.4, §7.1.3.7: not in cookies, not in URLs")
@pytest.mark.parametrize("kind", ["api_key", "opaque"])
def test_no_token_is_in_a_cookie_or_in_a_url(client, browser, server, settings, sandbox, kind):
    settings.ACCESS_TOKEN_KIND = kind
    robot = browser()
    signed_in(robot, server)
    client.register()
    arrived = robot.authorize(client.authorization_url(), stop_at=client.redirect_uri)
    tokens = client.redeem(arrived.params["code"]).json()
    upstream = [
        received["body"]["token"]
        for received in sandbox.requests("propelauth")
        if received["path"].endswith("/introspect")
    ]
    assert len(upstream) == 2
    seen = " ".join([*robot.visited, str(arrived), str(dict(robot.http.cookies))])
    seen += str(dict(client.http.cookies))
    for token in (tokens["access_token"], tokens["refresh_token"], *upstream):
        assert token not in seen


@pytest.mark.requirement("OAuth 2.1 §3.2: a parameter without a value is as good as left out")
def test_an_empty_parameter_of_a_token_request_is_left_out(client, browser):
    code = client.obtain_code(browser())
    assert client.redeem(code, redirect_uri="").status_code == 200
    answer = client.token_request(grant_type="refresh_token", refresh_token="")
    assert answer.json()["error"] == "invalid_request"


@pytest.mark.requirement("OAuth 2.1 §3.2: parameters MUST NOT be included more than once")
@pytest.mark.parametrize("name", ["code", "client_id", "code_verifier", "grant_type"])
def test_a_repeated_parameter_of_a_token_request_is_refused(client, browser, name):
    form = {
        "grant_type": "authorization_code",
        "code": client.obtain_code(browser()),
        "client_id": client.client_id,
        "code_verifier": client.verifier,
    }
    twice = client.http.post(f"{client.issuer}/token", data={**form, name: [form[name]] * 2})
    assert (twice.status_code, twice.json()["error"]) == (400, "invalid_request")
    assert client.http.post(f"{client.issuer}/token", data=form).status_code == 200


@pytest.mark.requirement("OAuth 2.1 §2.4: a client uses one authentication method in a request")
def test_a_client_doesnt_authenticate_in_two_ways_at_once(new_client, browser):
    client = new_client(auth_method="client_secret_basic")
    code = client.obtain_code(browser())
    answer = client.redeem(code, client_secret="another")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert client.redeem(code).status_code == 200


@pytest.mark.requirement("OAuth 2.1 §7.5.3: who replays a code without its verifier ends nothing")
@pytest.mark.parametrize("verifier", ["w" * 43, "é" * 43, None])
def test_somebody_who_only_saw_a_used_code_cant_end_its_sign_in(client, browser, verifier):
    code = client.obtain_code(browser())
    client.redeem(code)
    tokens = client.tokens
    assert client.redeem(code, code_verifier=verifier).status_code == 400
    assert client.refresh(tokens["refresh_token"]).status_code == 200


@pytest.mark.requirement("OAuth 2.1 §3.2.4: errors are application/json")
def test_every_error_of_a_token_request_is_json(client, browser):
    client.register()
    for url in ("/token", "/token?x=y"):
        answer = client.http.post(f"{client.issuer}{url}", data={"grant_type": "password"})
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["error"]
