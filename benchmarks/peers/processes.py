"""What has a process used so far, together with its children? From Linux' /proc."""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Longer than any server here puts work off; the gateway writes its call log every half second.
QUIET_SECONDS = 0.7
# What a timer or two may use in that time.
QUIET_CPU_SECONDS = 0.011
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ProcessTree:
    pid: int

    def cpu_seconds(self) -> float:
        """User and system time of all threads, ended children included."""
        return sum(cpu_ticks(pid) for pid in self.pids()) / TICK

    def settled_cpu_seconds(self) -> float:
        """The same once it is idle: work that is put off belongs to the requests it is about."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        before = self.cpu_seconds()
        while time.monotonic() < deadline:
            time.sleep(QUIET_SECONDS)
            now = self.cpu_seconds()
            if now - before < QUIET_CPU_SECONDS:
                return now
            before = now
        return before

    def memory_bytes(self) -> int:
        """Resident; what processes share is counted in each."""
        pages = (Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in self.pids())
        return sum(map(int, pages)) * PAGE_BYTES

    def pids(self) -> list[int]:
        found = [self.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread ended
                    found += map(int, (task / "children").read_text().split())
        return found


def cpu_ticks(pid: int) -> int:
    """utime, stime, cutime and cstime; the name before them may have spaces."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))
