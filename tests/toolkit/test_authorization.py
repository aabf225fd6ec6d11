"""Where the toolkit's own authorization view would skip, refuse or break a consent."""

import httpx2
import pytest

from oauth_bridge.models import AuthorizationRequest
from tests.robot import forms_of, location_of

# Fetch, "append a request Origin header": under this policy a form's Origin is null.
SILENT = "no-referrer"


@pytest.mark.requirement("MCP 2026-07-28: consent before forwarding to the third party")
@pytest.mark.parametrize("prompt", ["auto", "force"])
def test_a_query_cant_skip_the_consent_of_somebody_who_is_connected(
    client, browser, sandbox, prompt
):
    robot = browser()
    client.sign_in(robot)
    sandbox.forget_requests()
    answer = robot.get(client.authorization_url(approval_prompt=prompt))
    assert answer.status_code == 200, "no consent was asked for"
    assert ("decision", "allow") in forms_of(answer)[0].buttons
    assert sandbox.requests("propelauth") == []


@pytest.mark.requirement("RFC 6749 §3.3: a scope may be granted in part, and the answer says which")
def test_a_scope_we_dont_have_is_left_out_and_the_answer_says_so(new_client, browser):
    client = new_client(scope="wiv:read offline_access profile")
    client.register()
    robot = browser()
    page = robot.get(client.authorization_url())
    assert page.status_code == 200, "the request was refused"
    assert client.sign_in(robot)["scope"] == "wiv:read"


@pytest.mark.requirement("RFC 3986 §6.2.3: an empty path is the root")
@pytest.mark.parametrize(
    ("registered", "used"),
    [
        ("http://127.0.0.1", "http://127.0.0.1:41130/"),
        ("http://127.0.0.1/", "http://127.0.0.1:41130"),
        ("https://client.example", "https://client.example/"),
    ],
)
def test_a_redirect_uri_may_gain_or_lose_the_slash_of_its_root(
    new_client, browser, registered, used
):
    client = new_client(redirect_uri=used)
    assert client.register(redirect_uris=[registered]).status_code == 201
    page = browser().get(client.authorization_url())
    assert page.status_code == 200, "the redirect URI was refused"
    assert client.redeem(client.obtain_code(browser())).status_code == 200


def post_as_browsers_do(page: httpx2.Response, http: httpx2.Client) -> httpx2.Response:
    """The consent form, with the Origin that the page's own policy allows."""
    [form] = forms_of(page)
    url = page.url
    quiet = page.headers.get("referrer-policy") == SILENT
    origin = "null" if quiet else f"{url.scheme}://{url.netloc.decode()}"
    values = {**form.fields, "decision": "allow"}
    return http.post(form.action, data=values, headers={"Origin": origin})


@pytest.mark.requirement("RFC 9700 §4.2.4: a policy for referrers that the form itself survives")
def test_the_consent_pages_policy_for_referrers_lets_its_form_through(client, browser):
    client.register()
    robot = browser()
    page = robot.get(client.authorization_url())
    assert page.headers.get("referrer-policy")
    assert post_as_browsers_do(page, robot.http).status_code == 302
    assert AuthorizationRequest.objects.exists()


@pytest.mark.requirement("CSP 3 §6.4.1: form-action is applied to the redirects of a form too")
def test_the_consent_pages_policy_for_forms_lets_the_redirect_through(client, browser, server):
    client.register()
    robot = browser()
    page = robot.get(client.authorization_url())
    leads_to = location_of(post_as_browsers_do(page, robot.http))
    assert leads_to
    assert not leads_to.startswith(server)
    assert "form-action" not in page.headers["content-security-policy"]


@pytest.mark.requirement("RFC 9700 §4.2.4, RFC 9111 §5.2.2.5")
def test_the_consent_page_is_kept_by_no_cache(client, browser):
    client.register()
    page = browser().get(client.authorization_url())
    assert "no-store" in page.headers.get("cache-control", "")
