"""Where the event loop's questions to the database and to PropelAuth are asked.

In threads of their own: the event loop's ORM calls would otherwise share one, and a PropelAuth that
hangs must not hold up look-ups in the database.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from threading import Barrier, BrokenBarrierError
from typing import TypeVar

from django.db import OperationalError, connection, connections

from oauth_bridge.database import once_more, returning_connection
from telemetry.threads import RequestThreads

# For one question, with the wait for a thread. No client is told to wait longer than that.
PATIENCE_SECONDS = 10.0
MAX_THREADS = 8
T = TypeVar("T")


# Opening one of SQLite's takes longer than asking; PostgreSQL's are the pool's to keep.
KEEPS_CONNECTIONS = connection.vendor == "sqlite"
_database = RequestThreads(MAX_THREADS, thread_name_prefix="credentials-database")
_upstream = RequestThreads(MAX_THREADS, thread_name_prefix="credentials-propelauth")


async def ask_database(function: Callable[[], T]) -> T:
    """Raises OperationalError when its turn doesn't come, or an answer, within PATIENCE_SECONDS."""
    ask = partial(once_more, function)
    return await _run(_database, ask if KEEPS_CONNECTIONS else partial(returning_connection, ask))


async def ask_propelauth(function: Callable[[], T]) -> T:
    """The same; the database may be asked in between."""
    return await _run(_upstream, partial(returning_connection, partial(once_more, function)))


async def close_threads_connections() -> None:
    """Those that the database's threads keep."""
    close = partial(_close_own_connection, Barrier(MAX_THREADS))
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.run_in_executor(_database, close) for _ in range(MAX_THREADS)))


async def _run(executor: Executor, function: Callable[[], T]) -> T:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await loop.run_in_executor(executor, function)
    except TimeoutError as error:
        raise OperationalError(f"no answer within {PATIENCE_SECONDS} s") from error


def _close_own_connection(barrier: Barrier) -> None:
    """Each thread waits for the others, so that none does it twice and another not at all."""
    connections.close_all()
    with suppress(BrokenBarrierError):
        barrier.wait(PATIENCE_SECONDS)
