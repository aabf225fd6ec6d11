"""The call log's rows."""

import hashlib
import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Q, Sum

from mcp_gateway.call_log.latency import BUCKETS
from mcp_gateway.call_log.record import Outcome

GENESIS = "0" * 64
LATENCIES = tuple(f"latency_{bucket}" for bucket in range(BUCKETS))
# The others are OK.
COUNTED_OUTCOMES = tuple(outcome for outcome in Outcome if outcome != Outcome.OK)
ERRORS = (Outcome.FAILED.value, Outcome.UNKNOWN.value)
SUMMED = ("calls", *COUNTED_OUTCOMES, "answer_bytes", "tokens", *LATENCIES)
# `json.dumps` with arguments would make one for each entry.
ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)
OUTCOMES = [(each.value, each.value) for each in Outcome]


class EntryQuerySet(models.QuerySet["CallLogEntry"]):
    """Append-only: rows are added by chain.append and go, the oldest first, by chain.forget."""

    def calls(self) -> "EntryQuerySet":
        return self.filter(kind=CallLogEntry.Kind.CALL)

    def update(self, **fields: Any) -> int:
        raise TypeError("an entry of the call log can't be changed")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError("an entry of the call log can't be deleted; see chain.forget")

    def _forget(self) -> int:
        return super().delete()[0]


class CallLogEntry(models.Model):
    """What a call came to; before that, for a tool that writes, that it was going to be made.

    An intent without a call is one whose worker died: it may have taken effect.
    """

    class Kind(models.TextChoices):
        INTENT = "intent", "is going to be made"
        CALL = "call", "was made"

    kind = models.CharField(max_length=8, choices=Kind.choices)
    call_id = models.UUIDField("request id", db_index=True)
    at = models.DateTimeField()
    # Who.
    organization_id = models.CharField(max_length=64)
    subject = models.CharField("PropelAuth user id", max_length=128)
    role = models.CharField(max_length=64, blank=True)
    credential_kind = models.CharField(max_length=16)
    client_id = models.CharField(max_length=255)
    client_name = models.CharField(max_length=255, blank=True)
    client_version = models.CharField("client software", max_length=100, blank=True)
    # What.
    path = models.CharField(max_length=150)
    tool = models.CharField(max_length=128)
    catalog_version = models.UUIDField(null=True)
    writes = models.BooleanField()
    # JSON text and no JSONField: PostgreSQL would store another spelling than was hashed.
    arguments = models.TextField(blank=True)
    # What came of it; empty for an intent.
    outcome = models.CharField(max_length=12, blank=True, choices=OUTCOMES)
    problem = models.CharField(max_length=200, blank=True)
    upstream_status = models.PositiveSmallIntegerField(null=True)
    sent = models.PositiveSmallIntegerField("requests sent", default=0)
    duration_ms = models.PositiveIntegerField(default=0)
    answer_bytes = models.PositiveIntegerField(default=0)
    tokens = models.PositiveIntegerField(default=0)
    # The chain.
    sequence = models.PositiveBigIntegerField()
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    objects = EntryQuerySet.as_manager()

    class Meta:
        verbose_name = "tool call"
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "sequence"], name="mcp_gateway_one_place_in_the_chain"
            )
        ]
        indexes = [
            models.Index(fields=["at"], name="mcp_call_at"),
            models.Index(fields=["organization_id", "at"], name="mcp_call_organization"),
            models.Index(fields=["tool", "at"], name="mcp_call_tool"),
            models.Index(fields=["subject", "at"], name="mcp_call_subject"),
            models.Index(fields=["client_id", "at"], name="mcp_call_client"),
            models.Index(fields=["outcome", "at"], name="mcp_call_outcome"),
            # The dashboard asks for the errors of a tool, an organization, ...: one in thirty rows.
            models.Index(fields=["at"], condition=Q(outcome__in=ERRORS), name="mcp_call_errors"),
        ]
        permissions = [("audit_calls", "Can see the arguments of tool calls")]

    def __str__(self) -> str:
        return f"{self.tool}, {self.at:%Y-%m-%d %H:%M:%S}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("entries of the call log are added by chain.append")

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("an entry of the call log can't be deleted")

    def computed_hash(self) -> str:
        """SHA-256 over what the entry says and the hash of the one before it."""
        said = {name: _canonical(getattr(self, name)) for name in HASHED}
        return hashlib.sha256(ENCODER.encode(said).encode()).hexdigest()


