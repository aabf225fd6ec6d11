"""Encryption of the few secrets that must be read back (MultiFernet, keys from ENCRYPTION_KEYS)."""

from dataclasses import dataclass
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db.models import Model

from oauth_bridge.errors import SecretUnreadable
from oauth_bridge.secret import Secret


@dataclass(frozen=True, slots=True)
class EncryptedField:
    """A column of encrypted secrets ("" for none), and what its rows are called."""

    model: type[Model]
    name: str
    what: str


_registered: list[EncryptedField] = []


def register_encrypted(model: type[Model], name: str, what: str) -> None:
    """For apps that this one doesn't know, so that rotate_encryption reaches theirs too."""
    field = EncryptedField(model, name, what)
    if field not in _registered:
        _registered.append(field)


def encrypted_fields() -> list[EncryptedField]:
    return list(_registered)


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
