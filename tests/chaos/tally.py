"""What became of everything that was tried, counted."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sandbox import fixtures


class Outcome(StrEnum):
    """Of one call, its client's repetitions included."""

    OK = "succeeded"
    # The answer said that nothing was done and to try again later.
    RETRYABLE = "failed, clearly retryable"
    # The answer said so, or there was none: 502, or a connection that was cut.
    UNKNOWN = "of unknown effect, and said so"
    # Anything else: a 500, a protocol error, a hang.
    UNCLEAR = "failed unclearly"


@dataclass
class Tally:
    calls: Counter[Outcome] = field(default_factory=Counter)
    # Answers that were waited out and tried again: 503 with Retry-After, a refused connection.
    repeated: Counter[str] = field(default_factory=Counter)
    # What a failure said, for people to read.
    unclear: list[str] = field(default_factory=list)
    # Numbers of writes whose answer said that they were done.
    written: list[str] = field(default_factory=list)
    # Why clients needed their user again.
    signed_out: list[str] = field(default_factory=list)
    sign_ins: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        for name in ("calls", "repeated", "sign_ins"):
            getattr(self, name).update(getattr(other, name))
        for name in ("unclear", "written", "signed_out"):
            getattr(self, name).extend(getattr(other, name))


@dataclass(frozen=True)
class Writes:
    """What Wiv has of the numbered writes, against what clients were told."""

    lost: list[str]
    doubled: list[str]


def compare(received: list[dict[str, Any]], tally: Tally) -> Writes:
    """`received` as the sandbox lists it; what it refused wasn't done."""
    done = Counter(
        str(event["number"])
        for each in received
        if each["method"] == "POST"
        and fixtures.MONTHLY_REPORT in each["path"]
        and each["status"] is not None
        and each["status"] < 300
        and (event := event_of(each["body"])) is not None
    )
    return Writes(
        lost=[number for number in tally.written if number not in done],
        doubled=[number for number, times in done.items() if times > 1],
    )


def event_of(body: object) -> dict[str, Any] | None:
    event = body.get("payload") if isinstance(body, dict) else None
    return event if isinstance(event, dict) and "number" in event else None
