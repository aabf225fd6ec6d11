"""What time is it in the sandbox? The machine's time plus whatever the control route added."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass
class Clock:
    advanced_seconds: float = 0.0

    def now(self) -> float:
        """Unix seconds."""
        return time.time() + self.advanced_seconds

    def advance(self, seconds: float) -> None:
        self.advanced_seconds += seconds


def iso_8601(timestamp: float) -> str:
    """1795219200.0  ->  "2026-11-21T00:00:00.000000Z" (fixed width, so that it sorts as text)"""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
