"""Settings that must not go live; each with a stable id and what to do."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from oauth_bridge.models import TokenKind
from oauth_bridge.redirect_uris import LOOPBACK_HOSTS


@register
def public_url(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    parts = urlsplit(settings.PUBLIC_URL)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
        hint = "Set PUBLIC_URL to https://HOST, without a path."
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
    if settings.CREDENTIAL_VERDICT_LIFETIME.total_seconds() > 60:
        hint = "A revoked key must stop working within a minute; set it to 60 or less."
        errors.append(
            Error("CREDENTIAL_VERDICT_LIFETIME is too long.", hint=hint, id="oauth_bridge.E005")
        )
    return errors
