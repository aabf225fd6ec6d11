"""What does a request get that wants a connection while PostgreSQL can't be reached?

An error at once. psycopg's pool would let each wait for its whole patience, and be slow to notice
that the server is back: it doubles the time between two attempts, up to minutes.
"""

import logging
import time
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

logger = logging.getLogger(__name__)

# While the server is away, one request in this many seconds looks whether it still is.
LOOK_SECONDS = 1.0
# How long a connection is tried to be made before the server counts as away: a restart that is over
# by then costs nobody an answer.
RECONNECT_SECONDS = 3.0


class ServerAway(PoolTimeout):
    """No connection is open and none can be opened: waiting would be no use."""


class Pool(ConnectionPool[psycopg.Connection[Any]]):
    def __init__(self, **options: Any) -> None:
        super().__init__(
            check=drop_the_dead,
            reconnect_timeout=RECONNECT_SECONDS,
            reconnect_failed=lambda _: self._notice_failure(),
            **options,
        )
        self._is_away = False
        self._next_look = self._last_given = 0.0

    def getconn(self, timeout: float | None = None) -> psycopg.Connection[Any]:
        """In slices of its patience, so that who waits already hears as well that it's no use.

        Raises ServerAway, or PoolTimeout when all connections are in use for too long.
        """
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            self._refuse_while_away()
            try:
                connection = super().getconn(min(LOOK_SECONDS, deadline - time.monotonic()))
            except PoolTimeout:
                if self._is_away or time.monotonic() >= deadline:
                    raise
                continue
            self._is_away, self._last_given = False, time.monotonic()
            return connection

    def _refuse_while_away(self) -> None:
        if not self._is_away:
            return
        with self._lock:
            if time.monotonic() < self._next_look:
                raise ServerAway("the database server can't be reached")
            self._next_look = time.monotonic() + LOOK_SECONDS

    def _notice_failure(self) -> None:
        """Not of a server that is merely full: it still serves the connections that are open."""
        now = time.monotonic()
        if now - self._last_given >= RECONNECT_SECONDS and not self._is_away:
            logger.error("the database server can't be reached")
            self._next_look = now + LOOK_SECONDS
            self._is_away = True


def drop_the_dead(connection: psycopg.Connection[Any]) -> None:
    """Where one connection is dead others are: dropped all at once.

    By itself the pool tries one after the other, and waits longer after each.
    """
    try:
        ConnectionPool.check_connection(connection)
    except psycopg.Error:
        if isinstance(connection._pool, Pool):
            connection._pool.check()
        raise
