"""Asks one server for the same again and again over kept connections, as fast as it answers.

Raw HTTP/1.1, because a client library would cost more than some of the servers. An answer counts as
an error when it isn't, byte for byte, the one that was checked before.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

from benchmarks.peers.work import Work

HEAD_END = b"\r\n\r\n"
TOO_LONG = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """`size` is of the body as it was sent, its framing as chunks or events included."""

    status: int
    body: bytes
    size: int


@dataclass(slots=True)
class Load:
    """`took` is in seconds, one for each answer."""

    seconds: float = 0.0
    errors: int = 0
    took: list[float] = field(default_factory=list)


def request(url: str, token: str, work: Work) -> bytes:
    parts, body = urlsplit(url), work.body()
    headers = {
        "Host": parts.netloc,
        "Authorization": f"Bearer {token}",
        "Content-Length": str(len(body)),
    } | work.headers()
    head = "\r\n".join(f"{name}: {value}" for name, value in headers.items())
    return f"POST {parts.path} HTTP/1.1\r\n{head}".encode() + HEAD_END + body


class Connection(asyncio.Protocol):
    """Sends `request`, gives each answer to `answered`, and goes on for as long as that says so."""

    def __init__(self, request: bytes, answered: Callable[[Answer], bool]) -> None:
        self._request = request
        self._answered = answered
        self._received = bytearray()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's aren't asyncio's
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        answer = read_answer(self._received)
        if answer is None:
            return
        self._received.clear()
        if self._answered(answer):
            self._transport.write(self._request)
        else:
            self._transport.close()
            self._end(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or ConnectionError("the server closed a connection that was in use"))

    def _end(self, error: Exception | None) -> None:
        if self.ended.done():
            return
        if error:
            self.ended.set_exception(error)
        else:
            self.ended.set_result(None)


def read_answer(received: bytearray) -> Answer | None:
    """None as long as it isn't complete."""
    at = received.find(HEAD_END)
    if at < 0:
        return None
    head, begin = bytes(received[:at]).lower(), at + len(HEAD_END)
    status = int(head[9:12])
    if b"transfer-encoding: chunked" in head:
        if not received.endswith(b"0\r\n\r\n"):
            return None
        raw = bytes(received[begin:])
        return Answer(status, without_events(without_chunks(raw)), len(raw))
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    if len(received) < begin + length:
        return None
    return Answer(status, bytes(received[begin : begin + length]), length)


def without_chunks(raw: bytes) -> bytes:
    body, rest = b"", raw
    while True:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return body
        body, rest = body + rest[:length], rest[length + 2 :]


def without_events(body: bytes) -> bytes:
    """The data of a stream's one event; what is no stream is left as it is."""
    if not body.startswith((b"event:", b"data:", b"id:")):
        return body
    lines = [line for line in body.splitlines() if line.startswith(b"data:")]
    return lines[-1].removeprefix(b"data:").strip()


async def connect(url: str, request: bytes, answered: Callable[[Answer], bool]) -> Connection:
    host, _, port = urlsplit(url).netloc.partition(":")
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: Connection(request, answered), host, int(port)
    )
    return connection


async def ask_once(url: str, token: str, work: Work) -> Answer:
    answers: list[Answer] = []

    def answered(answer: Answer) -> bool:
        answers.append(answer)
        return False

    connection = await connect(url, request(url, token, work), answered)
    async with asyncio.timeout(TOO_LONG):
        await connection.ended
    return answers[0]


async def run(
    url: str, token: str, work: Work, expected: bytes, seconds: float, connections: int
) -> Load:
    """Each connection's last request is answered, so all the work that was begun is counted."""
    load, asked = Load(), request(url, token, work)
    began = time.perf_counter()

    def stopwatch() -> Callable[[Answer], bool]:
        sent = time.perf_counter()

        def answered(answer: Answer) -> bool:
            nonlocal sent
            now = time.perf_counter()
            load.took.append(now - sent)
            load.errors += answer.status != 200 or answer.body != expected
            sent = now
            return now - began < seconds

        return answered

    opened = [await connect(url, asked, stopwatch()) for _ in range(connections)]
    async with asyncio.timeout(seconds + TOO_LONG):
        await asyncio.gather(*(connection.ended for connection in opened))
    load.seconds = time.perf_counter() - began
    return load
