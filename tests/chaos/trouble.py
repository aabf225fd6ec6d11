"""What is done to a site under load, and what became of its clients' calls, writes and sign-ins."""

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.clients import Load, Worker
from tests.chaos.newcomers import Newcomers
from tests.chaos.site import Site, site
from tests.chaos.tally import Outcome, Tally, Writes, compare

# Short, so that refreshes fall into everything that happens.
TOKEN_SECONDS = 10
SETTINGS = {
    "OPAQUE_TOKEN_LIFETIME": str(TOKEN_SECONDS),
    "ACCESS_TOKEN_LIFETIME": str(TOKEN_SECONDS),
    "WIV_TIMEOUT": "10",
}
WAYS = (("/mcp", "2026-07-28"), ("/mcp", "legacy"))
Trouble = Callable[[Site, Load], None]


@dataclass(frozen=True)
class Result:
    """Of one trouble. `cut` counts requests, by path, whose worker went away before it answered."""

    name: str
    kind: str
    seconds: float
    tally: Tally
    writes: Writes
    cut: dict[str, int]

    @property
    def is_outage(self) -> bool:
        return "away" in self.name

    @property
    def signed_out(self) -> set[str]:
        """Clients, each with the first reason why it needed its user again."""
        first: dict[str, str] = {}
        for reason in self.tally.signed_out:
            first.setdefault(reason.partition(":")[0], reason)
        return set(first.values())


# Troubles --------------------------------------------------------------------------------------


def rolling_restart(site: Site, load: Load) -> None:
    """SIGTERM, the end, a new one that is ready; then the next."""
    for number in list(site.workers):
        assert site.send(number, signal.SIGTERM) == 0
        site.start(number)
        site.wait_until_ready(number)


def kill_9(site: Site, load: Load) -> None:
    site.send(0, signal.SIGKILL)
    load.wait_for_calls(1)
    site.start(0)
    site.wait_until_ready(0)


def restart_of_postgresql(site: Site, load: Load) -> None:
    """Away for two seconds."""
    site.restart_postgresql(2.0)


def crash_of_postgresql(site: Site, load: Load) -> None:
    site.cluster.stop("immediate")
    site.cluster.resume()


def sandbox_outage(site: Site, load: Load, seconds: float = TOKEN_SECONDS + 2) -> None:
    """PropelAuth and Wiv answer 503, for longer than a token lives."""
    for side in ("propelauth", "wiv"):
        site.sandbox.fault(side, "*", "status", status=503, times=None)
    time.sleep(seconds)
    site.sandbox.clear_faults()
    load.wait_until(lambda: all(map(has_settled, load.workers)), 6 * TOKEN_SECONDS)


def change_to_opaque(site: Site, load: Load) -> None:
    """A rolling restart with another setting; over when every client has the other kind."""
    site.environment["ACCESS_TOKEN_KIND"] = "opaque"
    rolling_restart(site, load)
    load.wait_until(lambda: all(map(has_opaque_token, load.workers)), 4 * TOKEN_SECONDS)


def has_settled(worker: Worker) -> bool:
    """Whoever lost a refresh to the outage has signed in again."""
    return not worker.transport.token_problem


def has_opaque_token(worker: Worker) -> bool:
    tokens = worker.memory.tokens
    return tokens is not None and tokens.access_token.startswith("wivmcp_at_")


SHORT: tuple[tuple[str, Trouble], ...] = (
    ("kill -9", kill_9),
    ("PropelAuth and Wiv away", sandbox_outage),
    ("rolling restart, to opaque tokens", change_to_opaque),
    ("PostgreSQL restarted", restart_of_postgresql),
    ("PropelAuth and Wiv away", sandbox_outage),
)
LONG: tuple[tuple[str, Trouble], ...] = (
    ("rolling restart", rolling_restart),
    ("kill -9", kill_9),
    ("PostgreSQL restarted", restart_of_postgresql),
    ("PostgreSQL crashed", crash_of_postgresql),
    ("PropelAuth and Wiv away", sandbox_outage),
)


