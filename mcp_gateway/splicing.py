"""How does a long part of an answer reach the client without being encoded again and again?

The SDK checks each result against the protocol's version, and turns it into JSON by way of Python
objects, twice. What is JSON already goes round that: a handler puts a mark in its place, the SDK
makes the answer around it, and as the answer leaves, the bytes take the mark's place.

Only where one HTTP response is one JSON answer. A mark begins with a random number that never
leaves the process, so no text that anybody chose can be one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from secrets import token_hex

from pydantic_core import to_json
from starlette.types import Message, Send

SECRET = token_hex(16)


class Splices:
    """The long parts of one answer, each in place of a mark."""

    def __init__(self) -> None:
        self._parts: list[tuple[bytes, bytes]] = []

    def __bool__(self) -> bool:
        return bool(self._parts)

    def text(self, text: str) -> str:
        """A mark for a string."""
        mark = self._next_mark()
        self._parts.append((f'"{mark}"'.encode(), to_json(text)))
        return mark

    def object(self, json: bytes) -> dict[str, str]:
        """A mark for an object, which `json` is."""
        mark = self._next_mark()
        self._parts.append((f'{{"{mark}":""}}'.encode(), json))
        return {mark: ""}

    def filled(self, body: bytes) -> bytes:
        """Marks that aren't there belong to a result that the SDK has made an error of."""
        for mark, json in self._parts:
            body = body.replace(mark, json, 1)
        return body

    def _next_mark(self) -> str:
        return f"{SECRET}-{len(self._parts)}"


_splices: ContextVar[Splices | None] = ContextVar("splices", default=None)


def splices() -> Splices | None:
    """Of the request at hand; None where its answer is no HTTP response of its own."""
    return _splices.get()


@contextmanager
def splicing(send: Send) -> Iterator[Send]:
    """A `send` that fills in what the request's handler left out."""
    parts = Splices()
    start: Message = {}

    async def send_filled(message: Message) -> None:
        nonlocal start
        if not parts:
            await send(message)
        elif message["type"] == "http.response.start":
            start = message
        elif message.get("more_body"):
            raise AssertionError("the SDK's answer comes in pieces")
        else:
            body = parts.filled(message.get("body", b""))
            await send({**start, "headers": with_length(start["headers"], len(body))})
            await send({**message, "body": body})

    token = _splices.set(parts)
    try:
        yield send_filled
    finally:
        _splices.reset(token)


def with_length(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    others = [(name, value) for name, value in headers if name != b"content-length"]
    return [*others, (b"content-length", str(length).encode())]
