"""A token family: every pair that came of one sign-in, and the API keys behind them."""

import logging
import uuid
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from oauth_bridge import outbox
from oauth_bridge.errors import PropelAuthRefused
from oauth_bridge.events import Event, record
from oauth_bridge.models import (
    AccessToken,
    Application,
    Consent,
    EndUserApiKey,
    Grant,
    RefreshToken,
    TokenKind,
)
from oauth_bridge.propelauth import Organization, propelauth

logger = logging.getLogger(__name__)


@transaction.atomic
def revoke_family(token_family: uuid.UUID) -> None:
    """End a sign-in: its tokens stop working now, its keys are deleted at PropelAuth next."""
    now = timezone.now()
    RefreshToken.objects.filter(token_family=token_family, revoked=None).update(revoked=now)
    AccessToken.objects.filter(token_family=token_family).delete()
    Consent.objects.filter(token_family=token_family, ended_at=None).update(ended_at=now)
    # A code that wasn't redeemed yet never will be.
    Grant.objects.filter(token_family=token_family, consumed_at=None).update(consumed_at=now)
    outbox.revoke_keys(EndUserApiKey.objects.filter(token_family=token_family))
    record(Event.ACCESS_ENDED, token_family=token_family)
    transaction.on_commit(outbox.deliver_soon)


def revoke_access(**whose: Any) -> int:
    """End every sign-in that matches, such as `user=...`; how many there were.

    Those too whose code isn't redeemed yet.
    """
    consents = Consent.objects.in_force().filter(**whose)
    families = {*token_families(**whose), *consents.values_list("token_family", flat=True)}
    for family in families:
        revoke_family(family)
    return len(families)


def revoke_token(token_checksum: str, application: Application) -> bool:
    """End the sign-in that a client's token belongs to; False when it is another client's.

    A token nobody has is as good as revoked.
    """
    for family in token_families(token_checksum=token_checksum, application=application):
        revoke_family(family)
        return True
    return not token_families(token_checksum=token_checksum)


def token_families(**which: Any) -> set[uuid.UUID]:
    live = RefreshToken.objects.filter(revoked=None, **which)
    families = {
        *live.values_list("token_family", flat=True),
        *AccessToken.objects.filter(**which).values_list("token_family", flat=True),
    }
    return {family for family in families if family is not None}


def shut_out(**whose: Any) -> int:
    """End the sign-ins of a `user` or `organization_id`, and delete the keys they made here."""
    ended = revoke_access(**whose)
    outbox.revoke_keys(EndUserApiKey.objects.filter(**whose))
    outbox.deliver_soon()
    return ended


def retire(refresh_token: RefreshToken, *, after: datetime) -> None:
    """Let a rotated pair live on for its grace period, for requests that are under way with it."""
    access_token = refresh_token.access_token
    if access_token is None or access_token.expires <= after:
        return
    AccessToken.objects.filter(pk=access_token.pk).update(expires=after)
    if access_token.kind == TokenKind.API_KEY:
        outbox.schedule_deletion([access_token.api_key], not_before=after)


def find_membership(token: RefreshToken) -> Organization | None:
    """Ask PropelAuth at every refresh; somebody blocked, deleted or removed loses the family.

    Raises PropelAuthUnavailable: no answer is no verdict, and the client may try again.
    """
    if not token.user.may_use(token.organization_id):
        revoke_of(token)
        return None
    try:
        person = propelauth().get_user(str(token.user.propelauth_user_id))
    except PropelAuthRefused:
        person = None
    if person and person.enabled:
        membership = person.find_organization(token.organization_id)
        if membership is not None:
            return membership
    logger.info("refresh refused: user %s is no longer in the organization", token.user_id)
    record(
        Event.MEMBERSHIP_LOST,
        user=token.user,
        application=token.application,
        organization_id=token.organization_id,
        token_family=token.token_family,
    )
    revoke_of(token)
    return None


def last_membership(token: RefreshToken) -> Organization | None:
    """As PropelAuth said when it was last asked, at the latest token of the family."""
    assert token.token_family is not None  # every row of ours has one
    last = AccessToken.objects.filter(token_family=token.token_family).order_by("-pk").first()
    return Organization(token.organization_id, "", last.role) if last else None


def revoke_of(token: RefreshToken) -> None:
    assert token.token_family is not None  # every row of ours has one
    revoke_family(token.token_family)
