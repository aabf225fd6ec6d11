"""What is put under stress: PostgreSQL, workers behind a balancer, and a sandbox."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import httpx2

from tests.chaos.balancer import Balancer, balancing
from tests.e2e.deployment import ROOT, prepared
from tests.settings import free_port
from tests.stand_ins import Sandbox, wait_until_answers

if str(ROOT / "script") not in sys.path:
    sys.path.append(str(ROOT / "script"))  # whose modules import each other

if TYPE_CHECKING:
    from postgresql import Cluster

# Three start at once, on two cores.
START_SECONDS = 120.0
# Nobody's use is like a load test's, and people sign in from one address here.
SETTINGS = {
    "CALLS_PER_MINUTE": "0",
    "WRITES_PER_MINUTE": "0",
    "REPEATED_CALLS": "0",
    "REGISTRATIONS_PER_ADDRESS": "100000",
    "SHUTDOWN_SECONDS": "10",
    "LOG_LEVEL": "WARNING",
}


@dataclass
class Site:
    url: str
    cluster: "Cluster"
    sandbox: Sandbox
    balancer: Balancer
    environment: dict[str, str]
    log: BinaryIO
    workers: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, number: int) -> None:
        """By script/serve, as in the image."""
        variables = {"HOST": "127.0.0.1", "PORT": str(self.balancer.ports[number])}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.workers[number] = subprocess.Popen(
            ["script/serve"],
            cwd=ROOT,
            env={**self.environment, **variables, "PATH": path},
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

    def wait_until_ready(self, *numbers: int) -> None:
        for number in numbers:
            url = f"http://127.0.0.1:{self.balancer.ports[number]}/readyz"
            wait_until_answers(url, self.workers[number], START_SECONDS)

    def send(self, number: int, signum: signal.Signals) -> int:
        """The worker's exit status."""
        self.workers[number].send_signal(signum)
        return self.workers[number].wait(60)

    def restart_postgresql(self, away_seconds: float = 0.0) -> None:
        self.cluster.stop("fast")
        time.sleep(away_seconds)
        self.cluster.resume()

    def stop(self) -> None:
        for worker in self.workers.values():
            worker.terminate()
        for worker in self.workers.values():
            worker.wait(60)


@contextmanager
def site(log: Path, settings: dict[str, str], workers: int = 3) -> Iterator[Site]:
    """Raises RuntimeError when a worker doesn't come up."""
    from postgresql import find_binaries, restartable_cluster

    binaries = find_binaries()
    assert binaries is not None, "PostgreSQL is missing"
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        cluster = stack.enter_context(restartable_cluster(binaries))
        sandbox, environment = stack.enter_context(
            prepared(url, cluster.url, **(SETTINGS | settings))
        )
        sandbox.http = httpx2.Client(base_url=sandbox.url, timeout=60)
        balancer = stack.enter_context(balancing(port, [free_port() for _ in range(workers)]))
        output = stack.enter_context(log.open("wb"))
        running = Site(url, cluster, sandbox, balancer, environment, output)
        stack.callback(running.stop)
        for number in range(workers):
            running.start(number)
        running.wait_until_ready(*range(workers))
        yield running
