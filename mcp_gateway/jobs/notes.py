"""What is a model told about a job?

A note is this server's own word. What an upstream answered comes into one only where it's a plain
id or the name of a state: other text could pass for instructions.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from mcp_gateway.answers import STATUS
from mcp_gateway.jobs.rule import State
from mcp_gateway.jobs.wait_argument import LONGEST_WAIT_SECONDS, WAIT_ARGUMENT

# As the shipped tools' schemas have it.
PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
PLAIN_STATE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}")
ANOTHER = "calling this again would start another one"
SOMEBODY = "it goes on when somebody does what it waits for. Tell the user"
NOT_SEEN = f"Started; {ANOTHER}. How it goes can't be found out just now."
NO_STATUS_TOOL = f"Started; {ANOTHER}. No tool that is available here tells how it goes."


@dataclass(frozen=True, slots=True)
class Directions:
    """How to go on with one job. `arguments` are None where they can't be told."""

    status_tool: str
    can_wait: bool
    cancel_tool: str = ""
    arguments: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return " ".join(filter(None, (self._look(), self._cancel())))

    def _look(self) -> str:
        wait = {WAIT_ARGUMENT: LONGEST_WAIT_SECONDS} if self.can_wait else {}
        call = f"Call {self.status_tool} with {self._given(wait)}"
        if self.can_wait:
            return f"{call}: it answers when that is over, or after {LONGEST_WAIT_SECONDS} s."
        return f"{call} now and then to see how it goes."

    def _cancel(self) -> str:
        return f"To stop it, call {self.cancel_tool} with {self._given()}." * bool(self.cancel_tool)

    def _given(self, more: Mapping[str, Any] | None = None) -> str:
        more = more or {}
        if self.arguments is None:
            return " ".join(["its ids", *(f"and {name} {value}" for name, value in more.items())])
        return to_json({**self.arguments, **more}).decode()


def started(directions: Directions) -> str:
    return f"Started; it goes on by itself, and {ANOTHER}. {directions}"


def started_and_over(directions: Directions, state: State | None) -> str:
    return f"Started, and over: {told(state)}. {_last_answer(directions)}"


def started_and_goes_on(directions: Directions, state: State | None, seconds: float) -> str:
    begun = f"Started, and not over after {seconds:.0f} s ({told(state)}); {ANOTHER}."
    return f"{begun} {_last_answer(directions)} {directions}"


def started_and_needs_somebody(directions: Directions, state: State | None) -> str:
    begun = f"Started, and now {told(state)}: {SOMEBODY}."
    return f"{begun} {_last_answer(directions)} {directions}"


def started_unseen(directions: Directions, reason: str) -> str:
    return f"Started; {ANOTHER}. How it goes couldn't be found out: {reason}. {directions}"


def started_and_switched_off(status_tool: str) -> str:
    return f"Started; {ANOTHER}. {status_tool} was switched off, so how it goes can't be told."


def goes_on(state: State | None, seconds: float) -> str:
    begun = f"Not over after {seconds:.0f} s ({told(state)})."
    return f"{begun} To wait on, call again with the same arguments."


def needs_somebody(state: State | None) -> str:
    return f"Now {told(state)}: {SOMEBODY} before you wait on."


def earlier(reason: str) -> str:
    return f"The last look failed ({reason}), so this is an earlier answer."


def _last_answer(directions: Directions) -> str:
    return f"{STATUS} is the last answer of {directions.status_tool}."


def told(state: State | None) -> str:
    is_plain = state is not None and PLAIN_STATE.fullmatch(str(state))
    return str(state) if is_plain else "in a state that can't be told"


def find_plain(arguments: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The same if each is a plain id; else None."""
    if arguments is None or not all(map(is_plain_id, arguments.values())):
        return None
    return arguments


def is_plain_id(value: object) -> bool:
    if isinstance(value, str):
        return PLAIN_ID.fullmatch(value) is not None
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
