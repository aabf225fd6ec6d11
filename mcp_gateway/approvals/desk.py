"""Every step of an approval. Each is one transaction, so that of two at once one comes first."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from mcp_gateway.approvals.binding import hash_of
from mcp_gateway.approvals.models import Approval, HourlyCalls, WaitingCall
from oauth_bridge.credentials import TokenGrant

Status = Approval.Status

HOUR = 3600.0
# Of one connection. Nobody reads more, and each holds a call's arguments.
MAX_PENDING = 20
# For how long its user can still look at what they decided.
CALL_KEPT_FOR = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Ask:
    """A call that can't leave without an approval. `call_id` is the call log's.

    `awaited` is the approval that this call has been waiting for, if any.
    """

    connection: str
    grant: TokenGrant
    call: WaitingCall
    call_hash: str
    before_hash: str
    call_id: UUID
    awaited: UUID | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """The approval was good, and is used up now."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """`is_new` is for a call that nobody has been asked about yet."""

    approval: Approval
    is_new: bool
    was_outdated: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """`status` says how it ended."""

    status: Approval.Status


@dataclass(frozen=True, slots=True)
class TooManyPending:
    pass


Verdict = Granted | Waiting | Refused | TooManyPending


# A call's side -----------------------------------------------------------------------------------


def settle(ask: Ask) -> Verdict:
    """Uses an approval up, or finds the one that is waited for, or begins to wait."""
    try:
        return _settle(ask)
    except IntegrityError:
        return _settle(ask)  # somebody else has just begun to wait for the same call


@transaction.atomic
def _settle(ask: Ask) -> Verdict:
    same_call = Approval.objects.filter(call_hash=ask.call_hash, connection=ask.connection)
    # On PostgreSQL two calls at once would read the same row; on SQLite the transaction has the
    # only right to write.
    row = same_call.open().select_for_update().first()
    if row is None:
        return _settle_without(ask)
    if row.before_hash != ask.before_hash:
        _close(row, Status.OUTDATED)
        return _begin(ask, was_outdated=True)
    if row.status == Status.PENDING:
        return Waiting(row, is_new=False)
    used = same_call.open().filter(pk=row.pk, status=Status.APPROVED)
    if used.update(status=Status.USED, used_by=ask.call_id):
        return Granted()
    return Refused(Status.USED)


def _settle_without(ask: Ask) -> Verdict:
    """There is no open approval: was there one that this call should hear of?"""
    same_call = Approval.objects.filter(call_hash=ask.call_hash, connection=ask.connection)
    if ask.awaited is not None and (awaited := same_call.filter(pk=ask.awaited).first()):
        same_call.filter(pk=awaited.pk, told_at=None).update(told_at=timezone.now())
        return Refused(awaited.state)
    unheard = same_call.filter(
        status=Status.REJECTED, told_at=None, expires_at__gt=timezone.now()
    ).order_by("-created_at")
    if (rejected := unheard.first()) is not None:
        same_call.filter(status=Status.REJECTED, told_at=None).update(told_at=timezone.now())
        return Refused(Status(rejected.status))
    return _begin(ask)


def _begin(ask: Ask, *, was_outdated: bool = False) -> Verdict:
    now = timezone.now()
    mine = Approval.objects.filter(connection=ask.connection)
    mine.filter(status__in=Approval.OPEN, expires_at__lte=now).update(status=Status.EXPIRED)
    if mine.pending().count() >= MAX_PENDING:
        return TooManyPending()
    row = Approval.objects.create(
        connection=ask.connection,
        subject=ask.grant.subject,
        organization_id=ask.grant.organization_id,
        client_id=ask.grant.client_id,
        client_name=ask.grant.client_name,
        tool=ask.call.tool,
        call_hash=ask.call_hash,
        before_hash=ask.before_hash,
        encrypted_call=ask.call.encrypted(),
        expires_at=now + settings.APPROVAL_LIFETIME,
    )
    return Waiting(row, is_new=True, was_outdated=was_outdated)


def _close(row: Approval, status: Approval.Status) -> None:
    Approval.objects.filter(pk=row.pk, status__in=Approval.OPEN).update(status=status)


def withdraw(approval_id: UUID, connection: str) -> bool:
    """The client says that its user doesn't want to be asked."""
    mine = Approval.objects.pending().filter(pk=approval_id, connection=connection)
    return bool(mine.update(status=Status.WITHDRAWN, decided_at=timezone.now()))


@transaction.atomic
def take_free_call(
    grant: TokenGrant, tool: str, limit: int, clock: Callable[[], float] = time.time
) -> bool:
    """Whether this is among the first `limit` calls of the last hour; then it is counted.

    By person and organization, whatever client they use.
    """
    if limit <= 0:
        return False
    key, now = hash_of([grant.subject, grant.organization_id, tool]), clock()
    HourlyCalls.objects.bulk_create([HourlyCalls(key=key)], ignore_conflicts=True)
    row = HourlyCalls.objects.select_for_update().get(key=key)
    row.times = [at for at in row.times if at > now - HOUR]
    if len(row.times) >= limit:
        return False
    row.times.append(now)
    row.last_at = timezone.now()
    row.save()
    return True


# Its user's side ---------------------------------------------------------------------------------


def approve(approval_id: UUID, subject: str, by: str) -> bool:
    """False when somebody else's, expired, or decided already."""
    now = timezone.now()
    theirs = Approval.objects.pending().filter(pk=approval_id, subject=subject)
    decided = theirs.update(
        status=Status.APPROVED,
        decided_at=now,
        decided_by=by,
        expires_at=now + settings.APPROVAL_LIFETIME,
    )
    return bool(decided)


def reject(approval_id: UUID, subject: str, by: str) -> bool:
    """Also one that was approved, until it's used."""
    now = timezone.now()
    theirs = Approval.objects.open().filter(pk=approval_id, subject=subject)
    return bool(theirs.update(status=Status.REJECTED, decided_at=now, decided_by=by))


# Cleaning up -------------------------------------------------------------------------------------


def delete_old_approvals() -> int:
    """What a call held goes first, the row that says who decided what with the call log."""
    now = timezone.now()
    over = Approval.objects.filter(expires_at__lt=now)
    over.filter(status__in=Approval.OPEN).update(status=Status.EXPIRED)
    over.filter(expires_at__lt=now - CALL_KEPT_FOR).exclude(encrypted_call="").update(
        encrypted_call=""
    )
    counts = HourlyCalls.objects.filter(last_at__lt=now - timedelta(hours=2)).delete()[0]
    return counts + over.filter(expires_at__lt=now - settings.CALL_LOG_RETENTION).delete()[0]
