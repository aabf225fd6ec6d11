"""A balancer without sticky sessions: request after request goes to the next worker.

It streams both ways byte by byte, so a stream flows through it, and what is cut off at one side is
cut off at the other. One request a connection: all that it reads is the head.
"""

import asyncio
import contextlib
import re
import threading
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.settings import free_port

SESSION = re.compile(rb"session_id=(\w+)")
Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Served:
    """`session` is that of a POST to /messages/, "" for other requests."""

    worker: int
    method: str
    path: str
    session: str


@dataclass
class RoundRobin:
    """`workers` are ports; whoever has the proxy may change them. None answers: 502."""

    port: int
    workers: list[int] = field(default_factory=list)
    served: list[Served] = field(default_factory=list)
    # Which worker has the stream of a session.
    owners: dict[str, int] = field(default_factory=dict)
    _next: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ways(self) -> Counter[str]:
        """How many POSTs went to the worker that has the stream, and how many elsewhere."""
        posts = [each for each in self.served if each.session]
        return Counter(
            "here" if each.worker == self.owners.get(each.session) else "elsewhere"
            for each in posts
        )

    async def serve(
        self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await client_reader.readuntil(b"\r\n\r\n")
            worker, upstream_reader, upstream = await self._connect()
            self._note(worker, head)
            head = re.sub(rb"\r\nconnection:[^\r]*", b"", head, flags=re.IGNORECASE)
            upstream.write(head.removesuffix(b"\r\n") + b"Connection: close\r\n\r\n")
            await first_of(
                pump(client_reader, upstream), self._pump_back(worker, upstream_reader, client)
            )
            upstream.close()
        client.close()

    async def _connect(self) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
        """To the next that can be reached. Raises OSError when none can."""
        for _ in range(len(self.workers)):
            self._next += 1
            worker = self.workers[self._next % len(self.workers)]
            with contextlib.suppress(ConnectionRefusedError):
                return worker, *await asyncio.open_connection("127.0.0.1", worker)
        raise ConnectionRefusedError

    def _note(self, worker: int, head: bytes) -> None:
        method, target, _ = head.split(b"\r\n")[0].decode().split()
        session = SESSION.search(target.encode())
        name = session[1].decode() if session else ""
        self.served.append(Served(worker, method, target.partition("?")[0], name))

    async def _pump_back(
        self, worker: int, source: asyncio.StreamReader, target: asyncio.StreamWriter
    ) -> None:
        """The first session that a worker names is that of the stream it has just opened."""
        while data := await source.read(65536):
            if session := SESSION.search(data):
                self.owners.setdefault(session[1].decode(), worker)
            target.write(data)
            await target.drain()


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        target.write(data)
        await target.drain()


async def first_of(*directions: Coroutine[None, None, None]) -> None:
    """Until either side has gone. Raises what it went with."""
    tasks = [asyncio.ensure_future(each) for each in directions]
    done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for task in done:
        task.result()


@contextmanager
def round_robin() -> Iterator[RoundRobin]:
    """Running, on a port of its own, with no workers yet."""
    proxy = RoundRobin(free_port())
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(proxy.serve, "127.0.0.1", proxy.port))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def stop(server: asyncio.Server) -> None:
    server.close()
    connections = asyncio.all_tasks() - {asyncio.current_task()}
    for each in connections:
        each.cancel()
    await asyncio.gather(*connections, return_exceptions=True)
