"""`manage.py delete_data`: afterwards nothing names them, and everybody else's is as it was."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.utils import timezone

from connect import sightings
from connect.models import ConnectionAttempt, Sighting
from mcp_gateway.approvals.models import Approval
from mcp_gateway.call_log import chain
from mcp_gateway.call_log.models import CallChain, CallCount, CallLogEntry
from mcp_gateway.conduct.models import Pause
from mcp_gateway.models import Listing
from oauth_bridge import erasure, outbox
from oauth_bridge.models import (
    AccessToken,
    AuthorizationRequest,
    Consent,
    Denial,
    EndUserApiKey,
    Grant,
    RefreshToken,
    SecurityEvent,
    User,
)
from sandbox import fixtures
from tests.conftest import drain_call_log
from tests.connect.panel import watch
from tests.mcp_gateway.approving import require_approval
from tests.mcp_gateway.json_rpc import McpClient
from tests.robot import form_to, signed_in

PERSONAL = (
    *(AccessToken, Consent, EndUserApiKey, Grant, RefreshToken, User),
    *(Approval, CallCount, CallLogEntry, Listing, Pause, Session),
)
ANA_ALONE = ["--user", fixtures.ANA]
ACME = ["--organization", fixtures.ACME]


def delete_data(*arguments: str) -> str:
    output = StringIO()
    call_command("delete_data", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def use(server, browser, new_client, http) -> Callable[..., str]:
    """Somebody uses everything once; their access token."""

    def use(email: str, organization: str = "") -> str:
        robot = browser(email, organization)
        page = signed_in(robot, server)
        robot.submit(form_to(page, "/connect/api-keys"), name=f"laptop of {email}")
        watch(robot, server)
        client = new_client()
        client.register(client_name="Cursor")
        client.sign_in(robot)
        mcp = McpClient(http, client.refresh().json()["access_token"])
        mcp.request("tools/list")
        mcp.call("wiv_list_workflows", search=f"those of {email}")
        require_approval("wiv_update_workflow")
        mcp.call("wiv_update_workflow", workflow_id=fixtures.MONTHLY_REPORT, name="New")
        pause(User.objects.get(email=email), client.client_id)
        drain_call_log()
        sightings.recorder.drain()
        return str(client.tokens["access_token"])

    return use


def pause(user: User, client_id: str) -> None:
    organization = Consent.objects.filter(user=user).latest("pk").organization_id
    Pause.objects.create(
        connection=f"{client_id} of {user.pk}",
        subject=user.username,
        organization_id=organization,
        client_id=client_id,
        reason="it went on",
        ended_at=timezone.now(),
        ended_by=user.email,
    )


@pytest.fixture
def ana(use) -> str:
    return str(use(fixtures.ANA_EMAIL))


@pytest.fixture
def max(use) -> str:
    return str(use(fixtures.MAX_EMAIL, fixtures.MSP))


def rows_with(*texts: str) -> Iterator[str]:
    """Of all tables, sessions opened."""
    for model in apps.get_models():
        for row in model._base_manager.values():
            if model is Session:
                row |= Session(session_data=row["session_data"]).get_decoded()
            if any(text in str(row) for text in texts):
                yield model.__name__


def numbers() -> dict[str, int]:
    return {model.__name__: model._base_manager.count() for model in apps.get_models()}


def tables_of(*texts: str) -> set[str]:
    return set(rows_with(*texts))


# A person ----------------------------------------------------------------------------------------


def test_without_delete_it_only_says_how_much_there_is(ana, sandbox):
    before = numbers()
    output = delete_data(*ANA_ALONE)
    assert numbers() == before
    assert "consents: 1\n" in output
    assert f"API keys to delete at PropelAuth first: {len(sandbox.api_keys())}\n" in output
    assert "nothing was deleted; --delete does" in output


def test_a_persons_data_is_gone_but_for_the_call_log(ana, sandbox):
    names = (fixtures.ANA, fixtures.ANA_EMAIL, "Silva")
    before = tables_of(*names)
    assert {"User", "Listing", "Approval", "SecurityEvent", "CallCount", "Pause"} <= before
    output = delete_data(*ANA_ALONE, "--delete")
    assert tables_of(*names) == {"CallLogEntry"}
    assert sandbox.api_keys() == []
    stayed = CallLogEntry.objects.filter(subject=fixtures.ANA).count()
    assert f"{stayed} tool calls stay in the call log" in output
    assert Session.objects.count() == ConnectionAttempt.objects.count() == 0
    assert Sighting.objects.count() == 0


def test_what_stays_in_the_call_log_still_verifies_and_goes_when_it_is_old(ana, settings):
    delete_data(*ANA_ALONE, "--delete")
    assert list(chain.verify(fixtures.ACME)) == []
    settings.CALL_LOG_RETENTION = timedelta(0)
    call_command("run_due", stdout=StringIO())
    assert tables_of(fixtures.ANA, fixtures.ANA_EMAIL) == set()


def test_their_access_ends_at_once(ana, http):
    assert McpClient(http, ana).request("tools/list").status_code == 200
    delete_data(*ANA_ALONE, "--delete")
    assert McpClient(http, ana).request("tools/list").status_code == 401


def test_nobody_elses_data_is_touched(ana, use, http):
    gus = use(fixtures.GUS_EMAIL)  # of the same organization
    names = (fixtures.GUS, fixtures.GUS_EMAIL)
    before = sorted(rows_with(*names))
    delete_data(*ANA_ALONE, "--delete")
    assert sorted(rows_with(*names)) == before
    assert McpClient(http, gus).request("tools/list").status_code == 200
    assert Session.objects.count() == 1


def test_it_can_be_run_again(ana):
    delete_data(*ANA_ALONE, "--delete")
    before = numbers()
    assert "approvals: 0 deleted" in delete_data(*ANA_ALONE, "--delete")
    assert numbers() == before


def test_somebody_who_only_brought_a_key_is_known_by_their_id(http, make_key):
    mcp = McpClient(http, make_key())
    mcp.request("tools/list")
    mcp.call("wiv_list_spaces")
    drain_call_log()
    assert Listing.objects.count() == 1
    delete_data(*ANA_ALONE, "--delete")
    assert tables_of(fixtures.ANA) == {"CallLogEntry"}


def test_a_change_of_address_hides_nothing(ana):
    """Events name people by the address they had; the sign-in tells whose they are."""
    assert SecurityEvent.objects.filter(user_email=fixtures.ANA_EMAIL).exists()
    User.objects.filter(propelauth_user_id=fixtures.ANA).update(email="ana@new.test")
    delete_data(*ANA_ALONE, "--delete")
    assert tables_of(fixtures.ANA_EMAIL, "ana@new.test") == {"CallLogEntry"}


def test_what_staff_did_to_their_rows_is_forgotten_with_them(ana):
    staff = User.objects.create_superuser("admin", "admin@wiv.test", "correct horse")
    user = User.objects.get(propelauth_user_id=fixtures.ANA)
    kind = ContentType.objects.get_for_model(User)
    for row in (user, staff):
        LogEntry.objects.create(
            user=staff,
            content_type=kind,
            object_id=str(row.pk),
            object_repr=str(row),
            action_flag=CHANGE,
        )
    delete_data(*ANA_ALONE, "--delete")
    assert [entry.object_repr for entry in LogEntry.objects.all()] == ["admin@wiv.test"]


def test_who_was_shut_out_stays_out(ana, browser, client):
    Denial.objects.create(kind="user", value=fixtures.MAX, reason="left")
    User.objects.filter(propelauth_user_id=fixtures.ANA).update(is_active=False)
    delete_data(*ANA_ALONE, "--delete")
    delete_data("--user", fixtures.MAX, "--delete")
    denied = Denial.objects.values_list("value", flat=True)
    assert set(denied) == {fixtures.ANA, fixtures.MAX}


def test_more_rows_than_a_batch_has_go_too(ana, monkeypatch):
    monkeypatch.setattr(erasure, "ROWS_AT_ONCE", 2)
    delete_data(*ANA_ALONE, "--delete")
    assert tables_of(fixtures.ANA, fixtures.ANA_EMAIL) == {"CallLogEntry"}


# While PropelAuth is away ------------------------------------------------------------------------


def test_keys_that_propelauth_still_has_keep_their_rows_until_it_deletes_them(ana, sandbox):
    sandbox.fault("propelauth", "/api/*", "status", status=500, times=None)
    keys = len(sandbox.api_keys())
    with pytest.raises(CommandError, match=rf"^{keys} API keys aren't deleted at PropelAuth yet"):
        delete_data(*ANA_ALONE, "--delete")
    assert EndUserApiKey.objects.filter(revoked_at=None).count() == 0
    assert AccessToken.objects.count() == Consent.objects.count() == 0
    assert User.objects.filter(propelauth_user_id=fixtures.ANA).exists()
    sandbox.clear_faults()
    delete_data(*ANA_ALONE, "--delete")
    assert sandbox.api_keys() == []
    assert tables_of(fixtures.ANA, fixtures.ANA_EMAIL) == {"CallLogEntry"}


def test_a_key_whose_making_was_never_answered_is_looked_for_first(ana, sandbox):
    key = EndUserApiKey.objects.latest("pk")
    EndUserApiKey.objects.filter(pk=key.pk).update(uncertain=True)
    with pytest.raises(CommandError, match=r"^1 API keys"):
        delete_data(*ANA_ALONE, "--delete")
    long_ago = timezone.now() - 2 * outbox.longest_mint()
    EndUserApiKey.objects.update(created=long_ago)
    delete_data(*ANA_ALONE, "--delete")
    assert tables_of(fixtures.ANA, fixtures.ANA_EMAIL) == {"CallLogEntry"}


# An organization ---------------------------------------------------------------------------------


def test_an_organizations_data_is_gone_with_its_call_log(ana, use, sandbox):
    use(fixtures.GUS_EMAIL)
    people = (fixtures.ANA, fixtures.GUS, fixtures.ANA_EMAIL, fixtures.GUS_EMAIL)
    assert CallLogEntry.objects.exists()
    delete_data(*ACME, "--delete")
    assert tables_of(*people) <= {"ConnectionAttempt"}
    assert tables_of(fixtures.ACME) == {"CallChain"}
    assert sandbox.api_keys() == []
    assert {model.__name__ for model in PERSONAL if model._base_manager.exists()} == set()
    # Before anybody signed in, there is nobody and no organization to name.
    left = {event.event for event in SecurityEvent.objects.all()}
    assert left == {"client_registered", "sign_in_begun"}


def test_its_chain_still_verifies_against_what_was_noted(ana, tmp_path, http, make_key):
    noted = StringIO()
    call_command("verify_call_log", "--json", stdout=noted)
    (tmp_path / "noted.json").write_text(noted.getvalue())
    delete_data(*ACME, "--delete")
    McpClient(http, make_key()).call("wiv_list_spaces")
    drain_call_log()
    call_command("verify_call_log", expect=tmp_path / "noted.json", stdout=StringIO())
    assert CallLogEntry.objects.get().sequence == CallChain.objects.get().last_sequence


def test_another_organization_is_untouched(ana, max, http):
    before = sorted(rows_with(fixtures.MSP, fixtures.MAX, fixtures.MAX_EMAIL))
    delete_data(*ACME, "--delete")
    assert sorted(rows_with(fixtures.MSP, fixtures.MAX, fixtures.MAX_EMAIL)) == before
    assert McpClient(http, max).request("tools/list").status_code == 200


def test_who_is_in_another_organization_too_stays_a_person(max, use):
    use(fixtures.MAX_EMAIL, fixtures.NORTHWIND)
    delete_data("--organization", fixtures.MSP, "--delete")
    assert User.objects.filter(propelauth_user_id=fixtures.MAX).exists()
    assert {row.organization_id for row in Consent.objects.all()} == {fixtures.NORTHWIND}
    delete_data("--organization", fixtures.NORTHWIND, "--delete")
    assert not User.objects.filter(propelauth_user_id=fixtures.MAX).exists()


def test_a_sign_in_that_was_offered_the_organization_goes(server, client, browser):
    client.register()
    robot = browser(fixtures.MAX_EMAIL)
    page = robot.follow(robot.get(client.authorization_url()), client.redirect_uri)
    for _ in range(2):  # consent, PropelAuth's page; then the chooser
        page = robot.follow(robot.answer(page), client.redirect_uri)
    assert AuthorizationRequest.objects.get().organizations
    delete_data("--organization", fixtures.MSP, "--delete")
    assert AuthorizationRequest.objects.count() == 0


# The command -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [[], ["--user", "ana@acme.test"], ["--organization", ""], ["--organization", "  "]],
)
def test_it_takes_one_id(db, arguments):
    with pytest.raises(CommandError):
        delete_data(*arguments, "--delete")


def test_both_ids_at_once_are_refused(db):
    with pytest.raises(CommandError, match="not allowed with"):
        delete_data(*ANA_ALONE, *ACME)


def test_an_id_in_capitals_is_the_same(ana):
    delete_data("--user", fixtures.ANA.upper(), "--delete")
    assert tables_of(fixtures.ANA) == {"CallLogEntry"}
