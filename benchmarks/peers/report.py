"""The results as Markdown."""

import statistics
from collections.abc import Iterable, Iterator, Sequence

from benchmarks.peers.results import Results, Sample, Verdict
from benchmarks.peers.work import WORKS, Work

COLUMNS = (
    *("Server", "CPU ms", "from", "to", "requests/s", "p50 ms", "p99 ms", "bytes", "MB", "errors"),
)


def markdown(results: Results, verdicts: Iterable[Verdict]) -> str:
    return "\n".join((*tables(results), *targets(verdicts)))


def tables(results: Results) -> Iterator[str]:
    """One for each work: the median of the rounds, for CPU time also the least and the most."""
    for work in WORKS:
        yield f"### {work}\n"
        yield row(COLUMNS)
        yield row(["---", *("---:" for _ in COLUMNS[1:])])
        for name in results.names():
            yield row(cells(name, results, work))
        yield ""


def cells(name: str, results: Results, work: Work) -> Iterator[str]:
    samples, cpu_ms = results.of(name, work), results.cpu_ms(name, work)
    yield name
    yield from (f"{each:.2f}" for each in (statistics.median(cpu_ms), min(cpu_ms), max(cpu_ms)))
    yield f"{median(samples, 'rps'):,.0f}"
    yield f"{median(samples, 'p50_ms'):.1f}"
    yield f"{median(samples, 'p99_ms'):.1f}"
    yield f"{median(samples, 'bytes'):,.0f}"
    yield f"{median(samples, 'memory_mb'):.0f}"
    yield str(sum(sample.errors for sample in samples))


def median(samples: Sequence[Sample], figure: str) -> float:
    values: list[float] = [getattr(sample, figure) for sample in samples]
    return statistics.median(values)


def targets(verdicts: Iterable[Verdict]) -> Iterator[str]:
    yield "### CPU time of the gateway that does worst, as a multiple of a peer's\n"
    yield row(("Work", "Peer", "Gateway", "Multiple", "Target", ""))
    yield row(("---", "---", "---", "---:", "---:", "---"))
    for verdict in verdicts:
        target, met = verdict.target, "met" if verdict.is_met else "MISSED"
        multiples = (f"{verdict.ratio:.2f}", f"{target.ratio:.2f}")
        yield row((str(target.work), target.rival, verdict.gateway, *multiples, met))


def row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
