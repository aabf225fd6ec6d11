"""RFC 7636: the proof key we send on PropelAuth's leg, and the form of those clients send us."""

import base64
import hashlib
import re
import secrets
from hmac import compare_digest

S256_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


def create_code_verifier() -> str:
    """43 characters of 256 random bits (§4.1)."""
    return secrets.token_urlsafe(32)


def s256_code_challenge(code_verifier: str) -> str:
    """BASE64URL(SHA256(ASCII(code_verifier))) without padding (§4.2)."""
    digest = hashlib.sha256(code_verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def is_proof(code_verifier: str, code_challenge: str) -> bool:
    """Whether somebody who presents `code_verifier` made the challenge (§4.6)."""
    if not code_verifier.isascii():
        return False
    return compare_digest(s256_code_challenge(code_verifier), code_challenge)


def is_s256_code_challenge(value: str) -> bool:
    return S256_CHALLENGE.fullmatch(value) is not None
