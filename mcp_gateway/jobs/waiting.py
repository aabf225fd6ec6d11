"""How is an upstream asked about a job, however many calls wait for it?

One poller a job in a worker, for the calls that come with the same credential: what an upstream
tells one is never told to another. It looks at once, then at growing intervals, and whoever joins
needn't wait long for the next look. It survives what may pass (no connection, 429, 5xx) and ends
with an answer that looking again won't change, or with the last call that waits. It holds no place
at the upstream between looks.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import TypeAlias

import anyio
from pydantic_core import to_json

from mcp_gateway.errors import (
    TooManyWaits,
    WivAddressUnusable,
    WivAnswerTooLarge,
    WivError,
    WivRefused,
)
from mcp_gateway.http_rule import WivRequest
from mcp_gateway.wiv import Trail, WivResponse
from oauth_bridge.credentials import TokenGrant

logger = logging.getLogger(__name__)

# Seconds between two looks, give or take a quarter, so that pollers don't march in step.
FIRST_INTERVAL = 1.0
LONGEST_INTERVAL = 5.0
GROWTH = 1.5
# Jobs that one person in one organization waits for at once, whatever the credential: a call costs
# the caller one request, and the upstream one a look.
JOBS_PER_PERSON = 20
# Refusals that pass: Request Timeout, Too Early, Too Many Requests.
PASSING = (408, 425, 429)

Ask: TypeAlias = Callable[[Trail], Awaitable[WivResponse]]


@dataclass(frozen=True, slots=True)
class Watched:
    """What is looked at, by whom: two calls share a poller only where all of this is the same.

    `credential` is a checksum. Two credentials of one person may be allowed different things, and
    one may be revoked while the other is good.
    """

    subject: str
    organization_id: str
    credential: str
    tool: str
    request: bytes

    def is_of(self, other: "Watched") -> bool:
        """The same person's in the same organization."""
        return (self.subject, self.organization_id) == (other.subject, other.organization_id)

    @classmethod
    def by(cls, grant: TokenGrant, tool: str, request: WivRequest) -> "Watched":
        parts = (request.method, request.target, request.body, request.headers)
        return cls(
            grant.subject,
            grant.organization_id,
            grant.credential.checksum(),
            tool,
            to_json(parts, inf_nan_mode="constants"),
        )


@dataclass(frozen=True, slots=True)
class Look:
    """The upstream's answer, or why there is none. The first has number 1."""

    number: int
    status: int | None = None
    response: WivResponse | None = None
    error: Exception | None = None

    @property
    def is_final(self) -> bool:
        return self.error is not None and not may_pass(self.error)


def may_pass(error: Exception) -> bool:
    if isinstance(error, WivRefused):
        return error.status >= 500 or error.status in PASSING
    return isinstance(error, WivError) and not isinstance(
        error, WivAnswerTooLarge | WivAddressUnusable
    )


class Poller:
    """Looks at one job until it's cancelled or a look is final."""

    def __init__(self, ask: Ask, jitter: Callable[[], float] = random.random) -> None:
        self.latest: Look | None = None
        self.waiting = 0
        self._ask = ask
        self._jitter = jitter
        self._looked = asyncio.Event()
        self._joined = asyncio.Event()
        # In a context of its own: the caller's identity is for the caller's call.
        self._task = asyncio.create_task(self._run(), context=Context())

    @property
    def looks(self) -> int:
        return self.latest.number if self.latest else 0

    @property
    def has_ended(self) -> bool:
        return self.latest is not None and self.latest.is_final

    async def look_after(self, number: int) -> Look:
        """The next one that has a higher number."""
        while self.latest is None or self.latest.number <= number:
            await self._looked.wait()
        return self.latest

    def join(self) -> None:
        self.waiting += 1
        self._joined.set()

    def leave(self) -> None:
        self.waiting -= 1
        if not self.waiting:
            self._task.cancel()

    async def _run(self) -> None:
        interval = FIRST_INTERVAL
        while True:
            look = await self._look()
            self._publish(look)
            if look.is_final:
                return
            interval = await self._rest(interval, retry_after(look))

    async def _look(self) -> Look:
        number, trail = self.looks + 1, Trail()
        try:
            response = await self._ask(trail)
        except WivError as error:
            return Look(number, trail.status, error=error)
        except Exception as error:
            logger.exception("a look at a job failed unexpectedly")
            return Look(number, trail.status, error=error)
        return Look(number, trail.status, response)

    def _publish(self, look: Look) -> None:
        self.latest = look
        looked, self._looked = self._looked, asyncio.Event()
        looked.set()

    async def _rest(self, interval: float, at_least: float) -> float:
        """Until the next look; the interval after it."""
        began = anyio.current_time()
        self._joined.clear()
        with anyio.move_on_after(max(interval * (0.75 + self._jitter() / 2), at_least)):
            await self._joined.wait()
            await anyio.sleep_until(began + max(FIRST_INTERVAL, at_least))
            return FIRST_INTERVAL
        return min(interval * GROWTH, LONGEST_INTERVAL)


def retry_after(look: Look) -> float:
    """Seconds that the upstream asked to be left alone."""
    return (look.error.retry_after or 0.0) if isinstance(look.error, WivRefused) else 0.0


class Pollers:
    """A worker's."""

    def __init__(self) -> None:
        self._by_watched: dict[Watched, Poller] = {}

    @contextmanager
    def joined(self, watched: Watched, ask: Ask) -> Iterator[Poller]:
        """While the caller waits. `ask` looks once; only the first caller's is used.

        Raises TooManyWaits.
        """
        poller = self._by_watched.get(watched)
        if poller is None or poller.has_ended:
            self._refuse_too_many(watched)
            poller = self._by_watched[watched] = Poller(ask)
        poller.join()
        try:
            yield poller
        finally:
            poller.leave()
            if not poller.waiting and self._by_watched.get(watched) is poller:
                del self._by_watched[watched]

    def _refuse_too_many(self, watched: Watched) -> None:
        theirs = sum(each.is_of(watched) for each in self._by_watched)
        if theirs >= JOBS_PER_PERSON:
            raise TooManyWaits(JOBS_PER_PERSON)