HASHED = [
    field.attname
    for field in CallLogEntry._meta.concrete_fields
    if field.attname not in ("id", "sequence", "hash")
]


def _canonical(value: object) -> object:
    """Times to the microsecond in UTC, which both databases keep."""
    if hasattr(value, "isoformat"):
        return value.isoformat(timespec="microseconds")
    return str(value) if isinstance(value, UUID) else value


class CallChain(models.Model):
    """One organization's chain: its first and its last link, as of the last change."""

    organization_id = models.CharField(max_length=64, primary_key=True)
    # Of the oldest entry that is kept, and the hash that one has for its previous.
    first_sequence = models.PositiveBigIntegerField(default=1)
    first_previous_hash = models.CharField(max_length=64, default=GENESIS)
    last_sequence = models.PositiveBigIntegerField(default=0)
    last_hash = models.CharField(max_length=64, default=GENESIS)

    class Meta:
        verbose_name = "call chain"

    def __str__(self) -> str:
        return f"{self.organization_id}: {self.last_sequence}"


class CountQuerySet(models.QuerySet["CallCount"]):
    def of(self, organization_id: str) -> "CountQuerySet":
        """All organizations' if it's empty."""
        return self.filter(organization_id=organization_id) if organization_id else self.all()

    def within(self, span: str, since: datetime, until: datetime) -> "CountQuerySet":
        return self.filter(span=span, start__gte=since, start__lt=until)

    def top(self, by: str, length: int) -> list[str]:
        """The tools, clients or people with the most calls."""
        ranked = self.filter(by=by).values_list("value").annotate(all_calls=Sum("calls"))
        return [value for value, _ in ranked.order_by("-all_calls", "value")[:length]]

    def summed_by(self, name: str) -> dict[Any, tuple[int, ...]]:
        """Sums in the order of SUMMED, by what that field holds."""
        sums = {f"sum_of_{each}": Sum(each) for each in SUMMED}
        rows = self.values_list(name).annotate(**sums).order_by()
        return {key: tuple(row) for key, *row in rows}


class CallCount(models.Model):
    """What an organization's calls of an hour or a day came to, and those of each tool, client and
    person among them. Dashboards read these.

    Each dimension has rows of its own: a row for each combination that occurs would be nearly one
    for each call. Only `chain.append` writes them, in the transaction that adds the entries.
    """

    class Span(models.TextChoices):
        HOUR = "hour"
        DAY = "day"

    class By(models.TextChoices):
        """The attribute of an entry that `value` is."""

        ALL = "", "everything"
        TOOL = "tool"
        CLIENT = "client_id"
        SUBJECT = "subject"

    span = models.CharField(max_length=4, choices=Span.choices)
    # UTC.
    start = models.DateTimeField()
    organization_id = models.CharField(max_length=64)
    by = models.CharField(max_length=9, choices=By.choices, blank=True)
    value = models.CharField(max_length=255, blank=True)
    calls = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    unknown = models.PositiveIntegerField(default=0)
    cancelled = models.PositiveIntegerField(default=0)
    # A worker of the version before writes rows without it.
    parked = models.PositiveIntegerField(default=0, db_default=0)
    answer_bytes = models.PositiveBigIntegerField(default=0)
    tokens = models.PositiveBigIntegerField(default=0)
    # And latency_0 to latency_44, below.

    objects = CountQuerySet.as_manager()

    class Meta:
        verbose_name = "count of tool calls"
        verbose_name_plural = "counts of tool calls"
        constraints = [
            models.UniqueConstraint(
                fields=["organization_id", "span", "by", "start", "value"],
                name="mcp_gateway_one_count",
            )
        ]
        indexes = [models.Index(fields=["span", "by", "start"], name="mcp_count_start")]

    def __str__(self) -> str:
        return f"{self.calls} {self.value}, {self.span} of {self.start:%Y-%m-%d %H}:00"


# Calls that weren't refused or parked, by latency. Columns, because PostgreSQL adds up a hundred
# thousand rows of them in a tenth of a second; JSON takes Python two.
for name in LATENCIES:
    CallCount.add_to_class(name, models.PositiveIntegerField(default=0))
