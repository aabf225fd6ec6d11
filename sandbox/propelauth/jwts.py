"""How are PropelAuth's JWTs signed and read? RS256, with a key made anew for each process.

The issuer is `https://<auth host>` even on plain http, because PropelAuth's SDKs expect it so.
"""

import base64
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.propelauth.directory import Directory, Document, User

KEY_ID = "sandbox"


@dataclass
class Signer:
    _key: rsa.RSAPrivateKey = field(
        default_factory=lambda: rsa.generate_private_key(65537, 2048), repr=False
    )

    def sign(self, claims: Document) -> str:
        return jwt.encode(claims, self._key, "RS256", {"kid": KEY_ID})

    def find_claims(self, token: str, now: float) -> Document | None:
        """The claims of a token that we signed and that isn't over by the sandbox's clock."""
        options: Any = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
        try:
            claims: Document = jwt.decode(token, self._key.public_key(), ["RS256"], options)
        except jwt.InvalidTokenError:
            return None
        return claims if claims["exp"] > now else None

    def verifier_key_pem(self) -> str:
        encoding, shape = serialization.Encoding.PEM, serialization.PublicFormat
        return self._key.public_key().public_bytes(encoding, shape.SubjectPublicKeyInfo).decode()

    def jwks(self) -> Document:
        numbers = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID}
        return {"keys": [{**key, "n": _base64url(numbers.n), "e": _base64url(numbers.e)}]}


def access_token_claims(directory: Directory, user: User, active_org_id: str | None) -> Document:
    claims: Document = {
        "sub": user.user_id,
        "user_id": user.user_id,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "username": None,
        "properties": {},
        "legacy_user_id": None,
        "impersonator_user_id": None,
        "login_method": {
            "login_method": "generated_from_backend_api",
            "provider": None,
            "org_id": None,
        },
    }
    if active_org_id:
        return claims | {"org_member_info": directory.member_info(user, active_org_id)}
    return claims | {"org_id_to_org_member_info": directory.member_infos(user)}


def _base64url(number: int) -> str:
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
