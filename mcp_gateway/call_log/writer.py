"""Writes the call log: in batches off the hot path, and a write's intent before it leaves.

What a `kill -9` can lose is what waits in memory: calls that ended within the last half second, or
longer while the database can't be reached. Never the intent of a tool that writes.
"""

import asyncio
import logging
import time
from collections import deque
from threading import Event, Lock, Thread

import django.db
from django.conf import settings
from django.db import connections

from mcp_gateway.call_log import chain
from mcp_gateway.call_log.models import CallLogEntry
from mcp_gateway.call_log.record import CallRecord, printable
from mcp_gateway.call_log.redaction import redacted_text
from telemetry import metrics
from telemetry.threads import RequestThreads

logger = logging.getLogger(__name__)

BATCH_SECONDS = 0.5
BATCH_SIZE = 500
# About a minute of a worker's calls. Beyond that the oldest are given up, and counted.
MAX_WAITING = 20_000
# While the database can't be reached.
RETRY_SECONDS = 2.0
DRAIN_SECONDS = 10.0


class CallLogUnavailable(Exception):
    """The intent of a write can't be made durable, so the call must not leave."""


class CallLog:
    """One for a run of the server; `close` drains it."""

    def __init__(self) -> None:
        self._waiting: deque[CallRecord] = deque()
        self._lock = Lock()
        self._writing = Lock()
        self._wake = Event()
        self._is_closing = False
        self._lost = 0
        self._intents = RequestThreads(max_workers=4, thread_name_prefix="call-intents")
        self._thread = Thread(target=self._write_batches, name="call-log", daemon=True)
        self._thread.start()

    async def intend(self, call: CallRecord) -> None:
        """Returns once it's on disk. Raises CallLogUnavailable."""
        entry = entry_of(call, CallLogEntry.Kind.INTENT)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._intents, _append_in_thread, [entry])
        except django.db.Error as error:
            raise CallLogUnavailable(str(error)) from error

    def finish(self, call: CallRecord) -> None:
        """Returns at once; `call.finish` has been called."""
        metrics.call_ended(
            call.tool if call.is_known else "", call.outcome or "", call.duration_ms / 1000
        )
        with self._lock:
            if len(self._waiting) >= MAX_WAITING:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append(call)
        if len(self._waiting) >= BATCH_SIZE:
            self._wake.set()

    def count_waiting(self) -> int:
        return len(self._waiting)

    def drain(self) -> None:
        """Returns when everything that ended so far is written."""
        self._write_what_waits()

    def close(self) -> None:
        self._is_closing = True
        self._wake.set()
        self._thread.join(DRAIN_SECONDS)
        self._intents.shutdown()
        if self._waiting:
            logger.error("%d calls aren't in the call log: closing", len(self._waiting))

    def _write_batches(self) -> None:
        while not (self._is_closing and not self._waiting):
            self._wake.wait(BATCH_SECONDS)
            self._wake.clear()
            try:
                self._write_what_waits()
            except django.db.Error as error:
                logger.error("the call log can't be written, trying again: %s", error)
                if self._is_closing:
                    return
                time.sleep(RETRY_SECONDS)

    def _write_what_waits(self) -> None:
        """What comes in meanwhile is left for the next time: a few cost as much as hundreds."""
        with self._writing:
            left = len(self._waiting)
            try:
                while left > 0 and (batch := self._take()):
                    left -= len(batch)
                    self._write(batch)
            finally:
                connections.close_all()  # back to the pool

    def _write(self, batch: list[CallRecord]) -> None:
        """Each organization's in a transaction of its own: what failed is all that is repeated."""
        while batch:
            calls, rest = of_first_organization(batch)
            try:
                append(calls)
            except Exception as error:
                if may_pass(error):
                    with self._lock:
                        self._waiting.extendleft(reversed(batch))
                    raise
                logger.exception("%d calls aren't in the call log: it can't hold them", len(calls))
            batch = rest

    def _take(self) -> list[CallRecord]:
        with self._lock:
            if self._lost:
                logger.error("%d calls aren't in the call log: too many waited", self._lost)
                self._lost = 0
            size = min(len(self._waiting), BATCH_SIZE)
            return [self._waiting.popleft() for _ in range(size)]


def may_pass(error: Exception) -> bool:
    """Trying again what the database can't hold would hold up everything behind it for ever."""
    is_final = isinstance(error, django.db.DataError | django.db.IntegrityError)
    return isinstance(error, django.db.Error) and not is_final


def of_first_organization(
    batch: list[CallRecord],
) -> tuple[list[CallRecord], list[CallRecord]]:
    """The calls of the first one's organization, and the rest."""
    first = batch[0].principal.organization_id
    calls = [call for call in batch if call.principal.organization_id == first]
    return calls, [call for call in batch if call.principal.organization_id != first]


def append(calls: list[CallRecord]) -> None:
    """Of one organization."""
    entries = [entry_of(call, CallLogEntry.Kind.CALL) for call in calls]
    chain.append(entries[0].organization_id, entries)


def _append_in_thread(entries: list[CallLogEntry]) -> None:
    try:
        chain.append(entries[0].organization_id, entries)
    finally:
        connections.close_all()  # back to the pool


def entry_of(call: CallRecord, kind: CallLogEntry.Kind) -> CallLogEntry:
    principal = call.principal
    return CallLogEntry(
        kind=kind,
        call_id=call.call_id,
        at=call.at,
        organization_id=principal.organization_id[:64],
        subject=printable(principal.subject, 128),
        role=printable(principal.role, 64),
        credential_kind=principal.credential_kind,
        client_id=printable(principal.client_id, 255),
        client_name=printable(principal.client_name, 255),
        client_version=principal.client_version,
        path=call.path[:150],
        tool=printable(call.tool, 128),
        catalog_version=call.catalog_version,
        writes=call.writes,
        arguments=redacted_text(call.arguments, settings.CALL_LOG_REDACTED),
        outcome=call.outcome or "",
        problem=printable(call.problem, 200),
        upstream_status=call.upstream_status,
        sent=call.sent,
        duration_ms=call.duration_ms,
        answer_bytes=call.answer_bytes,
        tokens=call.tokens,
    )
