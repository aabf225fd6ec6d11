"""Who called what, and what came of it: on record, and hard to change unnoticed."""

import csv
import io
import json
from datetime import timedelta
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings, strategies

from mcp_gateway.call_log import chain
from mcp_gateway.call_log.latency import BUCKETS, GROWTH, bucket_of, percentile
from mcp_gateway.call_log.models import CallChain, CallCount, CallLogEntry
from mcp_gateway.call_log.redaction import MAX_TEXT, redacted_text
from mcp_gateway.models import CatalogVersion
from oauth_bridge.models import User
from sandbox import fixtures
from tests.conftest import drain_call_log
from tests.mcp_gateway.json_rpc import MODERN_META, McpClient, modern_headers
from tests.mcp_gateway.test_tools import wait_until
from tests.robot import forms_of

CALL, INTENT = CallLogEntry.Kind.CALL, CallLogEntry.Kind.INTENT


def logged(**where: object) -> list[CallLogEntry]:
    drain_call_log()
    return list(CallLogEntry.objects.filter(**where).order_by("organization_id", "sequence"))


def start(mcp: McpClient, **arguments: object) -> dict[str, Any]:
    return mcp.call("wiv_start_execution", workflow_id=fixtures.MONTHLY_REPORT, **arguments)


# What is written ------------------------------------------------------------------------------


def test_a_call_says_who_what_when_and_what_came_of_it(client, browser, http, server):
    client.register(client_name="Cursor")
    mcp = McpClient(http, client.sign_in(browser())["access_token"])
    mcp.headers["User-Agent"] = "Cursor/3.1 (darwin)"
    before = timezone.now()
    mcp.call("wiv_list_workflows", limit=2)
    [entry] = logged()
    assert (entry.kind, entry.outcome, entry.writes) == (CALL, "ok", False)
    assert (entry.subject, entry.organization_id) == (fixtures.ANA, fixtures.ACME)
    assert (entry.client_name, entry.client_version) == ("Cursor", "Cursor/3.1")
    assert entry.client_id == client.client_id
    assert (entry.path, entry.tool) == ("/mcp", "wiv_list_workflows")
    assert json.loads(entry.arguments) == {"limit": 2}
    assert entry.catalog_version == CatalogVersion.current()
    assert (entry.upstream_status, entry.sent) == (200, 1)
    assert before <= entry.at <= timezone.now()
    assert entry.answer_bytes > 100
    assert 0 < entry.tokens < entry.answer_bytes


def test_the_request_id_reaches_wiv(mcp, sandbox):
    mcp.call("wiv_list_workflows")
    [entry] = logged()
    [received] = [each for each in sandbox.requests("wiv") if each["path"].endswith("/workflows")]
    headers = {name.lower(): value for name, value in received["headers"].items()}
    assert UUID(headers["x-request-id"]) == entry.call_id


def test_a_client_of_2026_names_itself_in_each_call(mcp):
    info = {"io.modelcontextprotocol/clientInfo": {"name": "Inspector", "version": "2.12"}}
    params = {"name": "wiv_list_spaces", "arguments": {}, "_meta": MODERN_META | info}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    mcp.post(json=body, headers=modern_headers("tools/call", "wiv_list_spaces"))
    [entry] = logged()
    assert entry.client_version == "Inspector 2.12"


def test_a_key_in_an_argument_is_nowhere_and_its_owner_is_named(mcp, make_key, http):
    other = make_key(fixtures.MAX, fixtures.NORTHWIND)
    mcp.call("wiv_list_workflows", _wiv_api_key=other)
    [entry] = logged()
    assert (entry.subject, entry.organization_id) == (fixtures.MAX, fixtures.NORTHWIND)
    assert "_wiv_api_key" not in entry.arguments
    assert other not in str(list(CallLogEntry.objects.values()))


def test_a_call_that_never_left_is_refused(mcp):
    mcp.call("wiv_get_workflow")
    [entry] = logged()
    assert (entry.outcome, entry.sent, entry.upstream_status) == ("refused", 0, None)
    assert "required" in entry.problem


