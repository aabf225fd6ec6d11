"""`script/mutate [NAME ...]`: does each attack's test fail once its defence is gone?

For every attack of tests/attacks/attacks.toml, and every default of the toolkit's in
tests/toolkit/holes.toml, a copy of the tree gets the entry's patch, and its tests run there. Killed
means that each of them failed, while the honest flows still work: a product that is merely broken
proves nothing.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv" / "bin" / "python"
INDEXES = (Path("tests/attacks/attacks.toml"), Path("tests/toolkit/holes.toml"))
MUTATIONS = Path("tests/mutations")
HONEST_FLOWS = "tests/attacks/test_honest_flows.py"
PARTS = (
    *("connect", "mcp_gateway", "oauth_bridge", "telemetry", "wivmcp"),
    *("sandbox", "script", "templates", "tests"),
)
FILES = ("manage.py", "pyproject.toml")
# Other people's code, which tests install.
LEFT_OUT = shutil.ignore_patterns("node_modules", ".venv*", ".*_cache")
# A run that takes longer hangs; the slowest takes a quarter of it.
PATIENCE_SECONDS = 300
# A mutant that answers 500 is broken; its tests would fail for the wrong reason.
CRASHES = ("Internal Server Error", "Exception in ASGI application", "failed unexpectedly")
# pytest's exit codes.
PASSED, FAILED = 0, 1

Verdict = Literal["killed", "SURVIVED", "broken"]


class SetupError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Attack:
    name: str
    tests: list[str]
    patch: Path
    crashes: bool
    """A server error is what the patch brings back, and no sign of a broken mutant."""


@dataclass(frozen=True, slots=True)
class Case:
    """One test case of a run: its node id, and how it ended ("" when it passed)."""

    node_id: str
    failure: str
    error: str
    log: str

    def is_of(self, test: str) -> bool:
        """`test` is a file, a function or one case of it."""
        return re.fullmatch(rf"{re.escape(test)}(\[.*\]|::.*)?", self.node_id, re.S) is not None

    def __str__(self) -> str:
        return self.node_id.rpartition("::")[2]

    @property
    def crashed(self) -> bool:
        return "Timeout" in self.failure or any(crash in self.log for crash in CRASHES)


@dataclass(frozen=True, slots=True)
class Outcome:
    attack: str
    verdict: Verdict
    detail: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.verdict:8}  {self.attack:32}  {self.seconds:5.1f} s  {self.detail}"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="script/mutate")
    parser.add_argument("names", nargs="*", metavar="NAME", help="attacks; none means all")
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="runs at a time")
    options = parser.parse_args(arguments)
    attacks = chosen(read_indexes(), options.names)
    if not PYTHON.exists():
        raise SetupError("there is no .venv; run script/test first")
    with copy_of(ROOT) as tree, ThreadPoolExecutor(options.at_once) as pool:
        require_passing(tree, attacks, pool)
        outcomes = []
        for outcome in pool.map(lambda attack: try_out(attack, tree), attacks):
            print(outcome, flush=True)
            outcomes.append(outcome)
    return conclude(outcomes)


def conclude(outcomes: list[Outcome]) -> int:
    count = {
        verdict: sum(outcome.verdict == verdict for outcome in outcomes)
        for verdict in ("killed", "SURVIVED", "broken")
    }
    broken = f", {count['broken']} broken" if count["broken"] else ""
    print(f"{count['killed']} killed, {count['SURVIVED']} survived{broken}")
    return 0 if count["killed"] == len(outcomes) else 1


# The index -----------------------------------------------------------------------------------


def read_indexes() -> list[Attack]:
    """The entries that have a patch; the indexes' own tests say which need none."""
    attacks = [attack for index in INDEXES for attack in read_index(index)]
    return [attack for attack in attacks if (ROOT / attack.patch).exists()]


def read_index(path: Path) -> Iterator[Attack]:
    for name, entry in tomllib.loads((ROOT / path).read_text(encoding="utf-8")).items():
        patch = MUTATIONS / f"{entry.get('mutation', name)}.patch"
        yield Attack(name, entry["tests"], patch, entry.get("crashes", False))


def chosen(attacks: list[Attack], names: list[str]) -> list[Attack]:
    unknown = set(names) - {attack.name for attack in attacks}
    if unknown:
        raise SetupError(f"no such attack: {', '.join(sorted(unknown))}")
    return [attack for attack in attacks if not names or attack.name in names]


# One run -------------------------------------------------------------------------------------


