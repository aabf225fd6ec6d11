"""What was measured of each server at each work, and does the gateway do as well as it should?"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.peers.load import Load
from benchmarks.peers.subjects import (
    FASTMCP,
    FLOOR,
    GATEWAY,
    SINGLE_FILE,
    SUBJECTS,
    TYPESCRIPT_SDK,
)
from benchmarks.peers.work import CALL, LEGACY, LIST, MODERN, WORKS, Work


@dataclass(frozen=True, slots=True)
class Sample:
    """Of one round. `cpu_ms` is of a request, `memory_mb` of the process tree."""

    cpu_ms: float
    rps: float
    p50_ms: float
    p99_ms: float
    bytes: int
    memory_mb: float
    errors: int

    @classmethod
    def of(cls, load: Load, cpu_seconds: float, size: int, memory_bytes: int) -> "Sample":
        took = sorted(load.took)
        return cls(
            cpu_ms=cpu_seconds / len(took) * 1000,
            rps=len(took) / load.seconds,
            p50_ms=took[len(took) // 2] * 1000,
            p99_ms=took[len(took) * 99 // 100] * 1000,
            bytes=size,
            memory_mb=memory_bytes / 1e6,
            errors=load.errors,
        )


@dataclass
class Results:
    """`samples` of one server at one work are in the order of the rounds."""

    samples: dict[tuple[str, Work], list[Sample]] = field(default_factory=dict)

    def add(self, name: str, work: Work, sample: Sample) -> None:
        self.samples.setdefault((name, work), []).append(sample)

    def names(self) -> list[str]:
        measured = {name for name, _ in self.samples}
        return [name for name in SUBJECTS if name in measured]

    def of(self, name: str, work: Work) -> Sequence[Sample]:
        return self.samples[name, work]

    def cpu_ms(self, name: str, work: Work) -> list[float]:
        return [sample.cpu_ms for sample in self.of(name, work)]

    def ratio(self, name: str, rival: str, work: Work) -> float:
        """Round by round, so that what else the machine did meanwhile is in both."""
        pairs = zip(self.cpu_ms(name, work), self.cpu_ms(rival, work), strict=True)
        return statistics.median(own / other for own, other in pairs)

    def errors(self) -> int:
        return sum(sample.errors for samples in self.samples.values() for sample in samples)


@dataclass(frozen=True, slots=True)
class Target:
    """The gateway's CPU time is at most `ratio` of the rival's."""

    work: Work
    rival: str
    ratio: float


TARGETS = (
    Target(Work(CALL, MODERN), SINGLE_FILE, 1 / 4),
    Target(Work(CALL, MODERN), TYPESCRIPT_SDK, 1),
    Target(Work(CALL, MODERN), FLOOR, 3),
    Target(Work(CALL, LEGACY), SINGLE_FILE, 1 / 3),
    Target(Work(LIST, MODERN), SINGLE_FILE, 1 / 3),
    Target(Work(LIST, LEGACY), SINGLE_FILE, 1 / 2),
    *(Target(work, FASTMCP, 1 / 3) for work in WORKS),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`ratio` is of the gateway that does worst."""

    target: Target
    gateway: str
    ratio: float

    @property
    def is_met(self) -> bool:
        return self.ratio <= self.target.ratio


def verdicts(results: Results) -> Iterator[Verdict]:
    """Of targets whose rival ran."""
    gateways = [name for name in results.names() if name.startswith(GATEWAY)]
    for target in TARGETS:
        if gateways and (target.rival, target.work) in results.samples:
            ratios = {name: results.ratio(name, target.rival, target.work) for name in gateways}
            worst = max(ratios, key=lambda name: ratios[name])
            yield Verdict(target, worst, ratios[worst])
