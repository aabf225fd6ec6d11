"""sync_tools: the rows follow catalog.json, except where an administrator decided."""

import pytest
from django.core.management import call_command

from mcp_gateway.models import CatalogVersion, Source, Tool, ToolRevision
from mcp_gateway.seed import Change, read_definitions, synchronize
from tests.wiv_routes import SHIPPED

pytestmark = pytest.mark.django_db


@pytest.fixture
def catalog() -> None:
    synchronize(read_definitions())


def writes(changes: list[Change]) -> list[Change]:
    return [change for change in changes if change.writes]


def test_the_catalog_has_a_tool_for_each_route_and_each_may_be_served(catalog):
    assert Tool.objects.count() == SHIPPED
    for tool in Tool.objects.all():
        tool.clean_fields()
        tool.clean()


def test_the_run_tool_wraps_its_payload(catalog):
    rule = Tool.objects.get(name="wiv_start_execution").http_rule
    assert rule.bind({"workflow_id": "wf_1"}).body == {"payload": {}}


def test_reading_needs_wiv_read_and_everything_else_wiv_write(catalog):
    assert set(Tool.objects.filter(required_scope="wiv:write").values_list("name", flat=True)) == {
        "wiv_update_workflow",
        "wiv_start_execution",
        "wiv_stop_execution",
        "wiv_generate_workflow",
    }
    assert not Tool.objects.filter(required_scope="wiv:read", read_only=False).exists()


def test_a_second_run_changes_nothing_not_even_the_version(catalog):
    before = CatalogVersion.current()
    assert {change.action for change in synchronize(read_definitions())} == {"unchanged"}
    assert CatalogVersion.current() == before


def test_a_row_that_drifted_is_corrected(catalog):
    Tool.objects.filter(name="wiv_list_cases").update(title="Drifted")
    [change] = writes(synchronize(read_definitions()))
    assert change == Change("updated", "wiv_list_cases", ("title",))
    assert Tool.objects.get(name="wiv_list_cases").title == "List cases"


def test_what_an_administrator_decided_is_kept(catalog):
    Tool.objects.filter(name="wiv_list_cases").update(
        enabled=False, title="Ours", description="Drifted", overridden=["enabled", "title"]
    )
    changes = synchronize(read_definitions())
    assert Change("kept", "wiv_list_cases", ("enabled", "title")) in changes
    assert Change("updated", "wiv_list_cases", ("description",)) in changes
    tool = Tool.objects.get(name="wiv_list_cases")
    assert (tool.enabled, tool.title) == (False, "Ours")


def test_a_tool_that_is_no_longer_shipped_is_switched_off(catalog):
    [change] = writes(synchronize(read_definitions()[1:]))
    assert change == Change("switched off", "wiv_list_workflows", ("enabled",))
    assert not Tool.objects.get(name="wiv_list_workflows").enabled


def test_it_is_switched_on_again_when_it_returns(catalog):
    synchronize(read_definitions()[1:])
    synchronize(read_definitions())
    assert Tool.objects.get(name="wiv_list_workflows").enabled


def test_an_administrators_own_tool_is_left_alone(catalog):
    Tool.objects.filter(name="wiv_list_cases").update(source=Source.ADMIN, title="Ours")
    assert not writes(synchronize(read_definitions()))
    assert not writes(synchronize([d for d in read_definitions() if d["name"] != "wiv_list_cases"]))
    assert Tool.objects.get(name="wiv_list_cases").title == "Ours"


def test_check_writes_nothing_and_says_by_its_exit_code(capsys):
    with pytest.raises(SystemExit) as exit_:
        call_command("sync_tools", "--check")
    assert exit_.value.code == 1
    assert not Tool.objects.exists()
    assert f"{SHIPPED} created" in capsys.readouterr().out


def test_check_passes_when_nothing_would_change(catalog, capsys):
    call_command("sync_tools", "--check")
    assert f"{SHIPPED} unchanged" in capsys.readouterr().out


def test_the_command_names_what_it_changed(catalog, capsys):
    Tool.objects.filter(name="wiv_list_cases").update(title="Drifted")
    call_command("sync_tools")
    assert "updated: wiv_list_cases (title)" in capsys.readouterr().out


def test_a_dry_run_writes_nothing_and_succeeds(capsys):
    call_command("sync_tools", "--dry-run")
    assert not Tool.objects.exists()
    assert f"{SHIPPED} created" in capsys.readouterr().out


@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
def test_what_changes_is_shown_line_by_line(catalog, capsys, flags):
    Tool.objects.filter(name="wiv_list_cases").update(title="Drifted", http_method="POST")
    call_command("sync_tools", *flags)
    lines = capsys.readouterr().out.splitlines()
    assert '    -   "title": "Drifted",' in lines
    assert '    +   "title": "List cases",' in lines
    assert '    - http_method: "POST"' in lines
    assert '    + http_method: "GET"' in lines


def test_what_is_kept_is_named_with_what_is_shipped(catalog, capsys):
    Tool.objects.filter(name="wiv_list_cases").update(title="Ours", overridden=["title"])
    Tool.objects.filter(name="wiv_list_spaces").update(source=Source.ADMIN, title="Mine")
    call_command("sync_tools")
    output = capsys.readouterr().out
    assert "kept: wiv_list_cases (title), which an administrator decided; shipped is" in output
    assert '    +   "title": "List cases",' in output
    assert "kept: wiv_list_spaces, which an administrator made" in output
    assert Tool.objects.get(name="wiv_list_cases").title == "Ours"


def test_each_tool_that_it_changes_is_on_record_once(catalog):
    Tool.objects.filter(name="wiv_list_cases").update(title="Drifted")
    ToolRevision.objects.all().delete()
    synchronize(read_definitions()[1:])
    assert {*ToolRevision.objects.values_list("tool_name", "cause")} == {
        ("wiv_list_cases", "sync"),
        ("wiv_list_workflows", "sync"),
    }


def test_a_dry_run_is_not_on_record(catalog):
    ToolRevision.objects.all().delete()
    Tool.objects.filter(name="wiv_list_cases").update(title="Drifted")
    call_command("sync_tools", "--dry-run")
    assert ToolRevision.objects.count() == 1
