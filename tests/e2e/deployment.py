"""wivmcp as an operator runs it: uvicorn in processes of its own, with its log in a file."""

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx2
import psycopg
from psycopg import sql

from sandbox import fixtures
from tests.settings import free_port
from tests.stand_ins import Sandbox, running_sandbox, wait_until_answers

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Deployment:
    url: str
    sandbox: Sandbox
    process: subprocess.Popen[bytes]
    log: Path
    environment: dict[str, str]

    def manage(self, *arguments: str) -> str:
        return run_manage(self.environment, *arguments)

    def workers(self) -> list[int]:
        """Process ids of uvicorn's workers; the supervisor itself when there is just one."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split() if is_worker(int(pid))]


def is_worker(pid: int) -> bool:
    """uvicorn also has multiprocessing's resource tracker for a child."""
    return "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()


def run_manage(environment: dict[str, str], *arguments: str) -> str:
    return run_command([sys.executable, "manage.py", *arguments], environment)


def run_command(command: Sequence[str], environment: dict[str, str]) -> str:
    """What it prints."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextlib.contextmanager
def empty_database(server: str) -> Iterator[str]:
    """The URL of a database of its own on that PostgreSQL server."""
    name = f"wivmcp_e2e_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield str(httpx2.URL(server).copy_with(path=f"/{name}"))
        finally:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))


@contextlib.contextmanager
def prepared(
    url: str, database_url: str, **settings: str
) -> Iterator[tuple[Sandbox, dict[str, str]]]:
    """A sandbox, and the environment of workers that are to answer at `url`."""
    with running_sandbox(free_port(), f"{url}/oauth/callback") as sandbox:
        environment = {
            **os.environ,
            **fixtures.environment(sandbox.url),
            "DJANGO_SETTINGS_MODULE": "wivmcp.settings",
            "DATABASE_URL": database_url,
            "PUBLIC_URL": url,
            **settings,
        }
        run_manage(environment, "migrate", "--verbosity=0")
        run_manage(environment, "sync_tools")
        yield sandbox, environment


@contextlib.contextmanager
def deployed(
    directory: Path, database_url: str, *, workers: int = 1, **settings: str
) -> Iterator[Deployment]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with prepared(url, database_url, **settings) as (sandbox, environment):
        log = directory / "server.log"
        with log.open("wb") as output, serving(port, workers, environment, output) as process:
            wait_until_answers(f"{url}/readyz", process)
            yield Deployment(url, sandbox, process, log, environment)


@contextlib.contextmanager
def serving(
    port: int, workers: int, environment: dict[str, str], output: BinaryIO
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "wivmcp", "--port", str(port)],
        cwd=ROOT,
        env={**environment, "WEB_CONCURRENCY": str(workers)},
        stdout=output,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)
