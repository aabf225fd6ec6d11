"""How to run somebody else's program as its user would: who opens the page that it asks for."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue
from threading import Thread, Timer
from typing import IO

import httpx2

from tests.robot import Robot, query_of

PATIENCE_SECONDS = 40
SIGN_IN_PAGE = re.compile(r"http://\S+/authorize\?\S+")
# What programs start to show a page; none of them may find a real browser.
OPENERS = ("xdg-open", "open", "x-www-browser", "sensible-browser", "gio")


class Program:
    """A running one. `person` opens each sign-in page that it names; `opened` counts them."""

    def __init__(self, process: subprocess.Popen[str], person: Robot) -> None:
        self.process = process
        self.person = person
        self.opened = 0
        self.lines: list[str] = []
        self._arriving: Queue[str | None] = Queue()
        self._readers = [
            Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (process.stdout, process.stderr)
        ]
        self._open_streams = len(self._readers)
        for reader in self._readers:
            reader.start()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def write(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def read_until(self, accept: Callable[[str], bool]) -> str:
        for line in self._arrivals():
            if accept(line):
                return line
        raise AssertionError(f"it ended, or was ended, too early:\n{self.output}")

    def finish(self) -> int:
        """Its exit status, after all that it writes until then."""
        for _ in self._arrivals():
            pass
        return self.process.wait()

    def kill(self) -> None:
        """And all that it started. Its readers end with it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for reader in self._readers:
            reader.join()

    def _arrivals(self) -> Iterator[str]:
        while self._open_streams:
            line = self._arriving.get()
            if line is None:
                self._open_streams -= 1
                continue
            self.lines.append(line)
            if page := SIGN_IN_PAGE.search(line):
                self._sign_in(page[0])
            yield line

    def _sign_in(self, page: str) -> None:
        self.opened += 1
        callback = self.person.authorize(page, stop_at=query_of(page)["redirect_uri"])
        while not self._takes(str(callback)):
            assert self.process.poll() is None, self.output

    def _takes(self, callback: str) -> bool:
        """Some name the page a moment before they listen for its answer."""
        try:
            self.person.get(callback)
        except httpx2.ConnectError:
            time.sleep(0.05)
            return False
        return True

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._arriving.put(line.rstrip("\n"))
        self._arriving.put(None)


@contextmanager
def running(
    command: Sequence[str | Path], person: Robot, home: Path, **variables: str
) -> Iterator[Program]:
    """It sees nothing of this shell, keeps its files in `home`, and gets `PATIENCE_SECONDS`."""
    with subprocess.Popen(
        command,
        cwd=home,
        env=environment(home) | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        program = Program(process, person)
        timer = Timer(PATIENCE_SECONDS, program.kill)
        timer.start()
        try:
            yield program
        finally:
            timer.cancel()
            program.kill()


def environment(home: Path) -> dict[str, str]:
    openers = home / "bin"
    openers.mkdir(exist_ok=True)
    for name in OPENERS:
        (openers / name).write_text("#!/bin/sh\nexit 0\n")
        (openers / name).chmod(0o755)
    return {
        "HOME": str(home),
        "PATH": f"{openers}:/usr/bin:/bin",
        "BROWSER": str(openers / "xdg-open"),
        "MCP_REMOTE_CONFIG_DIR": str(home / "mcp-remote"),
    }
