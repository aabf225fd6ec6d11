"""A call that waits for its user, from the switch in the admin to the answer, in a browser."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import Queue
from typing import Any

import httpx2
import pytest
from mcp import types
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from playwright.sync_api import Page, expect

from sandbox import fixtures
from tests.e2e.conftest import ADMIN_PASSWORD, Demo
from tests.e2e.connect_page import look_at, sign_in_at_propelauth, watched

pytestmark = pytest.mark.browser

DEFINITION = {"steps": [{"type": "Entry", "name": "Begin"}, {"type": "Exit", "name": "End"}]}
UPDATE = {
    "workflow_id": fixtures.MONTHLY_REPORT,
    "name": "Everything, at once <b>!</b>\u202e",
    "active": True,
    "tags": ["finance", "x" * 50],
    "definition": DEFINITION,
}


@pytest.fixture(autouse=True)
def traffic(demo: Demo, page: Page) -> Iterator[None]:
    demo.sandbox.reset()
    for _ in watched(page, demo):
        yield


@pytest.fixture
def key(demo: Demo) -> str:
    owner = {"user_id": fixtures.ANA, "org_id": fixtures.ACME}
    made = demo.sandbox.backend("POST", "/end_user_api_keys", fixtures.BACKEND_API_KEY, json=owner)
    return str(made.raise_for_status().json()["api_key_token"])


@contextmanager
def calling(demo: Demo, key: str) -> Iterator[tuple["Queue[str]", Future[types.CallToolResult]]]:
    """The Python SDK calls in the background, and opens URLs as a person's client does: the queue
    has where their browser was sent."""
    opened: Queue[str] = Queue()

    async def open_url(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        assert isinstance(params, types.ElicitRequestURLParams)
        opened.put(params.url)
        return types.ElicitResult(action="accept")

    async def call() -> types.CallToolResult:
        headers = {"Authorization": f"Bearer {key}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(
                streamable_http_client(f"{demo.url}/mcp", http_client=http),
                mode="2026-07-28",
                elicitation_callback=open_url,
            ) as client,
        ):
            return await client.call_tool("wiv_update_workflow", UPDATE)

    with ThreadPoolExecutor(1) as thread:
        yield opened, thread.submit(asyncio.run, call())


def require_approval(page: Page, demo: Demo, rule: str) -> None:
    page.goto(f"{demo.url}/admin/mcp_gateway/tool/?q=wiv_update_workflow")
    if page.get_by_label("Username").count():
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").fill(ADMIN_PASSWORD)
        page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="wiv_update_workflow", exact=True).click()
    page.get_by_label("Needs its user's approval").select_option(rule)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    page.get_by_role("button", name="Log out").click()


@pytest.fixture
def approval_is_required(demo: Demo, page: Page) -> Iterator[None]:
    require_approval(page, demo, "always")
    yield
    page.context.clear_cookies()
    require_approval(page, demo, "never")


@pytest.mark.usefixtures("approval_is_required")
@pytest.mark.requirement("MCP 2026-07-28 Elicitation: URL mode")
@pytest.mark.parametrize(
    ("button", "heading"), [("Approve once", "Approved"), ("Reject", "Rejected")]
)
def test_its_user_signs_in_sees_what_it_changes_and_decides(demo, page, key, button, heading):
    with calling(demo, key) as (opened, answer):
        page.goto(opened.get(timeout=30))
        look_at(page, "approval-sign-in")
        page.get_by_role("button", name="Sign in with Wiv").click()
        sign_in_at_propelauth(page, fixtures.ANA_EMAIL)
        expect(page.get_by_role("heading", name="Allow this call?")).to_be_visible()
        expect(page.locator("ins", has_text="Everything, at once <b>!</b>\\u202e")).to_be_visible()
        look_at(page, "approval")
        assert [each["method"] for each in demo.sandbox.requests("wiv")].count("PUT") == 0
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        look_at(page, f"approval-{heading.lower()}")
        result = answer.result(60)
    is_approved = heading == "Approved"
    assert result.is_error is not is_approved
    puts = [each for each in demo.sandbox.requests("wiv") if each["method"] == "PUT"]
    assert len(puts) == is_approved
