"""Which rows may exist, and that no way of changing one goes unnoticed."""

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.serializers import serialize
from django.db import IntegrityError, transaction

from mcp_gateway.models import CatalogVersion, Tool

pytestmark = pytest.mark.django_db

SCHEMA = {
    "type": "object",
    "properties": {"workflow_id": {"type": "string"}, "limit": {"type": "integer"}},
    "required": ["workflow_id"],
}


def make_tool(**fields) -> Tool:
    defaults = {
        "name": "wiv_test",
        "title": "Test",
        "description": "Tests.",
        "category": "tests",
        "path_template": "/workflows/{workflow_id}",
        "query_parameters": ["limit"],
        "input_schema": SCHEMA,
    }
    return Tool(**defaults | fields)


def test_a_sensible_tool_is_clean():
    make_tool().full_clean()
    make_tool(body="*", query_parameters=[], http_method="POST").full_clean()


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("name", {"name": "has space"}),
        ("name", {"name": "x" * 129}),
        ("name", {"name": "trailing\n"}),
        ("http_method", {"http_method": "TRACE"}),
        ("path_template", {"path_template": "no-slash"}),
        ("path_template", {"path_template": "/a/../b"}),
        ("path_template", {"path_template": "/a?b=c"}),
        ("path_template", {"path_template": "//evil.test/a"}),
        ("path_template", {"path_template": "/a/{unknown}"}),
        ("path_template", {"path_template": "/a/{limit}"}),
        ("query_parameters", {"query_parameters": ["unknown"]}),
        ("query_parameters", {"query_parameters": "limit"}),
        ("body", {"body": "unknown"}),
        ("body_wrapper", {"body_wrapper": "payload"}),
        ("input_schema", {"input_schema": []}),
        ("input_schema", {"input_schema": {"type": "array"}}),
        ("input_schema", {"input_schema": {"type": "object", "properties": []}}),
        ("input_schema", {"input_schema": SCHEMA | {"$ref": "https://evil.test/"}}),
        ("required_scope", {"required_scope": "admin"}),
    ],
)
def test_a_tool_that_could_not_be_served_is_refused(field, fields):
    with pytest.raises(ValidationError) as error:
        make_tool(**fields).full_clean()
    assert field in error.value.message_dict


@pytest.mark.parametrize(
    "fields",
    [
        {"http_method": "TRACE"},
        {"required_scope": "admin"},
        {"path_template": "https://evil.test/"},
        {"read_only": True, "destructive": True},
    ],
)
def test_the_database_refuses_what_the_form_was_not_asked_about(fields):
    with pytest.raises(IntegrityError), transaction.atomic():
        make_tool(**fields).save()


def test_a_read_only_tool_is_not_destructive():
    with pytest.raises(ValidationError, match="read-only"):
        make_tool(read_only=True).full_clean()


WAYS_TO_CHANGE = {
    "create": lambda: make_tool(name="wiv_other").save(),
    "save": lambda: Tool.objects.get().save(),
    "delete": lambda: Tool.objects.get().delete(),
    "update": lambda: Tool.objects.update(enabled=False),
    "delete many": lambda: Tool.objects.all().delete(),
    "create many": lambda: Tool.objects.bulk_create([make_tool(name="wiv_other")]),
    "update many": lambda: Tool.objects.bulk_update([Tool.objects.get()], ["title"]),
    "update or create": lambda: Tool.objects.update_or_create(
        name="wiv_test", defaults={"title": "T"}
    ),
    "filter().update": lambda: Tool.objects.filter(enabled=True).update(title="Other"),
}


@pytest.mark.parametrize("way", WAYS_TO_CHANGE)
def test_every_way_to_change_a_tool_changes_the_version(way):
    make_tool().save()
    before = CatalogVersion.current()
    WAYS_TO_CHANGE[way]()
    assert CatalogVersion.current() != before


def test_loading_a_fixture_changes_the_version(tmp_path):
    make_tool().save()
    fixture = tmp_path / "tools.json"
    fixture.write_text(serialize("json", Tool.objects.all()))
    before = CatalogVersion.current()
    call_command("loaddata", fixture, verbosity=0)
    assert CatalogVersion.current() != before


def test_reading_changes_nothing():
    make_tool().save()
    before = CatalogVersion.current()
    assert list(Tool.objects.served())
    assert CatalogVersion.current() == before


def test_a_change_that_is_rolled_back_leaves_the_version():
    make_tool().save()
    before = CatalogVersion.current()
    with transaction.atomic():
        Tool.objects.update(enabled=False)
        transaction.set_rollback(True)
    assert CatalogVersion.current() == before


def test_there_is_one_version_row():
    with pytest.raises(IntegrityError), transaction.atomic():
        CatalogVersion.objects.create(pk=2)
