"""Settings that must not go live; each with a stable id and what to do.

Errors stop every command of manage.py; warnings are for `check --deploy`. Django and the toolkit
check what is theirs: DEBUG, SECRET_KEY, cookies, HSTS, the RFC 9700 switches.
"""

import base64
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register
from django.db import connection

from oauth_bridge.models import TokenKind
from oauth_bridge.redirect_uris import LOOPBACK_HOSTS

# RFC 8414 §2: an issuer has no query and no fragment.
ORIGIN = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


@register
def public_url(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    parts = urlsplit(settings.PUBLIC_URL)
    if not ORIGIN.fullmatch(settings.PUBLIC_URL):
        hint = "Set PUBLIC_URL to https://HOST or https://HOST:PORT, without a path."
        return [Error("PUBLIC_URL is no origin.", hint=hint, id="oauth_bridge.E001")]
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        hint = "Plain http is for loopback only; set PUBLIC_URL to https://HOST."
        return [Error("PUBLIC_URL isn't https.", hint=hint, id="oauth_bridge.E002")]
    return []


@register
def encryption_keys(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    try:
        keys = [Fernet(key) for key in settings.ENCRYPTION_KEYS]
    except ValueError:
        keys = []
    if keys:
        return []
    hint = "Set ENCRYPTION_KEYS to one or more keys of Fernet.generate_key(), newest first."
    return [Error("ENCRYPTION_KEYS has no usable key.", hint=hint, id="oauth_bridge.E003")]


@register
def token_settings(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    errors = []
    if settings.ACCESS_TOKEN_KIND not in TokenKind.values:
        hint = f"Set ACCESS_TOKEN_KIND to one of {', '.join(TokenKind.values)}."
        errors.append(Error("Unknown ACCESS_TOKEN_KIND.", hint=hint, id="oauth_bridge.E004"))
    if timedelta(minutes=1) < settings.CREDENTIAL_VERDICT_LIFETIME:
        hint = "A revoked key must stop working within a minute; set it to 60 or less."
        errors.append(
            Error("CREDENTIAL_VERDICT_LIFETIME is too long.", hint=hint, id="oauth_bridge.E005")
        )
    if timedelta(minutes=5) < settings.REFRESH_TOKEN_GRACE:
        hint = "A stolen refresh token works that long unnoticed; set it to 60."
        errors.append(Error("REFRESH_TOKEN_GRACE is too long.", hint=hint, id="oauth_bridge.E006"))
    return errors


@register
def propelauth_urls(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Codes, users' tokens and our own credentials go there."""
    hint = "Use https; plain http is for loopback only."
    return [
        Error(f"{name} isn't https.", hint=hint, id="oauth_bridge.E007")
        for name in ("PROPELAUTH_AUTH_URL", "PROPELAUTH_BACKEND_URL")
        if not is_https_or_loopback(getattr(settings, name))
    ]


def is_https_or_loopback(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))


def is_loopback(host: str | None) -> bool:
    return host in LOOPBACK_HOSTS


POSITIVE = (
    "PROPELAUTH_TIMEOUT",
    "ACCESS_TOKEN_LIFETIME",
    "OPAQUE_TOKEN_LIFETIME",
    "REFRESH_TOKEN_LIFETIME",
    "REFRESH_TOKEN_MAX_LIFETIME",
    "AUTHORIZATION_CODE_LIFETIME",
    "SIGN_IN_LIFETIME",
    "KEY_MINTING_PATIENCE",
    "CONNECT_API_KEY_LIFETIME",
    "UNUSED_CLIENT_LIFETIME",
    "IDLE_CLIENT_LIFETIME",
    "SECURITY_EVENT_RETENTION",
    "REGISTRATIONS_PER_ADDRESS",
    "REGISTRATIONS_PER_VENDOR",
    "CREDENTIAL_REFUSALS_PER_MINUTE",
    "SIGN_INS_PER_ADDRESS",
    "ADMIN_LOGINS_PER_ADDRESS",
    "ADMIN_LOGINS_PER_ACCOUNT",
    "DATABASE_POOL_SIZE",
)
NOT_NEGATIVE = (
    "REFRESH_TOKEN_GRACE",
    "OUTAGE_TOLERANCE",
    "CREDENTIAL_VERDICT_LIFETIME",
    "TRUSTED_PROXY_COUNT",
)


@register
def numbers(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    hint = "Leave it unset for the default."
    return [
        Error(f"{name} must be positive.", hint=hint, id="oauth_bridge.E008")
        for name in POSITIVE
        if value_of(name) <= 0
    ] + [
        Error(f"{name} is negative.", hint=hint, id="oauth_bridge.E008")
        for name in NOT_NEGATIVE
        if value_of(name) < 0
    ]


def value_of(name: str) -> float:
    """A number, or the seconds of a duration."""
    value: float | timedelta = getattr(settings, name)
    return value.total_seconds() if isinstance(value, timedelta) else value


# `check --deploy` ----------------------------------------------------------------------------

# Setting, the most that is safe, id, why.
AT_MOST = (
    (
        "AUTHORIZATION_CODE_LIFETIME",
        timedelta(minutes=10),
        "oauth_bridge.W002",
        "OAuth 2.1 section 4.1.2: a code lives ten minutes at most.",
    ),
    (
        "ACCESS_TOKEN_LIFETIME",
        timedelta(hours=24),
        "oauth_bridge.W003",
        "Such a token is a Wiv API key with its user's whole role.",
    ),
    (
        "OPAQUE_TOKEN_LIFETIME",
        timedelta(hours=24),
        "oauth_bridge.W003",
        "A stolen token works that long; refreshing costs its user nothing.",
    ),
    (
        "REFRESH_TOKEN_MAX_LIFETIME",
        timedelta(days=366),
        "oauth_bridge.W004",
        "Nobody is asked again whether they still want the client to have access.",
    ),
    (
        "SIGN_IN_LIFETIME",
        timedelta(minutes=10),
        "oauth_bridge.W005",
        "MCP's security best practices: the upstream state lives ten minutes at most.",
    ),
    (
        "CONNECT_API_KEY_LIFETIME",
        timedelta(days=366),
        "oauth_bridge.W006",
        "Such keys lie in configuration files.",
    ),
    (
        "REGISTRATIONS_PER_ADDRESS",
        1000,
        "oauth_bridge.W010",
        "Anonymous callers fill the database.",
    ),
    (
        "REGISTRATIONS_PER_VENDOR",
        100_000,
        "oauth_bridge.W010",
        "Anonymous callers fill the database.",
    ),
    (
        "CREDENTIAL_REFUSALS_PER_MINUTE",
        1000,
        "oauth_bridge.W010",
        "Each is a question to PropelAuth that anybody can cause.",
    ),
    ("SIGN_INS_PER_ADDRESS", 10_000, "oauth_bridge.W010", "Anonymous callers fill the database."),
    ("ADMIN_LOGINS_PER_ADDRESS", 100, "oauth_bridge.W010", "Anonymous callers guess passwords."),
    ("ADMIN_LOGINS_PER_ACCOUNT", 1000, "oauth_bridge.W010", "Anonymous callers guess passwords."),
)


@register(Tags.security, deploy=True)
def upper_bounds(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    return [
        Warning(f"{name} is above {most}.", hint=why, id=id)
        for name, most, id, why in AT_MOST
        if getattr(settings, name) > most
    ]


@register(Tags.security, deploy=True)
def public_address(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    parts = urlsplit(settings.PUBLIC_URL)
    if is_loopback(parts.hostname):
        hint = "Set PUBLIC_URL to the https URL clients type."
        yield Warning("PUBLIC_URL is loopback.", hint=hint, id="oauth_bridge.W001")
    elif parts.scheme == "https" and settings.TRUSTED_PROXY_COUNT == 0:
        hint = (
            "This server speaks plain http, so something in front of it ends TLS. Set "
            "TRUSTED_PROXY_COUNT, or everybody counts as one address."
        )
        yield Warning("No proxy is trusted.", hint=hint, id="oauth_bridge.W007")
    if any(host.startswith((".", "*")) for host in settings.ALLOWED_HOSTS):
        hint = "Name each host: any Host header would pass, and with it DNS rebinding."
        yield Warning("ALLOWED_HOSTS has a wildcard.", hint=hint, id="oauth_bridge.W011")


@register(Tags.security, deploy=True)
def weak_encryption_keys(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Somebody's placeholder: 32 random bytes have some 30 different values, and never below 16."""
    if all(len(set(_decoded(key))) >= 16 for key in settings.ENCRYPTION_KEYS):
        return []
    hint = "Make each with Fernet.generate_key()."
    return [Warning("A key in ENCRYPTION_KEYS isn't random.", hint=hint, id="oauth_bridge.W008")]


def _decoded(key: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(key)
    except ValueError:
        return b""


@register(Tags.security, deploy=True)
def record_and_token_kind(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    if timedelta(days=30) > settings.SECURITY_EVENT_RETENTION:
        hint = "A theft is often noticed weeks later; keep 30 days or more."
        yield Warning("SECURITY_EVENT_RETENTION is short.", hint=hint, id="oauth_bridge.W009")
    if settings.REFRESH_TOKEN_LIFETIME > settings.REFRESH_TOKEN_MAX_LIFETIME:
        hint = "The longer one has no effect; set it below the other."
        yield Warning(
            "REFRESH_TOKEN_LIFETIME is above REFRESH_TOKEN_MAX_LIFETIME.",
            hint=hint,
            id="oauth_bridge.W004",
        )
    if settings.ACCESS_TOKEN_KIND == TokenKind.API_KEY:
        hint = "docs/security.md says what that means; ACCESS_TOKEN_KIND=opaque is hardened."
        yield Info("Access tokens are Wiv API keys.", hint=hint, id="oauth_bridge.I001")


@register(Tags.database, deploy=True)
def one_process_only(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    if connection.vendor != "sqlite":
        return []
    hint = "SQLite is for one process; set DATABASE_URL=postgresql://..."
    return [Warning("The database is SQLite.", hint=hint, id="oauth_bridge.W012")]
