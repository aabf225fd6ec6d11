"""What to do when the database dropped a connection, or can't be had at all?"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import django.db
from django.db import InterfaceError, InternalError, OperationalError, connections
from django.http import HttpResponse
from psycopg.errors import ReadOnlySqlTransaction
from psycopg_pool import PoolTimeout

PATIENCE_SECONDS = 10.0
PAUSE_SECONDS = 0.5
T = TypeVar("T")


def is_outage(error: BaseException | None) -> bool:
    """Nothing is wrong with what was asked: away, full, read-only, or too busy."""
    if isinstance(error, InternalError):
        return isinstance(error.__cause__, ReadOnlySqlTransaction)
    return isinstance(error, OperationalError | InterfaceError)


def may_be_dropped_connection(error: BaseException) -> bool:
    """Worth another try on a fresh one. Who waited for the pool in vain has waited enough."""
    return is_outage(error) and not isinstance(error.__cause__, PoolTimeout)


def patiently(request: Callable[[], HttpResponse]) -> HttpResponse:
    """Again and again while the database is away, as at a restart: no client repeats /token itself.

    For what is done in transactions, so that the next try finds nothing half done.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return request()
        except django.db.Error as error:
            if not is_outage(error) or time.monotonic() + PAUSE_SECONDS > deadline:
                raise
        connections.close_all()
        time.sleep(PAUSE_SECONDS)


def once_more(function: Callable[[], T]) -> T:
    """On a fresh connection, when the database dropped the one at hand."""
    try:
        return function()
    except (OperationalError, InterfaceError) as error:
        if not may_be_dropped_connection(error):
            raise
        replace_dead_connections()
    return function()


def returning_connection(function: Callable[[], T]) -> T:
    """Closing gives the connection back to the pool; nobody else would in a thread of ours."""
    try:
        return function()
    finally:
        connections.close_all()


def replace_dead_connections() -> None:
    """Closes this thread's, and has the pool drop those that are dead, all at once.

    By itself psycopg's pool tries one idle connection after the other, and waits longer after each:
    with a dozen dead ones a request would find none within the pool's patience.
    """
    connections.close_all()
    for connection in connections.all():
        pool: Any = getattr(connection, "pool", None)  # PostgreSQL's alone
        if pool is not None:
            pool.check()
