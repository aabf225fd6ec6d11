"""Encryption of the few secrets that must be read back (MultiFernet, keys from ENCRYPTION_KEYS)."""

from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from oauth_bridge.errors import SecretUnreadable
from oauth_bridge.secret import Secret


def encrypt(secret: Secret) -> str:
    return _fernet(tuple(settings.ENCRYPTION_KEYS)).encrypt(secret.reveal().encode()).decode()


def decrypt(encrypted: str) -> Secret:
    """Raises SecretUnreadable when none of the keys fits, as after a key was dropped too early."""
    try:
        return Secret(_fernet(tuple(settings.ENCRYPTION_KEYS)).decrypt(encrypted.encode()).decode())
    except InvalidToken as error:
        raise SecretUnreadable from error


def is_readable(encrypted: str) -> bool:
    try:
        decrypt(encrypted)
    except SecretUnreadable:
        return False
    return True


def reencrypt(encrypted: str) -> str:
    """The same secret, encrypted with the newest key. Raises SecretUnreadable."""
    try:
        return _fernet(tuple(settings.ENCRYPTION_KEYS)).rotate(encrypted.encode()).decode()
    except InvalidToken as error:
        raise SecretUnreadable from error


@cache
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])
