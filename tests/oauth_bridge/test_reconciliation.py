"""`manage.py reconcile_api_keys`: PropelAuth's list against our rows."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from oauth_bridge import outbox
from oauth_bridge.models import AccessToken, EndUserApiKey, SecurityEvent, UpstreamDeletion
from tests.mcp_gateway.json_rpc import McpClient
from tests.robot import form_to, signed_in


def reconcile(*arguments: str) -> str:
    output = StringIO()
    call_command("reconcile_api_keys", *arguments, stdout=output)
    return output.getvalue()


def forget_everything() -> None:
    """As after a database was lost."""
    AccessToken.objects.all().delete()
    EndUserApiKey.objects.all().delete()


def test_keys_in_use_are_no_strays(client, browser, make_key):
    client.sign_in(browser())
    make_key()  # somebody's own
    assert reconcile("--delete") == "0 strays, 0 deleted\n"


def test_a_key_nothing_here_accounts_for_is_listed_first_and_deleted_when_asked(
    client, browser, sandbox
):
    client.sign_in(browser())
    forget_everything()
    [key] = sandbox.api_keys()
    assert f"{key['api_key_id']}: found; isn't known here" in reconcile()
    assert sandbox.api_keys()
    assert reconcile("--delete").endswith("1 strays, 1 deleted\n")
    assert sandbox.api_keys() == []
    assert key["api_key_id"] in SecurityEvent.objects.latest("pk").reason


def test_a_key_that_was_deleted_and_is_still_there_is_a_stray(client, browser, sandbox):
    client.sign_in(browser())
    now = timezone.now()
    EndUserApiKey.objects.update(revoked_at=now)
    UpstreamDeletion.objects.create(
        api_key=EndUserApiKey.objects.get(), not_before=now, done_at=now
    )
    assert "was deleted already" in reconcile("--delete")
    assert sandbox.api_keys() == []


def test_a_key_that_waits_for_its_deletion_is_the_outboxs(client, browser, sandbox):
    tokens = client.sign_in(browser())
    sandbox.fault("propelauth", "/api/*", "status", status=500, times=None)
    client.revoke(tokens["refresh_token"])
    outbox.deliver_soon().result(30)
    sandbox.clear_faults()
    assert reconcile() == "0 strays, 0 deleted\n"


def test_a_key_somebody_made_for_themselves_is_left_alone(server, browser, sandbox, http):
    robot = browser()
    page = signed_in(robot, server)
    made = robot.submit(form_to(page, "/connect/api-keys"), name="laptop")
    key = made.headers["location"].partition("#api_key=")[2]
    forget_everything()
    assert "in use, kept" in reconcile("--delete")
    assert McpClient(http, key).request("tools/list").status_code == 200


def test_another_deployments_keys_are_none_of_ours(client, browser, sandbox, settings):
    client.sign_in(browser())
    forget_everything()
    settings.PUBLIC_URL = "https://other.example"
    assert reconcile("--delete") == "0 strays, 0 deleted\n"
    assert sandbox.api_keys()


def test_more_keys_than_one_page_are_all_looked_at(client, browser, make_key, sandbox):
    client.sign_in(browser())
    forget_everything()
    for _ in range(120):
        make_key()
    assert reconcile("--delete").endswith("1 strays, 1 deleted\n")


def test_without_an_answer_of_propelauth_nothing_is_concluded(server, sandbox):
    sandbox.fault("propelauth", "/api/*", "status", status=500, times=None)
    with pytest.raises(CommandError, match="PropelAuth"):
        reconcile("--delete")
