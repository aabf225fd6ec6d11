"""What does a connection's client get away with before there is a whole request, and after?

uvicorn with httptools bounds none of this. A header may grow without end, before anybody has asked
who sends it, and each piece costs more than the one before. A client may take for ever to send a
request or to read an answer. The fields after a chunked body are added to the headers, behind those
that a proxy wrote (RFC 9110 section 6.5.1 forbids it). And who sends the next request before the
first is answered, and hangs up, isn't noticed to be gone.
"""

import asyncio
from http import HTTPStatus

from django.conf import settings
from starlette.responses import PlainTextResponse
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# A request line and headers, the line before a chunk, or the fields after the last one.
MAX_UNFINISHED_BYTES = 64 * 1024
# Seconds more in which a body that is too slow is refused in its endpoint's own form, and what is
# left of one that was refused may come in.
GRACE = 3.0

too_many_connections: ASGI3Application = PlainTextResponse(  # type: ignore[assignment]
    "This server has as many connections as it may. Try again shortly.",
    HTTPStatus.SERVICE_UNAVAILABLE,
    {"Retry-After": "5", "Connection": "close"},
)


class Connection(HttpToolsProtocol):
    """One client's; its limits are MAX_CONNECTIONS and SLOW_CLIENT_TIMEOUT."""

    # For the request that is coming in, from its first byte to its last.
    _deadline: asyncio.TimerHandle | None = None
    # For a client that doesn't read: of an answer, and of the last one.
    _unread: asyncio.TimerHandle | None = None
    # What is being answered, while `cycle` is what came in last.
    _answered: RequestResponseCycle | None = None
    _is_in_body = False
    # Bytes of what httptools is in the middle of and keeps until it has seen its end.
    _unfinished = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_request(patience())

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        self._was_read()
        super().connection_lost(exc)
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    # What comes in --------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._deadline is None:
            self._expect_request(patience())
        self._unfinished += len(data)
        super().data_received(data)
        if self._unfinished > MAX_UNFINISHED_BYTES and not self.transport.is_closing():
            text = f"Send at most {MAX_UNFINISHED_BYTES} bytes of headers."
            self._end_with(response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text))

    def on_message_begin(self) -> None:
        """Perhaps in one piece of data with the end of the request before."""
        if self._deadline is None:
            self._expect_request(patience())
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._unfinished, self._is_in_body = 0, True
        self._expect_request(patience() + GRACE)
        is_full = len(self.connections) > settings.MAX_CONNECTIONS
        self.app = too_many_connections if is_full else self.config.loaded_app
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        self._unfinished = 0

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unfinished, self._is_in_body = 0, False
        self._expect_nothing()
        super().on_message_complete()

    def _expect_request(self, seconds: float) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(seconds, self._too_slow)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        if self.flow.read_paused:  # by us
            self._expect_request(patience())
        elif self._unfinished:
            text = f"Send a request within {patience():g} seconds."
            self._end_with(response(HTTPStatus.REQUEST_TIMEOUT, text))
        else:
            self._end_with(b"")

    def _end_with(self, answer: bytes) -> None:
        """Without it in a body, and while an earlier request is answered, which goes out whole."""
        self._expect_nothing()
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if is_answering and not self._is_in_body:
            self.flow.pause_reading()
            self.cycle.keep_alive = False
            return
        if not self._is_in_body:
            self.transport.write(answer)
        self.transport.close()
        self._expect_reader()

    # What goes out --------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reader()

    def resume_writing(self) -> None:
        if not self.transport.is_closing():
            self._was_read()
        super().resume_writing()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._expect_reader()
        elif self._is_in_body:  # and nobody reads the rest
            self._expect_request(GRACE)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._expect_reader()

    def _expect_reader(self) -> None:
        """A transport that was closed still waits for its client to read."""
        self._was_read()
        self._unread = self.loop.call_later(patience(), self.transport.abort)

    def _was_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


def patience() -> float:
    """Seconds."""
    return settings.SLOW_CLIENT_TIMEOUT.total_seconds()


def response(status: HTTPStatus, text: str) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        "content-type: text/plain; charset=utf-8",
        f"content-length: {len(text)}",
        "connection: close",
    )
    return "\r\n".join([*head, "", text]).encode("ascii")
