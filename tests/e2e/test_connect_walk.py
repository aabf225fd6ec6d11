"""Somebody walks through /connect in a real browser: what they see, press and copy."""

import base64
import json
import re
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from sandbox import fixtures
from tests.e2e.conftest import Demo, screenshot
from tests.e2e.connect_page import (
    Traffic,
    look_at,
    look_at_everything_opened,
    make_key,
    open_card,
    sign_in,
    sign_in_at_propelauth,
    watch,
    watched,
)
from tests.mcp_gateway.json_rpc import McpClient
from tests.oauth_client import OAuthClient

pytestmark = pytest.mark.browser

# What the links in the cards open: applications, and the makers' own pages over https.
LINK_SCHEMES = {"cursor", "goose", "https", "lmstudio", "vscode", "vscode-insiders"}
HOSTILE = "<img src=x onerror=alert(1)>\"'</bdi><script>alert(2)</script>"
# Two that reverse the text after them.
OVERRIDE, EMBEDDING = "\u202e", "\u202b"


@pytest.fixture(autouse=True)
def traffic(demo: Demo, page: Page) -> Iterator[Traffic]:
    demo.sandbox.reset()
    yield from watched(page, demo)


@pytest.fixture
def client(demo: Demo) -> Iterator[OAuthClient]:
    client = OAuthClient(demo.url, resource=f"{demo.url}/mcp")
    yield client
    client.http.close()


# What somebody sees --------------------------------------------------------------------------


def test_a_visitor_can_read_it_all_anywhere(demo: Demo, page: Page):
    page.goto(demo.url)
    expect(page).to_have_url(f"{demo.url}/connect")
    look_at(page, "signed-out")
    look_at_everything_opened(page, "signed-out-everything-opened")


def test_with_one_organization_one_is_in_at_once(demo: Demo, page: Page):
    sign_in(page, demo, fixtures.ANA_EMAIL)
    expect(page.locator("header")).to_contain_text("Acme Corp")
    expect(page.get_by_label("Organization")).to_have_count(0)
    look_at(page, "signed-in")
    look_at_everything_opened(page, "signed-in-everything-opened")


def test_with_three_organizations_one_chooses_and_keys_are_offered_for_each(demo: Demo, page: Page):
    page.goto(f"{demo.url}/connect")
    page.get_by_role("button", name="Sign in with Wiv").click()
    sign_in_at_propelauth(page, fixtures.MAX_EMAIL)
    look_at(page, "organization")
    page.get_by_label("Northwind Traders").check()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("header")).to_contain_text("Northwind Traders")
    page.locator("#api-keys summary").click()
    offered = page.get_by_label("Organization").locator("option").all_inner_texts()
    assert sorted(offered) == ["Contoso Ltd", "Northwind Traders", "Orbit MSP"]
    expect(page.get_by_label("Organization")).to_have_value(fixtures.NORTHWIND)
    look_at(page, "three-organizations")


def test_consent_and_refusal_can_be_read_anywhere(page: Page, client: OAuthClient):
    client.register(client_name="Cursor", redirect_uris=["https://assistant.test/callback"])
    page.goto(client.authorization_url(redirect_uri="https://assistant.test/callback"))
    look_at(page, "consent")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_be_visible()
    look_at(page, "problem")


# What somebody does --------------------------------------------------------------------------


