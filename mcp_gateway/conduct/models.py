"""Connections that were paused."""

from contextlib import suppress

from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils import timezone


class PauseQuerySet(models.QuerySet["Pause"]):
    def in_force(self) -> "PauseQuerySet":
        return self.filter(ended_at=None)

    def begin(self, pause: "Pause") -> None:
        """Unless the connection is paused already, by another worker."""
        with suppress(IntegrityError), transaction.atomic():
            pause.save(force_insert=True)

    def end(self, ended_by: str) -> int:
        return self.in_force().update(ended_at=timezone.now(), ended_by=ended_by)


class Pause(models.Model):
    """One connection that calls no tools until somebody lets it go on; others aren't touched.

    `connection` is what rules.py counts by. `reason` completes "It was paused because ...".
    """

    connection = models.CharField(max_length=500, editable=False)
    subject = models.CharField("PropelAuth user id", max_length=128)
    organization_id = models.CharField(max_length=64)
    client_id = models.CharField(max_length=255)
    client_name = models.CharField(max_length=255, blank=True)
    reason = models.CharField(max_length=300)
    began_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    # An e-mail address or a user name, as it was.
    ended_by = models.CharField(max_length=254, blank=True)

    objects = PauseQuerySet.as_manager()

    class Meta:
        verbose_name = "paused connection"
        constraints = [
            models.UniqueConstraint(
                fields=["connection"], condition=Q(ended_at=None), name="mcp_gateway_one_pause"
            )
        ]
        indexes = [models.Index(fields=["subject"], name="mcp_gateway_pause_subject")]

    def __str__(self) -> str:
        return f"{self.client_name or self.client_id}: {self.reason}"


class Use(models.Model):
    """How often a connection made one call within ten seconds in one worker; other workers read it.

    `connection` and `call` are SHA-256 in hexadecimal digits, `slot` counts tens of seconds since
    1970. Rows older than the longest window are of no more use.
    """

    SLOT_SECONDS = 10

    worker = models.UUIDField()
    connection = models.CharField(max_length=64)
    call = models.CharField(max_length=64)
    writes = models.BooleanField()
    slot = models.BigIntegerField(db_index=True)
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "slot", "worker", "call"], name="mcp_gateway_one_use"
            )
        ]

    def __str__(self) -> str:
        return f"{self.count} in {self.slot}"
