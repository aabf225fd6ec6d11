""" "Is it working?" on /connect, while real clients connect or fail to."""

from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from sandbox import fixtures
from tests.e2e.conftest import Demo
from tests.e2e.connect_page import Traffic, look_at, open_card, sign_in, watch, watched
from tests.e2e.live_client import SteppingClient, connecting
from tests.mcp_gateway.json_rpc import ACCEPT, TOOLS_LIST, McpClient
from tests.oauth_client import OAuthClient

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def traffic(demo: Demo, page: Page) -> Iterator[Traffic]:
    demo.sandbox.reset()
    yield from watched(page, demo)


@pytest.fixture
def client(demo: Demo) -> Iterator[OAuthClient]:
    client = OAuthClient(demo.url, resource=f"{demo.url}/mcp")
    yield client
    client.http.close()


def expect_step(panel: Locator, step: str, state: str) -> None:
    item = panel.locator(f"[data-step={step}]")
    expect(item).to_have_attribute("data-state", state)


def test_it_turns_green_step_by_step_while_a_client_connects(demo: Demo, page: Page, browser):
    sign_in(page, demo, fixtures.ANA_EMAIL)
    panel = watch(page, "cursor")
    expect_step(panel, "reached", "waiting")
    look_at(page, "waiting")
    page.evaluate("window.isStillThere = true")
    client = SteppingClient(browser(fixtures.ANA_EMAIL))
    with connecting(client, demo.url):
        expect_step(panel, "registered", "done")
        for step in ("signed_in", "listed", "called"):
            expect_step(panel, step, "waiting")
            client.may[step].set()
            expect_step(panel, step, "done")
    expect(panel.locator(".notice.good")).to_contain_text("It works. Python SDK is connected")
    expect(panel.locator("[data-step=signed_in]")).to_contain_text("For Acme Corp")
    assert page.evaluate("window.isStillThere")
    look_at(page, "works")


def test_once_it_works_nothing_is_asked_any_more(
    demo: Demo, page: Page, traffic: Traffic, client: OAuthClient, browser
):
    page.clock.install()
    sign_in(page, demo, fixtures.ANA_EMAIL)
    panel = watch(page, "cursor")
    token = client.sign_in(browser())["access_token"]
    with page.expect_response(f"{demo.url}/connect"):  # the last: for the list beside the cards
        with httpx2.Client(base_url=demo.url) as http:
            McpClient(http, token).call("wiv_list_workflows")
        expect(panel.locator(".notice.good")).to_be_visible()
    traffic.forget()
    page.clock.run_for(60_000)
    assert traffic.requests == []


def test_a_redirect_uri_that_is_refused_is_told_at_once(
    demo: Demo, page: Page, client: OAuthClient
):
    sign_in(page, demo, fixtures.ANA_EMAIL)
    panel = watch(page, "cursor")
    client.http.get(f"{demo.url}/.well-known/oauth-authorization-server")
    answer = client.register(redirect_uris=["evil-app://callback/path"])
    assert answer.status_code == 400
    alert = panel.get_by_role("alert")
    expect(alert).to_contain_text("to be sent back to evil-app://callback, which isn't allowed")
    expect(alert).to_contain_text("Update the assistant")
    expect_step(panel, "registered", "failed")
    look_at(page, "refused")
    client.register(client_name="Updated")
    expect_step(panel, "registered", "done")
    expect(alert).to_have_count(0)


@pytest.mark.parametrize(
    ("authorization", "what", "fix"),
    [
        ('Bearer "abc"', "pasted together with quotation marks", "Remove the quotation marks"),
        ("Bearer ${WIV_API_KEY}", "the placeholder instead of your API key", "set the variable"),
        ("abc", "no “Bearer” in front of the key", "Authorization: Bearer"),
    ],
)
def test_a_key_pasted_wrongly_is_told_with_what_mends_it(
    demo: Demo, page: Page, authorization: str, what: str, fix: str
):
    sign_in(page, demo, fixtures.ANA_EMAIL)
    panel = watch(page, "zed")
    headers = ACCEPT | {"Authorization": authorization}
    answer = httpx2.post(f"{demo.url}/mcp", json=TOOLS_LIST, headers=headers)
    assert answer.status_code == 401
    alert = panel.get_by_role("alert")
    expect(alert).to_contain_text(what)
    expect(alert).to_contain_text(fix)


def test_taking_a_configuration_along_begins_it_too(demo: Demo, page: Page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(page, demo, fixtures.ANA_EMAIL)
    card = open_card(page, "claude-code")
    card.locator("button[data-begins]").first.click()
    expect(card.locator("#status")).to_be_visible()
    expect_step(card, "reached", "waiting")
