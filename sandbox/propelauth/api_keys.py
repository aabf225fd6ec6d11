"""End-user API keys: create, validate, fetch, list, archived, patch, delete, usage.

A key with a user is personal, one with an organization belongs to the organization, one with both
is scoped to the organization and has the user's role there, one with neither is generic.
An expired key is archived: `validate` refuses it, `fetch` still knows it. What isn't documented
(the refusals of `create`, an expired key that `patch` revives) is our reading.
"""

import secrets
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.propelauth.dialect import (
    BadFields,
    body_of,
    found,
    is_whole_number,
    paged,
    sandbox_of,
)
from sandbox.propelauth.directory import Directory, Document, organization_of_key_document

CREATE_FIELDS = ("org_id", "user_id", "expires_at_seconds", "metadata", "display_name")
PATCH_FIELDS = ("expires_at_seconds", "metadata", "set_to_never_expire")


@dataclass
class ApiKey:
    created_at: int
    org_id: str | None = None
    user_id: str | None = None
    expires_at_seconds: int | None = None
    metadata: Document | None = None
    display_name: str | None = None
    api_key_token: str = field(default_factory=lambda: secrets.token_hex(48), repr=False)

    @property
    def api_key_id(self) -> str:
        return self.api_key_token[:32]

    @property
    def kind(self) -> str:
        if self.org_id:
            return "org"
        return "personal" if self.user_id else "generic"

    def is_expired(self, now: float) -> bool:
        return self.expires_at_seconds is not None and self.expires_at_seconds <= now

    def document(self) -> Document:
        return {
            "api_key_id": self.api_key_id,
            "created_at": self.created_at,
            "expires_at_seconds": self.expires_at_seconds,
            "metadata": self.metadata,
            "user_id": self.user_id,
            "org_id": self.org_id,
            "display_name": self.display_name,
        }


class ApiKeys:
    """Every key that was created and not deleted."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._by_id: dict[str, ApiKey] = {}
        self.uses: Counter[tuple[str, str]] = Counter()  # (day, api_key_id) -> validations

    def add(self, key: ApiKey) -> None:
        self._by_id[key.api_key_id] = key

    def find(self, api_key_id: str) -> ApiKey | None:
        return self._by_id.get(api_key_id)

    def delete(self, key: ApiKey) -> None:
        del self._by_id[key.api_key_id]

    def active(self, now: float) -> list[ApiKey]:
        return [key for key in self._by_id.values() if not key.is_expired(now)]

    def archived(self, now: float) -> list[ApiKey]:
        return [key for key in self._by_id.values() if key.is_expired(now)]

    def find_valid(self, api_key_token: str, now: float) -> ApiKey | None:
        """The key of this secret, unless it's expired or its user was blocked or left."""
        key = self._by_id.get(api_key_token[:32])
        if key is None or key.api_key_token != api_key_token or key.is_expired(now):
            return None
        return key if self._owner_is_well(key) else None

    def _owner_is_well(self, key: ApiKey) -> bool:
        if key.user_id is None:
            return True
        user = self._directory.users.get(key.user_id)
        if user is None or not user.enabled:
            return False
        return key.org_id is None or key.org_id in user.roles


async def create(request: Request) -> Response:
    sandbox = sandbox_of(request)
    body = await body_of(request, CREATE_FIELDS)
    _check_expiry(body, sandbox.clock.now())
    _check_metadata(body)
    _check_owner(body, sandbox.directory)
    key = ApiKey(created_at=int(sandbox.clock.now()), **body)
    sandbox.api_keys.add(key)
    return JSONResponse({"api_key_id": key.api_key_id, "api_key_token": key.api_key_token})


async def validate(request: Request) -> Response:
    sandbox = sandbox_of(request)
    body = await body_of(request, ("api_key_token",))
    token, now = body.get("api_key_token"), sandbox.clock.now()
    key = sandbox.api_keys.find_valid(token, now) if isinstance(token, str) else None
    if key is None:
        raise BadFields(api_key_token="Invalid API key")
    sandbox.api_keys.uses[_day(now), key.api_key_id] += 1
    return JSONResponse(_validation(key, sandbox.directory))