def require_passing(tree: Path, attacks: list[Attack], pool: ThreadPoolExecutor) -> None:
    started = time.monotonic()
    tests = sorted({test for attack in attacks for test in attack.tests})
    half = len(tests) // 2
    for problem in pool.map(
        lambda part: problem_of(tree, part), [[HONEST_FLOWS, *tests[:half]], tests[half:]]
    ):
        if problem:
            raise SetupError(f"the tests fail without any patch:\n{problem}")
    print(f"The tests pass without a patch ({time.monotonic() - started:.0f} s)", flush=True)


def problem_of(tree: Path, tests: list[str]) -> str:
    """What pytest says when not all of them pass."""
    with copy_of(tree) as copy:
        code, _, output = run_tests(copy, tests, patience=None)
    return "" if code == PASSED else output


def try_out(attack: Attack, tree: Path) -> Outcome:
    started = time.monotonic()
    with copy_of(tree) as mutant:
        verdict, detail = judge(attack, mutant)
    return Outcome(attack.name, verdict, detail, time.monotonic() - started)


def judge(attack: Attack, mutant: Path) -> tuple[Verdict, str]:
    if problem := apply(attack.patch, mutant):
        return "broken", problem
    try:
        code, cases, output = run_tests(mutant, [HONEST_FLOWS, *attack.tests], PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        return "broken", f"no end after {PATIENCE_SECONDS} s"
    if code not in (PASSED, FAILED):
        return "broken", f"pytest's exit code is {code}: {last_line(output)}"
    return verdict_on(attack, cases)


def verdict_on(attack: Attack, cases: list[Case]) -> tuple[Verdict, str]:
    for case in cases:
        if case.error or (case.crashed and not attack.crashes):
            return "broken", f"{case}: {first_line(case.error or case.failure or 'a crash')}"
        if case.is_of(HONEST_FLOWS) and case.failure:
            return "broken", f"{case}: {first_line(case.failure)}"
    for test in attack.tests:
        if not any(case.failure for case in cases if case.is_of(test)):
            return "SURVIVED", test
    failed = [case for case in cases if case.failure]
    return "killed", f"{len(failed)} failed: {first_line(failed[0].failure)}"


def apply(patch: Path, tree: Path) -> str:
    """The patch in place; why not, otherwise."""
    applied = subprocess.run(
        ["git", "apply", patch],
        cwd=tree,
        # Or a repository around the temporary folder would be looked for.
        env=os.environ | {"GIT_CEILING_DIRECTORIES": str(tree.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    return last_line(applied.stderr) if applied.returncode else ""


def run_tests(
    tree: Path, tests: Iterable[str], patience: float | None
) -> tuple[int, list[Case], str]:
    """pytest's exit code, the cases, and its output."""
    report = tree / "report.xml"
    command = [str(PYTHON), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += [f"--junit-xml={report}", "-o", "junit_logging=all", *tests]
    done = subprocess.run(
        command,
        cwd=tree,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=patience,
        check=False,
    )
    return done.returncode, list(read_report(report)), done.stdout


def environment() -> dict[str, str]:
    """SQLite, which each run has for itself, and the settings of the suite's first run."""
    left_out = ("DATABASE_URL", "TEST_SANDBOX_PORT", "TEST_SERVER_PORT", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return kept | {"ACCESS_TOKEN_KIND": "api_key"}


def read_report(report: Path) -> Iterator[Case]:
    if not report.exists():
        return
    for case in ElementTree.parse(report).iter("testcase"):
        file = case.get("classname", "").replace(".", "/")
        yield Case(
            node_id=f"{file}.py::{case.get('name')}",
            failure=message_of(case.find("failure")),
            error=message_of(case.find("error")),
            log="".join(part.text or "" for part in case.iter() if part.tag.startswith("system-")),
        )


def message_of(problem: ElementTree.Element | None) -> str:
    return "" if problem is None else problem.get("message", "") or "no message"


def first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:100]


def last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][:200]


@contextmanager
def copy_of(tree: Path) -> Iterator[Path]:
    """The product and its tests, compiled modules too: they stay good where nothing changes."""
    with TemporaryDirectory(prefix="wivmcp-mutant-") as folder:
        copy = Path(folder)
        for part in PARTS:
            shutil.copytree(tree / part, copy / part, ignore=LEFT_OUT)
        for file in FILES:
            shutil.copy2(tree / file, copy / file)
        yield copy


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetupError as error:
        print(f"script/mutate: {error}", file=sys.stderr)
        sys.exit(2)
