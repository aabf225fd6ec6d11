"""/admin: who may call, and how that is ended."""

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry

from oauth_bridge import outbox
from oauth_bridge.models import AccessToken, Application, EndUserApiKey, User
from tests.mcp_gateway.json_rpc import McpClient
from tests.robot import forms_of

PAGES = ["application", "accesstoken", "refreshtoken", "enduserapikey", "consent", "user"]


@pytest.mark.parametrize("model", PAGES)
def test_each_page_opens_and_shows_no_secret(admin, client, browser, model):
    tokens = client.sign_in(browser())
    row = apps.get_model("oauth_bridge", model)._default_manager.latest("pk")
    for path in (f"{model}/", f"{model}/?q=ana", f"{model}/{row.pk}/change/"):
        page = admin(path)
        assert page.status_code == 200, page.text[-2000:]
        assert tokens["access_token"] not in page.text
        for key in EndUserApiKey.objects.exclude(checksum=None):
            assert key.checksum not in page.text


def test_a_client_with_a_fixed_id_can_be_added(admin, new_client, browser):
    page = admin("application/add/")
    form = next(form for form in forms_of(page) if "client_id" in form.fields)
    form.action = str(page.url)
    values = {"name": "Fixed", "client_id": "fixed", "redirect_uris": "http://evil.example/cb"}
    assert "must be https" in admin.robot.submit(form, **values).text
    values["redirect_uris"] = "http://127.0.0.1:49152/callback"
    assert admin.robot.submit(form, **values).status_code == 302
    assert new_client(client_id="fixed").sign_in(browser())


@pytest.mark.parametrize("model", PAGES[1:5])
def test_what_happened_cant_be_edited_added_or_deleted(admin, client, browser, model):
    client.sign_in(browser())
    assert admin(f"{model}/add/").status_code == 403
    assert "Delete selected" not in admin(f"{model}/").text


def test_blocking_a_client_ends_its_sign_ins_and_deletes_their_keys(
    admin, client, browser, http, sandbox
):
    token = client.sign_in(browser())["access_token"]
    admin.act("application", "block", Application.objects.get().pk)
    assert McpClient(http, token).request("tools/list").status_code == 401
    assert browser().get(client.authorization_url()).status_code == 400
    outbox.deliver_soon().result(30)
    assert sandbox.api_keys() == []
    assert LogEntry.objects.filter(change_message__contains="Blocked").exists()
    admin.act("application", "unblock", Application.objects.get().pk)
    assert browser().get(client.authorization_url()).status_code == 200


@pytest.mark.parametrize(
    ("model", "row", "action"),
    [
        ("application", Application, "end_access"),
        ("accesstoken", AccessToken, "end_sign_in"),
        ("enduserapikey", EndUserApiKey, "revoke"),
    ],
)
def test_a_sign_in_is_ended_from_each_page_that_shows_it(
    admin, client, browser, http, sandbox, model, row, action
):
    token = client.sign_in(browser())["access_token"]
    admin.act(model, action, row.objects.get().pk)
    assert McpClient(http, token).request("tools/list").status_code == 401
    assert client.refresh().json()["error"] == "invalid_grant"
    outbox.deliver_soon().result(30)
    assert sandbox.api_keys() == []


def test_deactivating_somebody_ends_their_access_and_deletes_their_keys(
    admin, client, browser, http, sandbox
):
    token = client.sign_in(browser())["access_token"]
    user = User.objects.get(is_staff=False)
    page = admin(f"user/{user.pk}/change/")
    form = next(form for form in forms_of(page) if "username" in form.fields)
    form.fields.pop("is_active")
    form.fields = {name: value for name, value in form.fields.items() if not name.startswith("is_")}
    form.action = str(page.url)
    assert admin.robot.submit(form).status_code == 302
    assert McpClient(http, token).request("tools/list").status_code == 401
    outbox.deliver_soon().result(30)
    assert sandbox.api_keys() == []


def test_staff_who_may_only_look_change_nothing(client, browser, server):
    from django.contrib.auth.models import Permission

    viewer = User.objects.create_user("viewer", password="correct horse", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.sign_in(browser())
    robot = browser()
    [form] = forms_of(robot.get(f"{server}/admin/login/"))
    robot.submit(form, username="viewer", password="correct horse")
    page = robot.get(f"{server}/admin/oauth_bridge/application/")
    assert page.status_code == 200
    assert "Block, and end" not in page.text
