"""`script/test`: the whole suite, once on SQLite and once on PostgreSQL, with all that it needs.

A part that is missing is left out loudly on a user's machine, and installed where CI=true.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import environments
import node_packages
import parts
import postgresql
from environments import ROOT, SetupError
from parts import CI

# pytest's exit code when `-k` and the like leave no test.
NOTHING_SELECTED = 5


@dataclass(frozen=True, slots=True)
class Run:
    database: str
    access_token_kind: str
    python: Path
    # None: SQLite, as the tests choose by themselves.
    database_url: str | None
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        code = "import django, platform as p; print(p.python_version(), django.__version__)"
        python, django = subprocess.check_output([self.python, "-c", code], text=True).split()
        return (
            f"{self.database}, {self.access_token_kind} access tokens, "
            f"Python {python}, Django {django}"
        )


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    chromium = parts.find_or_install(parts.find_chromium, "chromium", "fonts-liberation")
    python = environments.prepare(ROOT / ".venv", environments.TESTED)
    newer_python = newer_environment()
    sdk1_python = environments.prepare(ROOT / ".venv-sdk1", environments.OLD_SDK)
    packages = node_packages.prepare(node_packages.INTEROP)
    if CI:  # what others' servers need is much, for one benchmark
        environments.prepare(ROOT / ".cache" / "peers", environments.PEERS)
        node_packages.prepare(node_packages.PEERS)
    with postgresql_url() as url:
        missing = {
            "the pages in a browser: install Chromium, or set CHROMIUM": chromium,
            "PostgreSQL: install it, or set DATABASE_URL=postgresql://...": url,
            "Django 6: install Python >= 3.12": newer_python,
            "clients on Node: install npm, on Linux or macOS": packages,
        }
        tell_missing(missing)
        runs = plan(python, newer_python, url, chosen=bool(arguments))
        shared = {
            "CHROMIUM": chromium,
            "POSTGRESQL_URL": url,
            "SDK1_PYTHON": str(sdk1_python),
            "REQUIRE_ALL": "1" if CI else None,
        }
        codes = run_all(runs, shared, arguments)
    tell_missing(missing)
    return overall(codes)


# What neither the database nor the kind of token of a run has a part in: it starts servers of its
# own, or needs none. Once is enough, in processes of their own beside the two.
ONCE = {
    "browsers and clients": (
        "tests/benchmarks",
        "tests/connect/doctor",
        "tests/e2e/test_admin_walk.py",
        "tests/e2e/test_approval_page.py",
        "tests/e2e/test_call_log.py",
        "tests/e2e/test_connect_keys.py",
        "tests/e2e/test_connect_status.py",
        "tests/e2e/test_connect_walk.py",
        "tests/e2e/test_dashboard_page.py",
        "tests/e2e/test_demo.py",
        "tests/e2e/test_many_sign_ins.py",
        "tests/e2e/test_outages.py",
        "tests/e2e/test_sdk1.py",
        "tests/e2e/test_streams.py",
        "tests/e2e/test_two_workers.py",
        "tests/interop",
    ),
    "once": (
        "tests/attacks/test_client_documents.py",
        "tests/attacks/test_tls.py",
        "tests/conformance",
        "tests/connect/test_ai_clients.py",
        "tests/connect/upstreams",
        "tests/docs",
        "tests/e2e/test_observability.py",
        "tests/e2e/test_secrets.py",
        "tests/mcp_gateway/test_answers.py",
        "tests/mcp_gateway/test_call_semantics.py",
        "tests/mcp_gateway/test_findings.py",
        "tests/mcp_gateway/test_jobs.py",
        "tests/mcp_gateway/test_openapi.py",
        "tests/mcp_gateway/test_retries.py",
        "tests/mcp_gateway/test_sending.py",
        "tests/mcp_gateway/test_splicing.py",
        "tests/oauth_bridge/test_client_documents.py",
        "tests/operations",
        "tests/packaging",
        "tests/properties",
        "tests/sandbox",
        "tests/script",
        "tests/toolkit",
        "tests/wivmcp/test_connection.py",
        "tests/wivmcp/test_migrations.py",
    ),
}


# Stages of their own in CI: one breaks what it runs on, for minutes (`script/chaos` for longer),
# one needs the environment of script/rehearse_deployment.py.
APART = ("tests/chaos", "tests/deploy")


def plan(python: Path, newer_python: Path | None, url: str | None, chosen: bool) -> list[Run]:
    """`chosen`: which tests run is said on the command line, so there is nothing to share out."""
    left_out = tuple(f"--ignore={path}" for paths in (APART, *ONCE.values()) for path in paths)
    sqlite = Run("SQLite", "api_key", python, None)
    runs = [sqlite if chosen else replace(sqlite, options=left_out)]
    if url:
        runs.append(Run("PostgreSQL", "opaque", newer_python or python, url, left_out))
    if not chosen:
        runs += [
            replace(sqlite, database=f"SQLite, {title}", options=paths)
            for title, paths in ONCE.items()
        ]
    return runs


def run_all(runs: list[Run], shared: dict[str, str | None], arguments: list[str]) -> list[int]:
    """At the same time, since tests wait for much: four processes keep two cores busy.

    The first run is shown as it goes, the others' output waits for its turn.
    """
    titles = [f"=== Run {number} of {len(runs)}: {run}" for number, run in enumerate(runs, 1)]
    with ExitStack() as stack:
        outputs = [None, *(stack.enter_context(TemporaryFile()) for _ in runs[1:])]
        processes = [
            stack.enter_context(pytest(run, shared, arguments, output))
            for run, output in zip(runs, outputs, strict=True)
        ]
        codes: list[int] = []
        for title, output, process in zip(titles, outputs, processes, strict=True):
            print(f"\n{title}\n", flush=True)
            codes.append(wait(process))
            if output:
                show(output)
        return codes


def show(output: IO[bytes]) -> None:
    output.seek(0)
    shutil.copyfileobj(output, sys.stdout.buffer)
    sys.stdout.flush()


@contextmanager
def pytest(
    run: Run, shared: dict[str, str | None], arguments: list[str], output: IO[bytes] | None
) -> Iterator[subprocess.Popen[bytes]]:
    """Its output goes to `output`; None is ours."""
    own = {"ACCESS_TOKEN_KIND": run.access_token_kind, "DATABASE_URL": run.database_url}
    # Of its own, or `--lf` would forget what failed in the other run.
    cache = f"cache_dir=.pytest_cache/{re.sub(r'[, ]+', '-', run.database.lower())}"
    process = subprocess.Popen(
        [run.python, "-m", "pytest", "-o", cache, *run.options, *arguments],
        cwd=ROOT,
        env=with_variables(shared | own),
        stdin=subprocess.DEVNULL if output else None,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def with_variables(variables: dict[str, str | None]) -> dict[str, str]:
    """This process' environment with these set, or, for None, unset."""
    return {key: value for key, value in (os.environ | variables).items() if value is not None}


