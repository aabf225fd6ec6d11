"""What did a connection do in other workers?

Each worker writes down what it counted and reads what the others did, about once a second while
calls come in, in a thread of its own. So a call waits for none of it, and a limit that holds in one
worker holds in all of them about a second later. Where there is one process nothing is shared.
"""

import asyncio
import hashlib
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import django.db
from django.db import connections
from django.db.models import F

from mcp_gateway.conduct.models import Use
from mcp_gateway.conduct.rules import REPEAT_WINDOW, Call, Conduct, Elsewhere

logger = logging.getLogger(__name__)

INTERVAL = 1.0  # seconds
SLOT_SECONDS = Use.SLOT_SECONDS


class Sharing:
    """Of one worker's `conduct`; close it to end its thread."""

    def __init__(self, conduct: Conduct) -> None:
        self._conduct = conduct
        self._worker = uuid4()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="conduct")
        self._timer: asyncio.TimerHandle | None = None
        self._is_busy = False

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._thread.shutdown()

    def call_came(self) -> None:
        """On the event loop; returns at once."""
        if self._timer is None and not self._is_busy and not self._conduct.is_alone:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._begin)

    def forget(self, connection: str) -> None:
        if not self._conduct.is_alone:
            self._thread.submit(_forget, hashed(connection))

    def _begin(self) -> None:
        self._timer, self._is_busy = None, True
        self._exchanging = asyncio.get_running_loop().create_task(self._exchange())

    async def _exchange(self) -> None:
        told, names = self._conduct.take_untold(), self._conduct.recent_connections()
        loop = asyncio.get_running_loop()
        try:
            elsewhere = await loop.run_in_executor(
                self._thread, exchange, self._worker, told, names
            )
            self._conduct.learn(elsewhere)
        except django.db.Error as error:
            logger.warning("calls of other workers can't be counted: %s", error)
        finally:
            self._is_busy = False


def exchange(
    worker: UUID, told: Mapping[Call, int], names: Collection[str]
) -> dict[str, Elsewhere]:
    """Raises a django.db.Error."""
    try:
        now = time.time()
        tell(worker, told, slot_of(now))
        return read(worker, names, now)
    finally:
        connections.close_all()  # back to the pool


def tell(worker: UUID, told: Mapping[Call, int], slot: int) -> None:
    rows = [
        Use(
            worker=worker,
            connection=hashed(call.connection),
            call=call.digest.hex(),
            writes=call.writes,
            slot=slot,
            count=count,
        )
        for call, count in told.items()
    ]
    with django.db.transaction.atomic():
        own = Use.objects.filter(worker=worker, slot=slot)
        known = {(row.connection, row.call): row.pk for row in own}
        Use.objects.bulk_create([row for row in rows if (row.connection, row.call) not in known])
        for row in rows:
            if (pk := known.get((row.connection, row.call))) is not None:
                own.filter(pk=pk).update(count=F("count") + row.count)


def read(worker: UUID, names: Collection[str], now: float) -> dict[str, Elsewhere]:
    by_hash = {hashed(name): name for name in names}
    rows = Use.objects.exclude(worker=worker).filter(
        connection__in=by_hash, slot__gt=slot_of(now - REPEAT_WINDOW)
    )
    found: dict[str, list[Use]] = defaultdict(list)
    for row in rows:
        found[by_hash[row.connection]].append(row)
    # Of this worker's clock, which begins at another moment.
    offset = time.monotonic() - now
    return {name: elsewhere_of(rows, offset) for name, rows in found.items()}


def elsewhere_of(rows: Collection[Use], offset: float) -> Elsewhere:
    """A slot's calls count as made in its middle."""
    calls: Counter[float] = Counter()
    writes: Counter[float] = Counter()
    repetitions: dict[bytes, list[tuple[float, int]]] = defaultdict(list)
    for row in rows:
        moment = (row.slot + 0.5) * SLOT_SECONDS + offset
        calls[moment] += row.count
        repetitions[bytes.fromhex(row.call)].append((moment, row.count))
        if row.writes:
            writes[moment] += row.count
    return Elsewhere(list(calls.items()), list(writes.items()), repetitions)


def slot_of(seconds: float) -> int:
    return int(seconds // SLOT_SECONDS)


def hashed(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _forget(connection: str) -> None:
    try:
        Use.objects.filter(connection=connection).delete()
    except django.db.Error as error:
        logger.warning("a connection's calls can't be forgotten: %s", error)
    finally:
        connections.close_all()


def delete_old_uses() -> int:
    """How many rows went."""
    return Use.objects.filter(slot__lt=slot_of(time.time() - 2 * REPEAT_WINDOW)).delete()[0]
