"""How is one request sent to Wiv or another upstream, and what does its answer mean?

Nothing is retried here: only the model knows whether repeating a call is wise, and each error says
what it needs for that. Redirects aren't followed, since they would carry the credential elsewhere.
"""

import json
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Self
from uuid import uuid4

import anyio
import httpx2
from pydantic_core import from_json, to_json

from mcp_gateway.errors import (
    WivAnswerNotJson,
    WivAnswerTooLarge,
    WivConnectionLost,
    WivRefused,
    WivTimeout,
    WivUnreachable,
)
from mcp_gateway.http_rule import JSON, WivRequest
from oauth_bridge.credentials import Secret, is_jwt

logger = logging.getLogger(__name__)

# Connecting and waiting for a free connection; reading may take the tool's whole timeout.
CONNECT_TIMEOUT = timedelta(seconds=5)
LIMITS = httpx2.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=30)
# Characters of Wiv's own error text that a model is shown.
MAX_ERROR_TEXT = 500

WHAT_TO_DO = {
    400: "Correct the arguments and call again.",
    404: "Nothing has this id. Look the id up with the matching list tool.",
    409: "The current state doesn't allow this. Read the state first, then decide.",
    422: "Correct the arguments and call again.",
    429: "Too many requests. Wait before calling again.",
}
WHAT_TO_DO_AT_WIV = WHAT_TO_DO | {
    401: "Wiv doesn't accept this credential any more. Ask the user to reconnect.",
    403: "The user's role in Wiv doesn't allow this, or the organization isn't an MSP. Repeating "
    "won't help; ask the user, or use another tool.",
}
WHAT_TO_DO_ELSEWHERE = WHAT_TO_DO | {
    401: "It doesn't accept this server's credential. Reconnecting won't help: tell the user that "
    "an administrator must renew it.",
    403: "This server's credential doesn't allow it. Repeating won't help; ask the user, or use "
    "another tool.",
}
NO_ADVICE = "Don't repeat the call unchanged."


@dataclass(frozen=True, slots=True)
class WivResponse:
    """A 2xx answer: the JSON's `value`, and the same as compact `text` ("" for no content)."""

    status: int
    value: JSON
    text: str


@dataclass(frozen=True, slots=True)
class OtherApi:
    """An upstream beside Wiv: what people call it, where it is, and our own credential there."""

    title: str
    base_url: str
    credential_header: str = ""
    credential: Secret | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one request goes, with which credential."""

    title: str
    base_url: str
    credential: Secret | None
    headers: Mapping[str, str]
    is_wiv: bool

    @property
    def try_later(self) -> str:
        return f"The fault is on {self.title}'s side. Try again later."

    @property
    def what_to_do(self) -> Mapping[int, str]:
        return WHAT_TO_DO_AT_WIV if self.is_wiv else WHAT_TO_DO_ELSEWHERE

    def without_credential(self, body: bytes) -> bytes:
        """It might echo the key; a client with an opaque token must never see it."""
        if not self.credential:
            return body
        return body.replace(self.credential.reveal().encode(), b"[credential]")


class WivClient:
    """Wiv's REST API over one pool of connections; enter it to open the pool."""

    def __init__(self, base_url: str, *, max_response_bytes: int, user_agent: str) -> None:
        self._base_url = base_url
        self._max_response_bytes = max_response_bytes
        self._http = httpx2.AsyncClient(
            headers={"Accept": "application/json", "User-Agent": user_agent},
            limits=LIMITS,
            follow_redirects=False,
            # No proxy or netrc from the environment: it is read in settings only.
            trust_env=False,
            # One person's cookie may not go along with another's request.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def send(
        self, request: WivRequest, credential: Secret, time_limit: timedelta
    ) -> WivResponse:
        """Wiv's answer within `time_limit`, connecting included. Raises a WivError."""
        header = credential_header(credential)
        wiv = Destination("Wiv", self._base_url, credential, header, is_wiv=True)
        return await self._send(request, wiv, time_limit)

    async def send_elsewhere(
        self, request: WivRequest, api: OtherApi, time_limit: timedelta
    ) -> WivResponse:
        """The same from another upstream, which gets our credential and nothing of the caller's."""
        header = {}
        if api.credential_header and api.credential:
            header = {api.credential_header: api.credential.reveal()}
        there = Destination(api.title, api.base_url, api.credential, header, is_wiv=False)
        return await self._send(request, there, time_limit)

    async def _send(
        self, request: WivRequest, to: Destination, time_limit: timedelta
    ) -> WivResponse:
        request_id = uuid4().hex
        try:
            with anyio.fail_after(time_limit.total_seconds()):
                status, headers, body = await self._exchange(request, to, time_limit, request_id)
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ssl.SSLError) as error:
            problem = type(error).__name__
            logger.warning("%s %s %s: %s", to.title, request.method, request_id, problem)
            raise transport_error(error, to, time_limit) from error
        body = to.without_credential(body)
        if not 200 <= status < 300:
            logger.warning("%s %s %s: answered %d", to.title, request.method, request_id, status)
            raise refusal(to, status, headers, body)
        return WivResponse(status, *read_json(body, to.title))

    async def _exchange(
        self, request: WivRequest, to: Destination, time_limit: timedelta, request_id: str
    ) -> tuple[int, httpx2.Headers, bytes]:
        async with self._http.stream(
            request.method,
            to.base_url + request.target,
            content=to_json(request.body, inf_nan_mode="null") if request.has_body else None,
            headers=request_headers(request, to, request_id),
            timeout=httpx2.Timeout(
                time_limit.total_seconds(),
                connect=CONNECT_TIMEOUT.total_seconds(),
                pool=CONNECT_TIMEOUT.total_seconds(),
            ),
        ) as response:
            return response.status_code, response.headers, await self._read(response, to.title)

    async def _read(self, response: httpx2.Response, title: str) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > self._max_response_bytes:
                raise WivAnswerTooLarge(
                    f"{title}'s answer is too large to pass on. Ask for less: a smaller page, "
                    "narrower filters or fewer fields."
                )
        return bytes(body)


