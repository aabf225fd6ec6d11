"""Who is calling, and with which Wiv credential? The gateway's only door into this app.

A presented credential is decided by look-up, never by its shape: an API key and an opaque token
look alike. In this order:

1. A live row of ours: no question to PropelAuth.
2. Any other trace of it here (expired, revoked, cleaned up): refused, whatever PropelAuth thinks.
3. A JWT, recognisable by its three segments: checked with PropelAuth's public key.
4. Anything else may be an API key its owner brought: PropelAuth decides, for a minute.
"""

import dataclasses
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

import django.db
from django.conf import settings
from django.db.models import Exists
from django.utils import timezone

from oauth_bridge import own_credentials
from oauth_bridge.cleanup import register_cleanup
from oauth_bridge.database import (
    is_outage,
    once_more,
    replace_dead_connections,
    returning_connection,
)
from oauth_bridge.encryption import decrypt, encrypt, register_encrypted
from oauth_bridge.erasure import Part
from oauth_bridge.errors import SecretUnreadable
from oauth_bridge.events import Event, record_refusal
from oauth_bridge.families import revoke_family
from oauth_bridge.issued_tokens import DENIALS_OF_TOKEN, IssuedToken, find_issued_token
from oauth_bridge.loop_connection import close_for_this_loop, open_for_this_loop
from oauth_bridge.minting import OPAQUE_PREFIX, REFRESH_PREFIX
from oauth_bridge.models import (
    AccessToken,
    Application,
    Consent,
    Denial,
    EndUserApiKey,
    TokenKind,
    User,
)
from oauth_bridge.network import address_of, network_of
from oauth_bridge.own_credentials import (
    CredentialRefused,
    Owner,
    OwnerUnknown,
    TooManyRefusals,
    is_jwt,
)
from oauth_bridge.resources import register_parts, resources_that_include
from oauth_bridge.secret import Secret
from oauth_bridge.threads import ask_database, ask_propelauth, close_threads_connections

__all__ = [
    "CredentialError",
    "ExpiredToken",
    "InvalidCredential",
    "Part",
    "RevokedCredential",
    "Secret",
    "SecretUnreadable",
    "TokenGrant",
    "TooManyAttempts",
    "VerdictUnavailable",
    "WrongResource",
    "address_of",
    "confirm",
    "connected",
    "decrypt",
    "encrypt",
    "find_good",
    "find_grant",
    "find_key_owner",
    "is_jwt",
    "is_outage",
    "once_more",
    "register_cleanup",
    "register_encrypted",
    "register_parts",
    "replace_dead_connections",
    "returning_connection",
    "scopes_offered",
]

logger = logging.getLogger(__name__)

Kind = Literal["api_key", "opaque", "own_api_key", "jwt"]
ALL_SCOPES = frozenset(settings.SCOPES)
# How exactly it is kept when something was last used; writing it at each call would cost more.
USE_RESOLUTION = timedelta(minutes=1)
# Credentials in one question, when many are asked about. SQLite took a thousand once.
BATCH_SIZE = 900


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """What one presented credential stands for, true at the moment it was looked up.

    `subject` is PropelAuth's user id. `credential` is what goes to Wiv, and is the presented token
    itself for every kind but "opaque". `client_name` is the client's own claim: show, never trust.
    """

    kind: Kind
    subject: str
    organization_id: str
    role: str
    client_id: str
    client_name: str
    scopes: frozenset[str]
    credential: Secret
    expires_at: datetime | None


class CredentialError(Exception):
    """A credential that can't be used now. The client is told `description`, the log `reason`."""

    def __init__(self, description: str, *, reason: str = "") -> None:
        super().__init__(reason or description)
        self.description = description


class InvalidCredential(CredentialError):
    """It isn't known, or one of the three below: 401 with `error="invalid_token"`."""


class ExpiredToken(InvalidCredential):
    """One of ours, which its client may refresh."""


class RevokedCredential(InvalidCredential):
    """One of ours that was ended before its time."""


class WrongResource(InvalidCredential):
    """One of ours, for another part of this server (RFC 8707)."""


class VerdictUnavailable(CredentialError):
    """PropelAuth had to be asked and didn't answer: 503 with `Retry-After`."""


class TooManyAttempts(CredentialError):
    """So many credentials of this caller were refused that no more are tried: 429."""


async def find_grant(credential: Secret, resource: str, address: str | None = None) -> TokenGrant:
    """The grant behind a presented token or API key, for use at `resource` (a canonical URL).

    `address` is the caller's, whose refusals are counted. Raises InvalidCredential,
    VerdictUnavailable or TooManyAttempts.
    """
    grant = await _find_issued(credential, resource)
    if grant is not None:
        return grant
    try:
        owner = await _find_owner(credential, network_of(address))
    except InvalidCredential as error:
        event = Event.CREDENTIAL_REFUSED
        put_on_record = partial(record_refusal, event, address=address, reason=str(error))
        await ask_database(put_on_record)
        raise
    return _own_grant(credential, owner)


