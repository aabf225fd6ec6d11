"""What does it mean when no good answer came, and what is the model told?"""

import math
from collections.abc import Mapping
from datetime import timedelta

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError
from pydantic_core import to_json

from mcp_gateway.destinations import Destination
from mcp_gateway.errors import (
    WivAddressUnusable,
    WivAnswerNotJson,
    WivConnectionLost,
    WivError,
    WivRefused,
    WivTimeout,
    WivUnreachable,
)
from mcp_gateway.retries import retry_after
from mcp_gateway.upstream_json import read_json

# Characters of an upstream's own error text that a model is shown.
MAX_ERROR_TEXT = 500
NO_ADVICE = "Don't repeat the call unchanged."


def transport_error(error: Exception, to: Destination) -> WivError:
    """For whatever the HTTP client raised before there was a whole answer."""
    reason = type(error).__name__
    match error:
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return WivUnreachable(f"{to.title} can't be reached. {to.try_later}", reason=reason)
        case aiohttp.InvalidURL():
            return WivAddressUnusable(f"{to.title} can't be reached. {to.try_later}", reason=reason)
        case aiohttp.ClientPayloadError() if isinstance(error.__cause__, ContentEncodingError):
            return WivAnswerNotJson(f"{to.title}'s answer can't be read. {to.try_later}")
        case _:
            return WivConnectionLost(
                f"The connection to {to.title} broke before it answered. {to.try_later}",
                reason=reason,
            )


def too_late(to: Destination, time_limit: timedelta) -> WivTimeout:
    seconds = f"{time_limit.total_seconds():g}"
    return WivTimeout(
        f"{to.title} didn't answer within {seconds} s. {to.try_later}", reason="too late"
    )


def refusal(to: Destination, status: int, headers: Mapping[str, str], body: bytes) -> WivRefused:
    advice = to.what_to_do.get(status, to.try_later if status >= 500 else NO_ADVICE)
    seconds = retry_after(headers) if status in (429, 503) else None
    if seconds:
        problem = "Too many requests. " if status == 429 else ""
        advice = f"{problem}Wait {math.ceil(seconds)} s before calling again."
    told = f": {text}" if (text := error_text(body)) else ""
    for_model = f"{to.title} answered {status}{told}. {advice}"
    return WivRefused(status, for_model, api=to.title, retry_after=seconds)


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
