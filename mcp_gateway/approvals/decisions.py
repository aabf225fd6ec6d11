"""Hears of what was decided, for the calls that are held meanwhile.

However many calls a worker holds, it asks the database once a second: the page that decides may be
served by another worker.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection
from concurrent.futures import Executor
from contextlib import suppress
from uuid import UUID

import django.db
from django.db import connections

from mcp_gateway.approvals.models import Approval

logger = logging.getLogger(__name__)

INTERVAL = 1.0  # seconds


class Decisions:
    """`executor` runs the questions."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._awaited: Counter[UUID] = Counter()
        self._pending: frozenset[UUID] = frozenset()
        self._asked = asyncio.Condition()
        self._asking: asyncio.Task[None] | None = None

    async def wait(self, approval_id: UUID, seconds: float) -> None:
        """Until it's decided or has expired, or the time is up."""
        self._awaited[approval_id] += 1
        self._pending |= {approval_id}
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds), self._asked:
                    await self._asked.wait_for(lambda: approval_id not in self._pending)
        finally:
            self._awaited[approval_id] -= 1
            if not self._awaited[approval_id]:
                del self._awaited[approval_id]
            if not self._awaited and self._asking is not None:
                self._asking.cancel()
                self._asking = None

    async def _ask(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(INTERVAL)
            asked = frozenset(self._awaited)
            try:
                pending = await loop.run_in_executor(self._executor, _pending_among, asked)
            except django.db.Error as error:
                logger.warning("what was decided can't be read: %s", error)
                continue
            # Whoever came while it was asked waits for the next answer.
            self._pending = pending | (frozenset(self._awaited) - asked)
            async with self._asked:
                self._asked.notify_all()


def _pending_among(ids: Collection[UUID]) -> frozenset[UUID]:
    try:
        pending = Approval.objects.pending().filter(pk__in=ids)
        return frozenset(pending.values_list("pk", flat=True))
    finally:
        connections.close_all()  # back to the pool
