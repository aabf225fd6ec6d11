"""How is one request sent to Wiv, and what does its answer mean?

Nothing is retried here: only the model knows whether repeating a call is wise, and each error says
what it needs for that. Redirects aren't followed, since they would carry the credential elsewhere.
"""

import json
import logging
import ssl
from dataclasses import dataclass
from datetime import timedelta
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
    401: "Wiv doesn't accept this credential any more. Ask the user to reconnect.",
    403: "The user's role in Wiv doesn't allow this, or the organization isn't an MSP. Repeating "
    "won't help; ask the user, or use another tool.",
    404: "Nothing has this id. Look the id up with the matching list tool.",
    409: "The current state doesn't allow this. Read the state first, then decide.",
    422: "Correct the arguments and call again.",
    429: "Too many requests. Wait before calling again.",
}
TRY_LATER = "The fault is on Wiv's side. Try again later."
NO_ADVICE = "Don't repeat the call unchanged."


@dataclass(frozen=True, slots=True)
class WivResponse:
    """A 2xx answer: the JSON's `value`, and the same as compact `text` ("" for no content)."""

    status: int
    value: JSON
    text: str


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
        """The answer within `time_limit`, connecting included. Raises a WivError."""
        request_id = uuid4().hex
        try:
            with anyio.fail_after(time_limit.total_seconds()):
                status, headers, body = await self._exchange(
                    request, credential, time_limit, request_id
                )
        except (httpx2.HTTPError, TimeoutError, ssl.SSLError) as error:
            logger.warning("Wiv %s %s: %s", request.method, request_id, type(error).__name__)
            raise transport_error(error, time_limit) from error
        body = without(credential, body)
        if not 200 <= status < 300:
            logger.warning("Wiv %s %s: answered %d", request.method, request_id, status)
            raise refusal(status, headers, body)
        return WivResponse(status, *read_json(body))

    async def _exchange(
        self, request: WivRequest, credential: Secret, time_limit: timedelta, request_id: str
    ) -> tuple[int, httpx2.Headers, bytes]:
        async with self._http.stream(
            request.method,
            self._base_url + request.target,
            content=to_json(request.body, inf_nan_mode="null") if request.has_body else None,
            headers=self._headers(request, credential, request_id),
            timeout=httpx2.Timeout(
                time_limit.total_seconds(),
                connect=CONNECT_TIMEOUT.total_seconds(),
                pool=CONNECT_TIMEOUT.total_seconds(),
            ),
        ) as response:
            return response.status_code, response.headers, await self._read(response)

    def _headers(self, request: WivRequest, credential: Secret, request_id: str) -> dict[str, str]:
        headers = {"X-Request-ID": request_id} | credential_header(credential)
        if request.has_body:
            headers["Content-Type"] = "application/json"
        return headers

    async def _read(self, response: httpx2.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > self._max_response_bytes:
                raise WivAnswerTooLarge(
                    "Wiv's answer is too large to pass on. Ask for less: a smaller page, narrower "
                    "filters or fewer fields."
                )
        return bytes(body)


def credential_header(credential: Secret) -> dict[str, str]:
    """Wiv takes PropelAuth's JWTs as bearer tokens and everything else as an API key."""
    if is_jwt(credential):
        return {"Authorization": f"Bearer {credential.reveal()}"}
    return {"X-API-Key": credential.reveal()}


def without(credential: Secret, body: bytes) -> bytes:
    """Wiv might echo the key; behind an opaque token the client must never see it."""
    return body.replace(credential.reveal().encode(), b"[credential]")


def transport_error(
    error: Exception, time_limit: timedelta
) -> WivUnreachable | WivTimeout | WivConnectionLost:
    reason = type(error).__name__
    match error:
        case httpx2.ConnectError() | httpx2.ConnectTimeout() | httpx2.PoolTimeout():
            return WivUnreachable(f"Wiv can't be reached. {TRY_LATER}", reason=reason)
        case TimeoutError() | httpx2.TimeoutException():
            seconds = f"{time_limit.total_seconds():g}"
            return WivTimeout(f"Wiv didn't answer within {seconds} s. {TRY_LATER}", reason=reason)
        case _:
            return WivConnectionLost(
                f"The connection to Wiv broke before it answered. {TRY_LATER}", reason=reason
            )


def refusal(status: int, headers: httpx2.Headers, body: bytes) -> WivRefused:
    advice = WHAT_TO_DO.get(status, TRY_LATER if status >= 500 else NO_ADVICE)
    if status == 429 and (seconds := retry_after(headers)):
        advice = f"Too many requests. Wait {seconds} s before calling again."
    told = error_text(body)
    return WivRefused(status, f"Wiv answered {status}{f': {told}' if told else ''}. {advice}")


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


def read_json(body: bytes) -> tuple[JSON, str]:
    """The value and its compact text. Raises WivAnswerNotJson.

    NaN and infinities, which Python backends emit, become null; lone surrogates, which no UTF-8
    text can hold, become question marks.
    """
    if not body.strip():
        return None, ""
    try:
        value = from_json(body)
    except ValueError:
        value = read_repaired_json(body)
    return value, to_json(value, inf_nan_mode="null").decode()


def read_repaired_json(body: bytes) -> JSON:
    try:
        value = json.loads(body.decode("utf-8-sig", "replace"))
        repaired: JSON = from_json(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise WivAnswerNotJson(
            f"Wiv's answer isn't JSON, so it can't be passed on. {TRY_LATER}",
            reason=f"{len(body)} bytes that aren't JSON",
        ) from error
    return repaired
