"""What POSTs bring to a stream, as the SDK reads it."""

import contextvars
from types import TracebackType
from typing import Self

import anyio
from mcp.shared.message import SessionMessage

# The SDK takes each at once, so when these are full it waits for a client that doesn't read.
CAPACITY = 16

Item = SessionMessage | Exception


class Inbox:
    """The SDK's ReadStream. It runs each message's handler in the context the message was put in.

    When it is closed, what was put before is still read.
    """

    __slots__ = ("_put", "_take", "last_context")

    def __init__(self) -> None:
        self._put, self._take = anyio.create_memory_object_stream[tuple[contextvars.Context, Item]](
            CAPACITY
        )
        self.last_context: contextvars.Context | None = None

    async def put(self, message: SessionMessage) -> bool:
        """Whether somebody will read it."""
        try:
            await self._put.send((contextvars.copy_context(), message))
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            return False
        return True

    def close(self) -> None:
        self._put.close()

    async def receive(self) -> Item:
        self.last_context, item = await self._take.receive()
        return item

    async def aclose(self) -> None:
        self._take.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
