"""Which machine was it, and what else did it do meanwhile?"""

import os
import platform
import re
import time
from pathlib import Path

from benchmarks.peers.processes import TICK, ProcessTree

# user, nice, system, irq, softirq and steal of the first line of /proc/stat.
BUSY = (1, 2, 3, 6, 7, 8)


def description() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    model = found[1] if found else platform.machine()
    python = f"Python {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {platform.platform()}, {python}"


class OtherWork:
    """How busy processes that aren't ours keep the cores, from when it is made."""

    def __init__(self) -> None:
        self._own = ProcessTree(os.getpid())
        self._began = self._now()

    def _now(self) -> tuple[float, float]:
        """Seconds that passed, and seconds in which a core worked for others."""
        fields = Path("/proc/stat").read_text().splitlines()[0].split()
        busy = sum(int(fields[place]) for place in BUSY) / TICK
        return time.monotonic(), busy - self._own.cpu_seconds()

    def share(self) -> float:
        (began, before), (now, after) = self._began, self._now()
        return max(0.0, (after - before) / (now - began) / (os.cpu_count() or 1))