def test_a_tool_that_isnt_there_is_on_record_too(mcp):
    mcp.request("tools/call", {"name": "rm_rf\u202e\x00", "arguments": {}})
    [entry] = logged()
    assert (entry.tool, entry.outcome, entry.problem) == ("rm_rf", "refused", "not there")


@pytest.mark.parametrize(("status", "outcome"), [(403, "failed"), (422, "failed"), (500, "failed")])
def test_a_read_that_wiv_refuses_failed(mcp, sandbox, status, outcome):
    sandbox.fault("wiv", "/workflows*", "status", status=status)
    mcp.refused("wiv_list_workflows")
    [entry] = logged()
    assert (entry.outcome, entry.upstream_status) == (outcome, status)


# Writes ---------------------------------------------------------------------------------------


def test_a_write_is_on_record_before_it_leaves(mcp, sandbox):
    """While Wiv hangs, there is an intent and no outcome."""
    sandbox.fault("wiv", "*/run", "hang", method="POST")
    thread = Thread(target=start, args=(mcp,), daemon=True)
    thread.start()
    wait_until(lambda: any(each["path"].endswith("/run") for each in sandbox.requests("wiv")))
    [entry] = CallLogEntry.objects.all()
    assert (entry.kind, entry.tool, entry.outcome) == (INTENT, "wiv_start_execution", "")
    sandbox.clear_faults()
    thread.join(40)


def test_a_write_has_an_intent_and_an_outcome_of_one_request(mcp):
    start(mcp)
    intent, call = logged()
    assert (intent.kind, call.kind) == (INTENT, CALL)
    assert intent.call_id == call.call_id
    assert (call.outcome, call.writes) == ("ok", True)


def test_a_write_that_may_have_happened_is_unknown(mcp, sandbox):
    sandbox.fault("wiv", "*/run", "drop", method="POST")
    start(mcp)
    assert logged(kind=CALL)[0].outcome == "unknown"


def test_a_write_that_wiv_refused_failed(mcp, sandbox):
    sandbox.fault("wiv", "*/run", "status", status=409, method="POST")
    start(mcp)
    assert logged(kind=CALL)[0].outcome == "failed"


