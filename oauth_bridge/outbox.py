"""Getting rid of API keys: revoked here at once, deleted at PropelAuth as soon as it answers.

Deletions wait in UpstreamDeletion rows. They are delivered right after the request that wrote them,
by whichever worker is next, or by `manage.py run_due`; a lease keeps two from doing one. Keys whose
making was never answered are looked for and deleted too.
"""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta

from django.conf import settings
from django.db import close_old_connections, transaction
from django.db.models import QuerySet
from django.utils import timezone

from oauth_bridge.errors import PropelAuthError, PropelAuthRefused
from oauth_bridge.events import Event, record
from oauth_bridge.models import EndUserApiKey, UpstreamDeletion
from oauth_bridge.propelauth import propelauth

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)

_executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="outbox")


@transaction.atomic
def revoke_keys(keys: QuerySet[EndUserApiKey]) -> None:
    """From now on these are refused here, whatever PropelAuth still thinks of them."""
    now = timezone.now()
    revoked = list(keys.filter(revoked_at=None))
    keys.filter(revoked_at=None).update(revoked_at=now)
    schedule_deletion(revoked, not_before=now)


def schedule_deletion(keys: list[EndUserApiKey], *, not_before: datetime) -> None:
    """An earlier date wins: a key due in a minute may be revoked now."""
    for key in keys:
        deletion, created = UpstreamDeletion.objects.get_or_create(
            api_key=key, defaults={"not_before": not_before}
        )
        if not created and not_before < deletion.not_before:
            UpstreamDeletion.objects.filter(pk=deletion.pk).update(not_before=not_before)


def deliver_due(limit: int = 100) -> int:
    """Delete what is due; the number of keys that are gone for good."""
    delivered = 0
    for _ in range(limit):
        deletion = UpstreamDeletion.objects.lease_due(lease=LEASE)
        if deletion is None:
            break
        delivered += _deliver(deletion)
    return delivered


def deliver_all(keys: QuerySet[EndUserApiKey]) -> int:
    """Delete these now, whatever they were to wait for; up to the first that PropelAuth doesn't."""
    waiting = UpstreamDeletion.objects.filter(api_key__in=keys, done_at=None)
    waiting.update(not_before=timezone.now())
    delivered = 0
    while (deletion := waiting.lease_due(lease=LEASE)) is not None and _deliver(deletion):
        delivered += 1
    return delivered


def _deliver(deletion: UpstreamDeletion) -> bool:
    key = EndUserApiKey.objects.select_related("user").get(pk=deletion.api_key_id)
    try:
        if key.api_key_id is not None:
            propelauth().delete_api_key(key.api_key_id)
    except PropelAuthRefused:
        pass  # 404: it's gone, which is what we want
    except PropelAuthError as error:
        logger.warning("deleting key %s failed: %s", key.api_key_id, error)
        _postpone(deletion)
        return False
    now = timezone.now()
    UpstreamDeletion.objects.filter(pk=deletion.pk).update(done_at=now)
    EndUserApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now)
    record(
        Event.API_KEY_DELETED,
        user=key.user,
        organization_id=key.organization_id,
        token_family=key.token_family,
        reason=key.api_key_id or "",
    )
    return True


def longest_mint() -> timedelta:
    """Later than this nobody is minting any more: the last try began before patience ran out."""
    patience: timedelta = settings.KEY_MINTING_PATIENCE + 2 * settings.PROPELAUTH_TIMEOUT
    return 2 * patience


def settle(limit: int = 100) -> int:
    """Delete keys that PropelAuth made but whose answer never arrived; how many there were.

    Looks at mints old enough to be over, and needs a PropelAuth that answers.
    """
    over = timezone.now() - longest_mint()
    uncertain = EndUserApiKey.objects.filter(uncertain=True, created__lt=over)
    return sum(_settle(key) for key in uncertain.select_related("user")[:limit])


def _settle(key: EndUserApiKey) -> int:
    try:
        listed = propelauth().list_api_keys(
            user_id=str(key.user.propelauth_user_id), org_id=key.organization_id
        )
        minted = [each for each in listed if each.metadata.get("mint_id") == str(key.mint_id)]
        kept = {key.api_key_id} if key.was_given_out() else set()
        lost = [each.api_key_id for each in minted if each.api_key_id not in kept]
        for api_key_id in lost:
            propelauth().delete_api_key(api_key_id)
    except PropelAuthError as error:
        logger.warning("settling mint %s failed: %s", key.mint_id, error)
        return 0
    rows = EndUserApiKey.objects.filter(pk=key.pk)
    rows.update(uncertain=False)
    if key.api_key_id in lost:
        rows.filter(revoked_at=None).update(revoked_at=timezone.now())
    return len(lost)


def _postpone(deletion: UpstreamDeletion) -> None:
    pause = min(timedelta(seconds=2**deletion.attempts), LONGEST_PAUSE)
    UpstreamDeletion.objects.filter(pk=deletion.pk).update(
        not_before=timezone.now() + pause, leased_until=None
    )


def deliver_soon() -> "Future[None]":
    """Deliver in the background, so that no client waits for PropelAuth."""
    return _executor.submit(_deliver_in_thread)


def _deliver_in_thread() -> None:
    close_old_connections()
    try:
        deliver_due(limit=20)
        settle(limit=5)
    except Exception:  # a thread's exception would vanish
        logger.exception("delivering deletions failed")
    finally:
        close_old_connections()
