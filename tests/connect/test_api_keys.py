"""API keys made on /connect. What needs a real browser is in tests/e2e/test_connect_walk.py."""

from datetime import timedelta

import pytest
from django.utils import timezone

from oauth_bridge import outbox
from oauth_bridge.models import EndUserApiKey
from sandbox import fixtures
from tests.connect.test_connections import press
from tests.mcp_gateway.json_rpc import McpClient
from tests.robot import form_to, forms_of, location_of, signed_in
from tests.wiv_routes import SHIPPED


def test_a_key_is_made_on_request_and_handed_over_in_the_fragment(browser, server, http):
    robot = browser()
    page = signed_in(robot, server)
    assert not EndUserApiKey.objects.exists()
    answer = robot.submit(form_to(page, "/connect/api-keys"), name="My laptop")
    assert answer.status_code == 303
    assert "no-store" in answer.headers["cache-control"]
    path, key = answer.headers["location"].split("#api_key=")
    assert path == "/connect"
    assert len(McpClient(http, key).tool_names()) == SHIPPED
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


def test_an_api_key_made_here_is_listed_and_revoked(browser, server, http, sandbox):
    robot = browser()
    made = robot.submit(form_to(signed_in(robot, server), "/connect/api-keys"), name="My laptop")
    key = made.headers["location"].partition("#api_key=")[2]
    page = robot.get(f"{server}/connect")
    assert "My laptop" in page.text
    assert key not in page.text
    press(robot, page, "/connect/api-keys/revoke", "key")
    assert McpClient(http, key).request("tools/list").status_code == 401
    assert "My laptop" not in robot.get(f"{server}/connect").text
    outbox.deliver_soon().result(30)
    assert sandbox.api_keys() == []


def test_nobody_revokes_somebody_elses_key(browser, server, http):
    ana, max_ = browser(), browser(fixtures.MAX_EMAIL)
    made = ana.submit(form_to(signed_in(ana, server), "/connect/api-keys"), name="mine")
    key = made.headers["location"].partition("#api_key=")[2]
    revoke = next(
        form for form in forms_of(ana.get(f"{server}/connect")) if form.action.endswith("/revoke")
    )
    form = form_to(signed_in(max_, server), "/connect/api-keys")
    form.action = revoke.action
    max_.submit(form, key=revoke.buttons[0][1])
    assert McpClient(http, key).request("tools/list").status_code == 200


def test_somebody_with_three_organizations_chooses_the_keys(browser, server, http, sandbox):
    robot = browser(fixtures.MAX_EMAIL, fixtures.NORTHWIND)
    page = signed_in(robot, server)
    for name in ("Northwind Traders", "Contoso", "MSP"):
        assert name in page.text
    made = robot.submit(
        form_to(page, "/connect/api-keys"), name="CI", organization=fixtures.CONTOSO, days="7"
    )
    key = made.headers["location"].partition("#api_key=")[2]
    assert McpClient(http, key).request("tools/list").status_code == 200
    stored = EndUserApiKey.objects.get()
    assert stored.organization_id == fixtures.CONTOSO
    assert timedelta(days=6) < stored.expires - timezone.now() <= timedelta(days=7)
    assert [key["org_id"] for key in sandbox.api_keys()] == [fixtures.CONTOSO]
    assert "CI</bdi></strong> in <bdi>Contoso" in robot.get(f"{server}/connect").text


@pytest.mark.parametrize("days", ["0", "-1", "400", "91", "1e9", "x", ""])
def test_a_life_that_wasnt_offered_makes_no_key(browser, server, days):
    robot = browser()
    form = form_to(signed_in(robot, server), "/connect/api-keys")
    assert robot.submit(form, days=days).status_code == 400
    assert not EndUserApiKey.objects.exists()


@pytest.mark.parametrize(
    ("longest", "offered"),
    [(3, [3]), (30, [7, 30]), (90, [7, 30, 90]), (120, [7, 30, 90, 120])],
)
def test_the_operator_says_how_long_a_key_may_live(browser, server, settings, longest, offered):
    settings.CONNECT_API_KEY_LIFETIME = timedelta(days=longest)
    page = signed_in(browser(), server).text
    assert [days for days in range(400) if f'<option value="{days}"' in page] == offered


def test_where_keys_arent_accepted_none_is_offered(browser, server, settings):
    settings.ACCEPT_API_KEYS = False
    page = signed_in(browser(), server).text
    assert "API key" not in page


@pytest.mark.requirement("CWE-352")
def test_only_the_page_after_the_making_has_a_place_for_a_new_key(browser, server):
    """Else a link could show somebody a key that isn't theirs, for them to use."""
    robot = browser()
    page = signed_in(robot, server)
    place = 'id="new-key"'
    assert place not in page.text
    robot.submit(form_to(page, "/connect/api-keys"))
    assert place in robot.get(f"{server}/connect").text
    assert place not in robot.get(f"{server}/connect").text
