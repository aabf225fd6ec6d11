"""Who is calling? Bearer tokens and API keys of MCP requests (RFC 6750), and the challenge.

One principal per request: the ASGI layer sets it and resets it, the tool handlers read it. On SSE a
handler runs in the context of the POST that carried the call, so every POST is authenticated.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from starlette.datastructures import Headers

from mcp_gateway.errors import (
    CredentialsDiffer,
    InsufficientScope,
    TooManyRefused,
    Unauthenticated,
    Unavailable,
)
from mcp_gateway.exchange import Exchange
from mcp_gateway.resources import Endpoint
from mcp_gateway.scopes import all_scopes, scopes_to_ask_for
from mcp_gateway.visibility import Viewer
from oauth_bridge.credentials import (
    InvalidCredential,
    Secret,
    TokenGrant,
    TooManyAttempts,
    VerdictUnavailable,
)
from telemetry.requests import note_caller

BEARER = re.compile(r"bearer +(.*\S) *", re.IGNORECASE)
# RFC 6750 section 2.1 (b64token), with the underscore-separated keys PropelAuth makes.
CREDENTIAL = re.compile(r"[A-Za-z0-9._~+/=:-]+")
SIGN_IN = "Sign in, or send a Wiv API key"


class Credentials(Protocol):
    """What the gateway asks of `oauth_bridge.credentials`, which is its only implementation."""

    async def find_grant(
        self, credential: Secret, resource: str, address: str | None = None
    ) -> TokenGrant: ...
    async def find_good(self, credentials: Iterable[Secret], resource: str) -> set[Secret]: ...
    async def find_key_owner(self, api_key: Secret, grant: TokenGrant) -> TokenGrant: ...
    async def confirm(self, grant: TokenGrant) -> bool: ...
    def connected(self) -> AbstractAsyncContextManager[None]: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """One request's grant, and the endpoint it came to."""

    grant: TokenGrant
    endpoint: Endpoint

    @property
    def viewer(self) -> Viewer:
        grant = self.grant
        toolset = self.endpoint.toolset
        return Viewer(grant.organization_id, grant.role, grant.scopes, toolset)


_caller: ContextVar[Caller] = ContextVar("caller")


def caller() -> Caller:
    """Who is behind the request that is being handled."""
    return _caller.get()


def principal() -> TokenGrant:
    return caller().grant


@contextmanager
def acting_for(grant: TokenGrant, endpoint: Endpoint) -> Iterator[Caller]:
    acting = Caller(grant, endpoint)
    note_caller(grant.subject, grant.organization_id, grant.client_id)
    token = _caller.set(acting)
    try:
        yield acting
    finally:
        _caller.reset(token)


async def authenticate(exchange: Exchange, credentials: Credentials) -> tuple[Secret, TokenGrant]:
    """The credential and its grant.

    Raises CredentialsDiffer, Unauthenticated, TooManyRefused or Unavailable.
    """
    endpoint = exchange.endpoint
    credential = presented_credential(exchange.headers, endpoint)
    if credential is None:
        raise Unauthenticated(SIGN_IN, challenge(endpoint))
    try:
        return credential, await credentials.find_grant(
            credential, endpoint.resource, exchange.client_address
        )
    except TooManyAttempts as error:
        raise TooManyRefused(error.description) from error
    except InvalidCredential as error:
        raise invalid_token(endpoint, error.description, error) from error
    except VerdictUnavailable as error:
        raise Unavailable(error.description) from error


def presented_credential(headers: Headers, endpoint: Endpoint) -> Secret | None:
    """From `Authorization: Bearer` or `X-API-Key`. Both are fine as long as they are the same."""
    presented = {*bearer_tokens(headers), *api_keys(headers)}
    if len(presented) > 1:
        description = "Send one credential, not several different ones"
        raise CredentialsDiffer(description, challenge(endpoint, "invalid_request", description))
    if not presented:
        return None
    value = presented.pop()
    if not CREDENTIAL.fullmatch(value):
        raise invalid_token(endpoint, "The credential has characters that no token has")
    return Secret(value)


def bearer_tokens(headers: Headers) -> Iterator[str]:
    for value in headers.getlist("authorization"):
        if match := BEARER.fullmatch(value):
            yield match[1]


def api_keys(headers: Headers) -> Iterator[str]:
    return (value.strip() for value in headers.getlist("x-api-key") if value.strip())


def invalid_token(
    endpoint: Endpoint, description: str, because: InvalidCredential | None = None
) -> Unauthenticated:
    return Unauthenticated(description, challenge(endpoint, "invalid_token", description), because)


def insufficient_scope(
    endpoint: Endpoint, grant: TokenGrant, tool: str, required: str
) -> InsufficientScope:
    description = f"{tool} needs the scope {required}"
    scope = scopes_to_ask_for(grant.scopes, required)
    return InsufficientScope(
        description, challenge(endpoint, "insufficient_scope", description, scope)
    )


def challenge(
    endpoint: Endpoint, error: str = "", description: str = "", scope: str | None = None
) -> str:
    """A WWW-Authenticate value: RFC 6750 section 3 with RFC 9728 section 5.1.

    Without `error` when no credential was presented: RFC 6750 section 3.1 asks for that, and some
    clients throw their login away when they read "invalid_token".
    """
    parameters = {
        "error": error,
        "error_description": description,
        "resource_metadata": endpoint.metadata_url,
        "scope": scopes_of(endpoint) if scope is None else scope,
    }
    return "Bearer " + ", ".join(f'{k}="{quotable(v)}"' for k, v in parameters.items() if v)


def scopes_of(endpoint: Endpoint) -> str:
    """MCP: least privilege. What never writes asks for reading only."""
    return "wiv:read" if endpoint.toolset.is_read_only else all_scopes()


def quotable(value: str) -> str:
    """RFC 6750 section 3 allows printable ASCII without the quote and the backslash."""
    return re.sub(r'[^\x20-\x7e]|["\\]', "'", value)