async def find_good(credentials: Iterable[Secret], resource: str) -> set[Secret]:
    """Those that are good, by a few questions for all of them together: to watch many of them.

    PropelAuth isn't asked. What isn't among them may be good all the same; find_grant knows.
    """
    return await ask_database(partial(_find_good, list(credentials), resource))


async def find_key_owner(api_key: Secret, grant: TokenGrant) -> TokenGrant:
    """`grant` with another Wiv API key behind it (the `_wiv_api_key` argument), owner included.

    The connection's scopes stay. Raises InvalidCredential, VerdictUnavailable or TooManyAttempts.
    """
    await ask_database(partial(_refuse_what_we_issued, api_key))
    owner = await _find_owner(api_key, f"{grant.subject} {grant.organization_id}")
    return dataclasses.replace(
        grant,
        kind=_own_kind(api_key),
        subject=owner.subject,
        organization_id=owner.organization_id,
        role=owner.role,
        credential=api_key,
    )


async def confirm(grant: TokenGrant) -> bool:
    """Ask PropelAuth again, once, after Wiv answered 401. False means: it's gone, and now revoked.

    True also when PropelAuth doesn't answer: only its verdict revokes.
    """
    ask_again: dict[Kind, Callable[[Secret], object]] = {
        "api_key": own_credentials.require_known,
        "opaque": own_credentials.require_known,
        "own_api_key": own_credentials.revalidate,
        "jwt": own_credentials.verify_jwt,
    }
    try:
        await ask_propelauth(partial(ask_again[grant.kind], grant.credential))
    except OwnerUnknown:
        return True
    except CredentialRefused:
        await ask_database(partial(_revoke_by_key, grant.credential))
        return False
    return True


def scopes_offered() -> Mapping[str, str]:
    """Scope -> what it lets a client do, in the words of the consent page."""
    scopes: Mapping[str, str] = settings.SCOPES
    return scopes


@asynccontextmanager
async def connected() -> AsyncIterator[None]:
    """While requests are served by the running loop, which then has a connection of its own."""
    open_for_this_loop()
    try:
        yield
    finally:
        await close_for_this_loop()
        await close_threads_connections()


# Credentials we issued -----------------------------------------------------------------------


async def _find_issued(credential: Secret, resource: str) -> TokenGrant | None:
    """The grant of a token of ours; None for a credential we have never seen."""
    token = await find_issued_token(credential.checksum())
    if token is None:
        await ask_database(partial(_refuse_what_we_issued, credential))
        return None
    _require_usable(token, resource)
    if is_use_due(token):
        await ask_database(partial(_note_use, token))
    return _grant_of(token, credential)


def _grant_of(token: IssuedToken, credential: Secret) -> TokenGrant:
    return TokenGrant(
        kind="opaque" if token.kind == TokenKind.OPAQUE else "api_key",
        subject=str(token.subject),
        organization_id=token.organization_id,
        role=token.role,
        client_id=token.client_id or "",
        client_name=token.client_name or "",
        scopes=frozenset(token.scope.split()),
        credential=_upstream_credential(token, credential),
        expires_at=token.expires,
    )


def _require_usable(token: IssuedToken, resource: str) -> None:
    if token.expires <= timezone.now():
        raise ExpiredToken("The access token has expired.")
    if not token.is_user_active:
        raise RevokedCredential("The access token was revoked.", reason="user inactive")
    if token.client_id is None or token.blocked_at is not None:
        raise RevokedCredential("The access token was revoked.", reason="client blocked")
    if resources_that_include(resource).isdisjoint(token.resource):
        raise WrongResource("The access token is for another resource.")
    if token.is_denied:
        raise RevokedCredential("The access token was revoked.", reason="denied here")


def is_use_due(token: IssuedToken) -> bool:
    return token.last_used_at is None or timezone.now() - token.last_used_at >= USE_RESOLUTION


def _note_use(token: IssuedToken) -> None:
    """A database that takes no writes, because its disk is full, doesn't end what is only read."""
    try:
        _write_use(token, timezone.now())
    except django.db.Error as error:
        if not is_outage(error):
            raise
        logger.warning("when a token was last used can't be written: %s", error)


def _write_use(token: IssuedToken, now: datetime) -> None:
    AccessToken.objects.filter(pk=token.pk).update(last_used_at=now)
    Application.objects.filter(pk=token.application_id).update(last_used_at=now)
    Consent.objects.filter(token_family=token.token_family).update(last_used_at=now)


def _upstream_credential(token: IssuedToken, presented: Secret) -> Secret:
    if token.kind == TokenKind.API_KEY:
        return presented
    try:
        return decrypt(token.encrypted_secret)
    except SecretUnreadable as error:
        raise RevokedCredential(
            "The access token was revoked.", reason="encrypted key unreadable"
        ) from error


