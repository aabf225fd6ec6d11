"""The outermost ASGI application: each request's id, line in the log, number and span."""

import logging
import time
from contextlib import AbstractContextManager

from opentelemetry.trace import Span, SpanKind
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry import metrics, traces
from telemetry.logs import harmless
from telemetry.requests import HEADER, Request, new_request, set_current

logger = logging.getLogger("telemetry.access")

# What asks every few seconds, and says nothing when all is well.
QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})


class Edge:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            with metrics.sampling():
                await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = new_request(find_header(scope, HEADER))
        # Never reset: the server's own line about an exception is to have it too, and the context
        # ends with the request.
        set_current(request)
        answer = Answer(send, request.id)
        began = time.perf_counter()
        with span_of(scope, request) as span:
            try:
                await self._app(scope, receive, answer.send)
            finally:
                seconds = time.perf_counter() - began
                metrics.request_answered(scope["path"], answer.status, seconds)
                log(scope["method"], scope["path"], answer.status, seconds)
                conclude(span, answer.status)


def find_header(scope: Scope, name: bytes) -> str:
    """The first one's value; each request pays for this, and there may be many headers."""
    for each, value in scope["headers"]:
        if each == name:
            return str(value, "latin-1")
    return ""


def span_of(scope: Scope, request: Request) -> AbstractContextManager[Span | None]:
    if not traces.is_on():
        return traces.NOTHING
    attributes = {
        "http.request.method": scope["method"],
        "url.path": harmless(scope["path"]),
        "wivmcp.request_id": request.id,
    }
    return traces.span(
        f"{scope['method']} /{metrics.endpoint_of(scope['path'])}",
        SpanKind.SERVER,
        attributes,
        traceparent=find_header(scope, b"traceparent"),
    )


class Answer:
    """Carries the request's id; `status` is 0 until it has begun."""

    __slots__ = ("_header", "_send", "status")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._header = (HEADER, request_id.encode())
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), self._header]}
        await self._send(message)


def log(method: str, path: str, status: int, seconds: float) -> None:
    is_quiet = path in QUIET_PATHS and status < 400
    level = logging.DEBUG if is_quiet else logging.INFO
    if not logger.isEnabledFor(level):
        return
    path, duration_ms = harmless(path), round(seconds * 1000, 1)
    extra = {"method": method, "path": path, "status": status, "duration_ms": duration_ms}
    outcome = str(status) if status else "no answer"
    logger.log(level, "%s %s %s %.1f ms", method, path, outcome, duration_ms, extra=extra)


def conclude(span: Span | None, status: int) -> None:
    """OpenTelemetry's conventions for servers: only what is our fault is an error."""
    if span is not None and status:
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            traces.fail(span, str(status))
