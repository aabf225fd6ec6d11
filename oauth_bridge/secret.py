"""A secret that doesn't show itself by accident, and what we keep of one we only compare."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Secret:
    """Holds a token, key or password; `repr`, `str` and f-strings show four characters at most."""

    _value: str

    def reveal(self) -> str:
        return self._value

    def checksum(self) -> str:
        return checksum(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return f"Secret(...{self._value[-4:]})" if len(self._value) >= 16 else "Secret(...)"

    __str__ = __repr__


def checksum(value: str) -> str:
    """SHA-256 in hex, enough for values of 128 random bits and more; the toolkit's form too."""
    return hashlib.sha256(value.encode()).hexdigest()
