"""Whom this server keeps out although PropelAuth knows them: decided at /admin, at once."""

import pytest

from oauth_bridge import outbox
from oauth_bridge.models import Consent, Denial, User
from oauth_bridge.secret import checksum
from sandbox import fixtures
from tests.mcp_gateway.json_rpc import McpClient
from tests.robot import form_to, forms_of, signed_in

WHOM = pytest.mark.parametrize(
    ("kind", "value"), [("user", fixtures.ANA), ("organization", fixtures.ACME)]
)


def deny(admin, kind: str, value: str):
    page = admin("denial/add/")
    form = next(form for form in forms_of(page) if "reason" in form.fields)
    form.action = str(page.url)
    return admin.robot.submit(form, kind=kind, value=value, reason="left the company")


@pytest.mark.parametrize(
    ("kind", "value"), [("user", fixtures.ANA), ("organization", fixtures.ACME)]
)
def test_somebody_denied_loses_every_kind_of_access_at_once(
    admin, client, browser, http, sandbox, make_key, kind, value
):
    token, own_key = client.sign_in(browser())["access_token"], make_key()
    assert McpClient(http, own_key).request("tools/list").status_code == 200
    assert deny(admin, kind, value).status_code == 302
    for credential in (token, own_key):
        assert McpClient(http, credential).request("tools/list").status_code == 401
    assert client.refresh().json()["error"] == "invalid_grant"
    outbox.deliver_soon().result(30)
    assert [key for key in sandbox.api_keys() if "issuer" in (key["metadata"] or {})] == []


@pytest.mark.parametrize(
    ("kind", "value"), [("user", fixtures.ANA), ("organization", fixtures.ACME)]
)
def test_somebody_denied_cant_sign_in_until_the_denial_is_taken_back(
    server, client, browser, kind, value
):
    client.register()
    denial = Denial.objects.create(kind=kind, value=value, reason="x")
    robot = browser()
    page = robot.follow(robot.answer(robot.get(client.authorization_url())), client.redirect_uri)
    page = robot.follow(robot.answer(page), client.redirect_uri)
    assert page.status_code == 403
    assert "switched off" in page.text
    denial.delete()
    assert client.sign_in(browser())


def test_a_code_given_out_before_the_denial_is_no_longer_redeemed(admin, client, browser, sandbox):
    code = client.obtain_code(browser())
    deny(admin, "organization", fixtures.ACME)
    assert client.redeem(code).json()["error"] == "invalid_grant"
    assert sandbox.api_keys() == []


def test_a_denied_organization_isnt_among_those_to_choose_from(client, browser):
    """Max belongs to several."""
    client.register()
    Denial.objects.create(kind="organization", value=fixtures.NORTHWIND, reason="x")
    robot = browser(fixtures.MAX_EMAIL)
    page = robot.follow(robot.answer(robot.get(client.authorization_url())), client.redirect_uri)
    page = robot.follow(robot.answer(page), client.redirect_uri)
    offered = [choice for form in forms_of(page) for choice in form.choices.get("organization", [])]
    assert offered
    assert fixtures.NORTHWIND not in offered


def test_one_brought_key_can_be_denied_and_isnt_kept(admin, http, make_key):
    denied, other = make_key(), make_key()
    assert deny(admin, "api_key", denied).status_code == 302
    assert McpClient(http, denied).request("tools/list").status_code == 401
    assert McpClient(http, other).request("tools/list").status_code == 200
    assert denied not in str(Denial.objects.values())
    row = Denial.objects.get()
    for path in ("denial/", f"denial/{row.pk}/change/"):
        assert row.value not in admin(path).text
    assert "denied already" in deny(admin, "api_key", denied).text


def test_a_denied_key_is_no_good_as_an_argument_either(client, browser, http, make_key):
    token, key = client.sign_in(browser())["access_token"], make_key()
    Denial.objects.create(kind="api_key", value=checksum(key), reason="x")
    refused = McpClient(http, token).refused("wiv_list_workflows", _wiv_api_key=key)
    assert "isn't a valid Wiv API key" in refused


def test_somebody_deactivated_here_cant_use_a_key_of_their_own(client, browser, http, make_key):
    client.sign_in(browser())
    key = make_key()
    assert McpClient(http, key).request("tools/list").status_code == 200
    User.objects.filter(is_staff=False).update(is_active=False)
    assert McpClient(http, key).request("tools/list").status_code == 401


def test_somebody_denied_makes_no_key_in_a_session_that_was_open(server, browser, sandbox):
    robot = browser()
    page = signed_in(robot, server)
    Denial.objects.create(kind="organization", value=fixtures.ACME, reason="x")
    assert robot.submit(form_to(page, "/connect/api-keys"), name="x").status_code == 403
    assert sandbox.api_keys() == []


# Consents --------------------------------------------------------------------------------------


def test_an_approval_is_listed_in_force_and_revoked(admin, client, browser, http):
    token = client.sign_in(browser())["access_token"]
    consent = Consent.objects.get()
    assert 'alt="True"' in admin("consent/").text
    admin.act("consent", "end_sign_in", consent.pk)
    assert 'alt="True"' not in admin("consent/").text
    assert McpClient(http, token).request("tools/list").status_code == 401
    consent.refresh_from_db()
    assert consent.ended_at is not None


def test_an_approval_whose_code_is_still_out_is_revoked_with_it(admin, client, browser, sandbox):
    code = client.obtain_code(browser())
    admin.act("consent", "end_sign_in", Consent.objects.get().pk)
    assert client.redeem(code).json()["error"] == "invalid_grant"
    assert sandbox.api_keys() == []


def test_an_approval_says_when_it_was_last_used(client, browser, http):
    token = client.sign_in(browser())["access_token"]
    assert Consent.objects.get().last_used_at is None
    McpClient(http, token).request("tools/list")
    used = Consent.objects.get().last_used_at
    assert used is not None
    McpClient(http, token).request("tools/list")
    assert Consent.objects.get().last_used_at == used  # to the minute
