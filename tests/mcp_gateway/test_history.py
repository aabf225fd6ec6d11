"""Every change of a tool is on record, whatever its way, and can be undone."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.serializers import serialize
from django.db import transaction
from django.test import Client
from django.urls import reverse

from mcp_gateway.definitions import definition
from mcp_gateway.history import Cause, changing
from mcp_gateway.models import (
    Availability,
    CatalogVersion,
    FormerName,
    Source,
    Tool,
    ToolRevision,
    Upstream,
)
from mcp_gateway.seed import read_definitions, synchronize
from tests.mcp_gateway.test_admin import csrf_token, signed_in
from tests.mcp_gateway.test_models import make_tool
from tests.wiv_routes import SHIPPED

pytestmark = pytest.mark.django_db

REVISIONS = "/admin/mcp_gateway/toolrevision/"


@pytest.fixture
def tool() -> Tool:
    """As it stands before the change that a test makes: nothing is on record."""
    tool = make_tool()
    tool.save()
    ToolRevision.objects.all().delete()
    return tool


@pytest.fixture
def administrator() -> Client:
    return signed_in(is_superuser=True)


def post(browser: Client, url: str, data: Mapping[str, object] | None = None):
    page = browser.get(reverse("admin:password_change")).content.decode()
    return browser.post(url, {"csrfmiddlewaretoken": csrf_token(page), **(data or {})})


def only():
    return ToolRevision.objects.get()


def latest():
    return ToolRevision.objects.first()


def revert_url(revision: ToolRevision) -> str:
    return reverse("admin:mcp_gateway_toolrevision_revert", args=[revision.pk])


def history_url(tool: Tool) -> str:
    return reverse("admin:mcp_gateway_tool_history", args=[tool.pk])


# What is recorded ------------------------------------------------------------------------------


def load_fixture(tool: Tool, tmp_path) -> None:
    tool.title = "New"
    fixture = tmp_path / "tools.json"
    fixture.write_text(serialize("json", [tool]))
    call_command("loaddata", fixture, verbosity=0)


def save(tool: Tool, tmp_path) -> None:
    tool.title = "New"
    tool.save()


def save_title(tool: Tool, tmp_path) -> None:
    tool.title = "New"
    tool.save(update_fields=["title"])


def bulk_update(tool: Tool, tmp_path) -> None:
    tool.title = "New"
    Tool.objects.bulk_update([tool], ["title"])


def upsert(tool: Tool, tmp_path) -> None:
    Tool.objects.bulk_create(
        [make_tool(title="New")],
        update_conflicts=True,
        update_fields=["title"],
        unique_fields=["name"],
    )


EDITS: dict[str, Callable[[Tool, object], object]] = {
    "save": save,
    "save one field": save_title,
    "update": lambda *_: Tool.objects.update(title="New"),
    "an update after which the filter doesn't match": lambda *_: Tool.objects.filter(
        title="Test"
    ).update(title="New"),
    "bulk_update": bulk_update,
    "bulk_create of a row that is there": upsert,
    "update_or_create": lambda *_: Tool.objects.update_or_create(
        name="wiv_test", defaults={"title": "New"}
    ),
    "loaddata": load_fixture,
}


@pytest.mark.parametrize("way", EDITS)
def test_every_way_to_edit_a_tool_is_one_revision(tool, tmp_path, way):
    EDITS[way](tool, tmp_path)
    revision = only()
    assert (revision.before["title"], revision.after["title"]) == ("Test", "New")
    assert (revision.tool, revision.tool_name) == (tool, "wiv_test")
    assert (revision.cause, revision.user) == (Cause.OTHER, None)


@pytest.mark.parametrize(
    "way",
    [
        lambda: make_tool(name="wiv_new").save(),
        lambda: Tool.objects.bulk_create([make_tool(name="wiv_new")], 100),
        lambda: Tool.objects.bulk_create(row for row in [make_tool(name="wiv_new")]),
    ],
)
def test_a_new_tool_is_a_revision_without_before(way):
    way()
    revision = only()
    assert revision.before is None
    assert revision.after == definition(Tool.objects.get())


@pytest.mark.parametrize("way", [lambda tool: tool.delete(), lambda _: Tool.objects.all().delete()])
def test_a_deletion_is_one_revision_with_the_exceptions_there_were(tool, way):
    tool.availability.create(role="Admin", enabled=False)
    ToolRevision.objects.all().delete()
    way(tool)
    revision = only()
    assert revision.before["availability"] == [
        {"organization_id": "", "role": "Admin", "enabled": False}
    ]
    assert (revision.after, revision.tool, revision.tool_name) == (None, None, "wiv_test")


EXCEPTIONS: dict[str, Callable[[Tool], object]] = {
    "add": lambda tool: tool.availability.create(role="Owner"),
    "add many": lambda tool: Availability.objects.bulk_create(
        [Availability(tool=tool, role="Owner")]
    ),
    "switch": lambda tool: tool.availability.update(enabled=False),
    "save": lambda tool: Availability.objects.update_or_create(
        tool=tool, role="Admin", defaults={"enabled": False}
    ),
    "remove": lambda tool: tool.availability.get().delete(),
    "remove many": lambda tool: tool.availability.all().delete(),
}


@pytest.mark.parametrize("way", EXCEPTIONS)
def test_every_change_of_an_exception_is_a_revision_and_a_new_version(tool, way):
    tool.availability.create(role="Admin")
    ToolRevision.objects.all().delete()
    version = CatalogVersion.current()
    EXCEPTIONS[way](tool)
    revision = only()
    assert revision.before["availability"] != revision.after["availability"]
    assert CatalogVersion.current() != version


def test_an_exception_that_moves_changes_both_tools(tool):
    other = make_tool(name="wiv_other")
    other.save()
    tool.availability.create(role="Admin")
    ToolRevision.objects.all().delete()
    Availability.objects.update(tool=other)
    assert {revision.tool for revision in ToolRevision.objects.all()} == {tool, other}


def test_a_tool_that_another_one_names_is_part_of_its_definition(tool):
    old = make_tool(name="wiv_old", replaced_by=tool)
    old.save()
    ToolRevision.objects.all().delete()
    tool.delete()
    changed = ToolRevision.objects.filter(tool=old)
    assert [*changed.values_list("before__replaced_by", "after__replaced_by")] == [
        ("wiv_test", None)
    ]


def test_nothing_is_recorded_when_nothing_changed(tool):
    tool.save()
    Tool.objects.update(title="Test")
    Tool.objects.bulk_update([tool], ["title"])
    assert not ToolRevision.objects.exists()


def test_a_true_that_becomes_a_one_is_a_change(tool):
    Tool.objects.update(input_schema={**tool.input_schema, "default": True})
    Tool.objects.update(input_schema={**tool.input_schema, "default": 1})
    assert ToolRevision.objects.count() == 2


def test_a_change_that_is_rolled_back_is_not_on_record(tool):
    with transaction.atomic():
        Tool.objects.update(title="New")
        transaction.set_rollback(True)
    assert not ToolRevision.objects.exists()


def test_the_steps_of_one_change_are_one_revision(tool):
    with changing(cause=Cause.IMPORT):
        Tool.objects.update(title="New")
        tool.availability.create(role="Admin")
    revision = only()
    assert revision.cause == Cause.IMPORT
    assert revision.after == definition(Tool.objects.get())


def test_a_change_that_undoes_itself_is_none(tool):
    with changing(cause=Cause.IMPORT):
        Tool.objects.update(title="New")
        Tool.objects.update(title="Test")
    assert not ToolRevision.objects.exists()


def test_a_step_that_was_rolled_back_does_not_swallow_the_next(tool):
    with changing(cause=Cause.IMPORT):
        with transaction.atomic():
            Tool.objects.update(title="Lost")
            transaction.set_rollback(True)
        Tool.objects.update(title="New")
    assert only().after["title"] == "New"


def test_no_credential_gets_in(tool):
    tool.upstream = Upstream.objects.create(
        name="other",
        title="Other",
        base_url="https://api.test",
        credential_header="X-Key",
        encrypted_credential="gAAAA-secret",
    )
    tool.save()
    revision = only()
    assert revision.after["upstream"] == "other"
    assert "gAAAA-secret" not in json.dumps(revision.after)


def test_a_definition_has_every_field_and_is_json(tool):
    fields = {field.name for field in Tool._meta.concrete_fields} - {"id"}
    assert set(definition(tool)) == fields | {"availability"}
    assert json.loads(json.dumps(definition(tool))) == definition(tool)


# Who and why -----------------------------------------------------------------------------------


def test_the_admin_is_named_with_the_click(administrator, tool):
    post(administrator, reverse("admin:mcp_gateway_tool_switch", args=[tool.pk, "off"]))
    revision = only()
    assert (revision.cause, revision.user.username) == (Cause.ADMIN, "staff")
    assert (revision.before["enabled"], revision.after["enabled"]) == (True, False)


def test_sync_tools_is_named():
    synchronize(read_definitions())
    assert ToolRevision.objects.count() == SHIPPED
    assert not ToolRevision.objects.exclude(cause=Cause.SYNC, user=None).exists()


def test_following_the_catalog_again_is_the_administrators_and_the_catalogs(administrator):
    synchronize(read_definitions())
    tool = Tool.objects.get(name="wiv_list_cases")
    Tool.objects.filter(pk=tool.pk).update(title="Ours", overridden=["title"])
    ToolRevision.objects.all().delete()
    data = {"action": "follow_catalog", "_selected_action": [tool.pk]}
    post(administrator, reverse("admin:mcp_gateway_tool_changelist"), data)
    rows = ToolRevision.objects.order_by("pk").values_list("cause", "user__username")
    assert [*rows] == [(Cause.ADMIN, "staff"), (Cause.SYNC, "staff")]


# The pages -------------------------------------------------------------------------------------


def test_the_history_shows_what_went_on_the_wire_and_the_rest(administrator, tool):
    Tool.objects.update(title="<New>", path_template="/other/{workflow_id}")
    page = administrator.get(history_url(tool)).content.decode()
    assert "<del>-   &quot;title&quot;: &quot;Test&quot;,</del>" in page
    assert "<ins>+   &quot;title&quot;: &quot;&lt;New&gt;&quot;,</ins>" in page
    assert "<ins>+ path_template: &quot;/other/{workflow_id}&quot;</ins>" in page
    assert "command or shell" in page


def test_one_click_goes_back_and_is_on_record_itself(administrator, tool):
    tool.availability.create(role="Admin")
    ToolRevision.objects.all().delete()
    with changing(cause=Cause.OTHER):
        Tool.objects.update(title="New", timeout=timedelta(seconds=5))
        tool.availability.all().delete()
    response = post(administrator, revert_url(only()))
    assert response["Location"] == history_url(tool)
    tool.refresh_from_db()
    assert (tool.title, tool.timeout, tool.availability.get().role) == ("Test", None, "Admin")
    assert (latest().cause, latest().user.username) == (Cause.REVERT, "staff")
    post(administrator, revert_url(latest()))  # and back again
    tool.refresh_from_db()
    assert (tool.title, tool.availability.count()) == ("New", 0)


def test_a_deleted_tool_is_brought_back_with_its_exceptions(administrator, tool):
    tool.availability.create(role="Admin", enabled=False)
    before = definition(tool)
    tool.delete()
    post(administrator, revert_url(latest()))
    tool = Tool.objects.get()
    assert definition(tool) == before
    assert "deleted" in administrator.get(history_url(tool)).content.decode()


def test_a_deletion_is_not_undone_over_a_tool_of_that_name(administrator, tool):
    tool.delete()
    deletion = latest()
    make_tool(title="Another").save()
    response = post(administrator, revert_url(deletion))
    page = administrator.get(response["Location"]).content.decode()
    assert "There is a tool wiv_test again." in page
    assert Tool.objects.get().title == "Another"


def test_what_is_not_valid_any_more_is_refused_in_plain_words(administrator, tool):
    upstream = Upstream.objects.create(name="other", title="Other", base_url="https://api.test")
    Tool.objects.update(upstream=upstream)
    Tool.objects.update(upstream=None)
    revision = latest()
    upstream.delete()
    response = post(administrator, revert_url(revision))
    page = administrator.get(response["Location"]).content.decode()
    assert "Nothing was changed. upstream: There is no upstream other." in page
    assert latest() == revision


def test_a_name_that_is_reverted_is_remembered_for_who_still_calls_it(administrator, tool):
    Tool.objects.update(name="wiv_renamed")
    FormerName.objects.create(name="wiv_test", tool=tool)
    post(administrator, revert_url(only()))
    names = FormerName.objects.values_list("name", "tool__name")
    assert [*names] == [("wiv_renamed", "wiv_test")]


def test_a_link_reverts_nothing(administrator, tool):
    Tool.objects.update(title="New")
    assert administrator.get(revert_url(only())).status_code == 405
    assert Tool.objects.get().title == "New"


def test_without_the_pages_token_nothing_is_reverted(administrator, tool):
    Tool.objects.update(title="New")
    assert administrator.post(revert_url(only())).status_code == 403
    assert Tool.objects.get().title == "New"


def test_who_may_only_view_sees_the_history_and_reverts_nothing(tool):
    viewer = signed_in("view_tool", "view_toolrevision")
    Tool.objects.update(title="New")
    revision = only()
    for url in (history_url(tool), f"{REVISIONS}{revision.pk}/change/"):
        page = viewer.get(url).content.decode()
        assert "&quot;New&quot;" in page
        assert "Go back" not in page
    assert post(viewer, revert_url(revision)).status_code == 403
    assert Tool.objects.get().title == "New"


def test_who_may_not_add_tools_brings_none_back(tool):
    editor = signed_in("view_tool", "change_tool", "view_toolrevision")
    tool.delete()
    assert post(editor, revert_url(latest())).status_code == 403
    assert not Tool.objects.exists()


def test_who_may_see_nothing_sees_no_history(tool):
    stranger = signed_in()
    Tool.objects.update(title="New")
    revision = only()
    for url in (history_url(tool), REVISIONS, f"{REVISIONS}{revision.pk}/change/"):
        assert stranger.get(url).status_code == 403


def test_the_list_of_all_is_searched_filtered_and_exported(administrator, tool):
    make_tool(name="wiv_other", title="=1+1").save()
    Tool.objects.filter(name="wiv_test").update(title="New")
    page = administrator.get(f"{REVISIONS}?q=wiv_other&cause__exact=other").content.decode()
    assert "1 tool revision" in page
    chosen = [*ToolRevision.objects.values_list("pk", flat=True)]
    data = {"action": "export_csv", "_selected_action": chosen}
    answer = post(administrator, REVISIONS, data)
    other, test = csv.DictReader(io.StringIO(answer.content.decode()))
    assert (other["tool"], other["changed"], other["before"]) == ("wiv_other", "new", "")
    assert (test["changed"], json.loads(test["after"])["title"]) == ("title", "New")


def test_the_record_itself_can_not_be_changed(administrator, tool):
    Tool.objects.update(title="New")
    revision = only()
    assert administrator.get(f"{REVISIONS}add/").status_code == 403
    assert post(administrator, f"{REVISIONS}{revision.pk}/delete/").status_code == 403


# With the shipped catalog ----------------------------------------------------------------------


@pytest.fixture
def shipped() -> Tool:
    synchronize(read_definitions())
    ToolRevision.objects.all().delete()
    return Tool.objects.get(name="wiv_list_cases")


def test_going_back_on_an_own_edit_leaves_no_decision_behind(administrator, shipped):
    Tool.objects.filter(pk=shipped.pk).update(title="Ours", overridden=["title"])
    post(administrator, revert_url(only()))
    shipped.refresh_from_db()
    assert (shipped.title, shipped.overridden) == ("List cases", [])


def test_going_back_on_a_release_is_a_decision_that_the_next_one_keeps(administrator, shipped):
    older = [{**each, "title": "Older"} for each in read_definitions()]
    synchronize(older)
    ToolRevision.objects.all().delete()
    synchronize(read_definitions())
    post(administrator, revert_url(ToolRevision.objects.get(tool=shipped)))
    synchronize(read_definitions())
    shipped.refresh_from_db()
    assert (shipped.title, shipped.overridden) == ("Older", ["title"])
    data = {"action": "follow_catalog", "_selected_action": [shipped.pk]}
    post(administrator, reverse("admin:mcp_gateway_tool_changelist"), data)
    shipped.refresh_from_db()
    assert (shipped.title, shipped.overridden) == ("List cases", [])


def test_a_tool_that_is_switched_on_again_by_going_back_stays_on(administrator, shipped):
    retired = Tool.objects.create(
        **{**read_definitions()[0], "name": "wiv_gone"}, source=Source.CATALOG
    )
    synchronize(read_definitions())
    post(administrator, revert_url(latest()))
    synchronize(read_definitions())
    retired.refresh_from_db()
    assert (retired.enabled, retired.overridden) == (True, ["enabled"])
