"""Calls that wait for their user's approval, and what was decided."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self
from uuid import uuid4

from django.db import models
from django.db.models import Q
from django.utils import timezone

from oauth_bridge.credentials import Secret, decrypt, encrypt


@dataclass(frozen=True, slots=True)
class WaitingCall:
    """What its user gets to see: `request` is like "PUT /workflows/wf_1", of `destination`.

    `before` are the members of the current object that the arguments name, where the tool says how
    to read it; `problem` says why it couldn't be read.
    """

    tool: str
    title: str
    destination: str
    request: str
    arguments: Mapping[str, Any]
    before: Mapping[str, Any] | None = None
    problem: str = ""

    def encrypted(self) -> str:
        return encrypt(Secret(json.dumps(asdict(self))))

    @classmethod
    def read(cls, encrypted: str) -> Self:
        """Raises SecretUnreadable."""
        return cls(**json.loads(decrypt(encrypted).reveal()))


class ApprovalQuerySet(models.QuerySet["Approval"]):
    def open(self) -> "ApprovalQuerySet":
        """Not decided yet, or approved and not used."""
        return self.filter(status__in=Approval.OPEN, expires_at__gt=timezone.now())

    def pending(self) -> "ApprovalQuerySet":
        return self.open().filter(status=Approval.Status.PENDING)


class Approval(models.Model):
    """One call that waits. Every change of `status` is one statement of desk.py.

    `call_hash` is BoundCall's, `before_hash` that of the object its user was shown. What the call
    holds is encrypted, and goes soon after the last word on it.
    """

    class Status(models.TextChoices):
        PENDING = "pending", "waits for its user"
        APPROVED = "approved", "approved, not used yet"
        USED = "used", "approved and used"
        REJECTED = "rejected", "rejected"
        WITHDRAWN = "withdrawn", "withdrawn by the client"
        OUTDATED = "outdated", "the object changed meanwhile"
        EXPIRED = "expired", "expired"

    OPEN = (Status.PENDING, Status.APPROVED)

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    connection = models.CharField(max_length=500)
    subject = models.CharField("PropelAuth user id", max_length=128)
    organization_id = models.CharField(max_length=64)
    client_id = models.CharField(max_length=255)
    client_name = models.CharField(max_length=255, blank=True)
    tool = models.CharField(max_length=128)
    call_hash = models.CharField(max_length=64)
    before_hash = models.CharField(max_length=64)
    encrypted_call = models.TextField(blank=True, editable=False)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    created_at = models.DateTimeField(default=timezone.now)
    # Of the decision; once approved, of its use.
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    # An e-mail address or a user name, as it was.
    decided_by = models.CharField(max_length=254, blank=True)
    # When the client was told of the rejection.
    told_at = models.DateTimeField(null=True)
    # The request id of the call that used it.
    used_by = models.UUIDField(null=True)

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["call_hash"],
                condition=Q(status__in=("pending", "approved")),
                name="mcp_gateway_one_open_approval",
            )
        ]
        indexes = [
            models.Index(fields=["call_hash", "created_at"], name="mcp_approval_call"),
            models.Index(fields=["subject", "status"], name="mcp_approval_subject"),
            models.Index(fields=["expires_at"], name="mcp_approval_expiry"),
        ]

    def __str__(self) -> str:
        return f"{self.tool}, {self.created_at:%Y-%m-%d %H:%M:%S}"

    @property
    def state(self) -> "Approval.Status":
        """`status`, but for what expired and hasn't been written down as such."""
        if self.status in self.OPEN and self.expires_at <= timezone.now():
            return self.Status.EXPIRED
        return self.Status(self.status)

    @property
    def call(self) -> WaitingCall | None:
        """None once it has gone. Raises SecretUnreadable."""
        return WaitingCall.read(self.encrypted_call) if self.encrypted_call else None


class HourlyCalls(models.Model):
    """One person's calls of one tool within the last hour that needed no approval.

    `key` is a hash of both and of the organization; `times` are seconds since 1970.
    """

    key = models.CharField(max_length=64, primary_key=True)
    times = models.JSONField(default=list)
    last_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        verbose_name_plural = "hourly calls"

    def __str__(self) -> str:
        return f"{len(self.times)} calls"
