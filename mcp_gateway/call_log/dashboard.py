"""What came of the calls of a period: in all, step by step, and who and what called most?

All of it is read from the counts. The days and hours are UTC's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from mcp_gateway.call_log.counts import start_of
from mcp_gateway.call_log.latency import BUCKETS, percentile
from mcp_gateway.call_log.models import SUMMED, CallCount, CountQuerySet

COUNTED = SUMMED[:-BUCKETS]
TOP = 10
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """Up to now, in steps of hours or days; the step that is under way is the last."""

    name: str
    label: str
    span: CallCount.Span
    steps: int

    @property
    def step(self) -> timedelta:
        return HOUR if self.span == CallCount.Span.HOUR else DAY

    @property
    def length(self) -> timedelta:
        return self.steps * self.step

    def until(self, now: datetime) -> datetime:
        return start_of(now, self.span) + self.step

    def since(self, now: datetime) -> datetime:
        return self.until(now) - self.length


PERIODS = {
    each.name: each
    for each in (
        Period("24h", "24 hours", CallCount.Span.HOUR, 24),
        Period("7d", "7 days", CallCount.Span.DAY, 7),
        Period("30d", "30 days", CallCount.Span.DAY, 30),
        Period("90d", "90 days", CallCount.Span.DAY, 90),
    )
}
DEFAULT_PERIOD = PERIODS["7d"]


@dataclass(frozen=True, slots=True)
class Numbers:
    """What some calls came to. One that was refused or parked never left this server, so it has no
    latency.
    """

    calls: int = 0
    refused: int = 0
    failed: int = 0
    unknown: int = 0
    cancelled: int = 0
    parked: int = 0
    answer_bytes: int = 0
    tokens: int = 0
    latencies: tuple[int, ...] = (0,) * BUCKETS

    @classmethod
    def of(cls, *sums: Sequence[int]) -> Self:
        """All of them together, each in the order of SUMMED."""
        if not sums:
            return cls()
        total = [sum(column) for column in zip(*sums, strict=True)]
        counts, latencies = total[:-BUCKETS], tuple(total[-BUCKETS:])
        return cls(**dict(zip(COUNTED, counts, strict=True)), latencies=latencies)

    @property
    def ok(self) -> int:
        return self.calls - self.refused - self.parked - self.errors - self.cancelled

    @property
    def errors(self) -> int:
        return self.failed + self.unknown

    @property
    def error_rate(self) -> float | None:
        return self.errors / self.calls if self.calls else None

    @property
    def p50(self) -> float | None:
        return percentile(self.latencies, 0.5)

    @property
    def p95(self) -> float | None:
        return percentile(self.latencies, 0.95)

    @property
    def p99(self) -> float | None:
        return percentile(self.latencies, 0.99)


@dataclass(frozen=True, slots=True)
class Step:
    start: datetime
    until: datetime
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class Rank:
    """A tool, client, person or organization among those with the most calls."""

    value: str
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class Dashboard:
    """`before` is the period of the same length before this one."""

    period: Period
    since: datetime
    until: datetime
    organization_id: str
    total: Numbers
    before: Numbers
    steps: list[Step]
    tools: list[Rank]
    clients: list[Rank]
    subjects: list[Rank]
    organizations: list[Rank]

    @classmethod
    def read(cls, period: Period, now: datetime, organization_id: str = "") -> Self:
        """Of one organization, or of all."""
        since, until = period.since(now), period.until(now)
        counts = CallCount.objects.of(organization_id)
        current = counts.within(period.span, since, until)
        everything = current.filter(by=CallCount.By.ALL)
        earlier = counts.within(period.span, since - period.length, since)
        by_step = everything.summed_by("start")
        return cls(
            period=period,
            since=since,
            until=until,
            organization_id=organization_id,
            total=Numbers.of(*by_step.values()),
            before=Numbers.of(*earlier.filter(by=CallCount.By.ALL).summed_by("start").values()),
            steps=list(steps_of(period, since, by_step)),
            tools=read_top(current, CallCount.By.TOOL),
            clients=read_top(current, CallCount.By.CLIENT),
            subjects=read_top(current, CallCount.By.SUBJECT),
            organizations=ranked(everything.summed_by("organization_id"))[:TOP],
        )


def read_top(counts: CountQuerySet, by: CallCount.By) -> list[Rank]:
    """Ranked by calls alone first: adding up all else for everybody takes three times as long."""
    top = counts.top(by, TOP)
    return ranked(counts.filter(by=by, value__in=top).summed_by("value"))


def ranked(sums: Mapping[str, Sequence[int]]) -> list[Rank]:
    ranks = [Rank(value, Numbers.of(row)) for value, row in sums.items()]
    return sorted(ranks, key=lambda rank: (-rank.numbers.calls, rank.value))


def steps_of(
    period: Period, since: datetime, by_step: Mapping[datetime, Sequence[int]]
) -> Iterator[Step]:
    """All of them, also those without a call."""
    for number in range(period.steps):
        start = since + number * period.step
        sums = [by_step[start]] if start in by_step else []
        yield Step(start, start + period.step, Numbers.of(*sums))
