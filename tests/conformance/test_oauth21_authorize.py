"""OAuth 2.1 §2.3, §3.1, §4.1.1, §4.1.2: what /authorize takes, and what its answers say."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import httpx2
import pytest
from django.conf import settings

from oauth_bridge.models import Grant
from sandbox import fixtures
from tests.robot import forms_of, location_of, query_of

# §4.1.2.1: %x20-21 / %x23-5B / %x5D-7E
NQSCHARS = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")
ODD = 'a"b\\c\N{EURO SIGN}'


@pytest.fixture
def watched(browser):
    """A browser, and the status of every answer of this server that was a redirect."""
    statuses: list[int] = []

    def note(response) -> None:
        if response.has_redirect_location and str(response.url).startswith(settings.PUBLIC_URL):
            statuses.append(response.status_code)

    def open_browser(email: str = fixtures.ANA_EMAIL, organization: str = ""):
        robot = browser(email, organization)
        robot.http.event_hooks = {"response": [note]}
        return robot, statuses

    return open_browser


# Requests --------------------------------------------------------------------------------------


@pytest.mark.requirement("OAuth 2.1 §3.1: unrecognized parameters are ignored")
def test_a_parameter_nobody_knows_is_ignored(client, browser):
    client.register()
    arrived = browser().authorize(
        client.authorization_url(unheard_of="x", nonce="n", client_secret="s"),
        stop_at=client.redirect_uri,
    )
    assert query_of(arrived)["code"]


@pytest.mark.requirement("OAuth 2.1 §2.3.2, §4.1.1: redirect_uri")
def test_a_client_with_several_redirect_uris_has_to_name_one(client, browser):
    client.register()
    assert browser().get(client.authorization_url(redirect_uri=None)).status_code == 200
    client.register(redirect_uris=[client.redirect_uri, "http://127.0.0.1:49152/other"])
    answer = browser().get(client.authorization_url(redirect_uri=None))
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.requirement("OAuth 2.1 §2.3.1, §4.1.1: simple string comparison")
@pytest.mark.parametrize("query", ["", "?tenant=2", "?tenant=1&x=2", "?x=2&tenant=1", "?tenant=1&"])
def test_the_query_of_a_redirect_uri_has_to_be_the_registered_one(new_client, browser, query):
    client = new_client(redirect_uri="https://app.example.com/cb?tenant=1")
    client.register()
    assert browser().get(client.authorization_url()).status_code == 200
    other = f"https://app.example.com/cb{query}"
    answer = browser().get(client.authorization_url(redirect_uri=other))
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.requirement("OAuth 2.1 §4.1.2.1, §7.5.1.1: a challenge is for every client")
@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
def test_a_client_with_a_secret_needs_a_challenge_too(new_client, browser, method):
    client = new_client(auth_method=method)
    client.register()
    url = client.authorization_url(code_challenge=None, code_challenge_method=None)
    answer = query_of(location_of(browser().get(url)))
    assert (answer["error"], answer["state"]) == ("invalid_request", client.state)


@pytest.mark.requirement("OAuth 2.1 §4.1.1, §8.4.2: any port on loopback")
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_each_loopback_host_may_change_its_port_and_nothing_else(new_client, browser, host):
    client = new_client(redirect_uri=f"http://{host}:41000/cb")
    client.register()
    client.redirect_uri = f"http://{host}:52000/cb"
    assert client.redeem(client.obtain_code(browser())).status_code == 200
    for other in (f"http://{host}:52000/other", f"https://{host}:52000/cb"):
        assert browser().get(client.authorization_url(redirect_uri=other)).status_code == 400


@pytest.mark.requirement("OAuth 2.1 §3.1, RFC 9700 §2.6: no CORS at the authorization endpoint")
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
def test_no_page_of_another_origin_may_read_the_authorization_endpoint(client, method):
    client.register()
    [origin, *_] = settings.ALLOWED_ORIGINS
    headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    answer = client.http.request(method, client.authorization_url(), headers=headers)
    assert not [name for name in answer.headers if name.startswith("access-control-")]


# Answers ---------------------------------------------------------------------------------------


@pytest.mark.requirement("OAuth 2.1 §2.3: a redirect URI's query is retained")
def test_the_query_of_a_redirect_uri_comes_back_with_code_and_with_error(new_client, browser):
    client = new_client(redirect_uri="http://127.0.0.1:49152/cb?tenant=acme&page=2")
    client.register()
    robot = browser()
    arrived = robot.authorize(client.authorization_url(), stop_at=client.redirect_uri)
    assert set(query_of(arrived)) == {"tenant", "page", "code", "state", "iss"}
    [form] = forms_of(robot.get(client.authorization_url()))
    denied = location_of(robot.submit(form, decision="deny"))
    assert denied.startswith(client.redirect_uri + "&error=access_denied&")


@pytest.mark.requirement("OAuth 2.1 §4.1.2: a code expires shortly, after 10 minutes at most")
def test_a_code_is_good_for_minutes_at_most(client, browser):
    client.obtain_code(browser())
    grant = Grant.objects.get()
    assert grant.expires - grant.created <= timedelta(minutes=10)


@pytest.mark.requirement("OAuth 2.1 §4.1.2: only the authorization server can tell the challenge")
def test_the_answer_says_nothing_of_the_proof_key(client, browser):
    client.register()
    arrived = browser().authorize(client.authorization_url(), stop_at=client.redirect_uri)
    assert set(query_of(arrived)) == {"code", "state", "iss"}
    assert client.code_challenge not in str(arrived)
    assert Grant.objects.get().code_challenge == client.code_challenge


@pytest.mark.requirement("OAuth 2.1 §3.2.3: no-store on every response with credentials")
@pytest.mark.parametrize(
    ("email", "organization"),
    [(fixtures.ANA_EMAIL, ""), (fixtures.MAX_EMAIL, fixtures.CONTOSO)],
    ids=["from the callback", "from the organization page"],
)
def test_the_redirect_with_the_code_is_kept_by_no_cache(client, browser, email, organization):
    client.register()
    robot = browser(email, organization)
    answers: list[httpx2.Response] = []
    robot.http.event_hooks = {"response": [answers.append]}
    arrived = robot.authorize(client.authorization_url(), stop_at=client.redirect_uri)
    assert location_of(answers[-1]) == str(arrived)
    assert "no-store" in answers[-1].headers["cache-control"]


@pytest.mark.requirement("OAuth 2.1 §7.5.4, RFC 9700 §4.12: never 307")
@pytest.mark.parametrize(
    ("email", "organization"),
    [(fixtures.ANA_EMAIL, ""), (fixtures.MAX_EMAIL, fixtures.CONTOSO)],
)
def test_no_redirect_of_a_sign_in_repeats_a_posted_form(client, watched, email, organization):
    client.register()
    robot, statuses = watched(email, organization)
    [form] = forms_of(robot.get(client.authorization_url()))
    robot.submit(form, decision="deny")
    robot.authorize(client.authorization_url(), stop_at=client.redirect_uri)
    assert len(statuses) >= 3
    assert set(statuses) <= {302, 303}


@pytest.mark.requirement("OAuth 2.1 §4.1.2: state comes back exactly, Appendix B: as UTF-8")
@pytest.mark.parametrize("state", [ODD, "a b+c&d=e%20f#g", "x" * 2048])
def test_a_state_comes_back_as_it_came(client, browser, state):
    client.state = state
    assert client.obtain_code(browser())


@pytest.mark.requirement("OAuth 2.1 §4.1.2.1: characters of error and error_description")
@pytest.mark.parametrize(
    "changes",
    [
        {"response_type": ODD},
        {"code_challenge_method": ODD},
        {"code_challenge": ODD},
        {"resource": ODD},
        {"prompt": f"none {ODD}"},
    ],
)
def test_an_error_echoes_no_character_that_isnt_allowed(client, browser, changes):
    client.register()
    location = location_of(browser().get(client.authorization_url(**changes)))
    answer = query_of(location)
    assert urlsplit(location).query.isascii()
    assert NQSCHARS.fullmatch(answer["error"])
    assert NQSCHARS.fullmatch(answer.get("error_description", "none"))
    assert "error_uri" not in answer


@pytest.mark.requirement("OAuth 2.1 §3.1: a parameter without a value is as good as left out")
@pytest.mark.parametrize("name", ["redirect_uri", "scope", "state", "resource", "prompt"])
def test_an_empty_parameter_is_left_out(client, browser, name):
    client.register()
    assert browser().get(client.authorization_url(**{name: ""})).status_code == 200
    without_challenge = browser().get(client.authorization_url(code_challenge=""))
    assert query_of(location_of(without_challenge))["error"] == "invalid_request"


@pytest.mark.requirement("OAuth 2.1 §7.13.2, RFC 9700 §4.11.2: no open redirector")
def test_nobody_is_sent_to_a_stranger_before_they_signed_in(new_client, browser):
    stranger = new_client(redirect_uri="https://phishing.example/cb")
    stranger.register()
    robot = browser()
    [form] = forms_of(robot.get(stranger.authorization_url()))
    page = robot.submit(form, decision="deny")
    assert (page.status_code, location_of(page)) == (200, "")
    assert "Nothing was connected" in page.text
    assert "error=access_denied" in page.text  # the way back is a link


@pytest.mark.requirement("OAuth 2.1 §4.1.2: a redirect URI keeps its query")
def test_the_query_of_a_redirect_uri_is_returned_byte_for_byte(new_client, browser):
    uri = "http://127.0.0.1:49152/callback?a%20b&flag=&x=%2F"
    client = new_client(redirect_uri=uri)
    client.register()
    arrived = browser().authorize(client.authorization_url(), stop_at=uri)
    assert str(arrived).startswith(f"{uri}&code=")