def test_what_cant_be_recorded_isnt_sent(mcp, sandbox):
    table = connection.ops.quote_name(CallLogEntry._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO away")
    try:
        sandbox.forget_requests()
        assert "can't be recorded" in mcp.refused(
            "wiv_start_execution", workflow_id=fixtures.MONTHLY_REPORT
        )
        assert not [each for each in sandbox.requests("wiv") if each["method"] == "POST"]
        assert not mcp.call("wiv_list_workflows").get("isError")
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE away RENAME TO {table}")
    assert {entry.tool for entry in logged()} == {"wiv_start_execution", "wiv_list_workflows"}


# Redaction ------------------------------------------------------------------------------------


def test_secrets_are_left_out_by_their_names(mcp, settings):
    settings.CALL_LOG_REDACTED = ["password", "api_?key"]
    inputs = {"PASSWORD": "hunter2", "nested": [{"apiKey": "k-123"}], "size": 3}
    start(mcp, inputs=inputs)
    entry = logged(kind=CALL)[0]
    assert json.loads(entry.arguments)["inputs"] == {
        "PASSWORD": "[redacted]",
        "nested": [{"apiKey": "[redacted]"}],
        "size": 3,
    }
    assert "hunter2" not in str(list(CallLogEntry.objects.values()))


def test_long_arguments_are_cut():
    assert "[cut 9000]" in redacted_text({"q": "x" * 10_000}, [])
    assert len(redacted_text({"q": ["x" * 900] * 50}, [])) <= MAX_TEXT
    assert json.loads(redacted_text({"q": ["\u20ac\ud800" * 900] * 50}, []))


@given(strategies.recursive(strategies.text() | strategies.integers(), strategies.lists))
def test_whatever_the_arguments_they_are_short_ascii_json(value):
    text = redacted_text({"value": value, "secret": value}, ["secret"])
    assert text.isascii()
    assert len(text) <= MAX_TEXT
    json.loads(text)


# The chain ------------------------------------------------------------------------------------


def filled(count: int, organization: str = "org") -> list[CallLogEntry]:
    for number in range(count):
        chain.append(organization, [bare_entry(organization, number)])
    return list(CallLogEntry.objects.filter(organization_id=organization).order_by("sequence"))


def bare_entry(organization: str, number: int = 0, **fields: object) -> CallLogEntry:
    values = {
        "kind": CALL,
        "call_id": UUID(int=number),
        "at": timezone.now(),
        "organization_id": organization,
        "subject": "somebody",
        "client_id": "client",
        "tool": f"tool_{number}",
        "path": "/mcp",
        "writes": False,
        "outcome": "ok",
    }
    return CallLogEntry(**{**values, **fields})


def tamper(sql: str, *values: Any) -> None:
    """As somebody with the database's password would."""
    with connection.cursor() as cursor:
        cursor.execute(f"{sql.format(table=CallLogEntry._meta.db_table)}", values)


def findings(*options: str) -> str:
    """What the command says on its error channel; it must fail."""
    said = io.StringIO()
    with pytest.raises(CommandError, match="isn't as it was written"):
        call_command("verify_call_log", *options, stdout=io.StringIO(), stderr=said)
    return said.getvalue()


@pytest.fixture
def untouched(transactional_db):
    return filled(6)


def test_an_untouched_log_verifies(untouched, mcp):
    start(mcp)
    drain_call_log()
    said = io.StringIO()
    call_command("verify_call_log", stdout=said)
    assert f"org: 6 entries, last {untouched[-1].hash}" in said.getvalue()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("outcome", "failed"),
        ("arguments", "{}"),
        ("subject", "somebody else"),
        ("upstream_status", 500),
        ("at", "2026-01-01 00:00:00+00:00"),
    ],
)
def test_a_changed_row_is_named(untouched, column, value):
    tamper(f"UPDATE {{table}} SET {column} = %s WHERE sequence = 3", value)
    assert "entry 3: changed" in findings()


def test_a_removed_row_is_named(untouched):
    tamper("DELETE FROM {table} WHERE sequence = 3")
    assert "entry 3: removed: 3" in findings()


def test_the_removed_end_is_named(untouched):
    tamper("DELETE FROM {table} WHERE sequence > 4")
    assert "removed: 5 to 6" in findings()


def test_reordered_rows_are_named(untouched):
    for old, new in ((2, 99), (4, 2), (99, 4)):
        tamper("UPDATE {table} SET sequence = %s WHERE sequence = %s", new, old)
    said = findings()
    assert "entry 2: moved" in said
    assert "entry 4: moved" in said


def test_a_removed_chain_is_named(untouched):
    CallChain.objects.all().delete()
    assert "the chain's own row was removed" in findings()


def test_a_chain_written_anew_is_found_by_what_was_noted(untouched, tmp_path):
    """Whoever computes all hashes anew passes; not before somebody who noted the end."""
    noted, output = tmp_path / "noted.json", io.StringIO()
    call_command("verify_call_log", "--json", stdout=output)
    noted.write_text(output.getvalue())
    call_command("verify_call_log", "--expect", str(noted), stdout=io.StringIO())
    tamper("DELETE FROM {table}")
    CallChain.objects.all().delete()
    filled(8)
    call_command("verify_call_log", stdout=io.StringIO())
    assert "entry 6: isn't the entry that was noted" in findings("--expect", str(noted))


def test_what_isnt_a_note_is_told(untouched, tmp_path):
    noted = tmp_path / "noted.json"
    noted.write_text("[]")
    with pytest.raises(CommandError, match="isn't an output of --json"):
        call_command("verify_call_log", "--expect", str(noted), stdout=io.StringIO())


