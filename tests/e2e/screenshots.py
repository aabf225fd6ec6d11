"""The pictures of the README, taken of a demo that runs for them: see `script/screenshots`.

The demo has its own ports, so that they show the addresses that the README names.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright

from sandbox import fixtures
from tests.e2e.conftest import ADMIN_PASSWORD, FLAGS, Demo, running_demo
from tests.e2e.connect_page import sign_in, watch
from tests.mcp_gateway.json_rpc import McpClient
from tests.oauth_client import OAuthClient
from tests.requirements import chromium
from tests.robot import Robot

PORT, SANDBOX_PORT = 8000, 8001
SIZE = ViewportSize(width=1280, height=800)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as data,
        running_demo(Path(data), PORT, SANDBOX_PORT) as demo,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        connect_page(browser, demo, folder)
        list_of_tools(browser, demo, folder)
        browser.close()


def connect_page(browser: Browser, demo: Demo, folder: Path) -> None:
    """Signed in, when Cursor has just called a tool."""
    page = browser.new_page(viewport=SIZE)
    sign_in(page, demo, fixtures.ANA_EMAIL)
    panel = watch(page, "cursor")
    connect_cursor(demo)
    expect(panel).to_contain_text("It works.")
    page.evaluate("scrollTo(0, 0)")
    page.mouse.move(0, 0)  # or the card would be shown as pointed at
    page.screenshot(path=folder / "connect.png")
    panel.screenshot(path=folder / "it-works.png")


def connect_cursor(demo: Demo) -> None:
    """As far as this server can tell."""
    client, robot = OAuthClient(demo.url, resource=f"{demo.url}/mcp"), Robot(fixtures.ANA_EMAIL)
    client.register(client_name="Cursor")
    token = client.sign_in(robot)["access_token"]
    gateway = McpClient(client.http, token, path=f"{demo.url}/mcp")
    gateway.tool_names()
    gateway.call("wiv_list_workflows")
    robot.close()
    client.http.close()


def list_of_tools(browser: Browser, demo: Demo, folder: Path) -> None:
    page = browser.new_page(viewport=SIZE)
    page.goto(f"{demo.url}/admin/mcp_gateway/tool/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(ADMIN_PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Select tool to change")).to_be_visible()
    page.screenshot(path=folder / "tools.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
