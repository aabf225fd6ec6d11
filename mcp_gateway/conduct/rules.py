"""Does one connection call so often, or so much the same, that nobody can have meant it?

Pure, in the memory of one worker: a call goes in, and whether it may go on comes out. What other
workers count is told by `sharing`. Three rules, each with a number that 0 switches off (Limits):

- more calls, or more calls of tools that write, in a minute than allowed: wait;
- going on regardless of being told to wait: stop;
- one tool with the same arguments again and again within five minutes: stop.

Reading the state of a job every few seconds is what models are told to do, so a tool that only
reads is allowed more repetitions. One that was told to come back is forgiven.
"""

import hashlib
import json
import math
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

MINUTE = 60.0
REPEAT_WINDOW = 300.0
# A reading tool's repetitions weigh so much less than a writing one's.
READS_TO_A_WRITE = 5
# So many times told to wait within a minute, and it isn't listening.
PATIENCE = 10
REMEMBERED_CONNECTIONS = 10_000
REMEMBERED_CALLS = 2_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one connection. `repeats` is of a tool that writes, with the same arguments."""

    calls_per_minute: int
    writes_per_minute: int
    repeats: int


@dataclass(frozen=True, slots=True)
class MayCall:
    pass


@dataclass(frozen=True, slots=True)
class MustWait:
    seconds: int
    limit: int
    what: str


@dataclass(frozen=True, slots=True)
class MustStop:
    """`reason` completes "It was paused because ..."."""

    reason: str


Verdict = MayCall | MustWait | MustStop


# A moment of this worker's clock, and how many calls there were at about that time.
Moments = Sequence[tuple[float, int]]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What one connection did in other workers; `repetitions` by a call's digest."""

    calls: Moments = ()
    writes: Moments = ()
    repetitions: Mapping[bytes, Moments] = field(default_factory=dict)


NOTHING = Elsewhere()


