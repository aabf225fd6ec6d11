"""Counts of calls by the hour and by the day, added up as entries are appended."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from mcp_gateway.batches import batched
from mcp_gateway.call_log.latency import bucket_of
from mcp_gateway.call_log.models import (
    COUNTED_OUTCOMES,
    LATENCIES,
    SUMMED,
    CallCount,
    CallLogEntry,
)
from mcp_gateway.call_log.record import Outcome

ROWS_AT_ONCE = 200
PLACES = {name: place for place, name in enumerate(SUMMED)}
SPANS = tuple(CallCount.Span.values)
DIMENSIONS = tuple(CallCount.By.values)
COUNTED_BY = ("organization_id", "span", "by", "start", "value")
Key = tuple[str, str, str, datetime, str]  # in that order


def add(entries: Iterable[CallLogEntry]) -> None:
    """In the transaction that appends them."""
    sums: dict[Key, list[int]] = defaultdict(lambda: [0] * len(SUMMED))
    for entry in entries:
        if entry.kind != CallLogEntry.Kind.CALL:
            continue
        additions = additions_of(entry)
        for key in keys_of(entry):
            row = sums[key]
            for place, number in additions:
                row[place] += number
    with connection.cursor() as cursor:
        for chunk in batched(sums.items(), ROWS_AT_ONCE):
            # The ORM can't add to what is there.
            parameters = [part for key, _ in chunk for part in parameters_of(key)]
            cursor.execute(upsert(row for _, row in chunk), parameters)


def keys_of(entry: CallLogEntry) -> Iterator[Key]:
    """Of the rows that the entry is counted in."""
    for span in SPANS:
        start = start_of(entry.at, span)
        for by in DIMENSIONS:
            yield entry.organization_id, span, by, start, getattr(entry, by) if by else ""


def parameters_of(key: Key) -> tuple[Any, ...]:
    organization_id, span, by, start, value = key
    return organization_id, span, by, connection.ops.adapt_datetimefield_value(start), value


def start_of(at: datetime, span: str) -> datetime:
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour.replace(hour=0) if span == CallCount.Span.DAY else hour


def additions_of(entry: CallLogEntry) -> list[tuple[int, int]]:
    """(place in SUMMED, number) of what isn't 0."""
    numbers = {"calls": 1, "answer_bytes": entry.answer_bytes, "tokens": entry.tokens}
    if entry.outcome in COUNTED_OUTCOMES:
        numbers[entry.outcome] = 1
    if entry.outcome not in (Outcome.REFUSED, Outcome.PARKED):
        numbers[LATENCIES[bucket_of(entry.duration_ms)]] = 1
    return [(PLACES[name], number) for name, number in numbers.items()]


def upsert(rows: Iterable[Iterable[int]]) -> str:
    """For a key's five parameters each. The names are our models' own, and numbers are no
    parameters: binding fifty of them takes five times as long.
    """
    table = connection.ops.quote_name(CallCount._meta.db_table)
    columns = ", ".join((*COUNTED_BY, *SUMMED))
    key = ", ".join(["%s"] * len(COUNTED_BY))
    values = ", ".join(f"({key}, {', '.join(map(str, row))})" for row in rows)
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in SUMMED)
    conflict = f"ON CONFLICT ({', '.join(COUNTED_BY)}) DO UPDATE SET {added}"
    return f"INSERT INTO {table} ({columns}) VALUES {values} {conflict}"  # noqa: S608
