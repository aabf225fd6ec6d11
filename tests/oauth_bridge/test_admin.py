"""/admin: who may call, and how that is ended."""

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from oauth_bridge import outbox
from oauth_bridge.models import AccessToken, Application, Consent, EndUserApiKey, User
from sandbox import fixtures
from tests.mcp_gateway.json_rpc import McpClient
from tests.robot import form_to, forms_of, signed_in

PAGES = [
    "application",
    "accesstoken",
    "refreshtoken",
    "grant",
    "enduserapikey",
    "consent",
    "securityevent",
    "user",
]


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


@pytest.mark.parametrize("model", PAGES[1:7])
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


@pytest.mark.parametrize("model", PAGES[:7])
def test_each_list_is_exported_as_csv_without_secrets(admin, client, browser, model):
    tokens = client.sign_in(browser())
    pk = apps.get_model("oauth_bridge", model)._default_manager.latest("pk").pk
    exported = admin.act(model, "export_csv", pk)
    assert exported.headers["content-type"].startswith("text/csv")
    assert "attachment" in exported.headers["content-disposition"]
    header, row = exported.text.splitlines()
    assert len(header.split(",")) > 5
    assert row
    for secret in (*tokens.values(), client.client_secret or "-"):
        assert str(secret) not in row or len(str(secret)) < 20
    for key in EndUserApiKey.objects.exclude(checksum=None):
        assert key.checksum not in exported.text


def test_the_clients_page_counts_people_and_live_tokens(admin, client, browser, http):
    for email in (fixtures.ANA_EMAIL, fixtures.MAX_EMAIL):
        client.sign_in(browser(email))
    token = client.tokens["access_token"]
    McpClient(http, token).request("tools/list")
    client.refresh()
    page = admin("application/").text
    assert '<td class="field-people">2</td>' in page
    assert '<td class="field-live_tokens">3</td>' in page
    assert Application.objects.get().last_used_at is not None


def test_clients_nobody_is_signed_in_with_are_deleted_by_hand(admin, new_client, browser):
    used, unused, on_the_way, blocked = (new_client() for _ in range(4))
    for number, client in enumerate((used, unused, on_the_way, blocked)):
        client.register(client_name=f"Client {number}")
    used.sign_in(browser())
    on_the_way.obtain_code(browser())
    Application.objects.filter(client_id=blocked.client_id).update(blocked_at=timezone.now())
    admin.act("application", "delete_unused", *Application.objects.values_list("pk", flat=True))
    left = set(Application.objects.values_list("client_id", flat=True))
    assert left == {used.client_id, on_the_way.client_id, blocked.client_id}


@pytest.mark.parametrize(
    ("model", "action"), [("user", "end_access"), ("consent", "shut_organization_out")]
)
def test_everything_of_a_person_or_an_organization_is_ended_by_one_action(
    admin, new_client, browser, http, server, sandbox, model, action
):
    first, second = (new_client(scope=scope) for scope in ("wiv:read", "wiv:write"))
    tokens = [client.sign_in(browser())["access_token"] for client in (first, second)]
    robot = browser()
    made = robot.submit(form_to(signed_in(robot, server), "/connect/api-keys"), name="mine")
    tokens.append(made.headers["location"].partition("#api_key=")[2])
    rows = User.objects.filter(is_staff=False) if model == "user" else Consent.objects.all()[:1]
    admin.act(model, action, *[row.pk for row in rows])
    statuses = [McpClient(http, token).request("tools/list").status_code for token in tokens]
    assert statuses == [401, 401, 401]
    outbox.deliver_soon().result(30)
    assert sandbox.api_keys() == []
