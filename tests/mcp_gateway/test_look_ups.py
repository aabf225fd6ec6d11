"""The event loop looks tokens up on a connection of its own: what when that doesn't answer?"""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from oauth_bridge import loop_connection
from oauth_bridge.loop_connection import APPLICATION_NAME, PostgresqlConnection
from tests.mcp_gateway.json_rpc import McpClient
from tests.mcp_gateway.test_tools import wait_until

LOOPS_OWN = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name = %s AND query LIKE %s
"""


@pytest.fixture
def mcp(sign_in, http) -> McpClient:
    return McpClient(http, sign_in("/mcp").tokens["access_token"])


@pytest.fixture
def _on_postgresql(server):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite answers at once or not at all")


@pytest.fixture
def _on_sqlite(server):
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has no lock that all share")


def dsn() -> str:
    parameters: dict[str, Any] = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    return psycopg.conninfo.make_conninfo("", **{name: parameters.get(name) for name in names})


def looking() -> set[int]:
    """The processes of PostgreSQL whose last question was the loop's."""
    with connection.cursor() as cursor:
        cursor.execute(LOOPS_OWN, [APPLICATION_NAME, 'SELECT "oauth_bridge_accesstoken"%'])
        return {pid for (pid,) in cursor.fetchall()}


def ask_until_the_loop_does(mcp: McpClient) -> set[int]:
    wait_until(lambda: mcp.tool_names() and looking())
    return looking()


@pytest.mark.usefixtures("_on_postgresql")
def test_a_connection_that_the_database_ends_costs_nobody_an_answer(mcp):
    [lost] = ask_until_the_loop_does(mcp)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [lost])
    assert mcp.tool_names()
    [other] = ask_until_the_loop_does(mcp)
    assert other != lost


@pytest.mark.usefixtures("_on_postgresql")
def test_a_look_up_that_gets_no_answer_is_made_again_by_a_thread(mcp, monkeypatch):
    monkeypatch.setattr(loop_connection, "PATIENCE_SECONDS", 0.2)
    [silent] = ask_until_the_loop_does(mcp)
    with psycopg.connect(dsn()) as other, ThreadPoolExecutor() as pool:
        other.execute("LOCK TABLE oauth_bridge_accesstoken IN ACCESS EXCLUSIVE MODE")
        names = pool.submit(mcp.tool_names)
        wait_until(lambda: waiting() - {silent})
        other.rollback()
        assert names.result(10)


def waiting() -> set[int]:
    with psycopg.connect(dsn()) as other:
        found = other.execute("SELECT pid FROM pg_locks WHERE NOT granted").fetchall()
    return {pid for (pid,) in found}


@pytest.mark.usefixtures("_on_postgresql")
def test_times_are_read_right_where_the_database_has_another_zone(db):
    async def now() -> datetime:
        own = await PostgresqlConnection.open()
        row = await own.first("SELECT now(), %s", ["x"])
        own.close()
        assert row is not None
        found: datetime = row[0]
        return found

    with psycopg.connect(dsn(), autocommit=True) as other:
        name = psycopg.sql.Identifier(connection.settings_dict["NAME"])
        alter = psycopg.sql.SQL("ALTER DATABASE {} SET timezone = 'Asia/Tokyo'").format(name)
        other.execute(alter)
        try:
            assert abs(asyncio.run(now()) - timezone.now()) < timedelta(minutes=5)
        finally:
            other.execute(psycopg.sql.SQL("ALTER DATABASE {} RESET timezone").format(name))


@pytest.mark.usefixtures("_on_sqlite")
def test_a_writer_holds_up_no_look_up(mcp):
    assert mcp.tool_names()  # which notes the token's use
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert mcp.tool_names()
