"""What a stream's client gets to read: server-sent events, in the response to GET /sse."""

import asyncio
import random
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

import anyio
from mcp import types
from mcp.shared.message import SessionMessage
from starlette.types import Send

from mcp_gateway.streams.handshake import HANDSHAKE_ID

# All in seconds. How long nothing is sent before a comment is: proxies give up silent connections.
PING_INTERVAL = 15.0
# What a client may take to read. One that takes longer has gone, or is as good as gone.
READING_PATIENCE = 30.0
CLOSING_PATIENCE = 5.0
# When an EventSource comes back after the end; not all at the same moment.
RECONNECT_MS = (250, 1000)

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
PING = b": ping\r\n\r\n"


class Outbox:
    """The SDK's WriteStream. Writing raises ClosedResourceError after the end."""

    __slots__ = ("_send", "_turn", "in_flight", "is_closed", "is_stuck", "used_at", "written_at")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._turn = asyncio.Lock()
        self.is_closed = False
        # The client doesn't read.
        self.is_stuck = False
        # Requests that aren't answered yet.
        self.in_flight: set[types.RequestId] = set()
        # When a message was last written, and when anything was.
        self.used_at = self.written_at = time.monotonic()

    async def begin(self, endpoint: str) -> None:
        """The head, and where to post."""
        await self._send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        retry = random.randint(*RECONNECT_MS)  # noqa: S311 (nobody gains by guessing it)
        await self._write(f"event: endpoint\r\ndata: {endpoint}\r\nretry: {retry}\r\n\r\n".encode())

    async def send(self, item: SessionMessage) -> None:
        message = item.message
        request_id = None
        if isinstance(message, types.JSONRPCResponse | types.JSONRPCError):
            request_id = message.id
        try:
            if request_id != HANDSHAKE_ID:
                data = message.model_dump_json(by_alias=True, exclude_unset=True)
                await self._write(f"event: message\r\ndata: {data}\r\n\r\n".encode())
                self.used_at = self.written_at
        finally:
            if request_id is not None:
                self.in_flight.discard(request_id)

    def needs_ping(self, now: float) -> bool:
        return now - self.written_at >= PING_INTERVAL and not self._turn.locked()

    async def ping(self) -> None:
        with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            await self._write(PING)

    async def end(self) -> None:
        """The client sees a clean end, unless it has gone."""
        with (
            suppress(anyio.ClosedResourceError, anyio.BrokenResourceError),
            anyio.move_on_after(CLOSING_PATIENCE),
        ):
            await self._write(b"", is_last=True)

    def close(self) -> None:
        """The client has gone."""
        self.is_closed = True

    async def _write(self, chunk: bytes, *, is_last: bool = False) -> None:
        with anyio.move_on_after(READING_PATIENCE) as patience:
            async with self._turn:
                if self.is_closed:
                    raise anyio.ClosedResourceError
                self.is_closed = is_last
                body = {"type": "http.response.body", "body": chunk, "more_body": not is_last}
                await self._send(body)
                self.written_at = time.monotonic()
        if patience.cancelled_caught:
            self.is_stuck = True
            raise anyio.BrokenResourceError

    async def aclose(self) -> None:
        """The SDK has nothing more to say. The response ends with `end`."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
