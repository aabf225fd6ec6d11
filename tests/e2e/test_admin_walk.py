"""A product manager keeps the tools, in a real browser, at a desk and on a phone."""

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from sandbox import fixtures
from tests.e2e.conftest import ADMIN_PASSWORD, Demo, screenshot
from tests.requirements import node_packages

pytestmark = pytest.mark.browser
PHONE = ViewportSize(width=390, height=844)


@pytest.fixture
def admin(demo: Demo, page: Page) -> Page:
    """At the list of tools. Whatever was changed is taken back by the tests themselves."""
    demo.sandbox.reset()
    page.goto(f"{demo.url}/admin/mcp_gateway/tool/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(ADMIN_PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Select tool to change")).to_be_visible()
    return page


def open_tool(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name="Change tool")).to_be_visible()


def test_a_mistake_is_refused_in_plain_words_and_an_edit_is_taken_back(admin: Page):
    open_tool(admin, "wiv_list_cases")
    schema = admin.get_by_label("Input schema")
    good = schema.input_value()
    schema.fill('{"type": "object", "oneOf": [], "properties": {"a": {"type": "array"}}}')
    admin.get_by_role("button", name="Save", exact=True).click()
    expect(admin.get_by_text("Please correct the error")).to_be_visible()
    screenshot(admin, "admin-mistake-refused")
    schema.fill(good)
    admin.get_by_label("Title").fill("Our cases")
    admin.get_by_role("button", name="Save and continue editing").click()
    expect(admin.get_by_label("Title")).to_have_value("Our cases")
    admin.get_by_role("link", name="History", exact=True).click()
    screenshot(admin, "admin-history")
    admin.get_by_role("button", name="Go back to before this change").first.click()
    admin.goto(admin.url)
    expect(admin.get_by_text("Our cases").first).to_be_visible()  # in the differences
    admin.get_by_role("link", name="wiv_list_cases").click()
    expect(admin.get_by_label("Title")).to_have_value("List cases")


def test_a_call_is_tried_dry_and_then_for_real(admin: Page, demo: Demo):
    made = demo.sandbox.backend(
        "POST",
        "/end_user_api_keys",
        fixtures.BACKEND_API_KEY,
        json={"user_id": fixtures.ANA, "org_id": fixtures.ACME},
    )
    key = made.raise_for_status().json()["api_key_token"]
    open_tool(admin, "wiv_list_workflows")
    admin.get_by_role("link", name="Try it").click()
    admin.get_by_label("limit").fill("2")
    demo.sandbox.forget_requests()
    admin.get_by_role("button", name="Dry run").click()
    expect(admin.get_by_text("Dry run: this would be sent. Nothing was.")).to_be_visible()
    expect(admin.get_by_label("Request")).to_contain_text("/workflows?limit=2")
    assert demo.sandbox.requests("wiv") == []
    screenshot(admin, "admin-dry-run")
    admin.locator("input[type=password]").fill(key)
    admin.get_by_role("button", name="Run with this key").click()
    expect(admin.get_by_role("heading", name="Answered 200")).to_be_visible()
    screenshot(admin, "admin-live-run")
    assert key not in admin.content()
    assert len(demo.sandbox.requests("wiv")) == 1


def test_a_document_of_a_hundred_operations_is_imported(admin: Page):
    """Twenty of its tools are called in tests/interop/test_openapi_documents.py."""
    document = node_packages() / "rclone-openapi" / "openapi.yaml"
    admin.get_by_role("link", name="Import from OpenAPI").click()
    admin.locator("input[type=file]").set_input_files(document)
    admin.get_by_role("button", name="Read the document").click()
    expect(admin.get_by_text("Operations that can't be tools (1)")).to_be_visible()
    screenshot(admin, "admin-openapi-proposals")
    admin.locator("input[name=pick]").first.check()
    admin.get_by_role("button", name="Import what is picked, switched off").click()
    expect(admin.locator("ul.messagelist")).to_be_visible()
    screenshot(admin, "admin-openapi-imported")
    admin.goto(f"{admin.url.split('/admin/')[0]}/admin/mcp_gateway/tool/?source__exact=admin")
    expect(admin.get_by_role("button", name="Switch on")).to_have_count(1)
    admin.locator("input[name=_selected_action]").first.check()
    admin.locator("select[name=action]").select_option("delete_selected")
    admin.get_by_role("button", name="Go").click()
    admin.get_by_role("button", name="Yes, I").click()


@pytest.mark.parametrize(
    "path",
    ["", "1/change/", "1/try/", "1/history/", "import-openapi/", "import/", "add/"],
)
def test_each_page_fits_a_phone(admin: Page, demo: Demo, path: str):
    admin.set_viewport_size(PHONE)
    admin.goto(f"{demo.url}/admin/mcp_gateway/tool/{path}")
    assert admin.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    screenshot(admin, f"admin-phone-{path.replace('/', '-') or 'tools'}")


def test_a_tool_is_switched_with_the_keyboard_alone(admin: Page):
    button = admin.get_by_role("button", name="Switch off wiv_list_spaces")
    button.focus()
    admin.keyboard.press("Enter")
    back = admin.get_by_role("button", name="Switch on wiv_list_spaces")
    expect(back).to_be_visible()
    back.focus()
    admin.keyboard.press("Space")
    expect(button).to_be_visible()
