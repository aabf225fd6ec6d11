"""The dashboard on the admin's first page: what it shows of the counts, and where each leads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode

from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone

from mcp_gateway.admin import call_filters
from mcp_gateway.admin.call_filters import OutcomeFilter
from mcp_gateway.admin.charts import Chart, Series, lined, stacked
from mcp_gateway.admin.people import names_of_clients, names_of_people
from mcp_gateway.call_log.dashboard import (
    DEFAULT_PERIOD,
    PERIODS,
    Dashboard,
    Numbers,
    Period,
    Rank,
    Step,
)
from mcp_gateway.call_log.models import CallChain, CallCount
from mcp_gateway.call_log.record import Outcome
from mcp_gateway.templatetags.figures import compact, duration, grouped, percent

SEES_COUNTS = "mcp_gateway.view_callcount"
SEES_LOG = "mcp_gateway.view_calllogentry"
ERRORS = {OutcomeFilter.parameter_name: call_filters.BOTH_ERRORS}
REFUSALS = {OutcomeFilter.parameter_name: Outcome.REFUSED.value}
OUTCOMES = ("ok", "parked", "refused", "cancelled", "failed", "unknown")
PERCENTILES = ("p50", "p95", "p99")


@dataclass(frozen=True, slots=True)
class Choice:
    value: str
    label: str
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Tile:
    """One number, with its change against the period before."""

    label: str
    value: str
    change: str
    url: str


@dataclass(frozen=True, slots=True)
class Row:
    """`url` leads to its calls in the log, `errors_url` to those that went wrong; "" without the
    permission. `only_url` leads to the dashboard of this organization alone.
    """

    name: str
    note: str
    numbers: Numbers
    url: str
    errors_url: str
    only_url: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    noun: str
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Board:
    """What the template shows."""

    shown: Dashboard
    is_new: bool
    periods: list[Choice]
    organizations: list[str]
    tiles: list[Tile]
    charts: list[Chart]
    steps: list[Row]
    tables: list[Table]


@dataclass(frozen=True, slots=True)
class Links:
    """Into the log, filtered to exactly what was counted; "" for who may not read it."""

    shown: Dashboard
    may_see_log: bool

    def calls(self, **lookups: str) -> str:
        return self.calls_within(self.shown.since, self.shown.until, **lookups)

    def calls_within(self, since: datetime, until: datetime, **lookups: str) -> str:
        if not self.may_see_log:
            return ""
        within = {"at__gte": since.isoformat(), "at__lt": until.isoformat()}
        if self.shown.organization_id:
            within["organization_id__exact"] = self.shown.organization_id
        query = urlencode({"kind__exact": "call", **within, **lookups})
        return f"{reverse('admin:mcp_gateway_calllogentry_changelist')}?{query}"


def find_board(request: HttpRequest) -> Board | None:
    """None for whoever may not see it."""
    if not (request.user.has_perm(SEES_COUNTS) or request.user.has_perm(SEES_LOG)):
        return None
    organizations = CallChain.objects.order_by("organization_id")
    known = list(organizations.values_list("organization_id", flat=True))
    period = PERIODS.get(request.GET.get("period", ""), DEFAULT_PERIOD)
    organization_id = request.GET.get("organization", "")
    now = timezone.now()
    shown = Dashboard.read(period, now, organization_id if organization_id in known else "")
    links = Links(shown, request.user.has_perm(SEES_LOG))
    return Board(
        shown=shown,
        is_new=not known,
        periods=[period_choice(each, shown) for each in PERIODS.values()],
        organizations=known,
        tiles=tiles(shown, now, links),
        charts=charts(shown),
        steps=[step_row(step, shown.period, links) for step in reversed(shown.steps)],
        tables=tables(shown, links),
    )


def index_url(period: str, organization_id: str) -> str:
    query = {"period": period, "organization": organization_id}
    return f"?{urlencode({name: value for name, value in query.items() if value})}"


def period_choice(period: Period, shown: Dashboard) -> Choice:
    url = index_url(period.name, shown.organization_id)
    return Choice(period.name, period.label, url, period == shown.period)


# Numbers ---------------------------------------------------------------------------------------


def tiles(shown: Dashboard, now: datetime, links: Links) -> list[Tile]:
    total, before = shown.total, shown.before
    # The period isn't over, the one before is: how many there were is compared by rate.
    pace = shown.period.length / (now - shown.since)

    def amount(label: str, write: Callable[[int], str], name: str, **lookups: str) -> Tile:
        value, earlier = getattr(total, name), getattr(before, name)
        return Tile(label, write(value), change(value * pace, earlier), links.calls(**lookups))

    def latency(label: str, name: str) -> Tile:
        value, earlier = getattr(total, name), getattr(before, name)
        return Tile(label, duration(value), change(value, earlier), links.calls())

    errors = points(total.error_rate, before.error_rate)
    return [
        amount("Calls", compact, "calls"),
        Tile("Error rate", percent(total.error_rate), errors, links.calls(**ERRORS)),
        amount("Refused", compact, "refused", **REFUSALS),
        latency("Median latency", "p50"),
        latency("95th percentile", "p95"),
        latency("99th percentile", "p99"),
        amount("Answers", filesizeformat, "answer_bytes"),
        amount("≈ Tokens", compact, "tokens"),
    ]


def change(value: float | None, before: float | None) -> str:
    """150, 100 -> +50 %"""
    if value is None or not before:
        return ""
    return signed(f"{(value / before - 1) * 100:+.0f}", "%")


def points(share: float | None, before: float | None) -> str:
    """0.05, 0.02 -> +3.0 points"""
    if share is None or before is None:
        return ""
    return signed(f"{(share - before) * 100:+.1f}", "points")


def signed(number: str, unit: str) -> str:
    return f"{number} {unit}" if number.strip("+-0.") else "unchanged"


# Charts ----------------------------------------------------------------------------------------


def charts(shown: Dashboard) -> list[Chart]:
    labels = [short_name(step, shown.period) for step in shown.steps]
    every = [step.numbers for step in shown.steps]
    unit = shown.period.span.value

    def series(names: tuple[str, ...]) -> list[Series]:
        return [Series(name, [getattr(numbers, name) for numbers in every]) for name in names]

    def told(text: Callable[[Numbers], str]) -> list[str]:
        names = [long_name(step, shown.period) for step in shown.steps]
        return [f"{name}: {text(numbers)}" for name, numbers in zip(names, every, strict=True)]

    calls, tokens = told(tell_calls), told(tell_tokens)
    return [
        stacked(
            f"Calls by {unit}",
            f"{tell_calls(shown.total)}. Most in one {unit}: {most(calls, every, 'calls')}.",
            *(labels, series(OUTCOMES), calls),
        ),
        lined(
            f"Latency by {unit}",
            f"In all, {tell_latency(shown.total)}.",
            *(labels, series(PERCENTILES), told(tell_latency), duration),
        ),
        stacked(
            f"Tokens of answers by {unit}, estimated",
            f"{tell_tokens(shown.total)}. Most in one {unit}: {most(tokens, every, 'tokens')}.",
            *(labels, series(("tokens",)), tokens),
        ),
    ]


def most(told: list[str], every: list[Numbers], name: str) -> str:
    return max(zip(every, told, strict=True), key=lambda pair: getattr(pair[0], name))[1]


def tell_calls(numbers: Numbers) -> str:
    parts = [f"{grouped(getattr(numbers, name))} {name}" for name in OUTCOMES[1:]]
    shown = [part for part in parts if not part.startswith("0 ")]
    return ", ".join([f"{grouped(numbers.calls)} calls", *shown])


def tell_latency(numbers: Numbers) -> str:
    return ", ".join(f"{name} {duration(getattr(numbers, name))}" for name in PERCENTILES)


def tell_tokens(numbers: Numbers) -> str:
    return f"about {grouped(numbers.tokens)} tokens"


def short_name(step: Step, period: Period) -> str:
    return f"{step.start:%H:%M}" if period.span == CallCount.Span.HOUR else f"{step.start:%d %b}"


def long_name(step: Step, period: Period) -> str:
    if period.span == CallCount.Span.HOUR:
        return f"{step.start:%Y-%m-%d %H:%M}"
    return f"{step.start:%Y-%m-%d}"


# Tables ----------------------------------------------------------------------------------------


def step_row(step: Step, period: Period, links: Links) -> Row:
    return Row(
        name=long_name(step, period),
        note="",
        numbers=step.numbers,
        url=links.calls_within(step.start, step.until),
        errors_url=links.calls_within(step.start, step.until, **ERRORS),
    )


def tables(shown: Dashboard, links: Links) -> list[Table]:
    people = names_of_people(rank.value for rank in shown.subjects)
    clients = names_of_clients(rank.value for rank in shown.clients)

    def rows(ranks: list[Rank], field: str, names: Mapping[str, str]) -> list[Row]:
        return [rank_row(rank, field, names, links) for rank in ranks]

    found = [
        Table("Tools", "Tool", rows(shown.tools, "tool", {})),
        Table("Users", "User", rows(shown.subjects, "subject", people)),
        Table("Clients", "Client", rows(shown.clients, "client_id", clients)),
    ]
    if not shown.organization_id:
        organizations = [organization_row(rank, links) for rank in shown.organizations]
        found.append(Table("Organizations", "Organization", organizations))
    return found


def rank_row(rank: Rank, field: str, names: Mapping[str, str], links: Links) -> Row:
    name = names.get(rank.value) or rank.value
    lookup = {f"{field}__exact": rank.value}
    return Row(
        name=name,
        note=rank.value if name != rank.value else "",
        numbers=rank.numbers,
        url=links.calls(**lookup),
        errors_url=links.calls(**lookup, **ERRORS),
    )


def organization_row(rank: Rank, links: Links) -> Row:
    row = rank_row(rank, "organization_id", {}, links)
    return replace(row, only_url=index_url(links.shown.period.name, rank.value))
