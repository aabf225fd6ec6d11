"""RFC 9700 §4.2.4, §4.11, §4.15, §4.16: what the pages around a sign-in show and lead to."""

from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin

import httpx2
import pytest

from sandbox import fixtures
from tests.robot import Robot, forms_of, location_of

ELSEWHERE = "https://evil.example/"
# Names under which redirectors are usually asked.
NAMES = ("next", "url", "redirect", "redirect_uri", "redirect_to", "return_to", "continue", "goto")


class Links(HTMLParser):
    """Every URL a page loads or leads to."""

    def __init__(self, page: httpx2.Response) -> None:
        super().__init__()
        self.found: list[str] = []
        self.base = str(page.url)
        self.feed(page.text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("href", "src", "action", "srcset", "data", "poster") and value:
                self.found.append(urljoin(self.base, value))

    def outside(self, server: str) -> list[str]:
        return [url for url in self.found if not f"{url}/".startswith(f"{server}/")]


def consent_page(robot: Robot, client) -> httpx2.Response:
    return robot.get(client.authorization_url())


def organization_page(robot: Robot, client) -> httpx2.Response:
    response = robot.follow(consent_page(robot, client), client.redirect_uri)
    while "/oauth/organization/" not in str(response.url):
        response = robot.follow(robot.answer(response), client.redirect_uri)
    return response


def refused_request(robot: Robot, client) -> httpx2.Response:
    return robot.get(client.authorization_url(redirect_uri=ELSEWHERE))


def failed_callback(robot: Robot, client) -> httpx2.Response:
    return robot.get(f"{client.issuer}/oauth/callback?code=x&state=unknown")


PAGES = pytest.mark.parametrize(
    "open_page", [consent_page, organization_page, refused_request, failed_callback]
)


@pytest.fixture
def page(client, browser, open_page):
    client.register()
    return open_page(browser(fixtures.MAX_EMAIL), client)


@pytest.mark.requirement("RFC 9700 §4.16, OAuth 2.1 §7.11: clickjacking")
@PAGES
def test_no_page_of_a_sign_in_can_be_framed(page):
    assert page.headers["x-frame-options"] == "DENY"
    policy = page.headers["content-security-policy"].split("; ")
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'self'" in policy  # scripts too
    assert not [rule for rule in policy if "unsafe" in rule or "http" in rule]


@pytest.mark.requirement("RFC 9700 §4.2.4, OAuth 2.1 §2.3.6: nothing of third parties")
@PAGES
def test_no_page_of_a_sign_in_has_anything_of_others(page, server):
    links = Links(page)
    assert links.found
    assert links.outside(server) == []
    assert page.headers["referrer-policy"] == "same-origin"


@pytest.mark.requirement("RFC 9700 §4.2.4")
def test_the_page_after_a_refusal_at_propelauth_leads_to_the_client_only(client, browser, server):
    client.register()
    robot = browser()
    callback = f"{server}/oauth/callback"
    begun = robot.submit(forms_of(consent_page(robot, client))[0], decision="allow")
    state = httpx2.URL(location_of(begun)).params["state"]
    page = robot.get(f"{callback}?error=access_denied&state={state}")
    [back] = Links(page).outside(server)
    assert back.startswith(f"{client.redirect_uri}?")
    assert 'rel="noreferrer"' in page.text
    assert state not in page.text


@pytest.mark.requirement("RFC 9700 §2.1, §4.11, OAuth 2.1 §2.3.1, §7.13: no open redirector")
@pytest.mark.parametrize(
    "path",
    [
        *("/", "/connect", "/connect/sign-in", "/oauth/callback", "/authorize", "/admin"),
        *("/favicon.ico", "/mcp"),
    ],
)
def test_no_url_leads_where_its_query_says(http, path):
    for name in NAMES:
        for value in (ELSEWHERE, "//evil.example/", "\\\\evil.example"):
            answer = http.get(f"{path}?{urlencode({name: value})}")
            assert "evil.example" not in answer.headers.get("location", "")


@pytest.mark.requirement("RFC 9700 §2.6, §4.15.1: client_id")
def test_a_client_cant_choose_its_id_at_registration(client):
    asked = {"client_id": fixtures.ANA, "sub": fixtures.ANA, "client_secret": "chosen"}
    document = client.register(**asked).json()
    assert document["client_id"] != fixtures.ANA
    assert "sub" not in document
    assert "client_secret" not in document