# Running them ----------------------------------------------------------------------------------


def short_run(log: Path, ways: Iterable[tuple[str, str]] = WAYS) -> list[Result]:
    """Each trouble once, some with one kind of token and some with the other."""
    with under_load(log, "api_key", ways) as (running, load):
        return [suffer(running, load, *trouble) for trouble in SHORT]


def long_run(
    log: Path, kind: str, seconds: float, ways: Iterable[tuple[str, str]] = WAYS
) -> Iterator[Result]:
    """All of them, again and again until the time is over."""
    began = time.monotonic()
    with under_load(log, kind, ways) as (running, load):
        while time.monotonic() - began < seconds:
            for trouble in LONG:
                yield suffer(running, load, *trouble)


def suffer(running: Site, load: Load, name: str, trouble: Trouble) -> Result:
    """Under steady load before, meanwhile and afterwards."""
    kind = running.environment["ACCESS_TOKEN_KIND"]
    running.sandbox.forget_requests()
    running.balancer.cut.clear()
    newcomers = Newcomers(running.url)
    load.start()
    newcomers.start()
    began = time.monotonic()
    try:
        load.wait_for_calls(2)
        trouble(running, load)
        load.wait_for_calls(3)
    finally:
        tally = load.stop()
        tally.add(newcomers.stop())
    writes = compare(running.sandbox.requests("wiv"), tally)
    cut = dict(running.balancer.cut)
    return Result(name, kind, time.monotonic() - began, tally, writes, cut)


@contextmanager
def under_load(
    log: Path, kind: str, ways: Iterable[tuple[str, str]]
) -> Iterator[tuple[Site, Load]]:
    """A site and its assistants, who don't work yet."""
    with site(log, SETTINGS | {"ACCESS_TOKEN_KIND": kind}) as running:
        pairs = [(way, number) for number in range(2) for way in ways]
        workers = [
            Worker(f"{mode} {number}", running.url, path, mode) for (path, mode), number in pairs
        ]
        load = Load(workers)
        try:
            yield running, load
        finally:
            load.close()


# Judging ---------------------------------------------------------------------------------------


def broken_promises(result: Result) -> list[str]:
    """What docs/operations.md states, held against one result."""
    tally, cut = result.tally, result.cut
    excused = "503 from /token" if (result.kind, result.is_outage) == ("api_key", True) else None
    signed_out = [reason for reason in result.signed_out if not reason.endswith(str(excused))]
    promises = {
        "writes were lost": not result.writes.lost,
        "writes were doubled": not result.writes.doubled,
        "sign-ins were lost": not tally.sign_ins["lost"],
        "failures were unclear": not tally.calls[Outcome.UNCLEAR],
        # The one whose refresh was cut together with the worker that was at it.
        "clients were signed out": len(signed_out) <= cut.get("/token", 0),
        "effects are unknown without a cause": result.is_outage
        or tally.calls[Outcome.UNKNOWN] <= cut.get("/mcp", 0),
    }
    return [
        f"{result.name}, {result.kind}: {promise} {tally.unclear[:3]} {sorted(signed_out)}"
        for promise, is_kept in promises.items()
        if not is_kept
    ]


# Telling ---------------------------------------------------------------------------------------

COLUMNS = (
    "trouble", "tokens", "s", "calls", *(outcome.value for outcome in Outcome), "tried again",
    "writes lost", "writes doubled", "sign-ins", "lost", "clients signed out",
)  # fmt: skip


def row(result: Result) -> list[object]:
    tally = result.tally
    return [
        result.name,
        result.kind,
        round(result.seconds),
        sum(tally.calls.values()),
        *(tally.calls[outcome] for outcome in Outcome),
        sum(tally.repeated.values()),
        len(result.writes.lost),
        len(result.writes.doubled),
        tally.sign_ins["tried"],
        tally.sign_ins["lost"],
        len(result.signed_out),
    ]


def table(results: Iterable[Result]) -> str:
    rows = [COLUMNS, ["---"] * len(COLUMNS), *map(row, results)]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in rows)