def _refuse_what_we_issued(credential: Secret) -> None:
    """A key we made is never somebody's own key, unless they asked for it on /connect."""
    if credential.reveal().startswith((OPAQUE_PREFIX, REFRESH_PREFIX)):
        raise RevokedCredential("The access token was revoked or isn't known.")
    key = _find_key(credential)
    if key is None:
        return
    if not _may_be_brought(key):
        raise RevokedCredential("The access token was revoked.", reason="key of ours, not live")


def _may_be_brought(key: EndUserApiKey) -> bool:
    return key.purpose == EndUserApiKey.Purpose.CONNECT and key.is_live and key.user.is_active


def _find_key(credential: Secret) -> EndUserApiKey | None:
    return EndUserApiKey.objects.filter(checksum=credential.checksum()).first()


def _revoke_by_key(credential: Secret) -> None:
    key = _find_key(credential)
    if key is not None and key.token_family is not None:
        revoke_family(key.token_family)


# Credentials users bring ---------------------------------------------------------------------


async def _find_owner(credential: Secret, caller: str) -> Owner:
    check = (
        partial(own_credentials.verify_jwt, credential)
        if is_jwt(credential)
        else partial(own_credentials.verify_api_key, credential, caller)
    )
    try:
        owner = await ask_propelauth(check)
        await ask_database(partial(_refuse_denied, credential, owner))
    except TooManyRefusals as error:
        raise TooManyAttempts(
            "Too many credentials were refused. Try again in a minute.",
            reason=f"too many refusals: {caller}",
        ) from error
    except CredentialRefused as error:
        raise InvalidCredential(
            "The credential isn't valid here, has expired or was revoked.", reason=str(error)
        ) from error
    except OwnerUnknown as error:
        raise VerdictUnavailable(
            "The credential can't be checked just now.", reason=str(error)
        ) from error
    return owner


def _refuse_denied(credential: Secret, owner: Owner) -> None:
    """PropelAuth's yes may be a minute old; ours is asked each time."""
    denials = Denial.objects.of(user_id=owner.subject, organization_id=owner.organization_id)
    if (denials | Denial.objects.of_api_key(credential.checksum())).exists():
        raise CredentialRefused("denied here")
    if User.objects.filter(username=owner.subject, is_active=False).exists():
        raise CredentialRefused("user inactive here")


def _own_kind(credential: Secret) -> Kind:
    return "jwt" if is_jwt(credential) else "own_api_key"


def _own_grant(credential: Secret, owner: Owner) -> TokenGrant:
    return TokenGrant(
        kind=_own_kind(credential),
        subject=owner.subject,
        organization_id=owner.organization_id,
        role=owner.role,
        client_id="own-credential",
        client_name="",
        scopes=ALL_SCOPES,
        credential=credential,
        expires_at=None,
    )


# Many at once --------------------------------------------------------------------------------


def _find_good(credentials: list[Secret], resource: str) -> set[Secret]:
    good: set[Secret] = set()
    for begin in range(0, len(credentials), BATCH_SIZE):
        batch = {each.checksum(): each for each in credentials[begin : begin + BATCH_SIZE]}
        checksums = _good_tokens(batch.keys(), resource)
        checksums |= _good_keys(batch.keys() - checksums)
        good.update(batch[checksum] for checksum in checksums)
    return good


def _good_tokens(checksums: AbstractSet[str], resource: str) -> set[str]:
    """What `_find_issued` and `_require_usable` ask of each."""
    usable = AccessToken.objects.filter(
        ~Exists(DENIALS_OF_TOKEN),
        token_checksum__in=checksums,
        expires__gt=timezone.now(),
        user__is_active=True,
        application__isnull=False,
        application__blocked_at=None,
    )
    allowed = resources_that_include(resource)
    found = usable.values_list("token_checksum", "resource")
    return {checksum for checksum, resources in found if not allowed.isdisjoint(resources)}


def _good_keys(checksums: AbstractSet[str]) -> set[str]:
    """Of API keys that users bring: whose verdict is known, and who weren't shut out here."""
    if not settings.ACCEPT_API_KEYS:
        return set()
    verdicts = {checksum: own_credentials.verdicts.find(checksum) for checksum in checksums}
    owners = {checksum: each for checksum, each in verdicts.items() if isinstance(each, Owner)}
    if not owners:
        return set()
    ours = EndUserApiKey.objects.select_related("user").filter(checksum__in=owners)
    refused = {key.checksum for key in ours if not _may_be_brought(key)}
    people = {owner.subject for owner in owners.values()}
    organizations = {owner.organization_id for owner in owners.values()}
    inactive = User.objects.filter(username__in=people, is_active=False)
    refused.update(inactive.values_list("username", flat=True))
    refused.update(
        Denial.objects.of_any(people, organizations, owners).values_list("value", flat=True)
    )
    return {
        checksum
        for checksum, owner in owners.items()
        if refused.isdisjoint((checksum, owner.subject, owner.organization_id))
    }
