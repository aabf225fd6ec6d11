"""How many requests may be under way at once, so that one route can't take every connection?

A route that hangs keeps its callers for as long as their time limit. Without a bound of its own it
would soon hold the whole pool, and every other tool would wait for a connection.
"""

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

import anyio

from mcp_gateway.errors import BulkheadFull
from mcp_gateway.routes import Route

PLACES = 200
# Half of them, so that no host can take them all.
PLACES_PER_HOST = PLACES // 2
# Seconds a request waits for a place: enough for a burst, little beside any time limit.
PATIENCE = 2.0


class Bulkheads:
    """A worker's places for requests: by route, by host and in all."""

    def __init__(self, places_per_route: int, places_per_host: int = PLACES_PER_HOST) -> None:
        self._routes = Places(places_per_route)
        self._hosts = Places(places_per_host)
        self._all = anyio.Semaphore(PLACES, fast_acquire=True)

    @asynccontextmanager
    async def place(self, route: Route, title: str, patience: float) -> AsyncIterator[None]:
        """Raises BulkheadFull when none gets free within `patience` seconds."""
        deadline = anyio.current_time() + patience
        taken: list[anyio.Semaphore] = []
        try:
            # The route's first: who waits for it holds nothing that other routes could need.
            for places in (self._routes.of(route), self._hosts.of(route.host), self._all):
                if not await take(places, deadline):
                    raise (
                        BulkheadFull(title) if taken else BulkheadFull(title, "calls of this tool")
                    )
                taken.append(places)
            yield
        finally:
            for places in taken:
                places.release()


class Places:
    def __init__(self, number: int) -> None:
        self._number = number
        self._by_key: dict[Hashable, anyio.Semaphore] = {}

    def of(self, key: Hashable) -> anyio.Semaphore:
        if (places := self._by_key.get(key)) is None:
            places = self._by_key[key] = anyio.Semaphore(self._number, fast_acquire=True)
        return places


async def take(places: anyio.Semaphore, deadline: float) -> bool:
    try:
        places.acquire_nowait()
    except anyio.WouldBlock:
        with anyio.CancelScope(deadline=deadline) as waiting:
            await places.acquire()
        return not waiting.cancelled_caught
    return True
