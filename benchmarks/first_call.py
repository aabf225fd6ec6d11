"""How long from the first page view to the first tool call? `python -m benchmarks.first_call`

The machine's part: a robot is the person and answers at once, the official Python SDK is the
assistant. What runs is what the demo runs: one process, SQLite, and the sandbox behind it.
"Our own" is what the two waited for answers of wivmcp, PropelAuth's part of those included.
"""

import argparse
import asyncio
import os
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import httpx2

from tests.wiv_routes import SHIPPED

if TYPE_CHECKING:
    from tests.robot import Robot

GOAL_SECONDS = 2.0


@dataclass
class Stopwatch:
    """Seconds that requests to `url` took, by path, in one round."""

    url: str
    took: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    asked: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def begin(self, request: httpx2.Request) -> None:
        request.extensions["began"] = time.perf_counter()

    def end(self, response: httpx2.Response) -> None:
        """When the answer's head is there: bodies are small, and `/mcp` answers with JSON."""
        request = response.request
        if str(request.url).startswith(self.url):
            path = steady(request.url.path)
            self.took[path] += time.perf_counter() - request.extensions["began"]
            self.asked[path] += 1

    async def begin_async(self, request: httpx2.Request) -> None:
        self.begin(request)

    async def end_async(self, response: httpx2.Response) -> None:
        self.end(response)

    @property
    def own(self) -> float:
        return sum(self.took.values())


def steady(path: str) -> str:
    return "/oauth/organization/..." if path.startswith("/oauth/organization/") else path


@dataclass
class Round:
    total: float
    watch: Stopwatch


async def run_assistant(url: str, robot: "Robot", watch: Stopwatch) -> None:
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    from tests.e2e.assistant import Memory, Person, oauth

    auth = oauth(f"{url}/mcp", Person(robot), Memory())
    hooks: dict[str, list[Callable[..., Any]]] = {
        "request": [watch.begin_async],
        "response": [watch.end_async],
    }
    async with (
        httpx2.AsyncClient(auth=auth, event_hooks=hooks, timeout=30) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
    ):
        assert len((await client.list_tools()).tools) == SHIPPED
        answer = await client.call_tool("wiv_list_workflows", {})
        assert not answer.is_error, answer


def one_round(url: str) -> Round:
    from sandbox import fixtures
    from tests.connect.panel import watch as press_is_it_working
    from tests.robot import Robot, signed_in

    watch = Stopwatch(url)
    robot = Robot(fixtures.ANA_EMAIL)
    robot.http.event_hooks = {"request": [watch.begin], "response": [watch.end]}
    started = time.perf_counter()
    signed_in(robot, url)
    press_is_it_working(robot, url, "cursor")
    asyncio.run(run_assistant(url, robot, watch))
    total = time.perf_counter() - started
    robot.close()
    return Round(total, watch)


def healthz(url: str, http: httpx2.Client) -> float:
    """The least that a request to this server can take, as the measure."""
    started = time.perf_counter()
    http.get(f"{url}/healthz").raise_for_status()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ.update({"SECRET_KEY": "x" * 60, "ENCRYPTION_KEYS": "A" * 43 + "="})
    import django

    django.setup()
    from tests.e2e.deployment import deployed

    with TemporaryDirectory() as folder, httpx2.Client() as http:
        database = f"sqlite:///{Path(folder) / 'demo.sqlite3'}"
        with deployed(Path(folder), database) as deployment:
            first = one_round(deployment.url)
            measured: list[Round] = []
            measure: list[float] = []
            for _ in range(rounds):
                measured.append(one_round(deployment.url))
                measure.extend(healthz(deployment.url, http) for _ in range(5))
    report(first, measured, statistics.median(measure))


def report(first: Round, measured: list[Round], measure: float) -> None:
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"median of {len(measured)} rounds, and its ratio to GET /healthz in between\n")
    totals = [each.total for each in measured]
    owns = [each.watch.own for each in measured]
    line("from page view to first call", statistics.median(totals), measure)
    line("our own part of it", statistics.median(owns), measure)
    line("our own, the slowest round", max(owns), measure)
    line("our own, the first after the start", first.watch.own, measure)
    print(
        f"goal: {GOAL_SECONDS:g} s of our own, {'met' if max(owns) < GOAL_SECONDS else 'MISSED'}\n"
    )
    paths = measured[0].watch.asked
    medians = {path: statistics.median(r.watch.took[path] for r in measured) for path in paths}
    for path, seconds in sorted(medians.items(), key=lambda item: -item[1]):
        line(f"{paths[path]} x {path}", seconds, measure)


def line(what: str, seconds: float, measure: float) -> None:
    print(f"{what:52}{seconds * 1000:8.0f} ms{seconds / measure:8.1f}x")


if __name__ == "__main__":
    main()