def test_it_all_goes_by_keyboard_alone(demo: Demo, page: Page, client: OAuthClient):
    page.goto(f"{demo.url}/connect")
    tab_to(page, page.get_by_role("button", name="Sign in with Wiv"))
    page.keyboard.press("Enter")
    expect(page.get_by_label("E-mail")).to_be_focused()
    page.keyboard.type(fixtures.ANA_EMAIL)
    page.keyboard.press("Tab")
    page.keyboard.type(fixtures.PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    summary = page.locator("#cursor > summary")
    tab_to(page, summary)
    page.keyboard.press("Enter")
    expect(page.locator("#cursor")).to_have_attribute("open", "")
    page.keyboard.press("Space")
    expect(page.locator("#cursor")).not_to_have_attribute("open", "")
    page.keyboard.press("Space")
    button = page.locator("#cursor").get_by_role("button", name="Is it working?")
    tab_to(page, button)
    page.keyboard.press("Enter")
    expect(page.locator("#cursor #status")).to_be_visible()
    expect(button).to_be_focused()
    stop = page.get_by_role("button", name="Stop watching")
    tab_to(page, stop)
    client.register(client_name="Cursor")
    expect(page.locator("[data-step=registered]")).to_have_attribute("data-state", "done")
    expect(stop).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_be_hidden()


def tab_to(page: Page, target: Locator) -> None:
    """Fails when it can't be reached, or when it can't be seen where one is."""
    for _ in range(60):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.matches(':focus-visible')")
        outline = "getComputedStyle(document.activeElement).outline"
        assert page.evaluate(f"{outline}Style !== 'none' && parseFloat({outline}Width) >= 2")
        if target.evaluate("element => element === document.activeElement"):
            expect(target).to_be_in_viewport()
            return
    raise AssertionError(f"{target} can't be reached with the Tab key")


def test_each_card_says_how_and_copies_what_it_shows(demo: Demo, page: Page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{demo.url}/connect")
    slugs = page.locator("details.client").evaluate_all("cards => cards.map(card => card.id)")
    assert len(slugs) == len(set(slugs)) > 20
    schemes: set[str] = set()
    for slug in slugs:
        card = open_card(page, slug)
        for inner in card.locator("details").all():
            inner.locator("> summary").click()
        assert card.locator("a.button:visible, pre:visible, ol:visible > li").count(), slug
        assert card.locator("details:not([open])").count() == 0
        links = card.locator("a").evaluate_all("links => links.map(link => link.href)")
        schemes |= {urlsplit(link).scheme for link in links}
        for button in card.locator("button[data-copy]").all():
            assert copied(page, button) == shown_beside(button), slug
    assert schemes == LINK_SCHEMES
    button = page.locator(".address").get_by_role("button")
    assert copied(page, button) == f"{demo.url}/mcp"
    expect(button).to_have_text("Copied")
    expect(button).to_have_text("Copy")


def copied(page: Page, button: Locator) -> str:
    button.press("Enter")
    button.filter(has_text="Copied").wait_for()
    return str(page.evaluate("navigator.clipboard.readText()"))


def shown_beside(button: Locator) -> str:
    return button.locator("xpath=..").locator("pre").inner_text()


def test_the_link_to_cursor_holds_this_servers_address_and_no_key(demo: Demo, page: Page):
    page.goto(f"{demo.url}/connect#cursor")
    link = page.get_by_role("link", name="Add to Cursor", exact=True).first
    expect(link).to_be_in_viewport()
    href = urlsplit(link.get_attribute("href") or "")
    assert f"{href.scheme}://{href.netloc}{href.path}" == (
        "cursor://anysphere.cursor-deeplink/mcp/install"
    )
    query = parse_qs(href.query)
    assert query["name"] == ["wiv"]
    assert json.loads(base64.b64decode(query["config"][0])) == {"url": f"{demo.url}/mcp"}


# What keeps it safe --------------------------------------------------------------------------


def test_every_page_forbids_scripts_and_styles_in_its_markup(
    demo: Demo, page: Page, traffic: Traffic
):
    sign_in(page, demo, fixtures.MAX_EMAIL, "Orbit MSP")
    pages = [
        response
        for response in traffic.responses
        if response.url.startswith(demo.url) and response.request.is_navigation_request()
    ]
    assert any("/oauth/organization/" in response.url for response in pages)
    for response in pages:
        policy = response.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy


def test_what_gets_into_the_markup_all_the_same_does_not_run(demo: Demo, chromium_browser: Browser):
    """And is heard of, by which the other tests know that nothing did."""
    page, traffic = chromium_browser.new_page(), Traffic()
    traffic.follow(page)
    page.goto(f"{demo.url}/connect")
    page.evaluate("document.querySelector('main').innerHTML += '<img src=x onerror=alert(1)>'")
    with page.expect_event("console", lambda message: "onerror" in message.text or True):
        page.evaluate("document.body.setAttribute('onclick', 'alert(2)')")
        page.locator("h1").click()
    assert any(violation.startswith("script-src") for violation in traffic.violations)
    assert traffic.dialogs == []


def test_names_that_are_markup_are_shown_as_text(
    demo: Demo, page: Page, client: OAuthClient, browser
):
    rename_organization(demo, fixtures.MAX, fixtures.MSP, EMBEDDING + HOSTILE)
    client.register(client_name=OVERRIDE + HOSTILE)
    page.goto(client.authorization_url())
    expect_only_text(page.locator("h1 bdi"))
    sign_in(page, demo, fixtures.MAX_EMAIL, HOSTILE)
    expect_only_text(page.locator("header bdi").last)
    panel = watch(page, "cursor")
    use(client, client.sign_in(browser(fixtures.MAX_EMAIL, fixtures.MSP))["access_token"])
    expect(panel).to_contain_text("It works.")
    expect_only_text(panel.locator("[data-step=signed_in] .text"))
    expect_only_text(panel.locator(".notice bdi"))
    screenshot(page, "connect-hostile-names")
    make_key(page, OVERRIDE + HOSTILE, organization=fixtures.MSP)
    names = page.locator(".aside .row bdi")
    expect(names).to_have_count(4)  # a connection and a key, and the organization of each
    for name in names.all():
        expect_only_text(name)
    expect(page.locator("#api-keys option", has_text=HOSTILE)).to_have_count(1)


def rename_organization(demo: Demo, user: str, organization: str, name: str) -> None:
    """At PropelAuth. Its administrators choose names, and the sandbox has no route for that."""
    path = f"/user/{user}?include_orgs=true"
    person = demo.sandbox.backend("GET", path, fixtures.BACKEND_API_KEY).json()
    person["org_id_to_org_info"][organization]["org_name"] = name
    pattern = f"/api/backend/v1/user/{user}"
    demo.sandbox.fault("propelauth", pattern, "wrong_json", body=person, times=None)


def use(client: OAuthClient, token: str) -> None:
    with httpx2.Client(base_url=client.issuer) as http:
        gateway = McpClient(http, token)
        gateway.tool_names()
        gateway.call("wiv_list_workflows")


def expect_only_text(place: Locator) -> None:
    """The name to the letter: no element came of it, and it reverses nothing around it."""
    expect(place).to_contain_text(HOSTILE)
    expect(place.locator("*")).to_have_count(0)
    expect(place).to_have_css("unicode-bidi", re.compile("isolate"))
    page = place.page
    assert page.locator("img[src=x]").count() == 0
    assert page.evaluate("[...document.scripts].every(script => script.src)")
    assert OVERRIDE not in page.content()


# Without scripts -----------------------------------------------------------------------------


def test_it_all_goes_without_scripts(demo: Demo, chromium_browser: Browser, client: OAuthClient):
    page = chromium_browser.new_context(java_script_enabled=False).new_page()
    sign_in(page, demo, fixtures.GUS_EMAIL)
    panel = watch(page, "zed")
    expect(panel.locator("[data-step=reached]")).to_have_attribute("data-state", "waiting")
    client.register(client_name="Zed")
    done = panel.locator("[data-step=registered][data-state=done]")
    deadline = time.monotonic() + 10
    while not done.is_visible() and time.monotonic() < deadline:
        page.get_by_role("link", name="Look again").click()
    expect(done).to_be_visible()
    page.get_by_role("button", name="Stop watching").click()
    expect(panel).to_be_hidden()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in with Wiv")).to_be_visible()
