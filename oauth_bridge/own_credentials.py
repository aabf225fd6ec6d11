"""Is an API key or JWT that a user brought good, and whose is it? PropelAuth knows.

API keys: PropelAuth's verdict, kept by checksum for CREDENTIAL_VERDICT_LIFETIME; a refusal for ten
seconds, so that a client in a loop doesn't become a load there, and so many a minute and caller, so
that nobody guesses keys through us. JWTs: RS256 with PropelAuth's key.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import jwt
from django.conf import settings

from oauth_bridge.errors import PropelAuthError, PropelAuthRefused
from oauth_bridge.models import EndUserApiKey, RateCounter
from oauth_bridge.propelauth import KeyOwner, propelauth, role_in
from oauth_bridge.secret import Secret
from telemetry import metrics

REFUSAL_LIFETIME_SECONDS = 10.0
VERIFICATION_KEY_LIFETIME_SECONDS = 3600.0
MAX_VERDICTS = 10_000
JWT_LEEWAY_SECONDS = 60


class CredentialRefused(Exception):
    """Not a credential we take; says why, for the log."""


class OwnerUnknown(Exception):
    """PropelAuth gave no verdict."""


class TooManyRefusals(Exception):
    """This caller's credentials were refused so often that PropelAuth isn't asked for a while."""


@dataclass(frozen=True, slots=True)
class Owner:
    """`subject` is PropelAuth's user id; an organization's key without a user has its own form."""

    subject: str
    organization_id: str
    role: str


Verdict = Owner | CredentialRefused


class Verdicts:
    """Checksum -> verdict, until a moment of the monotonic clock; the oldest goes when full."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[float, Verdict]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, checksum: str) -> Verdict | None:
        with self._lock:
            until, verdict = self._kept.get(checksum, (0.0, None))
        return verdict if until > time.monotonic() else None

    def was_good(self, checksum: str) -> bool:
        with self._lock:
            _, verdict = self._kept.get(checksum, (0.0, None))
        return isinstance(verdict, Owner)

    def keep(self, checksum: str, verdict: Verdict) -> None:
        lifetime = settings.CREDENTIAL_VERDICT_LIFETIME.total_seconds()
        if isinstance(verdict, CredentialRefused):
            lifetime = min(lifetime, REFUSAL_LIFETIME_SECONDS)
        with self._lock:
            self._kept[checksum] = (time.monotonic() + lifetime, verdict)
            self._kept.move_to_end(checksum)
            if len(self._kept) > MAX_VERDICTS:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()


verdicts = Verdicts()


def is_jwt(credential: Secret) -> bool:
    """Three non-empty dot-separated segments (RFC 7519 §3); the one kind its shape gives away."""
    segments = credential.reveal().split(".")
    return len(segments) == 3 and all(segments)


# API keys ------------------------------------------------------------------------------------


def verify_api_key(api_key: Secret, caller: str) -> Owner:
    """Raises CredentialRefused, OwnerUnknown or TooManyRefusals."""
    if not settings.ACCEPT_API_KEYS:
        raise CredentialRefused("API keys aren't accepted here")
    verdict = verdicts.find(api_key.checksum())
    metrics.verdict_found(is_known=verdict is not None)
    if isinstance(verdict, CredentialRefused):
        raise CredentialRefused(str(verdict))
    if verdict is not None:
        return verdict
    if verdicts.was_good(api_key.checksum()):
        # Others at the same address may have used up what it may have refused.
        return revalidate(api_key)
    with counted_refusals(caller):
        return revalidate(api_key)


def revalidate(api_key: Secret) -> Owner:
    """As verify_api_key, but asks PropelAuth now."""
    try:
        owner = _judge(require_known(api_key))
    except CredentialRefused as refused:
        verdicts.keep(api_key.checksum(), refused)
        raise
    verdicts.keep(api_key.checksum(), owner)
    return owner


@contextmanager
def counted_refusals(caller: str) -> Iterator[None]:
    """Raises TooManyRefusals before anything is asked, and counts what is refused inside."""
    bucket, minute = f"credentials refused to {caller}", timedelta(minutes=1)
    if RateCounter.objects.counted(bucket, minute) >= settings.CREDENTIAL_REFUSALS_PER_MINUTE:
        raise TooManyRefusals
    try:
        yield
    except CredentialRefused:
        RateCounter.objects.count_one(bucket, minute)
        raise


def require_known(api_key: Secret) -> KeyOwner:
    """What PropelAuth says of a key, ours or not. Raises CredentialRefused or OwnerUnknown."""
    try:
        return propelauth().validate_api_key(api_key)
    except PropelAuthRefused as error:
        raise CredentialRefused(str(error)) from error
    except PropelAuthError as error:
        raise OwnerUnknown(str(error)) from error


def _judge(key: KeyOwner) -> Owner:
    """Raises CredentialRefused for keys that exist, but that nobody may bring."""
    if is_marked_as_ours(key.metadata):
        raise CredentialRefused("a key minted here, without a live row")
    if not key.organization_id:
        raise CredentialRefused("a key without organization")
    subject = key.user_id or f"organization:{key.organization_id}"
    return Owner(subject, key.organization_id, key.role)


def is_marked_as_ours(metadata: Any) -> bool:
    """Was the key minted by this server, other than for its user's own use?"""
    return (
        isinstance(metadata, dict)
        and metadata.get("issuer") == settings.PUBLIC_URL
        and metadata.get("kind") != EndUserApiKey.Purpose.CONNECT
    )


# JWTs ----------------------------------------------------------------------------------------


def verify_jwt(token: Secret) -> Owner:
    """Raises CredentialRefused or OwnerUnknown."""
    if not settings.ACCEPT_PROPELAUTH_JWTS:
        raise CredentialRefused("JWTs aren't accepted here")
    try:
        claims = jwt.decode(
            token.reveal(),
            _verification_key(),
            algorithms=["RS256"],
            issuer=f"https://{urlsplit(settings.PROPELAUTH_AUTH_URL).netloc}",
            leeway=JWT_LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "iss", "sub"], "verify_aud": False},
        )
    except jwt.InvalidTokenError as error:
        raise CredentialRefused(f"JWT: {type(error).__name__}") from error
    organization_id, membership = _active_membership(claims)
    return Owner(str(claims["sub"]), organization_id, role_in(membership))


def _active_membership(claims: dict[str, Any]) -> tuple[str, object]:
    """`org_member_info` of an active organization, or the only membership there is."""
    active = claims.get("org_member_info")
    memberships = claims.get("org_id_to_org_member_info")
    if isinstance(active, dict) and isinstance(active.get("org_id"), str):
        return str(active["org_id"]), active
    if isinstance(memberships, dict) and len(memberships) == 1:
        [(organization_id, membership)] = memberships.items()
        return str(organization_id), membership
    raise CredentialRefused("JWT without one active organization")


_verification_key_kept: tuple[float, str] = (0.0, "")


def _verification_key() -> str:
    global _verification_key_kept
    until, key = _verification_key_kept
    if until > time.monotonic():
        return key
    try:
        key = propelauth().get_verification_key()
    except PropelAuthError as error:
        raise OwnerUnknown(str(error)) from error
    _verification_key_kept = (time.monotonic() + VERIFICATION_KEY_LIFETIME_SECONDS, key)
    return key
