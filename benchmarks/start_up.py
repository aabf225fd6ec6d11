"""How long from exec to the first answer? `python -m benchmarks.start_up [--rounds 9]`

What an instance that scales from zero keeps its first caller waiting for: script/serve on SQLite,
asked for `tools/list` again and again from the moment it's started; in turns with a Python that
only imports Django and the MCP SDK. The memory is that of the process tree once it has answered.
Linux only.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.peers import load
from benchmarks.peers.machine import OtherWork, description
from benchmarks.peers.processes import ProcessTree
from benchmarks.peers.subjects import sign_in
from benchmarks.peers.work import LIST, MODERN, ROOT, Work

WORK = Work(LIST, MODERN)
IMPORTS = "import django, mcp"
TOO_LONG = 60.0
Environment = dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start_up", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ.update({"SECRET_KEY": "x" * 60, "ENCRYPTION_KEYS": "A" * 43 + "="})
    from tests.stand_ins import wait_until_answers

    other_work = OtherWork()
    served, imported, memory = [], [], []
    with TemporaryDirectory() as folder, site(Path(folder)) as (url, environment):
        with served_by(environment):
            wait_until_answers(f"{url}/readyz")
            token = sign_in(url)
        for number in range(rounds + 1):
            with served_by(environment) as process:
                began = time.perf_counter()
                wait_for_answer(f"{url}/mcp", token)
                took = time.perf_counter() - began
                used = ProcessTree(process.pid).memory_bytes()
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", IMPORTS], check=True)
            if number:  # the first round fills the disk's cache
                imported.append(time.perf_counter() - began)
                served.append(took)
                memory.append(used)
    ratio = statistics.median(a / b for a, b in zip(served, imported, strict=True))
    print(f"from exec to the first tools/list  {statistics.median(served):6.2f} s")
    print(f"`{IMPORTS}`               {statistics.median(imported):6.2f} s")
    print(f"ratio, median of the rounds        {ratio:6.2f}")
    print(f"memory at rest                     {statistics.median(memory) / 1e6:6.0f} MB")
    print(f"{description()}; {rounds} rounds")
    print(f"other processes kept the cores {other_work.share():.0%} busy")


@contextmanager
def site(folder: Path) -> Iterator[tuple[str, Environment]]:
    from tests.e2e.deployment import prepared
    from tests.settings import free_port

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with prepared(url, f"sqlite:///{folder / 'db.sqlite3'}") as (_, environment):
        folders = (str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))
        yield url, environment | {"PORT": str(port), "PATH": os.pathsep.join(folders)}


@contextmanager
def served_by(environment: Environment) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [ROOT / "script" / "serve"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(TOO_LONG)


def wait_for_answer(url: str, token: str) -> None:
    deadline = time.monotonic() + TOO_LONG
    while time.monotonic() < deadline:
        with suppress(OSError):
            assert asyncio.run(load.ask_once(url, token, WORK)).status == 200
            return
        time.sleep(0.01)
    raise TimeoutError("the server doesn't answer")


if __name__ == "__main__":
    main()
