"""Who looks after the open streams of a worker, all of them together?

An idle stream wakes nobody: one loop sends the pings and ends what is over, one looks whether their
credentials are still good, one whether the tools changed.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import anyio
import django.db
from anyio.abc import TaskGroup

from mcp_gateway.auth import Credentials
from mcp_gateway.batches import batched
from mcp_gateway.catalog import Catalog
from mcp_gateway.errors import CatalogUnavailable
from mcp_gateway.streams import shutdown
from mcp_gateway.streams.stream import Stream
from oauth_bridge.credentials import (
    ExpiredToken,
    InvalidCredential,
    Secret,
    TooManyAttempts,
    VerdictUnavailable,
)

logger = logging.getLogger(__name__)

# Seconds between two looks at the streams and the catalog, and at the credentials. Together with
# the age that an answer may have, a change is acted on within about a second.
INTERVAL = 0.5
CREDENTIALS_INTERVAL = 1.0
CHECKED_AT_ONCE = 200
# Seconds a client may leave a notification unread before it's dropped.
NOTIFICATION_PATIENCE = 1.0
# Seconds in which the client of a stream whose token has expired may come with a fresh one: it
# learns of that by its next POST, which goes to this stream again after the refresh.
EXPIRY_GRACE = 30.0
# Questions to PropelAuth at a time, and seconds until one that wasn't answered is asked again.
QUESTIONS = 4
ANSWER_PAUSE = 5.0


class Keeper:
    """`resource` is what the streams' credentials must be good for."""

    def __init__(
        self,
        streams: Mapping[UUID, Stream],
        catalog: Catalog,
        credentials: Credentials,
        resource: str,
    ) -> None:
        self._streams = streams
        self._catalog = catalog
        self._credentials = credentials
        self._resource = resource
        self._ends_at: float | None = None
        self._questions = anyio.CapacityLimiter(QUESTIONS)
        self._asked: set[Secret] = set()

    def start(self, group: TaskGroup) -> None:
        self._group = group
        group.start_soon(self._repeat, self._tend, INTERVAL)
        group.start_soon(self._repeat, self._look_for_changes, INTERVAL)
        group.start_soon(self._repeat, self._check_credentials, 0)

    async def _repeat(self, look: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            await anyio.sleep(seconds)
            try:
                await look()
            except Exception:
                logger.exception("open streams can't be looked after")

    # Pings and ends ---------------------------------------------------------------------------

    async def _tend(self) -> None:
        now = time.monotonic()
        if self._ends_at is None and (seconds := shutdown.seconds_left()) is not None:
            self._ends_at = now + seconds
        for stream in list(self._streams.values()):
            if self._ends_at is not None:
                stream.life = stream.life.cut_short(self._ends_at)
            if stream.should_end(now):
                stream.end()
            elif stream.outbox.needs_ping(now):
                self._group.start_soon(stream.outbox.ping)

    # Credentials ------------------------------------------------------------------------------

    async def _check_credentials(self) -> None:
        """All within the interval, many with one question: all at once would hold up calls."""
        held = {stream.credential: stream.is_brought for stream in self._streams.values()}
        parts = list(batched(held.items(), CHECKED_AT_ONCE)) or [()]
        for part in parts:
            await anyio.sleep(CREDENTIALS_INTERVAL / len(parts))
            await self._check_part(dict(part))

    async def _check_part(self, held: Mapping[Secret, bool]) -> None:
        """What the questions leave over one by one."""
        if not held:
            return
        try:
            good = await self._credentials.find_good(held, self._resource)
        except django.db.Error as error:
            logger.warning("the credentials of open streams can't be checked: %s", error)
            return
        async with anyio.create_task_group() as checks:
            for credential in held.keys() - good - self._asked:
                if held[credential]:  # PropelAuth may take long, which mustn't hold up the rest
                    self._asked.add(credential)
                    self._group.start_soon(self._ask, credential)
                else:
                    checks.start_soon(self._check, credential)

    async def _ask(self, credential: Secret) -> None:
        try:
            async with self._questions:
                is_answered = await self._check(credential)
            if not is_answered:
                await anyio.sleep(ANSWER_PAUSE)
        except Exception:
            logger.exception("a stream's credential can't be checked")
        finally:
            self._asked.discard(credential)

    async def _check(self, credential: Secret) -> bool:
        """Ends the streams of a credential that isn't good any more; False without an answer.

        Not being able to ask closes nothing: each POST to a stream is authenticated anyway.
        """
        try:
            await self._credentials.find_grant(credential, self._resource)
        except ExpiredToken:
            now = time.monotonic()
            for stream in self._streams_of(credential):
                stream.has_expired(now, EXPIRY_GRACE)
        except InvalidCredential:
            self._end_streams_of(credential)
        except (VerdictUnavailable, TooManyAttempts, django.db.Error) as error:
            logger.warning("a stream's credential can't be checked: %s", error)
            return False
        return True

    def _end_streams_of(self, credential: Secret) -> None:
        ended = self._streams_of(credential)
        for stream in ended:
            stream.end()
        if ended:
            logger.info("%d SSE streams are closed because their credential ended", len(ended))

    def _streams_of(self, credential: Secret) -> list[Stream]:
        return [each for each in self._streams.values() if each.credential == credential]

    # Changes ----------------------------------------------------------------------------------

    async def _look_for_changes(self) -> None:
        if not self._streams:
            return
        version = await self.catalog_version()
        for stream in self._streams.values():
            if stream.catalog_version != version:
                stream.catalog_version = version
                self._group.start_soon(announce, stream)

    async def catalog_version(self) -> UUID | None:
        """The last one known where the database can't be asked."""
        try:
            return (await self._catalog.current()).version
        except CatalogUnavailable:
            return self._catalog.latest.version


async def announce(stream: Stream) -> None:
    if stream.session is None:
        return
    try:
        with anyio.move_on_after(NOTIFICATION_PATIENCE):
            await stream.session.send_tool_list_changed()
    except Exception:
        logger.exception("a stream can't be told that the tools changed")
