"""/connect over HTTP. What needs a real browser is in tests/e2e/test_browser.py."""

import json
import re
from html import unescape

import pytest

from oauth_bridge.models import EndUserApiKey, User
from sandbox import fixtures
from tests.mcp_gateway.json_rpc import McpClient
from tests.robot import form_to, forms_of, location_of, signed_in


def test_the_root_leads_to_the_connect_page(http):
    answer = http.get("/")
    assert answer.status_code == 302
    assert answer.headers["location"] == "/connect"


def test_a_visitor_learns_what_this_is_and_how_to_sign_in(http, server):
    page = http.get("/connect")
    assert "Sign in with Wiv" in page.text
    assert f"{server}/mcp" in page.text


@pytest.mark.parametrize(
    ("email", "organization", "name"),
    [
        (fixtures.ANA_EMAIL, "", "Acme Corp"),
        (fixtures.MAX_EMAIL, fixtures.NORTHWIND, "Northwind Traders"),
    ],
)
def test_after_sign_in_the_page_shows_who_and_where_one_is(
    browser, server, email, organization, name
):
    page = signed_in(browser(email, organization), server)
    assert email in page.text
    assert name in page.text


def test_the_configuration_for_oauth_clients_is_json_without_a_secret(browser, server):
    page = signed_in(browser(), server)
    [shown] = re.findall(r'<pre id="oauth-config">(.*?)</pre>', page.text, re.DOTALL)
    config = json.loads(unescape(shown))
    assert config == {"mcpServers": {"wiv": {"url": f"{server}/mcp"}}}


def test_a_key_is_made_on_request_and_handed_over_in_the_fragment(browser, server, http):
    robot = browser()
    page = signed_in(robot, server)
    assert not EndUserApiKey.objects.exists()
    answer = robot.submit(form_to(page, "/connect/api-keys"), name="My laptop")
    assert answer.status_code == 303
    assert "no-store" in answer.headers["cache-control"]
    path, key = answer.headers["location"].split("#api_key=")
    assert path == "/connect"
    assert len(McpClient(http, key).tool_names()) == 26
    stored = EndUserApiKey.objects.get()
    assert (stored.name, stored.organization_id) == ("My laptop", fixtures.ACME)
    assert key not in str(EndUserApiKey.objects.values())


def test_a_made_key_stops_working_when_it_is_revoked_here(browser, server, http):
    from django.utils import timezone

    robot = browser()
    page = signed_in(robot, server)
    answer = robot.submit(form_to(page, "/connect/api-keys"))
    key = answer.headers["location"].split("#api_key=")[1]
    assert McpClient(http, key).request("tools/list").status_code == 200
    EndUserApiKey.objects.update(revoked_at=timezone.now())
    assert McpClient(http, key).request("tools/list").status_code == 401


def test_making_a_key_needs_the_forms_own_token_and_a_post(browser, server):
    robot = browser()
    signed_in(robot, server)
    assert robot.http.post(f"{server}/connect/api-keys").status_code == 403
    assert robot.get(f"{server}/connect/api-keys").status_code == 405
    assert not EndUserApiKey.objects.exists()


def test_a_visitor_gets_no_key(browser, server):
    robot = browser()
    page = robot.get(f"{server}/connect")
    form = form_to(page, "/connect/sign-in")
    form.action = f"{server}/connect/api-keys"
    assert location_of(robot.submit(form)) == f"{server}/connect"
    assert not EndUserApiKey.objects.exists()


def test_somebody_removed_from_the_organization_gets_no_key(browser, server, sandbox):
    robot = browser()
    page = signed_in(robot, server)
    body = {"user_id": fixtures.ANA, "org_id": fixtures.ACME}
    sandbox.backend("POST", "/org/remove_user", fixtures.BACKEND_API_KEY, json=body)
    assert robot.submit(form_to(page, "/connect/api-keys")).status_code == 403
    assert sandbox.api_keys() == []


def test_signing_out_ends_the_session(browser, server):
    robot = browser()
    page = signed_in(robot, server)
    robot.submit(form_to(page, "/connect/sign-out"))
    assert "Sign in with Wiv" in robot.get(f"{server}/connect").text


@pytest.mark.requirement("RFC 9700 §4.7: session fixation")
def test_signing_in_gives_the_browser_a_new_session(browser, server):
    robot = browser()
    signed_in(robot, server)
    first = robot.http.cookies["session"]
    page = robot.get(f"{server}/connect")
    again = robot.submit(form_to(page, "/connect/sign-out"))
    assert again.status_code == 302
    signed_in(robot, server)
    assert robot.http.cookies["session"] != first


def test_staff_signed_in_at_the_admin_is_a_visitor_here(server, browser):
    User.objects.create_superuser("admin", "admin@wiv.test", "correct horse")
    robot = browser()
    [form] = forms_of(robot.get(f"{server}/admin/login/"))
    assert robot.submit(form, username="admin", password="correct horse").status_code == 302
    assert "Sign in with Wiv" in robot.get(f"{server}/connect").text


def test_somebody_signed_in_here_is_nobody_at_the_admin(server, browser):
    robot = browser()
    signed_in(robot, server)
    assert "/admin/login/" in location_of(robot.get(f"{server}/admin/"))
