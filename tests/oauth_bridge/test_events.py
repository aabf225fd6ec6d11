"""The record of security events."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from oauth_bridge import outbox
from oauth_bridge.cleanup import delete_old_rows
from oauth_bridge.models import RefreshToken, SecurityEvent
from sandbox import fixtures
from tests.oauth_bridge.conftest import Admin
from tests.robot import form_to, forms_of, signed_in

SECURITY = Path(__file__).resolve().parents[2] / "docs" / "security.md"


def recorded() -> list[str]:
    return list(SecurityEvent.objects.order_by("pk").values_list("event", flat=True))


def test_each_event_is_described():
    described = re.findall(r"^\| `([a-z_]+)` \|", SECURITY.read_text(), re.MULTILINE)
    section = [name for name in described if name in SecurityEvent.Event.values]
    assert section == SecurityEvent.Event.values


def test_a_sign_in_is_on_record_from_registration_to_its_end(client, browser):
    client.http.headers["User-Agent"] = "assistant/1.0"
    client.sign_in(browser())
    client.refresh()
    client.revoke(client.tokens["refresh_token"])
    outbox.deliver_soon().result(30)
    assert [event for event in recorded() if event != "api_key_deleted"] == [
        "client_registered",
        "sign_in_begun",
        "sign_in_completed",
        "token_issued",
        "token_refreshed",
        "access_ended",
    ]
    issued = SecurityEvent.objects.get(event="token_issued")
    assert issued.user_email == fixtures.ANA_EMAIL
    assert issued.client_id == client.client_id
    assert issued.organization_id == fixtures.ACME
    assert (issued.address, issued.user_agent) == ("127.0.0.1", "assistant/1.0")
    ended = SecurityEvent.objects.get(event="access_ended")
    assert ended.token_family == issued.token_family


def test_what_goes_wrong_is_on_record_with_its_reason(client, browser, http, sandbox):
    http.post("/register", json={"redirect_uris": ["javascript:alert(1)"]})
    code = client.obtain_code(browser())
    client.redeem(code)
    client.redeem(code)
    old = client.sign_in(browser())["refresh_token"]
    client.refresh()
    RefreshToken.objects.exclude(rotated_at=None).update(
        rotated_at=timezone.now() - timedelta(seconds=61)
    )
    client.refresh(old)
    client.sign_in(browser())
    body = {"user_id": fixtures.ANA, "org_id": fixtures.ACME}
    sandbox.backend("POST", "/org/remove_user", fixtures.BACKEND_API_KEY, json=body)
    client.refresh()
    robot = browser()
    [form] = forms_of(robot.get(client.authorization_url()))
    robot.submit(form, decision="deny")
    for event in (
        "registration_refused",
        "code_replayed",
        "refresh_token_reused",
        "membership_lost",
        "consent_denied",
    ):
        assert event in recorded()


def test_a_failed_sign_in_is_found_by_the_reference_on_its_page(client, browser):
    with pytest.raises(AssertionError) as page:
        client.obtain_code(browser(fixtures.NORA_EMAIL))
    failed = SecurityEvent.objects.get(event="sign_in_failed")
    assert failed.reason == "no organization"
    assert failed.reference in str(page.value)


def test_a_key_made_on_connect_is_on_record_by_its_id(browser, server, sandbox):
    robot = browser()
    robot.submit(form_to(signed_in(robot, server), "/connect/api-keys"))
    [key] = sandbox.api_keys()
    assert SecurityEvent.objects.get(event="api_key_made").reason == key["api_key_id"]


def test_what_is_on_record_cant_be_changed(client):
    client.register()
    event = SecurityEvent.objects.get()
    event.reason = "something else"
    for change in (
        event.save,
        event.delete,
        SecurityEvent.objects.all().delete,
        lambda: SecurityEvent.objects.update(reason="x"),
    ):
        with pytest.raises(TypeError):
            change()


def test_old_events_go_in_the_end(client, settings):
    client.register()
    delete_old_rows()
    assert recorded()
    settings.SECURITY_EVENT_RETENTION = timedelta(0)
    delete_old_rows()
    assert not recorded()


def test_a_header_cant_forge_a_line_of_the_record(client):
    client.http.headers["User-Agent"] = "a\tb" + "x" * 500
    client.register()
    agent = SecurityEvent.objects.get().user_agent
    assert agent.startswith("abx")
    assert len(agent) == 200


def test_the_record_is_exported_as_csv_that_no_spreadsheet_runs(admin: Admin, client):
    client.register(client_name="=1+1")
    page = admin("securityevent/")
    assert page.status_code == 200
    form = next(form for form in forms_of(page) if "csrfmiddlewaretoken" in form.fields)
    form.action = str(page.url)
    pk = str(SecurityEvent.objects.get(client_name="=1+1").pk)
    exported = admin.robot.submit(form, action="export_csv", _selected_action=pk)
    assert exported.headers["content-type"].startswith("text/csv")
    assert "client_registered" in exported.text
    assert "'=1+1" in exported.text


def test_an_admins_block_is_on_record(admin: Admin, client, browser):
    from oauth_bridge.models import Application

    client.sign_in(browser())
    admin.act("application", "block", Application.objects.get().pk)
    assert "access_ended" in recorded()


def test_nonsense_from_anybody_doesnt_flood_the_record(http):
    for _ in range(25):
        http.post("/register", content=b"nonsense")
        http.get("/oauth/callback?state=made-up&code=x")
    assert recorded() == ["registration_refused"] * 20
