"""A load balancer as in front of a deployment: in turn, request by request, without stickiness.

A request whose worker refuses the connection goes to the next one, as nothing has been sent yet.
One whose worker goes away later is answered with 502: nobody knows how far it got.
"""

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence

HEAD_END = b"\r\n\r\n"
OUT_SECONDS = 0.5
NOBODY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
CUT = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Balancer:
    """At `port`, in front of the workers at `ports`. One connection a request, on both sides."""

    def __init__(self, port: int, ports: Sequence[int]) -> None:
        self.port = port
        self.ports = list(ports)
        self.cut: Counter[str] = Counter()
        self._turn = 0
        self._out_until: dict[int, float] = {}

    async def serve(self, is_over: asyncio.Event) -> None:
        async with await asyncio.start_server(self._handle, "127.0.0.1", self.port, backlog=500):
            await is_over.wait()

    async def _handle(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await client.readuntil(HEAD_END)
            body = await client.readexactly(content_length(head))
            await self._forward(closing(head) + body, path_of(head), client, answer)
        answer.close()

    async def _forward(
        self, request: bytes, path: str, client: asyncio.StreamReader, answer: asyncio.StreamWriter
    ) -> None:
        for port in self._in_turn():
            try:
                worker, to_worker = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                self._out_until[port] = time.monotonic() + OUT_SECONDS
                continue
            try:
                await self._exchange(request, path, (worker, to_worker), client, answer)
            finally:
                to_worker.close()
            return
        answer.write(NOBODY)
        await answer.drain()

    async def _exchange(
        self,
        request: bytes,
        path: str,
        worker: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        client: asyncio.StreamReader,
        answer: asyncio.StreamWriter,
    ) -> None:
        reader, writer = worker
        left = asyncio.ensure_future(client.read())
        try:
            writer.write(request)
            await writer.drain()
            has_begun = False
            while chunk := await until_left(reader, left):
                has_begun = True
                answer.write(chunk)
                await answer.drain()
        except ConnectionError:
            has_begun = False
        finally:
            left.cancel()
        if not has_begun and not left.done():
            self.cut[path] += 1
            answer.write(CUT)
            await answer.drain()

    def _in_turn(self) -> list[int]:
        """Every worker once, the next one first; those that just refused last."""
        self._turn += 1
        start = self._turn % len(self.ports)
        order = self.ports[start:] + self.ports[:start]
        now = time.monotonic()
        return sorted(order, key=lambda port: self._out_until.get(port, 0.0) > now)


async def until_left(reader: asyncio.StreamReader, left: "asyncio.Future[bytes]") -> bytes:
    """The next bytes of the worker; none when it has closed, or when the client has left."""
    read = asyncio.ensure_future(reader.read(65536))
    await asyncio.wait({read, left}, return_when=asyncio.FIRST_COMPLETED)
    if read.done():
        return read.result()
    read.cancel()
    return b""


def content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def closing(head: bytes) -> bytes:
    """The same request, on a connection that ends with its answer."""
    lines = head.removesuffix(HEAD_END).split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*kept, b"Connection: close"]) + HEAD_END


def path_of(head: bytes) -> str:
    return head.split(b" ", 2)[1].partition(b"?")[0].decode("latin-1")


@contextlib.contextmanager
def balancing(port: int, ports: Sequence[int]) -> Iterator[Balancer]:
    """In a thread of its own, so that whoever calls it may block."""
    balancer = Balancer(port, ports)
    loop, is_over = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(
        target=loop.run_until_complete, args=[balancer.serve(is_over)], daemon=True
    )
    thread.start()
    try:
        yield balancer
    finally:
        loop.call_soon_threadsafe(is_over.set)
        thread.join(10)
        loop.run_until_complete(cancel_all())
        loop.close()


async def cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