class _Window:
    """The moments of the last minute. Asking costs the same however many there are."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque()

    def add(self, now: float) -> None:
        self._moments.append(now)

    def seconds_until_below(self, limit: int, now: float, elsewhere: Moments = ()) -> int:
        """0 when there are fewer than `limit`, or no limit."""
        while self._moments and self._moments[0] <= now - MINUTE:
            self._moments.popleft()
        others = [(moment, count) for moment, count in elsewhere if moment > now - MINUTE]
        left = len(self._moments) + sum(count for _, count in others)
        if not limit or left < limit:
            return 0
        for moment, count in sorted([*((each, 1) for each in self._moments), *others]):
            left -= count
            if left < limit:
                return math.ceil(moment + MINUTE - now) or 1
        return 1  # a limit below 1 isn't one


class _Repetitions:
    """How often each call was made in the last five minutes."""

    def __init__(self) -> None:
        self._calls: deque[tuple[float, bytes]] = deque()
        self._counts: Counter[bytes] = Counter()

    def add(self, digest: bytes, now: float) -> int:
        while self._calls and (
            self._calls[0][0] <= now - REPEAT_WINDOW or len(self._calls) >= REMEMBERED_CALLS
        ):
            _, old = self._calls.popleft()
            self._counts[old] -= 1
            if not self._counts[old]:
                del self._counts[old]
        self._calls.append((now, digest))
        self._counts[digest] += 1
        return self._counts[digest]

    def remove(self, digest: bytes) -> None:
        """The latest one."""
        for index in range(len(self._calls) - 1, -1, -1):
            if self._calls[index][1] == digest:
                del self._calls[index]
                self._counts[digest] -= 1
                if not self._counts[digest]:
                    del self._counts[digest]
                return


@dataclass(slots=True)
class _History:
    calls: _Window = field(default_factory=_Window)
    writes: _Window = field(default_factory=_Window)
    refused: _Window = field(default_factory=_Window)
    repetitions: _Repetitions = field(default_factory=_Repetitions)
    last: float = -math.inf


@dataclass(frozen=True, slots=True)
class Call:
    """A kind of call that is counted: whose, which, and whether it changes something."""

    connection: str
    digest: bytes
    writes: bool


class Conduct:
    def __init__(
        self,
        limits: Callable[[], Limits],
        clock: Callable[[], float] = time.monotonic,
        *,
        is_alone: bool = True,
    ) -> None:
        """`is_alone`: there is no other worker that would want to be told."""
        self._limits = limits
        self._clock = clock
        self.is_alone = is_alone
        self._histories: OrderedDict[str, _History] = OrderedDict()
        self._elsewhere: Mapping[str, Elsewhere] = {}
        self._untold: Counter[Call] = Counter()

    def judge(
        self, connection: str, tool: str, arguments: Mapping[str, object], *, writes: bool
    ) -> Verdict:
        """Counts the call, unless it has to wait."""
        now, limits = self._clock(), self._limits()
        history = self._history_of(connection)
        history.last = now
        elsewhere = self._elsewhere.get(connection, NOTHING)
        if (wait := _find_wait(limits, history, elsewhere, now, writes)) is not None:
            history.refused.add(now)
            if history.refused.seconds_until_below(PATIENCE, now):
                return MustStop(f"it went on calling after it was told {PATIENCE} times to wait")
            return wait
        history.calls.add(now)
        if writes:
            history.writes.add(now)
        allowed = limits.repeats * (1 if writes else READS_TO_A_WRITE)
        digest = _digest(tool, arguments)
        repeated = history.repetitions.add(digest, now)
        if not self.is_alone:
            self._untold[Call(connection, digest, writes)] += 1
        others = elsewhere.repetitions.get(digest, ())
        repeated += sum(count for moment, count in others if moment > now - REPEAT_WINDOW)
        if allowed and repeated > allowed:
            return MustStop(
                f"it called {tool} {repeated} times within five minutes with the same arguments"
            )
        return MayCall()

    def forgive(self, connection: str, tool: str, arguments: Mapping[str, object]) -> None:
        """The latest such call is no repetition; it stays one of the minute's calls."""
        if (history := self._histories.get(connection)) is not None:
            history.repetitions.remove(_digest(tool, arguments))

    def forget(self, connection: str) -> None:
        """Somebody let it go on: it begins anew."""
        self._histories.pop(connection, None)
        self._elsewhere = {**self._elsewhere, connection: NOTHING}

    def take_untold(self) -> Mapping[Call, int]:
        """What other workers haven't been told of yet."""
        untold, self._untold = self._untold, Counter()
        return untold

    def learn(self, elsewhere: Mapping[str, Elsewhere]) -> None:
        """What other workers count, by connection."""
        self._elsewhere = elsewhere

    def recent_connections(self) -> list[str]:
        """Those that called within the longest window."""
        since = self._clock() - REPEAT_WINDOW
        newest_first = reversed(self._histories.items())
        return [name for name, _ in takewhile(lambda each: each[1].last > since, newest_first)]

    def _history_of(self, connection: str) -> _History:
        history = self._histories.setdefault(connection, _History())
        self._histories.move_to_end(connection)
        if len(self._histories) > REMEMBERED_CONNECTIONS:
            self._histories.popitem(last=False)
        return history


def _find_wait(
    limits: Limits, history: _History, elsewhere: Elsewhere, now: float, writes: bool
) -> MustWait | None:
    calls, changes = limits.calls_per_minute, limits.writes_per_minute
    if seconds := history.calls.seconds_until_below(calls, now, elsewhere.calls):
        return MustWait(seconds, calls, "calls")
    if writes and (seconds := history.writes.seconds_until_below(changes, now, elsewhere.writes)):
        return MustWait(seconds, changes, "calls that change something")
    return None


def _digest(tool: str, arguments: Mapping[str, object]) -> bytes:
    text = json.dumps([tool, arguments], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
