"""How /token comes by an access token without holding a transaction over HTTP.

    claim   one short transaction: this redemption alone goes on, and its intent is written down
    mint    PropelAuth makes the key; repeated for a while, because no client repeats /token
    store   one short transaction (validator.save_bearer_token): the pair kept, the code consumed

A crash between mint and store leaves a key that nobody was given; its row, written by the claim,
names it by `mint_id`.
"""

import logging
import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from oauthlib.common import Request as OAuthRequest
from oauthlib.oauth2.rfc6749.errors import InvalidGrantError

from oauth_bridge import outbox
from oauth_bridge.encryption import encrypt, is_readable
from oauth_bridge.errors import (
    BridgeError,
    MintingFailed,
    PropelAuthError,
    PropelAuthMisconfigured,
    PropelAuthRefused,
    PropelAuthUnavailable,
)
from oauth_bridge.events import Event, record
from oauth_bridge.families import revoke_family
from oauth_bridge.models import Application, EndUserApiKey, Grant, RefreshToken, TokenKind, User
from oauth_bridge.propelauth import MintedKey, propelauth, release_connection
from oauth_bridge.secret import Secret

logger = logging.getLogger(__name__)

# Prefixes let secret scanners name what they found.
OPAQUE_PREFIX = "wivmcp_at_"
REFRESH_PREFIX = "wivmcp_rt_"
# The upstream key outlives its token a little, so that a call under way doesn't lose it.
KEY_MARGIN = timedelta(minutes=5)
PAUSE_SECONDS = 0.2
# A token is taken for longer than its client was told, who begins to count when the answer arrives:
# a request that set out in time would else be answered 401, and some clients sign their user out.
ON_ITS_WAY = timedelta(seconds=10)
# What a client has of a token that lives less is only the next refresh.
SHORTEST_TOKEN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Mint:
    """One access token in the making, from the claim to the store."""

    id: uuid.UUID
    kind: TokenKind
    expires: datetime
    token_family: uuid.UUID
    organization_id: str
    key: EndUserApiKey
    # PropelAuth was asked about the person, and answered.
    is_confirmed: bool = True


def generate_refresh_token(request: OAuthRequest, refresh_token: bool = True) -> str:
    return REFRESH_PREFIX + secrets.token_urlsafe(32)


def generate_access_token(request: OAuthRequest, refresh_token: bool = False) -> str:
    """The toolkit's ACCESS_TOKEN_GENERATOR: called once the request is known to be good.

    Leaves `request.mint` for the store. Raises InvalidGrantError for a code that another request
    redeemed meanwhile, and MintingFailed when PropelAuth stays away.
    """
    claim = claim_code if request.grant_type == "authorization_code" else claim_refresh
    mint = request.mint = claim(request, token_kind(request.scopes))
    try:
        minted = _obtain_key(mint)
    except PropelAuthRefused as error:
        logger.warning("PropelAuth refuses a key: %s", error)
        Grant.objects.filter(claim=mint.id).update(consumed_at=timezone.now())
        revoke_family(mint.token_family)
        raise InvalidGrantError(request=request) from error
    except BridgeError:
        abandon(mint)
        raise
    return _keep(mint, minted)


def token_kind(scopes: list[str]) -> TokenKind:
    """A raw key can do whatever its user can, so a grant that may not write never gets one."""
    if "wiv:write" not in scopes:
        return TokenKind.OPAQUE
    return TokenKind(settings.ACCESS_TOKEN_KIND)


def key_reserve(kind: TokenKind) -> timedelta:
    """How much longer than its token a key lives; behind opaque ones, refreshes may draw on it."""
    return KEY_MARGIN + (settings.OUTAGE_TOLERANCE if kind == TokenKind.OPAQUE else timedelta())


def lifetime(kind: TokenKind) -> timedelta:
    lifetimes: dict[TokenKind, timedelta] = {
        TokenKind.API_KEY: settings.ACCESS_TOKEN_LIFETIME,
        TokenKind.OPAQUE: settings.OPAQUE_TOKEN_LIFETIME,
    }
    return lifetimes[kind]


# Claim ---------------------------------------------------------------------------------------


def claim_code(request: OAuthRequest, kind: TokenKind) -> Mint:
    """Waits while another request is minting for the same code: it may yet give up."""
    deadline = time.monotonic() + settings.KEY_MINTING_PATIENCE.total_seconds()
    while True:
        mint = _try_claim_code(request, kind)
        if mint is not None:
            return mint
        if Grant.objects.filter(pk=request.grant.pk).exclude(consumed_at=None).exists():
            raise InvalidGrantError(request=request)
        if time.monotonic() > deadline:
            raise MintingFailed("another request holds the code")
        pause()


