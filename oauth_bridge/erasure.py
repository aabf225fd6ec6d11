"""What is kept of one person, or of one organization, and how does it go?

`part_of_...` name the rows in the order in which they may go. Access is ended first, and a key's
row stays until PropelAuth has deleted the key: it is all that says which one it was.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Model, Q, QuerySet

from oauth_bridge import outbox
from oauth_bridge.families import shut_out
from oauth_bridge.models import (
    AccessToken,
    AuthorizationRequest,
    Consent,
    Denial,
    EndUserApiKey,
    Grant,
    RefreshToken,
    SecurityEvent,
    User,
)

ROWS_AT_ONCE = 1_000


def delete_in_batches(rows: QuerySet[Any]) -> int:
    """How many went, without what went along with them. Each batch is a transaction."""
    return in_batches(rows, lambda batch: batch.delete())


def in_batches(rows: QuerySet[Any], delete: Callable[[Any], object]) -> int:
    gone = 0
    while pks := list(rows.values_list("pk", flat=True)[:ROWS_AT_ONCE]):
        with transaction.atomic():
            forget_history(rows.model, pks)
            delete(rows.model._default_manager.filter(pk__in=pks))
        gone += len(pks)
    return gone


def forget_history(model: type[Model], pks: list[object]) -> None:
    """What staff did to these rows at /admin/ names them, and so the person."""
    kind = ContentType.objects.get_for_model(model)
    LogEntry.objects.filter(content_type=kind, object_id__in=[str(pk) for pk in pks]).delete()


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one kind; `delete` says how many went."""

    what: str
    rows: QuerySet[Any]
    delete: Callable[[QuerySet[Any]], int] = delete_in_batches


# Access ------------------------------------------------------------------------------------------


def end_access(**whose: Any) -> None:
    """Of a `user` or an `organization_id`: here at once, and at PropelAuth if it answers."""
    shut_out(**whose)
    outbox.deliver_soon().result()  # what shut_out began, so that no lease is in the way
    outbox.settle()
    outbox.deliver_all(EndUserApiKey.objects.filter(**whose))


def keys_that_wait(**whose: Any) -> QuerySet[EndUserApiKey]:
    """PropelAuth may still have these."""
    unsure = Q(uncertain=True) | Q(revoked_at=None)
    waiting = Q(upstreamdeletion__isnull=False, upstreamdeletion__done_at=None)
    return EndUserApiKey.objects.filter(unsure | waiting, **whose)


# Rows --------------------------------------------------------------------------------------------


def parts_of_person(user: User) -> Iterator[Part]:
    yield from parts_of(Q(user_email__in=addresses_of(user)), user=user)
    yield Part("sign-ins under way", AuthorizationRequest.objects.filter(user=user))
    without_keys = User.objects.filter(pk=user.pk, api_keys=None)
    yield Part("people with nothing else here", without_keys, delete_people)


def addresses_of(user: User) -> set[str]:
    """Security events name people by their e-mail address of that time."""
    own = SecurityEvent.objects.filter(of_sign_ins(user=user))
    return {user.email, *own.values_list("user_email", flat=True).distinct()} - {""}


def parts_of_organization(organization_id: str) -> Iterator[Part]:
    members = members_of(organization_id)
    yield from parts_of(Q(organization_id=organization_id), organization_id=organization_id)
    yield Part("sign-ins under way", sign_ins_offering(organization_id))
    yield Part("people with nothing else here", without_traces(members), delete_people)


def parts_of(written: Q, **whose: Any) -> Iterator[Part]:
    """`written` finds security events that name them; others are known by their sign-in."""
    # First: afterwards nothing says whose sign-in it was.
    events = SecurityEvent.objects.filter(written | of_sign_ins(**whose))
    yield Part("security events", events, forget_events)
    yield Part("refresh tokens", RefreshToken.objects.filter(**whose))
    yield Part("access tokens", AccessToken.objects.filter(**whose))
    yield Part("authorization codes", Grant.objects.filter(**whose))
    yield Part("consents", Consent.objects.filter(**whose))
    keys = EndUserApiKey.objects.filter(access_tokens=None, **whose)
    yield Part("API keys", keys.exclude(pk__in=keys_that_wait(**whose)))


def of_sign_ins(**whose: Any) -> Q:
    consents = Consent.objects.filter(**whose)
    keys = EndUserApiKey.objects.filter(**whose).exclude(token_family=None)
    return Q(token_family__in=consents.values("token_family")) | Q(
        token_family__in=keys.values("token_family")
    )


def forget_events(events: QuerySet[SecurityEvent]) -> int:
    return in_batches(events, lambda batch: batch._forget())


def delete_people(people: QuerySet[User]) -> int:
    """Somebody who was switched off stays out, by a denial, whatever they do at PropelAuth."""
    for username in people.filter(is_active=False).values_list("username", flat=True):
        Denial.objects.get_or_create(
            kind=Denial.Kind.USER,
            value=username,
            defaults={"reason": "switched off before their data was deleted"},
        )
    return delete_in_batches(people)


# An organization's people ------------------------------------------------------------------------


def members_of(organization_id: str) -> set[int]:
    """Who used it here; PropelAuth knows who else is in it."""
    models = (Consent, EndUserApiKey, AccessToken, RefreshToken, Grant)
    return {
        pk
        for model in models
        for pk in model._default_manager.filter(organization_id=organization_id)
        .values_list("user_id", flat=True)
        .distinct()
    }


def without_traces(users: set[int]) -> QuerySet[User]:
    """Those who have nothing in another organization either."""
    rows = User.objects.filter(pk__in=users).exclude(propelauth_user_id=None)
    for model in (Consent, EndUserApiKey, AccessToken, RefreshToken, Grant):
        theirs: QuerySet[Any] = model._default_manager.all()
        rows = rows.exclude(pk__in=theirs.values("user_id"))
    return rows


def sign_ins_offering(organization_id: str) -> QuerySet[AuthorizationRequest]:
    found = [
        row.pk
        for row in AuthorizationRequest.objects.exclude(user=None).iterator()
        if organization_id in {each["id"] for each in row.organizations}
    ]
    return AuthorizationRequest.objects.filter(pk__in=found)
