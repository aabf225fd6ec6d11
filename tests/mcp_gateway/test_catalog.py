"""The catalog in memory: never more than a second old, and never brought down by one row."""

from collections.abc import Callable, Iterator

import pytest
from anyio.from_thread import start_blocking_portal
from django.core.management import call_command
from django.db import connection

from mcp_gateway.catalog import LIFETIME, Catalog, Snapshot, read
from mcp_gateway.errors import CatalogUnavailable
from mcp_gateway.models import Tool
from mcp_gateway.visibility import Viewer
from tests.wiv_routes import READING, SHIPPED

pytestmark = pytest.mark.django_db(transaction=True)

Current = Callable[[], Snapshot]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def current(clock: Clock) -> Iterator[Current]:
    call_command("sync_tools", verbosity=0)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Catalog(clock)) as catalog,
    ):
        yield lambda: portal.call(catalog.current)


def test_tools_are_listed_in_the_order_of_their_position(current):
    names = list(current().tools)
    assert names[:2] == ["wiv_list_workflows", "wiv_get_workflow"]
    assert len(names) == SHIPPED


def test_a_tool_that_was_switched_off_is_gone_within_a_second(current, clock):
    assert current().find("wiv_list_cases")
    Tool.objects.filter(name="wiv_list_cases").update(enabled=False)
    clock.now += LIFETIME
    assert current().find("wiv_list_cases") is None


def test_within_the_second_the_database_is_not_asked(current, clock):
    snapshot = current()
    Tool.objects.update(enabled=False)
    clock.now += LIFETIME * 0.99
    assert current() is snapshot


def test_an_unchanged_catalog_is_not_compiled_again(current, clock):
    snapshot = current()
    clock.now += LIFETIME
    assert current() is snapshot


def test_an_unchanged_catalog_costs_one_query(current, django_assert_num_queries):
    snapshot = current()
    with django_assert_num_queries(1):
        assert read(snapshot) is snapshot


@pytest.mark.parametrize(
    "broken",
    [
        {"input_schema": {"type": "array"}},
        {"input_schema": {"type": "object", "properties": {"a": {"type": "strin"}}}},
        {"input_schema": None},
        {"name": "not allowed"},
        {"query_parameters": None},
    ],
)
def test_a_row_that_can_not_be_served_is_left_out_and_logged(current, clock, caplog, broken):
    if None in broken.values():
        broken = dict.fromkeys(broken, 7)
    Tool.objects.filter(name="wiv_list_cases").update(**broken)
    clock.now += LIFETIME
    assert len(current().tools) == SHIPPED - 1
    assert "is left out of the catalog" in caplog.text


def test_without_the_database_an_old_answer_is_not_used(current, clock):
    current()
    clock.now += LIFETIME
    with renamed_table("mcp_gateway_catalogversion"), pytest.raises(CatalogUnavailable):
        current()
    assert len(current().tools) == SHIPPED


def test_a_dropped_connection_is_replaced(current, clock):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connection to drop")
    current()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    clock.now += LIFETIME
    assert len(current().tools) == SHIPPED


def viewer(*scopes: str) -> Viewer:
    return Viewer("", "", frozenset(scopes))


def test_a_token_that_may_only_read_is_not_shown_what_writes(current):
    names = {tool.name for tool in current().listed_for(viewer("wiv:read"))}
    assert len(names) == READING
    assert "wiv_start_execution" not in names


@pytest.mark.parametrize(("scopes", "count"), [(["wiv:write"], SHIPPED), (["other"], 0), ([], 0)])
def test_writing_includes_reading(current, scopes, count):
    assert len(current().listed_for(viewer(*scopes))) == count


class renamed_table:
    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        self._rename(self.name, f"{self.name}_away")

    def __exit__(self, *error: object) -> None:
        self._rename(f"{self.name}_away", self.name)

    def _rename(self, old: str, new: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")
