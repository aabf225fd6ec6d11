"""What does a request cost the gateway, and what others? `python -m benchmarks.peers [--rounds 7]`

Servers that do the same work are asked in turns, round after round. The figure to compare is the
CPU time of a server's processes; those of the load and of the upstream aren't counted. Installs
what the peers need below `.cache` and `benchmarks/peers`, as locked. Linux only.
"""

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from benchmarks.database_server import found_postgresql
from benchmarks.peers import chart, load, report, subjects
from benchmarks.peers.machine import OtherWork, description
from benchmarks.peers.results import Results, Sample, verdicts
from benchmarks.peers.subjects import SUBJECTS, Site, Start, Subject
from benchmarks.peers.upstream import workflows
from benchmarks.peers.work import CALL, ROOT, WORKS, Work

sys.path.append(str(ROOT / "script"))  # whose modules import each other
import environments
import node_packages

CHART = ROOT / ".cache" / "peers.svg"
# Times the seconds of one load.
WARM_UP = 3


def main() -> None:
    options = parse_arguments()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ.update({"SECRET_KEY": "x" * 60, "ENCRYPTION_KEYS": "A" * 43 + "="})
    environments.prepare(subjects.PEERS_PYTHON.parents[1], environments.PEERS)
    node_packages.prepare(node_packages.PEERS)
    with (
        TemporaryDirectory() as folder,
        found_postgresql() as server,
        subjects.site(Path(folder), server) as site,
        contextlib.ExitStack() as stack,
    ):
        servers = [stack.enter_context(start(site)) for start in chosen(options.only, site)]
        other_work = OtherWork()
        results = measure(servers, site, options)
        captions = [
            *versions(servers),
            description(),
            f"{options.rounds} rounds of {options.seconds:g} s for each server and work, over "
            f"{options.connections} connections; other processes kept the cores "
            f"{other_work.share():.0%} busy",
        ]
    options.chart.parent.mkdir(parents=True, exist_ok=True)
    options.chart.write_text(chart.svg(results, captions))
    print(report.markdown(results, verdicts(results)))
    print("", *(f"- {caption}" for caption in captions), f"\nChart: {options.chart}", sep="\n")
    sys.exit(1 if results.errors() else 0)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2, help="of one load (%(default)s)")
    parser.add_argument("--connections", type=int, default=16, help="(%(default)s)")
    parser.add_argument("--only", nargs="+", default=[""], help="servers named like one of these")
    parser.add_argument("--chart", type=Path, default=CHART)
    return parser.parse_args()


def chosen(only: list[str], site: Site) -> Iterator[Start]:
    for name, start in SUBJECTS.items():
        if not any(part in name for part in only):
            continue
        if lacking := subjects.lacking(name, site):
            print(f"!!! NOT MEASURED: {name}, for lack of {lacking}", flush=True)
        else:
            yield start


def versions(servers: list[Subject]) -> Iterator[str]:
    for about in dict.fromkeys(server.about for server in servers):
        yield f"{'; '.join(s.name for s in servers if s.about == about)}: {about}"


def measure(servers: list[Subject], site: Site, options: argparse.Namespace) -> Results:
    """Another one is first in each round. The round before the first warms up, for longer: Node
    compiles what has run a few thousand times.
    """
    results = Results()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for number in range(options.rounds + 1):
            first = number % len(servers)
            for server in servers[first:] + servers[:first]:
                for work in WORKS:
                    seconds = options.seconds * (1 if number else WARM_UP)
                    sample = measure_once(server, work, site, runner, seconds, options.connections)
                    if number:
                        results.add(server.name, work, sample)
            print(f"round {number} of {options.rounds}", file=sys.stderr, flush=True)
    return results


def measure_once(
    server: Subject,
    work: Work,
    site: Site,
    runner: asyncio.Runner,
    seconds: float,
    connections: int,
) -> Sample:
    url, token, processes = server.url, server.token, server.processes
    answer = runner.run(load.ask_once(url, token, work))
    work.check(answer.status, answer.body, workflows())
    served, before = site.served(), processes.settled_cpu_seconds()
    done = runner.run(load.run(url, token, work, answer.body, seconds, connections))
    used = processes.settled_cpu_seconds() - before
    if work.method == CALL and (reached := site.served() - served) != len(done.took):
        raise AssertionError(f"{server.name}: {len(done.took)} calls, {reached} upstream")
    return Sample.of(done, used, answer.size, processes.memory_bytes())


if __name__ == "__main__":
    main()
