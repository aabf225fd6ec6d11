"""What does every Wiv route do first? Find out who calls, check the role, read the body.

The credential decides the organization and the role: an API key through PropelAuth's half as it
stands now, a JWT through its claims. A key of the organization alone acts as Admin (assumed).
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.state import Sandbox
from sandbox.wiv.tenant import Document, Tenant

EDITORS = ("Admin", "Editor")


class WivError(Exception):
    """{"error": text}"""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text

    def response(self) -> Response:
        return JSONResponse({"error": self.text}, self.status)


def bad_request(text: str) -> WivError:
    return WivError(400, text)


def not_found() -> WivError:
    return WivError(404, "Not found")


def forbidden() -> WivError:
    return WivError(403, "Forbidden")


@dataclass(frozen=True)
class Caller:
    tenant: Tenant
    role: str
    name: str


@dataclass
class Call:
    """One request of a known caller, with its body read."""

    request: Request
    sandbox: Sandbox
    caller: Caller
    content: bytes = field(default=b"", repr=False)

    @property
    def tenant(self) -> Tenant:
        return self.caller.tenant

    @property
    def now(self) -> float:
        return self.sandbox.clock.now()

    @cached_property
    def body(self) -> Document:
        try:
            body = json.loads(self.content)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise bad_request("Request body must be a dictionary")
        return body

    def body_with(self, fields: Sequence[str]) -> Document:
        """The body, refused when it has a field that isn't one of `fields`."""
        if set(self.body) - set(fields):
            raise bad_request("Invalid fields requested")
        return self.body

    def path(self, name: str) -> str:
        value: str = self.request.path_params[name]
        return value

    def query(self, name: str) -> str | None:
        return self.request.query_params.get(name)

    def query_choice(self, name: str, choices: Sequence[str]) -> str | None:
        value = self.query(name)
        if value is not None and value not in choices:
            raise bad_request(f"{name} must be one of: {', '.join(choices)}")
        return value

    def query_date(self, name: str) -> str | None:
        value = self.query(name)
        if value is not None and not is_date(value):
            raise bad_request(f"{name} must be YYYY-MM-DD")
        return value

    def query_number(self, name: str, default: int, minimum: int, maximum: int) -> int:
        text = self.query(name)
        if text is None:
            return default
        if not text.isdecimal() or not minimum <= int(text) <= maximum:
            raise bad_request(f"{name} must be a whole number from {minimum} to {maximum}")
        return int(text)

    def page(self, items: Sequence[Any]) -> Response:
        """{"data": [...], "total": 120, "limit": 50, "offset": 0}"""
        limit = self.query_number("limit", 50, 1, 200)
        offset = self.query_number("offset", 0, 0, 10**9)
        data = list(items[offset : offset + limit])
        return JSONResponse({"data": data, "total": len(items), "limit": limit, "offset": offset})


Handler = Callable[[Call], Response]


def endpoint(
    handler: Handler, *, writes: bool = False, msp: bool = False
) -> Callable[[Request], Any]:
    """`writes` is for Admin and Editor, `msp` for organizations that have child tenants."""

    async def answering(request: Request) -> Response:
        sandbox: Sandbox = request.app.state.sandbox
        try:
            caller = authenticated_caller(request, sandbox)
            if (writes and caller.role not in EDITORS) or (msp and not caller.tenant.is_msp):
                raise forbidden()
            return handler(Call(request, sandbox, caller, await request.body()))
        except WivError as error:
            return error.response()

    return answering


def authenticated_caller(request: Request, sandbox: Sandbox) -> Caller:
    api_key = request.headers.get("x-api-key")
    caller = (
        _caller_of_key(api_key, sandbox)
        if api_key
        else _caller_of_jwt(request.headers.get("authorization", ""), sandbox)
    )
    if caller is None:
        raise WivError(401, "Authentication required")
    return caller


def data(document: Any, status: int = 200) -> Response:
    return JSONResponse({"data": document}, status)


def is_date(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is not None


def contains(text: str | None, search: str | None) -> bool:
    return search is None or search.lower() in (text or "").lower()


def _caller_of_key(api_key: str, sandbox: Sandbox) -> Caller | None:
    """None also for a personal or generic key: it names no organization."""
    key = sandbox.api_keys.find_valid(api_key, sandbox.clock.now())
    if key is None or key.org_id is None:
        return None
    tenant = sandbox.tenants[key.org_id]
    if key.user_id is None:
        return Caller(tenant, "Admin", key.display_name or key.api_key_id)
    user = sandbox.directory.users[key.user_id]
    return Caller(tenant, user.roles[key.org_id], user.email)


def _caller_of_jwt(authorization: str, sandbox: Sandbox) -> Caller | None:
    """None also for a JWT without an active organization."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        return None
    claims = sandbox.signer.find_claims(token, sandbox.clock.now()) or {}
    member = claims.get("org_member_info")
    if not member:
        return None
    return Caller(sandbox.tenants[member["org_id"]], member["user_role"], claims["email"])