async def fetch(request: Request) -> Response:
    return JSONResponse(_key_of(request).document())


async def patch(request: Request) -> Response:
    key = _key_of(request)
    body = await body_of(request, PATCH_FIELDS)
    _check_expiry(body, sandbox_of(request).clock.now())
    _check_metadata(body)
    if body.pop("set_to_never_expire", False):
        body["expires_at_seconds"] = None
    for name, value in body.items():
        setattr(key, name, value)
    return JSONResponse({})


async def delete(request: Request) -> Response:
    sandbox_of(request).api_keys.delete(_key_of(request))
    return JSONResponse({})


async def list_active(request: Request) -> Response:
    sandbox = sandbox_of(request)
    return _page(request, sandbox.api_keys.active(sandbox.clock.now()))


async def list_archived(request: Request) -> Response:
    sandbox = sandbox_of(request)
    return _page(request, sandbox.api_keys.archived(sandbox.clock.now()))


async def usage(request: Request) -> Response:
    """How often keys were validated on a day."""
    query = request.query_params
    if not query.get("date"):
        raise BadFields(date="This field is required")
    uses = sandbox_of(request).api_keys.uses
    keys = [key for key in _kept(request) if query.get("api_key_id") in (None, key.api_key_id)]
    return JSONResponse({"count": sum(uses[query["date"], key.api_key_id] for key in keys)})


def _kept(request: Request) -> list[ApiKey]:
    sandbox = sandbox_of(request)
    now = sandbox.clock.now()
    keys = sandbox.api_keys.active(now) + sandbox.api_keys.archived(now)
    return [key for key in keys if _is_wanted(key, request)]


def _key_of(request: Request) -> ApiKey:
    return found(sandbox_of(request).api_keys.find(request.path_params["api_key_id"]))


def _page(request: Request, keys: list[ApiKey]) -> Response:
    wanted = [key.document() for key in keys if _is_wanted(key, request)]
    return paged(request, wanted, items="api_keys", total="total_api_keys")


def _is_wanted(key: ApiKey, request: Request) -> bool:
    query = request.query_params
    user = sandbox_of(request).directory.find_user_by_email(query.get("user_email", ""))
    return (
        query.get("org_id") in (None, key.org_id)
        and query.get("user_id") in (None, key.user_id)
        and ("user_email" not in query or (user is not None and user.user_id == key.user_id))
        and query.get("api_key_type", key.kind).lower() == key.kind
    )


def _check_expiry(body: Document, now: float) -> None:
    expires_at = body.get("expires_at_seconds")
    if expires_at is None:
        return
    if not is_whole_number(expires_at) or expires_at <= now:
        raise BadFields(expires_at_seconds="Must be a Unix time in the future")


def _check_metadata(body: Document) -> None:
    if not isinstance(body.get("metadata"), dict | None):
        raise BadFields(metadata="Must be an object")


def _check_owner(body: Document, directory: Directory) -> None:
    org_id, user_id = body.get("org_id"), body.get("user_id")
    if org_id is not None and org_id not in directory.organizations:
        raise BadFields(org_id="Unknown organization")
    if user_id is None:
        return
    user = directory.users.get(user_id)
    if user is None or not user.enabled:
        raise BadFields(user_id="Unknown or blocked user")
    if org_id is not None and org_id not in user.roles:
        raise BadFields(user_id="The user isn't a member of the organization")


def _validation(key: ApiKey, directory: Directory) -> dict[str, Any]:
    user = directory.users.get(key.user_id) if key.user_id else None
    organization = directory.organizations.get(key.org_id) if key.org_id else None
    both = user and organization
    return {
        "metadata": key.metadata,
        "user": user and directory.user_document(user),
        "org": organization and organization_of_key_document(organization),
        "user_in_org": both and user and directory.member_info(user, key.org_id or ""),
        "user_id": key.user_id,
        "org_id": key.org_id,
    }


def _day(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).date().isoformat()
