"""The servers that a script starts: watched while they run, ended with the script."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from environments import ROOT, SetupError, name

START_SECONDS = 60
# After that a child is killed; uvicorn gives open SSE streams SHUTDOWN_SECONDS of it.
STOP_SECONDS = 8
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The proxy in this machine's environment, if there is one, can't reach its loopback address.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Stopped(Exception):
    """The user has ended the script."""

    def __init__(self, number: int) -> None:
        super().__init__("Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name)
        self.exit_status = 128 + number


class Child:
    """One server, in a session of its own: Ctrl-C reaches the script alone, which then ends it."""

    def __init__(
        self,
        title: str,
        command: Sequence[str],
        environment: dict[str, str],
        log: Path,
        health: str,
    ) -> None:
        """`health`: the URL that answers 200 once the server can be used."""
        self.title = title
        self.log = log
        self.health = health
        with log.open("w") as output:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def is_ready(self) -> bool:
        try:
            with DIRECT.open(self.health, timeout=2):
                return True
        except OSError:  # URLError and HTTPError are
            return False

    def check(self) -> None:
        status = self.process.poll()
        if status is not None:
            self.fail(f"ended by itself, with status {status}")

    def fail(self, what: str) -> NoReturn:
        for line in self.log.read_text(errors="replace").splitlines()[-20:]:
            print(f"  | {line}", file=sys.stderr)
        raise SetupError(f"{self.title} {what}; see {name(self.log)}")

    def send(self, number: signal.Signals) -> None:
        """To the whole session, so that a server's own children don't outlive it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


def wait_until_ready(children: Iterable[Child]) -> None:
    deadline = time.monotonic() + START_SECONDS
    for child in children:
        while not child.is_ready():
            child.check()
            if time.monotonic() > deadline:
                child.fail(f"did not answer {child.health} within {START_SECONDS} s")
            time.sleep(0.1)


def watch(children: Iterable[Child]) -> NoReturn:
    """Until a signal raises Stopped, or a child ends."""
    while True:
        for child in children:
            child.check()
        time.sleep(0.3)


def stop(children: Sequence[Child]) -> None:
    """The last one first: it still has things to tell the ones that were there before it."""
    # A second Ctrl-C is impatient.
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: kill(children))
    for child in reversed(children):
        child.send(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(STOP_SECONDS)
    kill(children)


def kill(children: Iterable[Child]) -> None:
    for child in children:
        child.send(signal.SIGKILL)
        child.process.wait()


def stop_on_signals() -> None:
    """From here on Ctrl-C, SIGTERM and a closed terminal raise Stopped."""

    def raise_stopped(number: int, _frame: object) -> NoReturn:
        raise Stopped(number)

    for number in STOP_SIGNALS:
        signal.signal(number, raise_stopped)
