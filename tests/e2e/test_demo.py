"""What somebody sees who runs `script/demo`: an assistant that works, and a browser beside it."""

import asyncio
import threading
from collections.abc import Callable

import httpx2
import pytest
from playwright.sync_api import Page, expect

from sandbox import fixtures
from tests.e2e.assistant import Memory, Person, connected, oauth
from tests.e2e.conftest import ADMIN_PASSWORD, Demo, screenshot
from tests.e2e.connect_page import sign_in_at_propelauth
from tests.e2e.test_python_sdk import WAYS, call_all
from tests.mcp_gateway.json_rpc import McpClient
from tests.oauth_client import OAuthClient
from tests.robot import Robot
from tests.wiv_routes import ROUTES


@pytest.mark.parametrize(("path", "mode"), WAYS)
def test_an_assistant_goes_from_nothing_to_every_tool(demo: Demo, browser, path, mode):
    demo.sandbox.reset()

    async def work(email: str, organization: str, msp: bool) -> None:
        person = Person(browser(email, organization))
        auth = oauth(demo.url + path, person, Memory())
        async with connected(demo.url + path, mode=mode, auth=auth) as client:
            listed = await client.list_tools()
            assert {tool.name for tool in listed.tools} == set(ROUTES)
            await call_all(client, demo.sandbox, msp=msp)

    asyncio.run(work(fixtures.ANA_EMAIL, "", False))
    asyncio.run(work(fixtures.MAX_EMAIL, fixtures.MSP, True))


def test_the_demo_says_where_everything_is(demo: Demo):
    shown = demo.output.read_text()
    for path in ("/connect", "/admin", "/mcp"):
        assert demo.url + path in shown
    for email in ("ana@acme.test", "max@msp.test", "nora@nowhere.test"):
        assert email in shown


@pytest.mark.browser
def test_somebody_approves_an_assistant_in_a_browser(demo: Demo, page: Page):
    """The consent form's redirect must pass the page's own Content-Security-Policy."""
    client = OAuthClient(demo.url, resource=f"{demo.url}/mcp")
    client.register(client_name="Cursor")
    page.route(f"{client.redirect_uri}**", lambda route: route.fulfill(body="back"))
    page.goto(client.authorization_url())
    screenshot(page, "consent")
    page.get_by_role("button", name="Continue to sign in").click()
    sign_in_at_propelauth(page, fixtures.ANA_EMAIL)
    page.wait_for_url(f"{client.redirect_uri}**")
    code = httpx2.URL(page.url).params["code"]
    assert client.redeem(code).status_code == 200
    client.http.close()


@pytest.mark.browser
@pytest.mark.requirement("one-second rule: our own decisions work everywhere within a second")
def test_an_admin_switches_a_tool_off_and_a_connected_client_loses_it(demo: Demo, page: Page):
    client = OAuthClient(demo.url, resource=f"{demo.url}/mcp")
    robot = Robot(fixtures.ANA_EMAIL)
    token = client.sign_in(robot)["access_token"]
    page.goto(f"{demo.url}/admin/mcp_gateway/tool/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(ADMIN_PASSWORD)
    page.get_by_role("button", name="Log in").click()
    screenshot(page, "admin-tools")
    with httpx2.Client(base_url=demo.url) as http:
        gateway = McpClient(http, token)
        assert "wiv_list_spaces" in gateway.tool_names()
        page.get_by_role("button", name="Switch off wiv_list_spaces").click()
        expect(page.get_by_role("button", name="Switch on wiv_list_spaces")).to_be_visible()
        within_a_second(lambda: "wiv_list_spaces" not in gateway.tool_names())
        answer = gateway.request("tools/call", {"name": "wiv_list_spaces", "arguments": {}})
        assert "switched off" in answer.json()["error"]["message"]
        screenshot(page, "admin-tool-off")
        page.get_by_role("button", name="Switch on wiv_list_spaces").click()
        within_a_second(lambda: "wiv_list_spaces" in gateway.tool_names())
    robot.close()
    client.http.close()


def within_a_second(condition: Callable[[], bool]) -> None:
    """Poll; the clock starts when the admin's page has come back."""
    timed_out = threading.Event()
    timer = threading.Timer(1.0, timed_out.set)
    timer.start()
    while not condition():
        assert not timed_out.is_set(), "it took more than a second"
    timer.cancel()