def request_headers(request: WivRequest, to: Destination, request_id: str) -> httpx2.Headers:
    """The tool's own come first, so that none of them replaces one of ours."""
    headers = httpx2.Headers({"X-Request-ID": request_id})
    headers.update(request.headers)
    headers.update(to.headers)
    if request.has_body:
        headers["Content-Type"] = "application/json"
    return headers


def credential_header(credential: Secret) -> dict[str, str]:
    """Wiv takes PropelAuth's JWTs as bearer tokens and everything else as an API key."""
    if is_jwt(credential):
        return {"Authorization": f"Bearer {credential.reveal()}"}
    return {"X-API-Key": credential.reveal()}


def transport_error(
    error: Exception, to: Destination, time_limit: timedelta
) -> WivUnreachable | WivTimeout | WivConnectionLost:
    reason = type(error).__name__
    match error:
        case (
            httpx2.ConnectError()
            | httpx2.ConnectTimeout()
            | httpx2.PoolTimeout()
            | httpx2.InvalidURL()
        ):
            return WivUnreachable(f"{to.title} can't be reached. {to.try_later}", reason=reason)
        case TimeoutError() | httpx2.TimeoutException():
            seconds = f"{time_limit.total_seconds():g}"
            return WivTimeout(
                f"{to.title} didn't answer within {seconds} s. {to.try_later}", reason=reason
            )
        case _:
            return WivConnectionLost(
                f"The connection to {to.title} broke before it answered. {to.try_later}",
                reason=reason,
            )


def refusal(to: Destination, status: int, headers: httpx2.Headers, body: bytes) -> WivRefused:
    advice = to.what_to_do.get(status, to.try_later if status >= 500 else NO_ADVICE)
    if status == 429 and (seconds := retry_after(headers)):
        advice = f"Too many requests. Wait {seconds} s before calling again."
    told = f": {text}" if (text := error_text(body)) else ""
    return WivRefused(status, f"{to.title} answered {status}{told}. {advice}", api=to.title)


def retry_after(headers: httpx2.Headers) -> int | None:
    """Whole seconds; the date form of RFC 9110 is too rare to pass on."""
    value = headers.get("retry-after", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 6 else None


def error_text(body: bytes) -> str:
    """Wiv's `{"error": "..."}`, on one line and trimmed; nothing of a page that isn't JSON."""
    try:
        value, _ = read_json(body)
    except WivAnswerNotJson:
        return ""
    text = value.get("error") or value.get("message") if isinstance(value, dict) else None
    if not isinstance(text, str):
        text = to_json(text).decode() if text else ""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:MAX_ERROR_TEXT].rstrip(".")


def read_json(body: bytes, title: str = "Wiv") -> tuple[JSON, str]:
    """The value and its compact text. Raises WivAnswerNotJson.

    NaN and infinities, which Python backends emit, become null; lone surrogates, which no UTF-8
    text can hold, become question marks.
    """
    if not body.strip():
        return None, ""
    try:
        value = from_json(body)
    except ValueError:
        value = read_repaired_json(body, title)
    return value, to_json(value, inf_nan_mode="null").decode()


def read_repaired_json(body: bytes, title: str) -> JSON:
    try:
        value = json.loads(body.decode("utf-8-sig", "replace"))
        repaired: JSON = from_json(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise WivAnswerNotJson(
            f"{title}'s answer isn't JSON, so it can't be passed on. The fault is on {title}'s "
            "side. Try again later.",
            reason=f"{len(body)} bytes that aren't JSON",
        ) from error
    return repaired
