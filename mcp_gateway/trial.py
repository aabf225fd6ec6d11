"""What would a tool's call send, and what would a model be told, if somebody tried it now?

On the way of a real call, so that it can't tell another story: the same compiled tool, the same
client, the same shaping. The client is watched, and a rehearsal stops it at the moment when the
request is complete and nothing has left yet.
"""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from mcp_gateway.answers import Answer
from mcp_gateway.catalog import CatalogTool
from mcp_gateway.errors import WivError
from mcp_gateway.http_rule import WivRequest
from mcp_gateway.server import send, shaped, with_warning
from mcp_gateway.upstream_http import HttpAnswer, HttpClient, HttpRequest
from mcp_gateway.version import find_version
from mcp_gateway.visibility import Viewer
from mcp_gateway.wiv import WivClient
from oauth_bridge.credentials import Secret, TokenGrant, find_grant

# Stands for the caller's key in a rehearsal, and is masked like one.
NO_KEY = Secret("wivmcp-rehearsal-without-a-key")
MASK = "••••••••"


class NotAKey(Exception):
    """A credential that works here, but is no Wiv API key."""


@dataclass(frozen=True, slots=True)
class SentRequest:
    """One request as it goes out, without its credential."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status` is None when no answer came. `raw` is the body as it came, without the key."""

    sent: SentRequest | None
    status: int | None
    seconds: float
    raw: str
    answer: Answer
    is_error: bool
    is_visible: bool


class Stopped(Exception):
    """The rehearsal is over."""


class WatchedHttp(HttpClient):
    """Keeps what was sent and what came back, or stops before anything leaves."""

    def __init__(self, secrets: tuple[str, ...], *, stops: bool, **options: Any) -> None:
        super().__init__(**options)
        self._secrets = secrets
        self._stops = stops
        self.sent: SentRequest | None = None
        self.status: int | None = None
        self.raw = ""

    async def exchange(self, request: HttpRequest) -> HttpAnswer:
        self.status, self.raw = None, ""  # what an attempt before this one got
        headers = ((name, self._masked(value)) for name, value in self.complete(request).items())
        url = self._masked(str(request.url))
        body = self._masked((request.content or b"").decode())
        self.sent = SentRequest(request.method, url, tuple(headers), body)
        if self._stops:
            raise Stopped
        answer = await super().exchange(request)
        self.status, self.raw = answer.status, self._masked(answer.body.decode(errors="replace"))
        return answer

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text


def watched(tool: CatalogTool, key: Secret, *, stops: bool) -> tuple[WivClient, WatchedHttp]:
    own = tool.other_api.credential if tool.other_api else None
    http = WatchedHttp(
        tuple(s.reveal() for s in (key, own) if s),
        stops=stops,
        user_agent=f"wivmcp/{find_version()}",
        max_body_bytes=settings.WIV_MAX_RESPONSE_BYTES,
    )
    return WivClient(settings.WIV_API_URL, http), http


def bind(tool: CatalogTool, arguments: Mapping[str, Any]) -> WivRequest:
    """Raises ArgumentsRefused, with what a model would be told."""
    tool.input_schema.check(arguments)
    return tool.http_rule.bind(arguments)


async def rehearse(tool: CatalogTool, arguments: Mapping[str, Any]) -> SentRequest:
    """What would be sent; nothing is. Raises ArgumentsRefused, or WivError for an unusable URL."""
    request = bind(tool, arguments)
    client, http = watched(tool, NO_KEY, stops=True)
    async with client:
        with contextlib.suppress(Stopped):
            await send(client, tool, request, NO_KEY)
    assert http.sent is not None  # nothing comes before it
    return http.sent


async def find_key_owner(key: Secret, address: str | None) -> TokenGrant:
    """Through the same door as a client's key. Raises CredentialError or NotAKey."""
    grant = await find_grant(key, f"{settings.PUBLIC_URL}/mcp", address)
    if grant.kind not in ("own_api_key", "api_key"):
        raise NotAKey
    return grant


async def run(tool: CatalogTool, arguments: Mapping[str, Any], grant: TokenGrant) -> Outcome:
    """Sends it. Raises ArgumentsRefused; whatever Wiv does is an Outcome."""
    request = bind(tool, arguments)
    is_visible = Viewer(grant.organization_id, grant.role, grant.scopes).may_call(tool)
    client, http = watched(tool, grant.credential, stops=False)
    async with client:
        elapsed = stopwatch()
        try:
            response = await send(client, tool, request, grant.credential)
        except WivError as error:
            seconds = elapsed()
            told = Answer(with_warning(error, tool).for_model)
            return Outcome(http.sent, http.status, seconds, http.raw, told, True, is_visible)
        seconds = elapsed()
        answer = await shaped(tool, response, arguments)
        return Outcome(http.sent, response.status, seconds, http.raw, answer, False, is_visible)


def stopwatch() -> Callable[[], float]:
    started = time.perf_counter()
    return lambda: time.perf_counter() - started
