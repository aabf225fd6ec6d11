"""AI assistants on the official SDK that work all the time, and what they do when it fails.

They behave as careful clients do: 503 with Retry-After and refused connections are tried again
after a wait, a read whose answer was lost too. A write whose answer was lost isn't.
"""

import asyncio
import contextlib
import itertools
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
from mcp import Client, MCPError
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent

from sandbox import fixtures
from tests.chaos.tally import Outcome, Tally
from tests.e2e.assistant import Memory, Person, oauth
from tests.robot import Robot

PAUSE_SECONDS = 0.15
# A client that waits longer for one call has given up.
PATIENCE_SECONDS = 100.0
RECONNECT_SECONDS = 0.3
LOST = (502, 504)

logging.getLogger("mcp").setLevel(logging.CRITICAL)


class Interrupted(Exception):
    """The answer was lost on its way: 502 of the balancer, or a connection that was cut."""


class Persistent(httpx2.AsyncHTTPTransport):
    """Tries again what is clearly retryable, at the MCP endpoint only: no SDK repeats /token."""

    def __init__(self, tally: Tally) -> None:
        # One connection a request, as each may get to another worker.
        super().__init__(limits=httpx2.Limits(max_keepalive_connections=0))
        self.tally = tally
        # What became of the last request: to the endpoint, and to /token.
        self.was_lost = False
        self.token_problem = ""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/token":
            return await self._token(request)
        if not request.url.path.startswith("/mcp"):
            return await super().handle_async_request(request)
        self.was_lost = False
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            wait, why, answer = await self._try(request)
            if answer is not None and (not why or time.monotonic() + wait > deadline):
                return answer
            self.tally.repeated[why] += 1
            await asyncio.sleep(wait)

    async def _try(self, request: httpx2.Request) -> tuple[float, str, httpx2.Response | None]:
        """Seconds to wait and why to try again, or "" for an answer to go by."""
        try:
            answer = await super().handle_async_request(request)
        except httpx2.ConnectError:
            return 0.5, "connection refused", None
        except httpx2.TransportError:
            self.was_lost = True
            raise
        self.was_lost = answer.status_code in LOST
        retry_after = answer.headers.get("retry-after", "")
        if answer.status_code != 503 or not retry_after.isdecimal():
            return 0.0, "", answer
        await answer.aread()
        return float(retry_after), "503 with Retry-After", answer

    async def _token(self, request: httpx2.Request) -> httpx2.Response:
        self.token_problem = "no answer"
        answer = await super().handle_async_request(request)
        ok = answer.status_code == 200
        self.token_problem = "" if ok else f"{answer.status_code} from /token"
        return answer


class PatientPerson(Person):
    """Signs in in a thread, as the balancer's answer may take a while; says why it was asked to."""

    def __init__(self, robot: Robot, worker: "Worker") -> None:
        super().__init__(robot)
        self.worker = worker

    async def open_browser(self, url: str) -> None:
        if self.opened:
            why = self.worker.transport.token_problem or "401 from the MCP endpoint"
            self.worker.tally.signed_out.append(f"{self.worker.name}: {why}")
        await asyncio.to_thread(lambda: asyncio.run(Person.open_browser(self, url)))