COLUMNS = ["tool", "subject", "outcome", "problem", "client_name", "arguments", "path", "role"]


@pytest.mark.django_db(transaction=True)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=strategies.data())
def test_whatever_is_done_to_a_row_is_noticed(data, transactional_db):
    tamper("DELETE FROM {table}")
    CallChain.objects.all().delete()
    filled(5)
    sequence = data.draw(strategies.integers(1, 5))
    if data.draw(strategies.booleans()):
        tamper("DELETE FROM {table} WHERE sequence = %s", sequence)
    else:
        column = data.draw(strategies.sampled_from(COLUMNS))
        sql = f"UPDATE {{table}} SET {column} = {column} || 'x' WHERE sequence = %s"
        tamper(sql, sequence)
    assert f"entry {sequence}: " in findings()


def test_many_threads_write_one_chain(transactional_db):
    def write(number: int) -> None:
        try:
            for each in range(5):
                chain.append("org", [bare_entry("org", number * 10 + each)])
        finally:
            connection.close()

    threads = [Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert list(chain.verify("org")) == []
    assert CallChain.objects.get().last_sequence == 30
    for span in CallCount.Span:
        counts = CallCount.objects.filter(span=span, by="")
        assert sum(counts.values_list("calls", flat=True)) == 30


def test_old_entries_go_and_the_rest_still_verifies(transactional_db, settings):
    old = timezone.now() - timedelta(days=100)
    for number in range(4):
        chain.append("org", [bare_entry("org", number, at=old)])
    filled(2)
    settings.CALL_LOG_RETENTION = timedelta(days=90)
    settings.CALL_COUNT_RETENTION = timedelta(days=95)
    call_command("run_due", stdout=io.StringIO())
    assert [entry.sequence for entry in CallLogEntry.objects.order_by("sequence")] == [5, 6]
    days = CallCount.objects.filter(span="day", by="")
    assert sum(days.values_list("calls", flat=True)) == 2
    said = io.StringIO()
    call_command("verify_call_log", stdout=said)
    assert "org: 2 entries, last" in said.getvalue()
    tamper("DELETE FROM {table} WHERE sequence = 5")
    assert "entry 5: removed: 5" in findings()


def test_entries_cant_be_changed_by_the_product(untouched):
    with pytest.raises(TypeError):
        CallLogEntry.objects.update(outcome="ok")
    with pytest.raises(TypeError):
        CallLogEntry.objects.all().delete()
    with pytest.raises(TypeError):
        untouched[0].save()
    with pytest.raises(TypeError):
        untouched[0].delete()


# Counts ---------------------------------------------------------------------------------------


def test_an_hour_is_counted_while_it_is_written(mcp, sandbox):
    sandbox.fault("wiv", "/workflows*", "status", status=500, times=None)
    mcp.refused("wiv_list_workflows")
    sandbox.clear_faults()
    mcp.call("wiv_list_spaces")
    drain_call_log()
    for span in CallCount.Span:
        counts = CallCount.objects.filter(span=span)
        tools = {each.value: each for each in counts.filter(by="tool")}
        assert {name: each.failed for name, each in tools.items()} == {
            "wiv_list_workflows": 1,
            "wiv_list_spaces": 0,
        }
        entry = CallLogEntry.objects.get(tool="wiv_list_spaces")
        row = tools["wiv_list_spaces"]
        assert (row.calls, row.tokens, row.answer_bytes) == (1, entry.tokens, entry.answer_bytes)
        for by in ("", "client_id", "subject"):
            assert counts.get(by=by).calls == 2


@given(strategies.lists(strategies.integers(8, 117_000), min_size=1, max_size=200))
def test_a_percentile_is_off_by_a_quarter_at_most(durations):
    buckets = [0] * BUCKETS
    for duration in durations:
        buckets[bucket_of(duration)] += 1
    exact = sorted(durations)[-(-len(durations) * 95 // 100) - 1]
    estimate = percentile(buckets, 0.95)
    assert estimate is not None
    assert exact / GROWTH <= estimate * 1.001
    assert estimate <= exact * GROWTH * 1.001


# Reading --------------------------------------------------------------------------------------


@pytest.fixture
def staff(server, browser):
    """`staff(permission, ...)`: a browser signed in at the admin with these only."""

    def sign_in(*permissions: str):
        user = User.objects.create_user("staff", "s@wiv.test", "correct horse", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        robot = browser()
        [form] = forms_of(robot.get(f"{server}/admin/login/"))
        assert robot.submit(form, username="staff", password="correct horse").status_code == 302
        return robot

    return sign_in


LOG = "/admin/mcp_gateway/calllogentry/"


def test_an_admin_sees_the_calls_and_an_auditor_what_they_were_about(mcp, staff, server):
    mcp.call("wiv_list_workflows", limit=7)
    [entry] = logged()
    robot = staff("view_calllogentry")
    listed = robot.get(f"{server}{LOG}").text
    assert "wiv_list_workflows" in listed
    page = robot.get(f"{server}{LOG}{entry.pk}/change/").text
    assert str(entry.call_id) in page
    assert "limit" not in page
    User.objects.get(username="staff").user_permissions.add(
        Permission.objects.get(codename="audit_calls")
    )
    assert "limit" in robot.get(f"{server}{LOG}{entry.pk}/change/").text


def test_the_log_is_searched_by_whole_ids(mcp, staff, server):
    mcp.call("wiv_list_workflows")
    mcp.call("wiv_list_spaces")
    spaces, workflows = sorted(logged(), key=lambda each: each.tool)
    robot = staff("view_calllogentry")

    def found(text: str) -> int:
        page: str = robot.get(f"{server}{LOG}", params={"q": text}).text
        return page.count('class="field-tool')

    assert found(str(workflows.call_id)) == 1
    assert found("nobody") == 0
    assert found(spaces.subject) == 2


@pytest.mark.parametrize("auditor", [False, True])
@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_the_selected_calls_are_exported(mcp, staff, server, kind, auditor):
    mcp.call("wiv_list_workflows", limit=7)
    start(mcp)
    entries = logged()
    robot = staff("view_calllogentry", *(["audit_calls"] if auditor else []))
    page = robot.get(f"{server}{LOG}")
    form = next(form for form in forms_of(page) if "_selected_action" in form.fields)
    form.action = str(page.url)
    answer = robot.submit(
        form,
        action=f"export_as_{kind}",
        _selected_action=[str(entry.pk) for entry in entries],
    )
    rows = (
        list(csv.DictReader(io.StringIO(answer.text)))
        if kind == "csv"
        else [json.loads(line) for line in answer.text.splitlines()]
    )
    assert [row["call_id"] for row in rows] == [str(entry.call_id) for entry in entries]
    assert ("arguments" in rows[0]) is auditor
    assert [row["hash"] for row in rows] == [entry.hash for entry in entries]


def test_the_whole_log_is_exported_by_command(mcp):
    mcp.call("wiv_list_workflows", limit=7)
    [entry] = logged()
    output = io.StringIO()
    call_command("export_call_log", "--with-arguments", "--since", "2026-01-01", stdout=output)
    [row] = [json.loads(line) for line in output.getvalue().splitlines()]
    assert json.loads(row["arguments"]) == {"limit": 7}
    assert row["tool"] == entry.tool
    output = io.StringIO()
    call_command("export_call_log", "--format=csv", "--until=2026-01-01", stdout=output)
    assert len(output.getvalue().splitlines()) == 1
    with pytest.raises(CommandError, match="isn't a moment"):
        call_command("export_call_log", "--since=yesterday", stdout=io.StringIO())


def test_a_spreadsheet_runs_nothing_of_it(transactional_db):
    chain.append("org", [bare_entry("org", client_name="=HYPERLINK(0)")])
    output = io.StringIO()
    call_command("export_call_log", "--format=csv", stdout=output)
    assert "'=HYPERLINK(0)" in output.getvalue()
