"""Is a route so broken that asking it once more would only keep its callers waiting?

A circuit breaker per route and worker. After some calls in a row that found nobody, or nobody in
time, it is open: calls are answered at once. When it has been open for a while, one call goes
through, and what becomes of it decides.

What an upstream answers, a 500 too, is no reason to open it: the answer came without delay, and its
cause may be one caller's arguments, who would cut everybody else off.
"""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mcp_gateway.errors import BulkheadFull, CircuitOpen, WivError
from mcp_gateway.routes import Route

logger = logging.getLogger(__name__)

# Calls in a row.
FAILURES_TO_OPEN = 5
OPEN_SECONDS = 15.0
# What a call is told to wait while another one is the probe.
PROBE_SECONDS = 5.0


def now() -> float:
    return time.monotonic()


class Breaker:
    def __init__(self, route: Route) -> None:
        self._route = route
        self._failures = 0
        self._opened_at: float | None = None
        self._is_probed = False

    @property
    def is_open(self) -> bool:
        return self._opened_at is not None and now() < self._opened_at + OPEN_SECONDS

    @contextmanager
    def guard(self, title: str) -> Iterator[None]:
        """Around one call. Raises CircuitOpen; a call that is cancelled says nothing."""
        is_probe = self._enter(title)
        try:
            yield
        except BulkheadFull:
            raise
        except WivError as error:
            self._note(is_outage=error.is_outage, is_probe=is_probe)
            raise
        else:
            self._note(is_outage=False, is_probe=is_probe)
        finally:
            if is_probe:
                self._is_probed = False

    def _enter(self, title: str) -> bool:
        """Whether the call is the probe."""
        if self._opened_at is None:
            return False
        seconds = self._opened_at + OPEN_SECONDS - now()
        if seconds > 0 or self._is_probed:
            raise CircuitOpen(title, math.ceil(seconds if seconds > 0 else PROBE_SECONDS))
        self._is_probed = True
        return True

    def _note(self, *, is_outage: bool, is_probe: bool) -> None:
        if not is_outage:
            self._failures, self._opened_at = 0, None
        elif is_probe:
            self._opened_at = now()
        elif self._opened_at is None:  # else the call is older than the decision
            self._failures += 1
            if self._failures >= FAILURES_TO_OPEN:
                self._opened_at = now()
                logger.warning("%s is given up for %g s", self._route, OPEN_SECONDS)


class Breakers:
    def __init__(self) -> None:
        self._by_route: dict[Route, Breaker] = {}

    def of(self, route: Route) -> Breaker:
        if (breaker := self._by_route.get(route)) is None:
            breaker = self._by_route[route] = Breaker(route)
        return breaker

    def count_open(self) -> int:
        return sum(breaker.is_open for breaker in list(self._by_route.values()))