def pause() -> None:
    release_connection()
    time.sleep(PAUSE_SECONDS)


@transaction.atomic
def _try_claim_code(request: OAuthRequest, kind: TokenKind) -> Mint | None:
    now = timezone.now()
    mint_id = uuid.uuid4()
    # A claim this old belongs to a worker that died.
    abandoned = now - outbox.longest_mint()
    claimed = (
        Grant.objects.filter(pk=request.grant.pk, consumed_at=None)
        .filter(Q(claim=None) | Q(claimed_at__lt=abandoned))
        .update(claim=mint_id, claimed_at=now)
    )
    if not claimed:
        return None
    return _intend(
        request, kind, mint_id, request.grant.token_family, request.grant.organization_id
    )


def claim_refresh(request: OAuthRequest, kind: TokenKind) -> Mint:
    """A refresh is not exclusive: two that race inside the grace period both get a pair."""
    token: RefreshToken = request.refresh_token_instance
    assert token.token_family is not None  # every row of ours has one
    reusable = find_family_key(token.token_family) if kind == TokenKind.OPAQUE else None
    if request.is_unconfirmed:
        return _draw_on_reserve(token, reusable)
    if reusable is not None:
        return _mint(uuid.uuid4(), kind, token.token_family, token.organization_id, reusable)
    return _intend(request, kind, uuid.uuid4(), token.token_family, token.organization_id)


def _draw_on_reserve(token: RefreshToken, key: EndUserApiKey | None) -> Mint:
    """PropelAuth is away: an opaque token for as long as the family's key was confirmed for.

    Raises MintingFailed when that is over.
    """
    now = timezone.now()
    if key is None or key.expires - KEY_MARGIN < now + SHORTEST_TOKEN:
        raise MintingFailed("PropelAuth is away, and the key behind the token isn't good for more")
    assert token.token_family is not None
    logger.warning("a refresh without PropelAuth, which is away")
    return Mint(
        id=uuid.uuid4(),
        kind=TokenKind.OPAQUE,
        expires=min(now + lifetime(TokenKind.OPAQUE), key.expires - KEY_MARGIN),
        token_family=token.token_family,
        organization_id=token.organization_id,
        key=key,
        is_confirmed=False,
    )


def find_family_key(token_family: uuid.UUID) -> EndUserApiKey | None:
    """The live key behind a family's opaque tokens, if it can still be read."""
    keys = EndUserApiKey.objects.filter(
        token_family=token_family,
        purpose=EndUserApiKey.Purpose.BEHIND_OPAQUE_TOKEN,
        revoked_at=None,
        expires__gt=timezone.now(),
    )
    key = keys.exclude(api_key_id=None).first()
    if key is not None and not is_readable(key.encrypted_secret):
        # Its encryption key was dropped too early: a new one, so that nobody has to sign in again.
        outbox.revoke_keys(keys)
        return None
    return key


def _intend(
    request: OAuthRequest,
    kind: TokenKind,
    mint_id: uuid.UUID,
    token_family: uuid.UUID,
    organization_id: str,
) -> Mint:
    purposes = EndUserApiKey.Purpose
    key = EndUserApiKey.objects.create(
        mint_id=mint_id,
        purpose=purposes.ACCESS_TOKEN
        if kind == TokenKind.API_KEY
        else purposes.BEHIND_OPAQUE_TOKEN,
        user=request.user,
        organization_id=organization_id,
        application=request.client,
        token_family=token_family,
        name=request.client.name[:120],
        expires=timezone.now() + lifetime(kind) + key_reserve(kind),
    )
    return _mint(mint_id, kind, token_family, organization_id, key)


def _mint(
    mint_id: uuid.UUID,
    kind: TokenKind,
    token_family: uuid.UUID,
    organization_id: str,
    key: EndUserApiKey,
) -> Mint:
    return Mint(
        id=mint_id,
        kind=kind,
        expires=timezone.now() + lifetime(kind),
        token_family=token_family,
        organization_id=organization_id,
        key=key,
    )


# Mint ----------------------------------------------------------------------------------------


