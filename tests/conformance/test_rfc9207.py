"""Does every answer at a redirect URI name its issuer (RFC 9207)?"""

from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from sandbox import fixtures
from tests.oauth_client import OAuthClient
from tests.robot import location_of, query_of

METADATA = "/.well-known/oauth-authorization-server"
PUBLIC_URL = "https://mcp.example.com"


class Links(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attributes if name == "href"]


@pytest.mark.requirement("RFC 9207 §2, §2.3")
@pytest.mark.parametrize("email", [fixtures.ANA_EMAIL, fixtures.MAX_EMAIL])
def test_a_code_comes_with_the_issuer_the_metadata_names(http, client, browser, email):
    """Max has several organizations, so the answer comes from another page than Ana's."""
    metadata = http.get(METADATA).json()
    assert metadata["authorization_response_iss_parameter_supported"] is True
    client.register()
    arrived = browser(email).authorize(client.authorization_url(), stop_at=client.redirect_uri)
    answer = parse_qs(urlsplit(str(arrived)).query)
    assert answer["iss"] == [metadata["issuer"]]
    assert answer["code"]


def way_back(page: httpx2.Response, client: OAuthClient) -> dict[str, str]:
    """The answer behind the button of a page that tells a person what went wrong."""
    [back] = [url for url in Links(page.text).found if url.startswith(client.redirect_uri)]
    return query_of(back)


@pytest.mark.requirement("RFC 9207 §2: error responses too")
def test_somebody_who_may_not_sign_in_goes_back_with_the_issuer(client, browser, server):
    client.register()
    robot = browser(fixtures.NORA_EMAIL)  # in no organization
    callback = robot.authorize(client.authorization_url(), stop_at=f"{server}/oauth/callback")
    answer = way_back(robot.get(str(callback)), client)
    assert (answer["error"], answer["iss"]) == ("access_denied", server)


@pytest.mark.requirement("RFC 9207 §2: error responses too")
def test_trouble_at_propelauth_goes_back_with_the_issuer(client, browser, server, sandbox):
    client.register()
    robot = browser()
    callback = robot.authorize(client.authorization_url(), stop_at=f"{server}/oauth/callback")
    sandbox.fault("propelauth", "/oauth/2.1/token", "status", status=500, times=None)
    answer = way_back(robot.get(str(callback)), client)
    assert (answer["error"], answer["iss"]) == ("temporarily_unavailable", server)


@pytest.mark.requirement("RFC 9207 §2: an https URL without query or fragment")
def test_the_issuer_is_the_public_url_and_nothing_added(http, client, browser, settings):
    client.register()
    settings.PUBLIC_URL = PUBLIC_URL
    refused = browser().get(client.authorization_url(prompt="none"))
    assert query_of(location_of(refused))["iss"] == PUBLIC_URL
    assert http.get(METADATA).json()["issuer"] == PUBLIC_URL


@pytest.mark.requirement("RFC 9207 §2.4: a client without support ignores an unrecognized iss")
def test_an_issuer_propelauth_might_name_changes_nothing(client, browser, server):
    client.register()
    robot = browser()
    callback = robot.authorize(client.authorization_url(), stop_at=f"{server}/oauth/callback")
    answer = robot.get(f"{callback}&iss=https%3A%2F%2Fauth.example.com")
    assert query_of(location_of(answer))["code"]
    assert query_of(location_of(answer))["iss"] == server
