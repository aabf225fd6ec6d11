"""The table of what is kept, in docs/operations.md, against the tables and what `run_due` does."""

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db.models import Model
from django.utils import timezone

from mcp_gateway.call_log.retention import HOURS_KEPT
from mcp_gateway.models import Listing
from oauth_bridge.models import EndUserApiKey
from sandbox import fixtures
from tests.conftest import drain_call_log
from tests.connect.panel import watch
from tests.docs.markdown import code_spans, read, tables_with
from tests.docs.test_settings_doc import VARIABLES
from tests.mcp_gateway.json_rpc import McpClient
from tests.mcp_gateway.test_tools import wait_until
from tests.robot import form_to, signed_in

OURS = ("oauth_bridge", "mcp_gateway", "connect")
[TABLE] = tables_with(read("docs/operations.md"), "Rows")
ROWS = {name: row for row in TABLE.rows for name in code_spans(row["Rows"])}
LONG = timedelta(days=3650)


def test_every_table_with_rows_of_ours_is_there():
    ours = {model.__name__ for app in OURS for model in apps.get_app_config(app).get_models()}
    assert set(ROWS) == ours | {Session.__name__, LogEntry.__name__}


def test_the_times_are_those_of_settings_that_exist():
    named = {name for row in TABLE.rows for name in code_spans(row["For how long"])}
    assert named <= set(VARIABLES)
    retained = {name for name in VARIABLES if re.search("RETENTION|CLIENT_LIFETIME", name)}
    assert retained <= named
    assert ROWS["CallCount"]["For how long"].endswith(f"by the hour {HOURS_KEPT.days} days")


@pytest.fixture
def used(server, browser, client, http) -> None:
    """Somebody signed in, made a key, asked whether it works, and called."""
    robot = browser()
    page = signed_in(robot, server)
    robot.submit(form_to(page, "/connect/api-keys"), name="laptop")
    watch(robot, server)
    client.register()
    client.sign_in(robot)
    mcp = McpClient(http, client.refresh().json()["access_token"])
    mcp.request("tools/list")
    mcp.call("wiv_start_execution", workflow_id=fixtures.MONTHLY_REPORT)
    drain_call_log()


def filled() -> set[str]:
    return {name for name in ROWS if model_of(name)._base_manager.exists()}


def model_of(name: str) -> type[Model]:
    [model] = [model for model in apps.get_models() if model.__name__ == name]
    return model


def test_run_due_deletes_what_the_table_says_and_nothing_else(used, sandbox, monkeypatch):
    before = filled()
    assert {"User", "Consent", "CallLogEntry", "RefreshToken", "SecurityEvent", "Session"} <= before
    later = timezone.now() + LONG
    monkeypatch.setattr(timezone, "now", lambda: later)
    for _ in range(2):  # a client goes after its tokens
        call_command("run_due", stdout=StringIO())
    gone = {name for name in before if "run_due" in ROWS[name]["Deleted by"]}
    assert before - filled() == gone
    assert EndUserApiKey.objects.count() == 0


def test_old_lists_go_with_the_next_client(used, make_key, http, monkeypatch):
    later = timezone.now() + LONG
    monkeypatch.setattr(timezone, "now", lambda: later)
    old = Listing.objects.get().pk
    McpClient(http, make_key(fixtures.GUS)).request("tools/list")
    wait_until(lambda: Listing.objects.exclude(pk=old).exists())
    wait_until(lambda: not Listing.objects.filter(pk=old).exists())