def _obtain_key(mint: Mint) -> MintedKey | None:
    """A new key, or None when the family's key goes on behind the next opaque token."""
    if mint.key.api_key_id is None:
        return patiently_create_key(mint.key)
    if not mint.is_confirmed:
        return None
    expires = mint.expires + key_reserve(mint.kind)
    try:
        patiently_extend_key(mint.key.api_key_id, expires)
    except MintingFailed:
        if mint.key.expires < mint.expires + KEY_MARGIN:
            raise
        return None
    EndUserApiKey.objects.filter(pk=mint.key.pk).update(expires=expires)
    return None


def patiently_create_key(key: EndUserApiKey) -> MintedKey:
    """Raises MintingFailed, or PropelAuthRefused when asking again is no use.

    After a try without an answer `key` stays uncertain: the answer may have been a key.
    """
    deadline = time.monotonic() + settings.KEY_MINTING_PATIENCE.total_seconds()
    key.uncertain = False
    while True:
        try:
            return _create_key(key)
        except PropelAuthRefused:
            raise
        except PropelAuthUnavailable as error:
            key.uncertain = True
            _wait_or_give_up(deadline, error)
        except PropelAuthMisconfigured as error:
            _wait_or_give_up(deadline, error)


def patiently_extend_key(api_key_id: str, expires: datetime) -> None:
    """Raises as patiently_create_key; saying it twice does no harm here."""
    deadline = time.monotonic() + settings.KEY_MINTING_PATIENCE.total_seconds()
    while True:
        try:
            return propelauth().extend_api_key(api_key_id, expires)
        except PropelAuthRefused:
            raise
        except PropelAuthError as error:
            _wait_or_give_up(deadline, error)


def _wait_or_give_up(deadline: float, error: PropelAuthError) -> None:
    logger.warning("minting a key failed: %s", error)
    if time.monotonic() + PAUSE_SECONDS > deadline:
        raise MintingFailed(str(error)) from error
    pause()


def _create_key(key: EndUserApiKey) -> MintedKey:
    application: Application | None = key.application
    owner: User = key.user
    return propelauth().create_api_key(
        user_id=str(owner.propelauth_user_id),
        organization_id=key.organization_id,
        expires_at=key.expires,
        metadata={
            "issuer": settings.PUBLIC_URL,
            "kind": key.purpose,
            "mint_id": str(key.mint_id),
            "family": str(key.token_family or ""),
            "client": application.client_id if application else "",
        },
        display_name=f"{key.name or 'MCP client'} (wivmcp)",
    )


def _keep(mint: Mint, minted: MintedKey | None) -> str:
    """Remember the key by id and checksum; the token that /token will answer with."""
    if minted is not None:
        remember_key(mint.key, minted)
    if mint.kind == TokenKind.API_KEY:
        assert minted is not None  # only an opaque token's key is used again
        return minted.secret.reveal()
    return OPAQUE_PREFIX + secrets.token_urlsafe(32)


def remember_key(key: EndUserApiKey, minted: MintedKey) -> None:
    key.api_key_id = minted.api_key_id
    key.checksum = minted.secret.checksum()
    if key.purpose == EndUserApiKey.Purpose.BEHIND_OPAQUE_TOKEN:
        key.encrypted_secret = encrypt(minted.secret)
    key.save(update_fields=["api_key_id", "checksum", "encrypted_secret"])


def hand_over(key: EndUserApiKey) -> None:
    """Somebody has the key now. Until then its row stays uncertain, lest we die in between."""
    key.save(update_fields=["uncertain"])


def abandon(mint: Mint) -> None:
    """Give the code back, so that it stays redeemable, and drop what was minted for it."""
    Grant.objects.filter(claim=mint.id, consumed_at=None).update(claim=None, claimed_at=None)
    if mint.key.mint_id == mint.id:
        outbox.revoke_keys(EndUserApiKey.objects.filter(pk=mint.key.pk))


def mint_connect_key(*, user: User, organization_id: str, name: str, expires: datetime) -> Secret:
    """A key somebody asked for on /connect. Raises MintingFailed or PropelAuthRefused."""
    key = EndUserApiKey.objects.create(
        purpose=EndUserApiKey.Purpose.CONNECT,
        user=user,
        organization_id=organization_id,
        name=name[:120],
        expires=expires,
    )
    try:
        minted = patiently_create_key(key)
    except BridgeError:
        outbox.revoke_keys(EndUserApiKey.objects.filter(pk=key.pk))
        raise
    remember_key(key, minted)
    hand_over(key)
    record(Event.API_KEY_MADE, user=user, organization_id=organization_id, reason=minted.api_key_id)
    return minted.secret