@dataclass
class Worker:
    """One assistant: reads, and every third time writes a number nobody else writes."""

    name: str
    url: str
    path: str
    mode: str
    tally: Tally = field(default_factory=Tally)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    transport: Persistent = field(init=False)

    def __post_init__(self) -> None:
        self.transport = Persistent(self.tally)
        self.robot = Robot(fixtures.ANA_EMAIL)
        self.person = PatientPerson(self.robot, self)
        self.memory = Memory()
        self.auth = oauth(self.url + self.path, self.person, self.memory)

    def begin_anew(self) -> None:
        """With empty counts."""
        self.tally = self.transport.tally = Tally()

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[Client]:
        if self.path == "/sse":
            stream = sse_client(self.url + self.path, auth=self.auth)
            async with Client(stream, mode=self.mode) as client:
                yield client
            return
        async with (
            httpx2.AsyncClient(auth=self.auth, transport=self.transport, timeout=60) as http,
            Client(
                streamable_http_client(self.url + self.path, http_client=http), mode=self.mode
            ) as client,
        ):
            yield client

    async def work(self, is_over: asyncio.Event) -> None:
        """Until it's over. A connection that breaks is made anew, as assistants do."""
        while not is_over.is_set():
            try:
                async with self.connected() as client:
                    while not is_over.is_set():
                        await self.step(client)
                        await asyncio.sleep(PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001 (counted, whatever it is)
                if not is_over.is_set():
                    self.tally.repeated[f"reconnected after {innermost(error)}"] += 1
                    await asyncio.sleep(RECONNECT_SECONDS)

    async def step(self, client: Client) -> None:
        number = next(self.numbers)
        if number % 3:
            await self.count(self.read(client))
            return
        name = f"{self.name}-{number}"
        outcome = await self.count(self.write(client, name))
        if outcome is Outcome.OK:
            self.tally.written.append(name)

    async def count(self, call: Awaitable[Outcome]) -> Outcome:
        outcome = await call
        self.tally.calls[outcome] += 1
        return outcome

    async def read(self, client: Client) -> Outcome:
        """Nothing speaks against asking again."""
        for _ in range(3):
            outcome = await self.call(client, "wiv_list_workflows", {"limit": 5})
            if outcome is not Outcome.UNKNOWN:
                return outcome
            self.tally.repeated["a read whose answer was lost"] += 1
        return Outcome.RETRYABLE

    async def write(self, client: Client, number: str) -> Outcome:
        arguments = {
            "workflow_id": fixtures.MONTHLY_REPORT,
            "trigger_event": {"number": number},
        }
        return await self.call(client, "wiv_start_execution", arguments)

    async def call(self, client: Client, tool: str, arguments: dict[str, Any]) -> Outcome:
        try:
            result = await client.call_tool(tool, arguments)
        except MCPError as error:
            return self.judge_error(str(error))
        except Exception as error:
            self.tally.calls[self.judge_error(innermost(error))] += 1
            raise
        return self.judge(result)

    def judge_error(self, text: str) -> Outcome:
        if self.transport.was_lost:
            return Outcome.UNKNOWN
        if "at the moment" in text or "try again later" in text:
            return Outcome.RETRYABLE
        self.tally.unclear.append(f"{self.name}: {text}")
        return Outcome.UNCLEAR

    def judge(self, result: CallToolResult) -> Outcome:
        if not result.is_error:
            return Outcome.OK
        text = " ".join(each.text for each in result.content if isinstance(each, TextContent))
        if "unknown whether the call took effect" in text:
            return Outcome.UNKNOWN
        if any(word in text for word in ("wasn't sent", "wasn't made", "ry again", "Wait ")):
            return Outcome.RETRYABLE
        self.tally.unclear.append(f"{self.name}: {text[:200]}")
        return Outcome.UNCLEAR


def innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:160]


class Load:
    """Assistants at work, in a thread of their own; between `start` and `stop`."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.workers = workers
        self._loop = asyncio.new_event_loop()
        self._is_over: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._is_over = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._work()])
        self._thread.start()

    def stop(self) -> Tally:
        """What was counted since the start. Each ends the call it is at."""
        assert self._is_over is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._is_over.set)
        self._thread.join(2 * PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "an assistant hangs"
        tally = Tally()
        for worker in self.workers:
            tally.add(worker.tally)
            worker.begin_anew()
        return tally

    def close(self) -> None:
        self._loop.close()
        for worker in self.workers:
            worker.robot.close()

    def wait_for_calls(self, count: int, seconds: float = 90) -> None:
        """That many more good ones of each assistant. Fails when one has none for too long."""
        before = [worker.tally.calls[Outcome.OK] for worker in self.workers]
        self.wait_until(
            lambda: all(
                worker.tally.calls[Outcome.OK] >= then + count
                for worker, then in zip(self.workers, before, strict=True)
            ),
            seconds,
        )

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds} s: {[w.tally for w in self.workers]}")
            time.sleep(0.05)

    async def _work(self) -> None:
        assert self._is_over is not None
        await asyncio.gather(*(worker.work(self._is_over) for worker in self.workers))
