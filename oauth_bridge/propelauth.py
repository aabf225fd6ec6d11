"""What PropelAuth answers: its OAuth 2.1 endpoints, and the few backend calls we need.

Plain HTTP instead of its SDK, which has no OAuth or introspection call and a fixed base URL. Every
answer is read defensively: a field that is missing or of another type is PropelAuthUnavailable, not
a KeyError. No method retries; callers know what may be repeated.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx2
from django.conf import settings
from django.db import connection

from oauth_bridge.errors import PropelAuthMisconfigured, PropelAuthRefused, PropelAuthUnavailable
from oauth_bridge.secret import Secret
from oauth_bridge.text import visible_text
from telemetry.outgoing import observed

BACKEND = "/api/backend/v1"
# A user's or a key's address, but for the path at which keys are validated.
OF_ONE = re.compile(r"(/user|/end_user_api_keys)/(?!validate$)[^/]+")


@dataclass(frozen=True, slots=True)
class Organization:
    """`role` is the person's in it, as PropelAuth names it; "" when it says none."""

    id: str
    name: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class PropelAuthUser:
    """A user as the backend API has it, with memberships."""

    user_id: str
    email: str
    first_name: str
    last_name: str
    enabled: bool
    organizations: tuple[Organization, ...]

    def is_member_of(self, organization_id: str) -> bool:
        return self.find_organization(organization_id) is not None

    def find_organization(self, organization_id: str) -> Organization | None:
        return next((each for each in self.organizations if each.id == organization_id), None)


@dataclass(frozen=True, slots=True)
class Introspection:
    """An active token's facts (RFC 7662 §2.2). `audience` is empty when the tenant sends none."""

    subject: str
    organization_id: str | None
    audience: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MintedKey:
    api_key_id: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """Whose a valid end-user API key is. `metadata` is whatever its creator attached."""

    user_id: str | None
    organization_id: str | None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    role: str = ""


@dataclass(frozen=True, slots=True)
class ListedKey(KeyOwner):
    """A live key as the list has it, which never shows the key itself."""

    api_key_id: str = ""


