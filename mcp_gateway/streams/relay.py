"""How does a POST reach a stream of another worker?

It is written to the database, and the worker that has the stream is notified: only of the stream's
id, since what PostgreSQL notifies of may be 8 kB at most. That worker takes what waits, in order.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Protocol, TypeVar
from uuid import UUID, uuid4

import anyio
import django.db
from anyio.abc import TaskGroup
from django.conf import settings
from django.db import connection

from mcp_gateway.errors import TooManyStreams, Unavailable
from mcp_gateway.streams.listener import Listener
from mcp_gateway.streams.posted import PostedMessage
from mcp_gateway.streams.rows import Rows, TooManyWaiting, channel_of, delete_lost, persistently
from mcp_gateway.streams.stream import Owner, Stream
from oauth_bridge.credentials import (
    SecretUnreadable,
    replace_dead_connections,
    returning_connection,
)

logger = logging.getLogger(__name__)

# Seconds between two signs of life of a worker (see models.SILENCE), and the longest that a message
# waits whose notification got lost.
BEAT = 3.0

T = TypeVar("T")


class Relay(Protocol):
    async def announce(self, stream: Stream) -> None:
        """Others may post to it now. Raises TooManyStreams or Unavailable."""

    def withdraw(self, stream: Stream) -> None:
        """It has ended, or couldn't be announced."""

    async def post(self, stream_id: UUID, owner: Owner, posted: PostedMessage) -> bool:
        """Whether another worker has this stream of this owner. Raises Unavailable."""

    async def take(self, stream: Stream) -> list[PostedMessage]:
        """What came for it elsewhere, in order. Raises Unavailable."""

    async def take_last(self, stream: Stream) -> list[PostedMessage]:
        """The same, once nobody may post to it any more."""


class NoRelay:
    """On SQLite: there are no other workers."""

    async def announce(self, stream: Stream) -> None:
        pass

    def withdraw(self, stream: Stream) -> None:
        pass

    async def post(self, stream_id: UUID, owner: Owner, posted: PostedMessage) -> bool:
        return False

    async def take(self, stream: Stream) -> list[PostedMessage]:
        return []

    async def take_last(self, stream: Stream) -> list[PostedMessage]:
        return []


class DatabaseRelay:
    """`wake` is called with a stream for which messages wait."""

    def __init__(self, streams: Mapping[UUID, Stream], wake: Callable[[Stream], None]) -> None:
        worker = uuid4()
        self._streams = streams
        self._wake = wake
        self._rows = Rows(worker, lambda: list(streams.values()))
        self._listener = Listener(channel_of(worker), self._hear, self._begin)
        self._look = anyio.Event()
        self._may_be_dead = False
        self._ended: set[UUID] = set()
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="streams")

    def start(self, group: TaskGroup) -> None:
        group.start_soon(self._listener.listen)
        group.start_soon(self._beat)

    async def close(self) -> None:
        try:
            await self._in_thread(self._rows.leave)
        except django.db.Error as error:
            logger.warning("streams that ended stay on record for a minute: %s", error)
        self._threads.shutdown()

    async def announce(self, stream: Stream) -> None:
        if await self._ask(partial(self._rows.add, stream)) > settings.SSE_STREAMS_PER_USER:
            raise TooManyStreams(settings.SSE_STREAMS_PER_USER)

    def withdraw(self, stream: Stream) -> None:
        self._ended.add(stream.id)
        with suppress(RuntimeError):  # closed: a worker that leaves takes all of its rows along
            self._threads.submit(returning_connection, self._remove_ended)

    async def post(self, stream_id: UUID, owner: Owner, posted: PostedMessage) -> bool:
        try:
            return await self._ask(partial(self._rows.post, stream_id, owner, posted.sealed))
        except TooManyWaiting as error:
            raise Unavailable("The stream takes no messages at the moment") from error

    async def take(self, stream: Stream) -> list[PostedMessage]:
        return list(unsealed(await self._ask(partial(self._rows.take, stream.id))))

    async def take_last(self, stream: Stream) -> list[PostedMessage]:
        try:
            return list(unsealed(await self._ask(partial(self._rows.take_last, stream.id))))
        except Unavailable:
            return []  # its rows go later

    # Life -------------------------------------------------------------------------------------

    def _hear(self, payload: str) -> None:
        with suppress(ValueError):  # whoever may use the database may notify
            self._wake_stream(UUID(payload))

    def _wake_stream(self, stream_id: UUID) -> None:
        if (stream := self._streams.get(stream_id)) is not None:
            self._wake(stream)

    def _begin(self) -> None:
        """Notifications may have been missed, and what ended this connection may have ended all."""
        self._may_be_dead = True
        self._look.set()

    async def _beat(self) -> None:
        while True:
            self._look = anyio.Event()
            try:
                for stream_id in await self._in_thread(self._look_after_rows):
                    self._wake_stream(stream_id)
            except django.db.Error as error:
                logger.warning("this worker's streams can't be kept on record: %s", error)
            except Exception:
                logger.exception("this worker's streams can't be kept on record")
            with anyio.move_on_after(BEAT):
                await self._look.wait()

    def _look_after_rows(self) -> list[UUID]:
        if self._may_be_dead:
            self._may_be_dead = False
            replace_dead_connections()
        persistently(self._rows.show_life)
        delete_lost()
        self._remove_ended()
        return self._rows.find_waiting()

    def _remove_ended(self) -> None:
        """All at once: at the end of a deployment's life there may be thousands."""
        if ended := set(self._ended):
            self._rows.remove(ended)
            self._ended -= ended

    # Threads ----------------------------------------------------------------------------------

    async def _ask(self, question: Callable[[], T]) -> T:
        """Raises Unavailable."""
        try:
            return await self._in_thread(question)
        except django.db.Error as error:
            logger.error("a stream's row can't be read or written: %s", error)
            raise Unavailable("Streams can't be reached at the moment") from error

    async def _in_thread(self, function: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, returning_connection, function)


def unsealed(messages: Iterable[str]) -> Iterator[PostedMessage]:
    for sealed in messages:
        try:
            yield PostedMessage.unsealed(sealed)
        except SecretUnreadable:
            logger.error("a message is lost: ENCRYPTION_KEYS differ between workers")
        except (KeyError, ValueError):
            logger.error("a message is lost: another release has sealed it")


@asynccontextmanager
async def open_relay(
    streams: Mapping[UUID, Stream], wake: Callable[[Stream], None], group: TaskGroup
) -> AsyncIterator[Relay]:
    if connection.vendor != "postgresql":
        yield NoRelay()
        return
    relay = DatabaseRelay(streams, wake)
    relay.start(group)
    try:
        yield relay
    finally:
        with anyio.CancelScope(shield=True):
            await relay.close()
