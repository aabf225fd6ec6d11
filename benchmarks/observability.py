"""What do logs, metrics and traces cost? `python -m benchmarks.observability [--rounds 30]`

One server for each set-up, all of them at once; they answer the same calls in turns, and each
process is asked what processor time it used, its threads that write, count and send included. The
collector is a process of its own, whose time isn't counted.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import httpx2

from benchmarks.call_log import client_of, processor_seconds

if TYPE_CHECKING:
    from tests.e2e.deployment import Deployment
    from tests.mcp_gateway.json_rpc import McpClient

BASE = "all off"
CALLS_A_TURN = 40
WARM_UP = 150
QUIET = {"LOG_LEVEL": "WARNING", "METRICS_TOKEN": "", "LOG_FORMAT": "text"}
LOGS = {"LOG_LEVEL": "INFO", "LOG_FORMAT": "json"}
METRICS = {"METRICS_TOKEN": "read-the-metrics-0123456789"}
COLLECTOR = """
from tests.telemetry.collector import collecting
import time
with collecting() as collector:
    print(collector.url, flush=True)
    while True:
        time.sleep(5)
        collector.received.clear()
"""


def set_ups(collector: str) -> dict[str, dict[str, str]]:
    traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector}
    return {
        BASE: QUIET,
        "all off, again": QUIET,  # what the machine's noise comes to
        "logs": QUIET | LOGS,
        "metrics": QUIET | METRICS,
        "metrics in files": QUIET | METRICS,
        "traces": QUIET | traces,
        "traces, 1 in 100": QUIET | traces | {"OTEL_TRACES_SAMPLER_ARG": "0.01"},
        "everything": QUIET | LOGS | METRICS | traces,
    }


@contextmanager
def collector() -> Iterator[str]:
    command = [sys.executable, "-c", COLLECTOR]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


class Subject:
    """One server and its client; what each round took of processor time, in seconds."""

    def __init__(self, deployment: "Deployment", mcp: "McpClient") -> None:
        self._pid = deployment.process.pid
        self._mcp = mcp
        self._used = 0.0
        self.rounds: list[float] = []

    def call(self, times: int) -> None:
        for number in range(times):
            self._mcp.call("wiv_list_workflows", limit=number % 50 + 1)

    def end_round(self) -> None:
        """What is written and sent after the calls falls into the turns of others, or the next."""
        before, self._used = self._used, processor_seconds(self._pid)
        self.rounds.append(self._used - before)


def measure(folder: Path, rounds: int) -> dict[str, list[float]]:
    from tests.e2e.deployment import deployed

    with ExitStack() as stack:
        subjects: dict[str, Subject] = {}
        for name, settings in set_ups(stack.enter_context(collector())).items():
            place = folder / name.replace(" ", "-")
            place.mkdir()
            if name == "metrics in files":
                (place / "metrics").mkdir()
                settings = {**settings, "PROMETHEUS_MULTIPROC_DIR": str(place / "metrics")}
            database = f"sqlite:///{place / 'db.sqlite3'}"
            deployment = stack.enter_context(deployed(place, database, workers=1, **settings))
            http = stack.enter_context(httpx2.Client(base_url=deployment.url, timeout=30))
            subjects[name] = Subject(deployment, client_of(deployment, http))
            subjects[name].call(WARM_UP)
        for number in range(-1, rounds):
            if number == 0:  # the one before was for what warming up left behind
                for subject in subjects.values():
                    subject.rounds.clear()
            order = list(subjects.values())
            for subject in order[number % len(order) :] + order[: number % len(order)]:
                subject.call(CALLS_A_TURN)
            for subject in order:
                subject.end_round()
        return {name: subject.rounds for name, subject in subjects.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    os.environ.update({"SECRET_KEY": "x" * 60, "ENCRYPTION_KEYS": "A" * 43 + "="})
    with TemporaryDirectory() as folder:
        import django

        django.setup()
        turns = measure(Path(folder), rounds)
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"processor time of a reading call, {rounds} rounds of {CALLS_A_TURN} calls in turns")
    for name, spent in turns.items():
        ratios = [mine / base for mine, base in zip(spent, turns[BASE], strict=True)]
        a_call = sum(spent) / len(spent) / CALLS_A_TURN * 1000
        quarters = statistics.quantiles(ratios, n=4)
        ratio = sum(spent) / sum(turns[BASE])
        print(
            f"{name:18} {a_call:6.2f} ms  x {ratio:.2f}  "
            f"(half of the rounds between {quarters[0]:.2f} and {quarters[2]:.2f})"
        )


if __name__ == "__main__":
    main()