class PropelAuthClient:
    """One tenant. Thread-safe; keeps its connections."""

    def __init__(self) -> None:
        self._http = httpx2.Client(
            timeout=settings.PROPELAUTH_TIMEOUT.total_seconds(), follow_redirects=False
        )
        self._auth_url = settings.PROPELAUTH_AUTH_URL
        self._backend_url = settings.PROPELAUTH_BACKEND_URL

    def close(self) -> None:
        self._http.close()

    # OAuth 2.1 --------------------------------------------------------------------------------

    def authorization_url(self, *, state: str, code_challenge: str) -> str:
        parameters = {
            "response_type": "code",
            "client_id": settings.PROPELAUTH_CLIENT_ID,
            "redirect_uri": callback_url(),
            "state": state,
            "code_challenge": code_challenge,
            "code_challenge_method": "S256",
            "resource": upstream_resource(),
        }
        if settings.PROPELAUTH_SCOPE:
            parameters["scope"] = settings.PROPELAUTH_SCOPE
        return f"{self._auth_url}/oauth/2.1/authorize?{urlencode(parameters)}"

    def exchange_code(self, *, code: str, code_verifier: Secret) -> Secret:
        """The opaque access token for an authorization code."""
        answer = self._post_form(
            "/oauth/2.1/token",
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": callback_url(),
                "client_id": settings.PROPELAUTH_CLIENT_ID,
                "code_verifier": code_verifier.reveal(),
                "resource": upstream_resource(),
            },
            (settings.PROPELAUTH_CLIENT_ID, settings.PROPELAUTH_CLIENT_SECRET),
        )
        return Secret(_text(answer, "access_token"))

    def introspect(self, token: Secret) -> Introspection:
        """Raises PropelAuthRefused for a token that isn't active."""
        answer = self._post_form(
            "/oauth/2.1/introspect",
            {"token": token.reveal(), "token_type_hint": "access_token"},
            (
                settings.PROPELAUTH_INTROSPECTION_CLIENT_ID,
                settings.PROPELAUTH_INTROSPECTION_CLIENT_SECRET,
            ),
        )
        if answer.get("active") is not True:
            raise PropelAuthRefused("introspection: token not active")
        audience = answer.get("aud") or answer.get("resource") or []
        return Introspection(
            subject=_text(answer, "sub"),
            organization_id=answer.get("org_id") or None,
            audience=(audience,) if isinstance(audience, str) else tuple(_list(audience)),
        )

    # Users ------------------------------------------------------------------------------------

    def get_user(self, user_id: str) -> PropelAuthUser:
        """Raises PropelAuthRefused when there is no such user."""
        answer = self._backend("GET", f"{BACKEND}/user/{quote(user_id, safe='')}?include_orgs=true")
        memberships = _object(answer.get("org_id_to_org_info"))
        return PropelAuthUser(
            user_id=_text(answer, "user_id"),
            email=_text(answer, "email"),
            first_name=answer.get("first_name") or "",
            last_name=answer.get("last_name") or "",
            enabled=answer.get("enabled") is True and not answer.get("locked"),
            organizations=tuple(
                Organization(
                    _text(info, "org_id"), visible_text(_text(info, "org_name")), role_in(info)
                )
                for info in memberships.values()
            ),
        )

    # End-user API keys ------------------------------------------------------------------------

    def create_api_key(
        self,
        *,
        user_id: str,
        organization_id: str,
        expires_at: datetime,
        metadata: Mapping[str, str],
        display_name: str,
    ) -> MintedKey:
        """A key with both user and organization: scoped to the one, with the role of the other."""
        answer = self._backend(
            "POST",
            f"{BACKEND}/end_user_api_keys",
            {
                "user_id": user_id,
                "org_id": organization_id,
                "expires_at_seconds": int(expires_at.timestamp()),
                "metadata": dict(metadata),
                "display_name": display_name,
            },
        )
        return MintedKey(_text(answer, "api_key_id"), Secret(_text(answer, "api_key_token")))

    def validate_api_key(self, api_key: Secret) -> KeyOwner:
        """Raises PropelAuthRefused for a key that is unknown, expired or deleted."""
        answer = self._backend(
            "POST", f"{BACKEND}/end_user_api_keys/validate", {"api_key_token": api_key.reveal()}
        )
        return KeyOwner(
            user_id=answer.get("user_id"),
            organization_id=answer.get("org_id"),
            metadata=_object(answer.get("metadata")),
            role=role_in(answer.get("user_in_org")),
        )

    def extend_api_key(self, api_key_id: str, expires_at: datetime) -> None:
        self._backend(
            "PATCH",
            f"{BACKEND}/end_user_api_keys/{quote(api_key_id, safe='')}",
            {"expires_at_seconds": int(expires_at.timestamp())},
        )

    def list_api_keys(self, **of: str) -> Iterator[ListedKey]:
        """The tenant's live keys; `of` may have `user_id` and `org_id`.

        Don't delete while it runs: pages would shift under it.
        """
        for page in itertools.count():
            query = urlencode({**of, "page_size": 100, "page_number": page})
            answer = self._backend("GET", f"{BACKEND}/end_user_api_keys?{query}")
            for key in map(_object, _list(answer.get("api_keys"))):
                yield ListedKey(
                    api_key_id=_text(key, "api_key_id"),
                    user_id=key.get("user_id"),
                    organization_id=key.get("org_id"),
                    metadata=_object(key.get("metadata")),
                )
            if not answer.get("has_more_results"):
                return

    def delete_api_key(self, api_key_id: str) -> None:
        """Deleting a key that is gone already raises PropelAuthRefused."""
        self._backend("DELETE", f"{BACKEND}/end_user_api_keys/{quote(api_key_id, safe='')}")

    # JWTs -------------------------------------------------------------------------------------

    def get_verification_key(self) -> str:
        """PEM of the public key that signs the tenant's JWTs."""
        answer = self._backend("GET", "/api/v1/token_verification_metadata")
        return _text(answer, "verifier_key_pem")

    # ------------------------------------------------------------------------------------------

    def _post_form(
        self, path: str, form: Mapping[str, str], credentials: tuple[str, str]
    ) -> dict[str, Any]:
        response = self._send(
            "POST",
            self._auth_url + path,
            {"data": form, "auth": httpx2.BasicAuth(*credentials)},
        )
        if response.status_code in (401, 404):
            # 401: client authentication. 404: MCP is switched off for the tenant.
            raise PropelAuthMisconfigured(f"{path}: {response.status_code}")
        if response.status_code >= 400:
            raise PropelAuthRefused(f"{path}: {response.status_code} {_oauth_error(response)}")
        return _json_object(response)

    def _backend(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        headers = {
            "Authorization": f"Bearer {settings.PROPELAUTH_BACKEND_API_KEY}",
            # Which tenant is meant, when the base is PropelAuth's shared API host.
            "X-Propelauth-url": httpx2.URL(self._auth_url).netloc.decode(),
        }
        options: dict[str, Any] = {"headers": headers}
        if body is not None:
            options["json"] = body
        response = self._send(method, self._backend_url + path, options)
        route = path.split("?")[0]
        if response.status_code in (401, 426):
            # 401 is about our backend API key, never about the end user's.
            raise PropelAuthMisconfigured(f"{method} {route}: {response.status_code}")
        if response.status_code >= 400:
            raise PropelAuthRefused(f"{method} {route}: {response.status_code}")
        return _json_object(response)

    def _send(self, method: str, url: str, options: Mapping[str, Any]) -> httpx2.Response:
        release_connection()
        try:
            with observed("propelauth", method, path_template(url)) as sent:
                response = self._http.request(method, url, **options)
                sent.status = response.status_code
        except httpx2.HTTPError as error:
            raise PropelAuthUnavailable(f"{method}: {type(error).__name__}") from error
        if response.status_code == 429 or response.status_code >= 500:
            raise PropelAuthUnavailable(f"{method}: {response.status_code}")
        if response.is_redirect:
            raise PropelAuthMisconfigured(f"{method}: unexpected redirect")
        return response


@cache
def propelauth() -> PropelAuthClient:
    """The process' client."""
    return PropelAuthClient()


def path_template(url: str) -> str:
    """ ".../user/8f3a?include_orgs=true"  ->  ".../user/{id}" """
    return OF_ONE.sub(r"\1/{id}", urlsplit(url).path)


def release_connection() -> None:
    """Before waiting for somebody else: a PropelAuth that hangs must not take the whole pool along.

    The next query opens or borrows one again.
    """
    assert not connection.in_atomic_block, "no HTTP inside a transaction"
    connection.close()


def callback_url() -> str:
    return f"{settings.PUBLIC_URL}/oauth/callback"


def upstream_resource() -> str:
    return f"{settings.PUBLIC_URL}/mcp"


def role_in(membership: object) -> str:
    """`user_role` of a membership; "" for a key or token that stands for nobody in particular."""
    role = _object(membership).get("user_role")
    return role[:64] if isinstance(role, str) else ""


def _json_object(response: httpx2.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError as error:
        raise PropelAuthUnavailable("answer isn't JSON") from error
    if not isinstance(answer, dict):
        raise PropelAuthUnavailable("answer isn't a JSON object")
    return answer


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(answer: Any, name: str) -> str:
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, str) or not value:
        raise PropelAuthUnavailable(f"answer without {name}")
    return value


def _oauth_error(response: httpx2.Response) -> str:
    """RFC 6749 §5.2 `error`, a fixed vocabulary; never the description, which may echo input."""
    try:
        error = response.json().get("error")
    except (ValueError, AttributeError):
        return ""
    return error if isinstance(error, str) and error.isidentifier() else ""
