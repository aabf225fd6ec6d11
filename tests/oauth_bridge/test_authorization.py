"""From /authorize to the code, over PropelAuth's sign-in."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from oauth_bridge.models import AuthorizationRequest, Consent, Grant, User
from sandbox import fixtures
from tests.oauth_client import OAuthClient
from tests.robot import Robot, forms_of, location_of, query_of


def test_a_person_with_one_organization_is_never_asked_which(client, browser):
    robot = browser(fixtures.ANA_EMAIL)
    client.obtain_code(robot)
    assert not any("/oauth/organization/" in url for url in robot.visited)
    assert Grant.objects.get().organization_id == fixtures.ACME


def test_a_person_with_several_organizations_chooses_one(client, browser):
    client.obtain_code(browser(fixtures.MAX_EMAIL, organization=fixtures.CONTOSO))
    assert Grant.objects.get().organization_id == fixtures.CONTOSO
    consent = Consent.objects.get()
    assert (consent.organization_id, consent.organization_name) == (
        fixtures.CONTOSO,
        "Contoso Ltd",
    )


def test_the_organization_chosen_at_propelauth_is_kept(client, browser, sandbox):
    sandbox.control("introspection", org_id="picker")
    robot = browser(fixtures.MAX_EMAIL, organization=fixtures.NORTHWIND)
    client.obtain_code(robot)
    assert not any("/oauth/organization/" in url for url in robot.visited)
    assert Grant.objects.get().organization_id == fixtures.NORTHWIND


def test_an_organization_that_wasnt_offered_is_refused(client, browser):
    robot = browser(fixtures.MAX_EMAIL, organization=fixtures.ACME)
    with pytest.raises(AssertionError, match="400"):
        client.obtain_code(robot)
    assert not Grant.objects.exists()


@pytest.mark.parametrize(
    ("email", "words"),
    [(fixtures.NORA_EMAIL, "member of any organization")],
)
def test_somebody_without_organization_is_told_what_to_do(client, browser, email, words):
    with pytest.raises(AssertionError, match=words):
        client.obtain_code(browser(email))
    assert not Grant.objects.exists()


def test_a_blocked_person_gets_no_code(client, browser):
    with pytest.raises(AssertionError):
        client.obtain_code(browser(fixtures.BEA_EMAIL))
    assert not Grant.objects.exists()


@pytest.mark.requirement("MCP 2026-07-28: consent before forwarding to the third party")
def test_consent_is_asked_before_propelauth_hears_of_it_and_each_time(client, browser, sandbox):
    client.register()
    robot = browser()
    for _ in range(2):
        page = robot.get(client.authorization_url(prompt="select_account", approval_prompt="auto"))
        assert page.status_code == 200
        assert "Test Client" in page.text
        assert "127.0.0.1:49152" in page.text
        assert "program on this computer" in page.text
        assert sandbox.requests("propelauth") == []
        client.obtain_code(robot)
        sandbox.forget_requests()


def test_looking_at_the_consent_page_changes_nothing(client, browser):
    client.register()
    robot = browser()
    robot.get(client.authorization_url())
    assert not AuthorizationRequest.objects.exists()
    assert robot.get(client.authorization_url()).headers["cache-control"].count("no-store")


@pytest.mark.requirement("MCP 2026-07-28: the consent page MUST NOT be framable")
def test_the_consent_page_cant_be_framed(client, browser):
    client.register()
    headers = browser().get(client.authorization_url()).headers
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


@pytest.mark.requirement("MCP 2026-07-28: the consent form MUST be protected against CSRF")
def test_consent_needs_the_forms_own_token(client, browser):
    client.register()
    robot = browser()
    robot.get(client.authorization_url())
    forged = robot.http.post(client.authorization_url(), data={"decision": "allow"})
    assert forged.status_code == 403
    assert not AuthorizationRequest.objects.exists()


@pytest.mark.requirement("RFC 6749 §4.1.2.1, RFC 9207 §2")
def test_a_person_who_says_no_returns_to_the_client_with_access_denied(client, browser, server):
    client.register()
    robot = browser()
    [form] = forms_of(robot.get(client.authorization_url()))
    answer = query_of(location_of(robot.submit(form, decision="deny")))
    assert answer == {"error": "access_denied", "state": client.state, "iss": server}


def test_a_client_name_cant_inject_markup(client, browser):
    client.register(client_name='<script>alert(1)</script>"><img src=x>')
    page = browser().get(client.authorization_url()).text
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_propelauth_gets_a_proof_key_of_our_own(client, browser, sandbox):
    client.obtain_code(browser())
    [authorize, *_] = [
        received
        for received in sandbox.requests("propelauth")
        if received["path"] == "/oauth/2.1/authorize"
    ]
    [challenge] = authorize["query"]["code_challenge"]
    assert challenge != client.code_challenge
    assert authorize["query"]["code_challenge_method"] == ["S256"]


def test_people_are_known_by_their_propelauth_id_and_not_by_email(client, browser):
    namesake = User.objects.create(username="old", email=fixtures.ANA_EMAIL)
    client.obtain_code(browser())
    user = Grant.objects.get().user
    assert user != namesake
    assert str(user.propelauth_user_id) == fixtures.ANA
    assert not user.is_staff


# The callback ----------------------------------------------------------------------------------


def callback_of(robot: Robot, client: OAuthClient) -> str:
    """The URL PropelAuth sends the browser back to, not yet visited."""
    callback = f"{client.issuer}/oauth/callback"
    return str(robot.authorize(client.authorization_url(), stop_at=callback))


def test_parallel_sign_ins_in_one_browser_both_succeed(new_client, browser):
    robot = browser()
    first, second = new_client(), new_client()
    first.register()
    second.register()
    callbacks = [callback_of(robot, first), callback_of(robot, second)]
    for client, callback in reversed(list(zip((first, second), callbacks, strict=True))):
        code = query_of(location_of(robot.get(callback)))["code"]
        assert client.redeem(code).status_code == 200


@pytest.mark.requirement("RFC 9700 §4.7.1")
def test_a_callback_opened_in_another_browser_is_refused(client, browser):
    client.register()
    callback = callback_of(browser(), client)
    stranger = browser().get(callback)
    assert stranger.status_code == 400
    assert "another browser" in stranger.text
    assert not Grant.objects.exists()


def test_a_callback_replayed_is_refused(client, browser, sandbox):
    client.register()
    robot = browser()
    callback = callback_of(robot, client)
    cookies = dict(robot.http.cookies)
    assert robot.get(callback).status_code == 302
    sandbox.forget_requests()
    robot.http.cookies.update(cookies)
    replay = robot.get(callback)
    assert replay.status_code == 400
    assert sandbox.requests("propelauth") == []
    assert Grant.objects.count() == 1


def test_of_many_racing_callbacks_one_gets_a_code(client, browser):
    client.register()
    robot = browser()
    callback = callback_of(robot, client)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: robot.http.get(callback), range(8)))
    assert sorted(answer.status_code for answer in answers) == [302] + [400] * 7
    assert Grant.objects.count() == 1


@pytest.mark.parametrize("query", ["", "state=unknown&code=x", "state=%00&code=x", "code=x"])
def test_a_callback_nobody_began_is_refused(http, query):
    assert http.get(f"/oauth/callback?{query}").status_code == 400


def test_somebody_who_cancels_at_propelauth_can_go_back_to_the_client(client, browser, server):
    client.register()
    robot = browser()
    state = query_of(
        location_of(
            robot.submit(forms_of(robot.get(client.authorization_url()))[0], decision="allow")
        )
    )["state"]
    page = robot.get(f"{server}/oauth/callback?error=access_denied&state={state}")
    assert page.status_code == 400
    assert "error=access_denied" in page.text
    assert client.redirect_uri in page.text


# Requests that are refused ---------------------------------------------------------------------


@pytest.mark.requirement("RFC 6749 §4.1.2.1: no redirect to an unregistered URI")
@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "unknown"},
        {"client_id": None},
        {"redirect_uri": "https://evil.example/cb"},
        {"redirect_uri": "http://127.0.0.1:49152/callback/"},
        {"redirect_uri": "http://127.0.0.1:49152/callback?x=1"},
        {"redirect_uri": "http://127.0.0.1:49152@evil.example/callback"},
        {"state": "\x00"},
        {"state": "x" * 3000},
    ],
)
def test_a_request_that_cant_be_trusted_gets_a_page(client, browser, changes):
    client.register()
    answer = browser().get(client.authorization_url(**changes))
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.requirement("RFC 8252 §7.3")
def test_a_loopback_redirect_uri_may_change_its_port(client, browser):
    client.register()
    client.redirect_uri = "http://127.0.0.1:50001/callback"
    assert client.obtain_code(browser())


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "too-short"}, "invalid_request"),
        ({"resource": "https://evil.example/mcp"}, "invalid_target"),
        ({"prompt": "none"}, "consent_required"),
    ],
)
def test_a_wrong_request_is_answered_at_the_redirect_uri(client, browser, server, changes, error):
    client.register()
    answer = browser().get(client.authorization_url(**changes))
    assert answer.status_code == 302
    assert location_of(answer).startswith(client.redirect_uri)
    parameters = query_of(location_of(answer))
    assert parameters["error"] == error
    assert parameters["state"] == client.state
    assert parameters["iss"] == server


@pytest.mark.requirement("RFC 9700 §4.11.2")
def test_errors_dont_redirect_to_a_host_somebody_has_just_registered(new_client, browser):
    client = new_client(redirect_uri="https://phishing.example/cb")
    client.register()
    answer = browser().get(client.authorization_url(response_type="token"))
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.requirement("RFC 6749 §3.1: parameters MUST NOT be included more than once")
@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "scope", "code_challenge"])
def test_a_parameter_given_twice_is_refused(client, browser, name):
    client.register()
    answer = browser().get(client.authorization_url() + f"&{name}=again&{name}=again")
    assert answer.status_code == 400


def test_scopes_we_dont_have_are_left_out(client, browser):
    client.obtain_code(browser(), scope="wiv:read offline_access openid")
    assert Grant.objects.get().scope == "wiv:read"


def test_a_client_that_asks_for_no_scope_and_no_resource_gets_the_default_ones(
    client, browser, server
):
    client.obtain_code(browser(), scope=None, resource=None)
    grant = Grant.objects.get()
    assert grant.scope == "wiv:read wiv:write"
    assert grant.resource == [f"{server}/mcp", f"{server}/sse"]


def test_a_resource_is_stored_in_its_canonical_form(client, browser, server):
    client.obtain_code(browser(), resource=f"{server}/mcp/")
    assert Grant.objects.get().resource == [f"{server}/mcp"]


def test_a_client_blocked_while_its_user_signs_in_gets_no_code(client, browser):
    from django.utils import timezone

    from oauth_bridge.models import Application

    client.register()
    robot = browser()
    callback = callback_of(robot, client)
    Application.objects.update(blocked_at=timezone.now())
    assert robot.get(callback).status_code == 400
    assert not Grant.objects.exists()


# PropelAuth in trouble -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "fault", "status"),
    [
        ("/oauth/2.1/token", {"kind": "status", "status": 400}, 400),
        ("/oauth/2.1/token", {"kind": "status", "status": 401}, 502),
        ("/oauth/2.1/token", {"kind": "status", "status": 500}, 503),
        ("/oauth/2.1/token", {"kind": "rate_limit_json"}, 503),
        ("/oauth/2.1/token", {"kind": "drop"}, 503),
        ("/oauth/2.1/token", {"kind": "hang"}, 503),
        ("/oauth/2.1/token", {"kind": "html"}, 503),
        ("/oauth/2.1/introspect", {"kind": "status", "status": 401}, 502),
        ("/oauth/2.1/introspect", {"kind": "broken_json"}, 503),
        ("/oauth/2.1/introspect", {"kind": "wrong_json"}, 503),
        ("/api/backend/v1/user/*", {"kind": "status", "status": 404}, 400),
        ("/api/backend/v1/user/*", {"kind": "rate_limit_text"}, 503),
    ],
)
def test_trouble_at_propelauth_is_a_page_with_a_reference_and_leaves_nothing(
    client, browser, sandbox, path, fault, status
):
    client.register()
    robot = browser()
    callback = callback_of(robot, client)
    sandbox.fault("propelauth", path, times=None, **fault)
    page = robot.get(callback)
    sandbox.clear_faults()
    assert page.status_code == status, page.text
    assert "Reference for support" in page.text
    assert not Grant.objects.exists()
    assert sandbox.api_keys() == []