def wait(process: subprocess.Popen[bytes]) -> int:
    """Ctrl-C reaches the child as well: pytest ends by itself, with its summary."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def overall(codes: list[int]) -> int:
    """A run that `-k` left empty is no failure as long as the other one had something to run."""
    ran = [code for code in codes if code != NOTHING_SELECTED]
    return max(ran, key=abs) if ran else NOTHING_SELECTED


@contextmanager
def postgresql_url() -> Iterator[str | None]:
    """A server whose user may create databases: DATABASE_URL's, else one of our own."""
    given = os.environ.get("DATABASE_URL", "")
    if given.startswith(("postgres:", "postgresql:")):
        yield given
    elif binaries := parts.find_or_install(postgresql.find_binaries, "postgresql"):
        with postgresql.private_cluster(binaries) as url:
            yield url
    else:
        yield None


def newer_environment() -> Path | None:
    interpreter = environments.newer_python()
    if not interpreter:
        return None
    return environments.prepare(
        ROOT / ".venv-django6", environments.TESTED_ON_DJANGO_6, interpreter=interpreter
    )


def tell_missing(missing: Mapping[str, object]) -> None:
    for what, part in missing.items():
        if not part:
            print(f"\n!!! NOT TESTED: {what}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetupError as error:
        sys.exit(f"script/test: {error}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
