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

from django.conf import settings
from django.db import OperationalError, connection, connections

from oauth_bridge.database import once_more, returning_connection
from telemetry.threads import RequestThreads

# For one question, with the wait for a thread. No client is told to wait longer than that.
PATIENCE_SECONDS = 10.0
MAX_THREADS = 8
T = TypeVar("T")


def _connections_to_keep() -> int:
    """A third of the pool at most: the catalog keeps one too, and the rest is for all others. None
    of a small pool.
    """
    if connection.vendor == "sqlite":
        return MAX_THREADS
    share: int = settings.DATABASE_POOL_SIZE // 3
    return min(MAX_THREADS, share) if share > 1 else 0


KEPT = _connections_to_keep()
THREADS = KEPT or MAX_THREADS
_database = RequestThreads(THREADS, thread_name_prefix="credentials-database")
_upstream = RequestThreads(MAX_THREADS, thread_name_prefix="credentials-propelauth")


async def ask_database(function: Callable[[], T]) -> T:
    """Raises OperationalError when its turn doesn't come, or an answer, within PATIENCE_SECONDS."""
    ask = partial(once_more, function)
    return await _run(_database, ask if KEPT else partial(returning_connection, ask))


async def ask_propelauth(function: Callable[[], T]) -> T:
    """The same; the database may be asked in between."""
    return await _run(_upstream, partial(returning_connection, partial(once_more, function)))


async def close_connections() -> None:
    """At shutdown: those that the database's threads keep. Whoever asks again opens others."""
    close = partial(_close_own_connection, Barrier(THREADS))
    loop = asyncio.get_running_loop()
    await asyncio.gather(*(loop.run_in_executor(_database, close) for _ in range(THREADS)))


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
