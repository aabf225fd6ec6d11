"""How much of a request does Django get to see?

By itself it takes in a body of any size and speed, to a file where it is long, before it looks at
the path.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_gateway.errors import BodyTooLarge, BodyTooSlow, HttpRefusal, Unavailable
from mcp_gateway.limits import bounded, check_encoding, check_header_size, declared_size
from mcp_gateway.openapi import MAX_DOCUMENT_BYTES

logger = logging.getLogger(__name__)

# Their clients are programs, which read JSON (RFC 6749 section 5.2).
FOR_PROGRAMS = frozenset({"/token", "/register", "/revoke"})
# The admin's pages that take a file: the longest one, and what a form puts around it.
UPLOADS = "/admin/mcp_gateway/tool/import"
MAX_UPLOAD_BYTES = MAX_DOCUMENT_BYTES + 64 * 1024
# Nobody has been asked who they are when a file comes in.
UPLOADS_AT_ONCE = 8


class Intake:
    """In front of Django. A request that is refused here never reaches it."""

    def __init__(self, django_app: ASGIApp) -> None:
        self._django = django_app
        self._uploads = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._serve(scope, receive, send)
        except HttpRefusal as refusal:
            logger.info("%s %s: %s", scope["method"], refusal.status, refusal)
            await response(scope["path"], refusal)(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises HttpRefusal until Django has the whole body, and never after."""
        headers = Headers(scope=scope)
        check_header_size(scope)
        check_encoding(headers)
        with self._place(scope["path"], headers) as max_bytes:
            body = Body(bounded(headers, receive, max_bytes))
            await self._django(scope, body.receive, send)
        if body.refusal is not None:
            raise body.refusal

    @contextmanager
    def _place(self, path: str, headers: Headers) -> Iterator[int]:
        """How large a body may be. Raises Unavailable."""
        usual: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        is_small = declared_size(headers) <= usual and "transfer-encoding" not in headers
        if is_small or not path.startswith(UPLOADS):
            yield usual
            return
        if self._uploads >= UPLOADS_AT_ONCE:
            raise Unavailable("Too many files are being uploaded: try again shortly")
        self._uploads += 1
        try:
            yield MAX_UPLOAD_BYTES
        finally:
            self._uploads -= 1


class Body:
    """What Django reads. It is told of a disconnect where the body is refused.

    Only then does Django close the file that it keeps the body in.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.refusal: HttpRefusal | None = None

    async def receive(self) -> Message:
        try:
            return await self._receive()
        except (BodyTooLarge, BodyTooSlow) as refusal:
            self.refusal = refusal
            return {"type": "http.disconnect"}


def response(path: str, refusal: HttpRefusal) -> Response:
    headers = {**refusal.headers, "Cache-Control": "no-store"}
    if path not in FOR_PROGRAMS:
        return PlainTextResponse(f"{refusal.message}.", refusal.status, headers)
    content = {"error": "invalid_request", "error_description": f"{refusal.message}."}
    return JSONResponse(content, refusal.status, headers)
