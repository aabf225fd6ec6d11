"""MCP: what stands between an authorization request and the third party it is forwarded to."""

from datetime import timedelta

import httpx2
import pytest
from django.conf import settings
from django.utils import timezone

from oauth_bridge.models import AuthorizationRequest, Consent, Grant
from sandbox import fixtures
from tests.oauth_client import OAuthClient
from tests.robot import Robot, forms_of, location_of, query_of


def allow(client: OAuthClient, robot: Robot) -> httpx2.Response:
    """The answer to the consent page's "Continue"."""
    client.register()
    [form] = forms_of(robot.get(client.authorization_url()))
    return robot.submit(form, decision="allow")


def cookies_set(response: httpx2.Response) -> list[str]:
    return [value.partition("=")[0] for value in response.headers.get_list("set-cookie")]


@pytest.mark.requirement("MCP 2026-07-28 Security Best Practices: Consent UI Requirements")
@pytest.mark.parametrize(
    ("scope", "named"), [("wiv:read", ["wiv:read"]), (None, ["wiv:read", "wiv:write"])]
)
def test_the_consent_page_names_what_is_asked_for_and_no_more(client, browser, scope, named):
    client.register()
    page = browser().get(client.authorization_url(scope=scope))
    assert [scope for scope, words in settings.SCOPES.items() if words in page.text] == named


@pytest.mark.requirement("MCP 2026-07-28 Security Best Practices: Per-Client Consent Storage")
def test_who_allowed_which_client_is_on_record(new_client, browser):
    first, second = new_client(), new_client()
    second.register(client_name="Another")
    first.obtain_code(browser(fixtures.ANA_EMAIL))
    second.obtain_code(browser(fixtures.MAX_EMAIL, organization=fixtures.MSP))
    consents = Consent.objects.order_by("pk").values_list("user__email", "application__client_id")
    assert list(consents) == [
        (fixtures.ANA_EMAIL, first.client_id),
        (fixtures.MAX_EMAIL, second.client_id),
    ]


@pytest.mark.requirement("MCP 2026-07-28 Security Best Practices: OAuth State Parameter Validation")
def test_a_sign_in_has_state_and_cookie_only_once_the_person_agreed(client, browser, sandbox):
    client.register()
    robot = browser()
    page = robot.get(client.authorization_url())
    assert not AuthorizationRequest.objects.exists()
    assert not [name for name in cookies_set(page) if "sign-in" in name]
    [form] = forms_of(page)
    answer = robot.submit(form, decision="allow")
    row = AuthorizationRequest.objects.get()
    assert location_of(answer).startswith(sandbox.url)
    assert f"sign-in-{row.pk.hex}" in cookies_set(answer)


@pytest.mark.requirement("MCP 2026-07-28 Security Best Practices: OAuth State Parameter Validation")
def test_each_sign_in_has_a_random_state_of_its_own(client, browser):
    states = {query_of(location_of(allow(client, browser())))["state"] for _ in range(3)}
    assert len(states) == 3
    assert all(len(state) >= 43 for state in states), "256 bits in base64url"
    assert client.state not in states


@pytest.mark.requirement("MCP 2026-07-28 Security Best Practices: OAuth State Parameter Validation")
def test_a_state_is_good_for_ten_minutes_at_most(client, browser):
    client.register()
    robot = browser()
    callback = str(
        robot.authorize(client.authorization_url(), stop_at=f"{client.issuer}/oauth/callback")
    )
    row = AuthorizationRequest.objects.get()
    assert row.expires - row.created <= timedelta(minutes=10, seconds=1)
    AuthorizationRequest.objects.update(expires=timezone.now())
    assert robot.get(callback).status_code == 400
    assert not Grant.objects.exists()


@pytest.mark.requirement("MCP 2026-07-28 Security Best Practices: Consent UI Requirements")
def test_the_consent_page_shows_the_whole_redirect_uri(client, browser):
    client.register()
    assert client.redirect_uri in browser().get(client.authorization_url()).text
