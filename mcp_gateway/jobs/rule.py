"""What does a tool's `job` say: which tool tells how it goes, of which job, and when it is over?

    {
        "status_tool": "wiv_get_execution_status",
        "cancel_tool": "wiv_stop_execution",
        "arguments": {
            "workflow_id": "arguments.workflow_id",
            "execution_id": "answer.data.execution_id"
        },
        "state": "data.status",
        "terminal": ["COMPLETED", "FAILED", "STOPPED"],
        "input_required": ["WAITING_APPROVAL"]
    }

`arguments` are those of the status tool and of the cancel tool: JMESPath over what the call that
starts the job was given and answered, {"arguments": ..., "answer": ...}. `state` is JMESPath over
the status tool's answer as the upstream gives it. In a state of `terminal` the job is over; in one
of `input_required` it goes on only when somebody does something. `cancel_tool` and `input_required`
may be left out. Nothing here knows Django, MCP or the network.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from mcp_gateway.projection import Projection, ProjectionFailed, UnusableProjection

REQUIRED_KEYS = ("status_tool", "arguments", "state", "terminal")
KEYS = (*REQUIRED_KEYS, "cancel_tool", "input_required")
MAX_ARGUMENTS = 10
MAX_STATES = 50
MAX_STATE_LENGTH = 100

State: TypeAlias = str | int | bool


class UnusableJob(ValueError):
    """A job that can't be served. The message is for the person who edits the tool."""


@dataclass(frozen=True, slots=True)
class JobRule:
    """One tool's `job`, compiled."""

    status_tool: str
    arguments: Mapping[str, Projection]
    state: Projection
    terminal: tuple[State, ...]
    input_required: tuple[State, ...] = ()
    cancel_tool: str = ""

    def find_arguments(self, arguments: Mapping[str, Any], answer: Any) -> dict[str, Any] | None:
        """The status tool's, for the job that this call started; None when one isn't there."""
        source = {"arguments": dict(arguments), "answer": answer}
        try:
            return {name: each.apply(source) for name, each in self.arguments.items()}
        except ProjectionFailed:
            return None

    def find_state(self, answer: Any) -> State | None:
        """None for an answer that doesn't say."""
        try:
            state = self.state.apply(answer)
        except ProjectionFailed:
            return None
        return state if isinstance(state, State) else None

    def is_over(self, state: State | None) -> bool:
        return is_among(state, self.terminal)

    def needs_somebody(self, state: State | None) -> bool:
        return is_among(state, self.input_required)


def is_among(state: State | None, states: tuple[State, ...]) -> bool:
    """Python takes True for 1."""
    return any(type(each) is type(state) and each == state for each in states)


def read_job(value: object) -> JobRule | None:
    """None for {}: the tool starts none. Raises UnusableJob."""
    if not isinstance(value, Mapping):
        raise UnusableJob("This must be a JSON object; {} for a tool that starts no job.")
    if not value:
        return None
    if unknown := [str(key) for key in value if key not in KEYS]:
        raise UnusableJob(f"There is no {unknown[0][:80]}; use {', '.join(KEYS)}.")
    if missing := [key for key in REQUIRED_KEYS if key not in value]:
        raise UnusableJob(f"{missing[0]} is missing.")
    terminal = states(value, "terminal")
    if not terminal:
        raise UnusableJob("terminal must name a state, or no job would ever be over.")
    input_required = states(value, "input_required")
    if both := [state for state in input_required if is_among(state, terminal)]:
        raise UnusableJob(f"{both[0]} can't be both terminal and input_required.")
    return JobRule(
        status_tool=tool_name(value, "status_tool"),
        arguments=expressions(value["arguments"]),
        state=expression("state", value["state"]),
        terminal=terminal,
        input_required=input_required,
        cancel_tool=tool_name(value, "cancel_tool"),
    )


def tool_name(job: Mapping[str, Any], key: str) -> str:
    name = job.get(key, "")
    if not isinstance(name, str) or (not name and key in REQUIRED_KEYS):
        raise UnusableJob(f"{key} must be a tool's name.")
    return name


def expressions(value: object) -> dict[str, Projection]:
    if not isinstance(value, Mapping) or not 0 < len(value) <= MAX_ARGUMENTS:
        raise UnusableJob(
            f"arguments must be an object of 1 to {MAX_ARGUMENTS} arguments of the status tool."
        )
    return {name: expression(f"arguments.{name}", text) for name, text in value.items()}


def expression(where: str, text: object) -> Projection:
    if not isinstance(text, str) or not text.strip():
        raise UnusableJob(f"{where[:80]} must be a JMESPath expression.")
    try:
        return Projection(text)
    except UnusableProjection as error:
        raise UnusableJob(f"{where[:80]}: {error}") from error


def states(job: Mapping[str, Any], key: str) -> tuple[State, ...]:
    """Texts mostly; an API may also say `"done": true`, or a number."""
    found = job.get(key, [])
    is_list = isinstance(found, list) and len(found) <= MAX_STATES
    if not is_list or not all(isinstance(each, State) for each in found):
        raise UnusableJob(f"{key} must be a list of at most {MAX_STATES} states.")
    if any(isinstance(each, str) and not 0 < len(each) <= MAX_STATE_LENGTH for each in found):
        raise UnusableJob(f"A state of {key} must have 1 to {MAX_STATE_LENGTH} characters.")
    return tuple(found)
