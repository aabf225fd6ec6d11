"""A connection of the event loop's own, for the one question that each request asks.

A thread's answer costs more than the question: it and the loop want the interpreter at the same
time (benchmarks/README.md). So the loop asks by itself: PostgreSQL without waiting, SQLite for some
fifty microseconds, and no writer holds that up.

Nothing here knows what to do when the database is away or slow. Whatever goes wrong is no answer;
then the caller asks in a thread (threads.py), as those do who ask for anything else.
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, Self

import django.db
import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.sqlite3.base import SQLiteCursorWrapper
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from oauth_bridge.prepared_query import PreparedQuery
from telemetry import traces

logger = logging.getLogger(__name__)

# A server that is silent for so long has lost the connection; the thread's patience comes after it.
PATIENCE_SECONDS = 2.0
# Between two attempts to open it.
PAUSE_SECONDS = 1.0
# As pg_stat_activity shows it.
APPLICATION_NAME = "wivmcp look-ups"

Row = tuple[Any, ...]


class NoAnswer(Exception):
    """Ask in a thread."""


class Connection(Protocol):
    @property
    def system(self) -> str: ...
    async def first(self, sql: str, parameters: Sequence[Any]) -> Row | None: ...
    def hang_up(self) -> None:
        """Whoever waits for an answer gets an error at once."""

    def close(self) -> None: ...


class LoopConnection:
    """Opened in the background, and again after it was lost."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()
        self._opening: asyncio.Task[None] | None = None
        self._next_attempt = 0.0

    def open_soon(self) -> None:
        is_opening = self._opening is not None and not self._opening.done()
        if not is_opening and time.monotonic() >= self._next_attempt:
            self._next_attempt = time.monotonic() + PAUSE_SECONDS
            self._opening = asyncio.create_task(self._open())

    async def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._opening
        self._lose()

    async def first(self, query: PreparedQuery, value: str) -> Row | None:
        """The first row for `value`, or None. Raises NoAnswer."""
        if (compiled := query.compiled) is None:
            raise NoAnswer
        async with self._turn:
            row = await self._ask(compiled.sql, compiled.parameters_for(value))
        return None if row is None else compiled.converted(row)

    async def _ask(self, sql: str, parameters: Sequence[Any]) -> Row | None:
        connection = self._connection
        if connection is None:
            self.open_soon()
            raise NoAnswer
        patience = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, connection.hang_up)
        try:
            with traces.query_span(connection.system, sql):
                return await connection.first(sql, parameters)
        except (psycopg.Error, sqlite3.Error, OSError) as error:
            logger.info("the event loop's connection to the database is lost: %s", error)
            self._lose()
            raise NoAnswer from error
        except BaseException:  # cancelled, with an answer still to come
            self._lose()
            raise
        finally:
            patience.cancel()

    async def _open(self) -> None:
        try:
            self._connection = await open_connection()
        except (django.db.Error, psycopg.Error, sqlite3.Error, OSError) as error:
            logger.info("the event loop can't connect to the database: %s", error)

    def _lose(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


_of_loops: dict[asyncio.AbstractEventLoop, LoopConnection] = {}


def open_for_this_loop() -> None:
    connection = _of_loops.setdefault(asyncio.get_running_loop(), LoopConnection())
    connection.open_soon()


async def close_for_this_loop() -> None:
    if (connection := _of_loops.pop(asyncio.get_running_loop(), None)) is not None:
        await connection.close()


def connection_of_this_loop() -> LoopConnection:
    """Raises NoAnswer."""
    try:
        return _of_loops[asyncio.get_running_loop()]
    except KeyError:
        raise NoAnswer from None


async def open_connection() -> Connection:
    """By Django's settings. Raises whatever the database's driver does."""
    if connections[DEFAULT_DB_ALIAS].vendor == "sqlite":
        return await asyncio.to_thread(SqliteConnection)
    return await PostgresqlConnection.open()


class SqliteConnection:
    system = "sqlite"

    def __init__(self) -> None:
        wrapper = connections.create_connection(DEFAULT_DB_ALIAS)
        wrapper.connect()
        self._connection: sqlite3.Connection = wrapper.connection
        # Nobody else can be served while the loop waits.
        self._connection.execute("PRAGMA busy_timeout = 0")

    async def first(self, sql: str, parameters: Sequence[Any]) -> Row | None:
        # An open cursor would go on reading the database as it is now.
        with contextlib.closing(self._connection.cursor(SQLiteCursorWrapper)) as cursor:
            row: Row | None = cursor.execute(sql, parameters).fetchone()
        return row

    def hang_up(self) -> None:
        pass  # it has answered before anybody could

    def close(self) -> None:
        self._connection.close()


class PostgresqlConnection:
    """Beside the pool, whose connections are for threads.

    On libpq itself (psycopg.pq): psycopg's own cursors register anew with the loop for each answer,
    and plan each query anew, which takes several times as long.
    """

    system = "postgresql"

    def __init__(self, connection: psycopg.AsyncConnection[Row]) -> None:
        self._connection, self._pq = connection, connection.pgconn
        self._prepared: dict[str, bytes] = {}
        self._answer: asyncio.Future[PGresult] | None = None
        self._loop = asyncio.get_running_loop()
        # Known here, because libpq forgets it with the connection, and somebody else gets it.
        self._socket: int | None = self._pq.socket
        self._loop.add_reader(self._socket, self._read)

    @classmethod
    async def open(cls) -> Self:
        wrapper = connections.create_connection(DEFAULT_DB_ALIAS)
        ours = {
            "autocommit": True,
            "application_name": APPLICATION_NAME,
            # Else a firewall may forget, at night, a connection that nobody asks on.
            "keepalives_idle": 60,
        }
        parameters = wrapper.get_connection_params() | ours
        del parameters["cursor_factory"]  # none for loops
        connection: psycopg.AsyncConnection[Row] = await psycopg.AsyncConnection.connect(
            **parameters
        )
        # Django reads timestamps as being in this zone.
        setting = "SELECT set_config('TimeZone', %s, false)"
        await connection.execute(setting, [wrapper.timezone_name])
        return cls(connection)

    async def first(self, sql: str, parameters: Sequence[Any]) -> Row | None:
        """One at a time."""
        if (name := self._prepared.get(sql)) is None:
            name = f"loop_{len(self._prepared)}".encode()
            await self._ask(partial(self._pq.send_prepare, name, numbered(sql).encode()))
            self._prepared[sql] = name
        values = [None if each is None else str(each).encode() for each in parameters]
        result = await self._ask(partial(self._pq.send_query_prepared, name, values))
        if not result.ntuples:
            return None
        transformer = Transformer(self._connection)
        transformer.set_pgresult(result)
        return transformer.load_row(0, tuple)

    async def _ask(self, send: Callable[[], None]) -> PGresult:
        self._answer = self._loop.create_future()
        send()
        if self._pq.flush():
            raise psycopg.OperationalError("the connection takes no more")
        result = await self._answer
        if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            raise psycopg.DatabaseError(result.get_error_message())
        return result

    def _read(self) -> None:
        """The loop calls this when there is something to read."""
        try:
            self._pq.consume_input()
            if self._pq.is_busy():
                return
            results = list(iter(self._pq.get_result, None))
        except psycopg.Error as error:
            self._stop_reading()
            self._settle(error)
        else:
            if results:
                self._settle(results[-1])

    def _settle(self, outcome: PGresult | psycopg.Error) -> None:
        if self._answer is None or self._answer.done():
            return
        if isinstance(outcome, psycopg.Error):
            self._answer.set_exception(outcome)
        else:
            self._answer.set_result(outcome)

    def hang_up(self) -> None:
        self._settle(psycopg.OperationalError(f"no answer within {PATIENCE_SECONDS} s"))

    def close(self) -> None:
        self._stop_reading()
        self._pq.finish()

    def _stop_reading(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._socket = None


def numbered(sql: str) -> str:
    """Django's placeholders as PostgreSQL has them: "%s = %s"  ->  "$1 = $2"."""
    first, *rest = sql.split("%s")
    parts = (f"${number}{part}" for number, part in enumerate(rest, 1))
    return "".join((first, *parts)).replace("%%", "%")
