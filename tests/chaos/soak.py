"""Does one worker under steady load keep its memory and file descriptors?"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.chaos.clients import Load, Worker
from tests.chaos.newcomers import Newcomers
from tests.chaos.site import site
from tests.chaos.tally import Outcome

SAMPLE_SECONDS = 10.0
# What the last quarter may have more than the second: the first one still fills caches.
MEMORY_GROWTH = 1.05
FILE_GROWTH = 1.10
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") / 1024


@dataclass(frozen=True)
class Sample:
    seconds: float
    resident_mib: float
    files: int


@dataclass(frozen=True)
class Verdict:
    samples: list[Sample]
    calls: int
    failed: int
    sign_ins: int

    def quarter(self, number: int) -> list[Sample]:
        size = len(self.samples) // 4
        return self.samples[(number - 1) * size : number * size]

    def memory(self, number: int) -> float:
        return median(sample.resident_mib for sample in self.quarter(number))

    def files(self, number: int) -> float:
        return median(sample.files for sample in self.quarter(number))

    @property
    def is_flat(self) -> bool:
        return (
            self.memory(4) <= self.memory(2) * MEMORY_GROWTH
            and self.files(4) <= self.files(2) * FILE_GROWTH
        )


def sample(pid: int, seconds: float) -> Sample:
    resident_pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    files = len(os.listdir(f"/proc/{pid}/fd"))
    return Sample(seconds, resident_pages * PAGE_KIB / 1024, files)


def soak(log: Path, minutes: float) -> Verdict:
    settings = {"ACCESS_TOKEN_KIND": "opaque", "OPAQUE_TOKEN_LIFETIME": "60"}
    with site(log, settings, workers=1) as running:
        modes = ("2026-07-28", "legacy") * 3
        load = Load([Worker(f"s{n}", running.url, "/mcp", mode) for n, mode in enumerate(modes)])
        newcomers = Newcomers(running.url, pause_seconds=5.0)
        load.start()
        newcomers.start()
        samples = sampled(running.workers[0].pid, minutes)
        arrived, tally = newcomers.stop(), load.stop()
        load.close()
    calls = sum(tally.calls.values())
    failed = calls - tally.calls[Outcome.OK]
    return Verdict(samples, calls, failed, arrived.sign_ins["succeeded"])


def sampled(pid: int, minutes: float) -> list[Sample]:
    samples = []
    began = time.monotonic()
    while (passed := time.monotonic() - began) < minutes * 60:
        samples.append(sample(pid, passed))
        time.sleep(SAMPLE_SECONDS)
    return samples
