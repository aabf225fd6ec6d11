"""OAuth 2.1 as the client we are towards PropelAuth (and Wiv): the upstream leg of a sign-in."""

from typing import Any

import pytest

from oauth_bridge.models import Grant
from sandbox import fixtures
from tests.mcp_gateway.json_rpc import McpClient
from tests.robot import Robot, query_of

AUTHORIZE, TOKEN = "/oauth/2.1/authorize", "/oauth/2.1/token"
INTROSPECT = "/oauth/2.1/introspect"


def callback_of(robot: Robot, client) -> str:
    """The URL PropelAuth sends the browser back to, not yet visited."""
    callback = f"{client.issuer}/oauth/callback"
    return str(robot.authorize(client.authorization_url(), stop_at=callback))


def received(sandbox, path: str) -> list[dict[str, Any]]:
    return [one for one in sandbox.requests("propelauth") if one["path"] == path]


# The authorization request -----------------------------------------------------------------------


@pytest.mark.requirement("OAuth 2.1 §4.1.1, §7.5.1.1: a challenge for each transaction")
def test_each_sign_in_asks_with_a_proof_key_and_state_of_its_own(client, browser, sandbox, server):
    client.register()
    robot = browser()
    sandbox.fault("propelauth", TOKEN, "status", status=400)
    assert robot.get(callback_of(robot, client)).status_code == 400
    client.obtain_code(robot)
    client.obtain_code(browser())
    queries = [one["query"] for one in received(sandbox, AUTHORIZE)]
    assert len(queries) == 3
    for name in ("state", "code_challenge"):
        assert len({query[name][0] for query in queries}) == 3
    for query in queries:
        assert query["response_type"] == ["code"]
        assert query["code_challenge_method"] == ["S256"]
        assert query["redirect_uri"] == [f"{server}/oauth/callback"]
        assert client.state not in str(query)


# The answer --------------------------------------------------------------------------------------


@pytest.mark.requirement("OAuth 2.1 §1.7.1: a value may have any length")
def test_a_long_code_reaches_propelauth_whole(client, browser, sandbox):
    client.register()
    robot = browser()
    state = query_of(callback_of(robot, client))["state"]
    code = "c" * 6000
    robot.get(f"{client.issuer}/oauth/callback?state={state}&code={code}")
    [request] = received(sandbox, TOKEN)
    assert request["body"]["code"] == code


@pytest.mark.requirement("OAuth 2.1 §4.1.2: unrecognized response parameters are ignored")
def test_a_callback_may_have_parameters_nobody_knows(client, browser):
    client.register()
    robot = browser()
    answer = robot.get(callback_of(robot, client) + "&unheard_of=x&session_state=y")
    assert query_of(answer.headers["location"])["code"]


@pytest.mark.requirement("OAuth 2.1 §1.4, §1.7.1, §3.2.3: tokens are opaque")
def test_a_token_of_any_form_and_length_is_taken(client, browser, sandbox):
    token = "~" * 5000
    answer = {"access_token": token, "token_type": "bearer", "unheard_of": {"a": [1]}}
    client.register()
    robot = browser()
    callback = callback_of(robot, client)
    sandbox.fault("propelauth", TOKEN, "wrong_json", body=answer)
    about = {"active": True, "sub": fixtures.ANA, "unheard_of": None}
    sandbox.fault("propelauth", INTROSPECT, "wrong_json", body=about)
    assert query_of(robot.get(callback).headers["location"])["code"]
    [request] = received(sandbox, INTROSPECT)
    assert request["body"]["token"] == token


@pytest.mark.requirement("OAuth 2.1 §3.2.3: a token may end before its expires_in")
def test_a_token_that_propelauth_no_longer_vouches_for_signs_nobody_in(client, browser, sandbox):
    client.register()
    robot = browser()
    callback = callback_of(robot, client)
    sandbox.fault("propelauth", INTROSPECT, "wrong_json", body={"active": False})
    assert robot.get(callback).status_code == 400
    assert not Grant.objects.exists()


# Requests with credentials -----------------------------------------------------------------------


@pytest.mark.requirement("OAuth 2.1 §2.4, §3.2, §3.2.1: POST, authenticated in one way")
def test_a_code_is_redeemed_by_post_with_our_secret_in_one_place(client, browser, sandbox):
    client.obtain_code(browser())
    [request] = received(sandbox, TOKEN)
    assert (request["method"], request["query"], request["status"]) == ("POST", {}, 200)
    assert request["headers"]["authorization"].startswith("Basic ")
    assert "client_secret" not in request["body"]
    assert "client_assertion" not in request["body"]


@pytest.mark.requirement("OAuth 2.1 §5.1, §7.1.3.1: one method, and never the query")
@pytest.mark.parametrize("kind", ["api_key", "opaque"])
def test_credentials_travel_in_one_header_and_never_in_a_url(
    client, browser, http, sandbox, settings, kind
):
    settings.ACCESS_TOKEN_KIND = kind
    McpClient(http, client.sign_in(browser())["access_token"]).call("wiv_list_spaces")
    client.refresh()
    client.revoke(client.tokens["refresh_token"])
    requests = sandbox.requests("propelauth") + sandbox.requests("wiv")
    assert len(requests) > 5
    keys = [one["headers"]["x-api-key"] for one in sandbox.requests("wiv")]
    tokens = [one["body"]["token"] for one in received(sandbox, INTROSPECT)]
    secrets = [*keys, *tokens, fixtures.BACKEND_API_KEY, fixtures.CLIENT_SECRET]
    for request in requests:
        assert len({"authorization", "x-api-key"} & set(request["headers"])) <= 1
        assert not [secret for secret in secrets if secret in str(request["query"])]
        assert "access_token" not in (request["body"] or {})
