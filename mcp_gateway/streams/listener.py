"""PostgreSQL's NOTIFY, heard on a connection of its own (LISTEN)."""

import logging
from collections.abc import Callable
from typing import Any

import anyio
import psycopg
from django.db import connection
from psycopg import sql

logger = logging.getLogger(__name__)

# In seconds. How often the connection is tried, and how long until it is opened again.
TRY_INTERVAL = 5.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
# How the connection is called in pg_stat_activity.
APPLICATION_NAME = "wivmcp streams"
# A database that vanished without a word is noticed within half a minute.
PATIENCE: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}


class Listener:
    """Calls `hear` with each payload sent to `channel`, and `began` when it begins to listen.

    What was sent while the connection was lost isn't heard, and `began` is called again.
    """

    def __init__(
        self, channel: str, hear: Callable[[str], None], began: Callable[[], None]
    ) -> None:
        self._channel = channel
        self._hear = hear
        self._began = began

    async def listen(self) -> None:
        """Never returns."""
        pause = FIRST_PAUSE
        while True:
            try:
                async with await connect() as listening:
                    await listening.execute(
                        sql.SQL("LISTEN {}").format(sql.Identifier(self._channel))
                    )
                    self._began()
                    pause = FIRST_PAUSE
                    await self._hear_from(listening)
            except (psycopg.Error, OSError) as error:
                logger.warning("notifications can't be heard, trying again: %s", error)
            except Exception:
                logger.exception("notifications can't be heard, trying again")
            await anyio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _hear_from(self, listening: psycopg.AsyncConnection[Any]) -> None:
        """Raises psycopg.Error when the connection is lost."""
        while True:
            async for notification in listening.notifies(timeout=TRY_INTERVAL):
                self._hear(notification.payload)
            await listening.execute("SELECT 1")


async def connect() -> psycopg.AsyncConnection[Any]:
    """To Django's database, outside of its pool."""
    ours = connection.get_connection_params()
    parameters = {k: v for k, v in ours.items() if k not in ("context", "cursor_factory")}
    parameters = PATIENCE | parameters | {"application_name": APPLICATION_NAME}
    return await psycopg.AsyncConnection.connect(**parameters, autocommit=True)
