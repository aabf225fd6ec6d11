"""Which live keys at PropelAuth are marked as ours, and yet nothing here accounts for them?

The outbox deletes what it knows of, lost answers included. What is left comes of a database that
was restored or lost, or of a deletion that PropelAuth confirmed and didn't do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from oauth_bridge.errors import PropelAuthRefused
from oauth_bridge.events import Event, record
from oauth_bridge.models import EndUserApiKey
from oauth_bridge.outbox import longest_mint
from oauth_bridge.propelauth import ListedKey, propelauth

BATCH = 500


@dataclass(frozen=True, slots=True)
class Stray:
    """`is_in_use`: somebody made it for themselves on /connect, and may be using it."""

    key: ListedKey
    reason: str
    is_in_use: bool = False


def find_strays() -> Iterator[Stray]:
    """Raises PropelAuthError. The whole list is read before the first one is given."""
    keys = [key for key in propelauth().list_api_keys() if is_of_this_server(key)]
    for start in range(0, len(keys), BATCH):
        yield from strays_among(keys[start : start + BATCH])


def is_of_this_server(key: ListedKey) -> bool:
    """Another deployment may share the tenant; its issuer is another."""
    return key.metadata.get("issuer") == settings.PUBLIC_URL


def strays_among(keys: list[ListedKey]) -> Iterator[Stray]:
    ids = [key.api_key_id for key in keys]
    rows = EndUserApiKey.objects.filter(api_key_id__in=ids)
    known = set(rows.values_list("api_key_id", flat=True))
    to_be_deleted = Q(upstreamdeletion__isnull=False, upstreamdeletion__done_at=None)
    accounted_for = set(
        rows.filter(Q(revoked_at=None) | to_be_deleted).values_list("api_key_id", flat=True)
    )
    in_the_making = set(map(str, mints_under_way()))
    for key in keys:
        if key.api_key_id in accounted_for or key.metadata.get("mint_id") in in_the_making:
            continue
        if key.api_key_id in known:
            yield Stray(key, "was deleted already")
        else:
            is_own = key.metadata.get("kind") == EndUserApiKey.Purpose.CONNECT
            yield Stray(key, "isn't known here", is_in_use=is_own)


def mints_under_way() -> Iterator[object]:
    """Their keys have no id here yet; `outbox.settle` finds those that got lost."""
    recent = Q(created__gt=timezone.now() - longest_mint())
    rows = EndUserApiKey.objects.filter(Q(api_key_id=None), Q(uncertain=True) | recent)
    yield from rows.values_list("mint_id", flat=True)


def delete_stray(stray: Stray) -> None:
    """Raises PropelAuthError, but not for a key that is gone meanwhile."""
    try:
        propelauth().delete_api_key(stray.key.api_key_id)
    except PropelAuthRefused:
        return
    record(
        Event.API_KEY_DELETED,
        organization_id=stray.key.organization_id or "",
        reason=f"{stray.key.api_key_id}, a stray: {stray.reason}",
    )
