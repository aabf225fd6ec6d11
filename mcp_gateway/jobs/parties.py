"""Can the tools that a job names have a part in it?

Looking happens again and again, and by itself, so it may change nothing, and goes to where the job
was started. What is known of a job must be all that the other tools need.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcp_gateway.jobs.rule import JobRule, UnusableJob
from mcp_gateway.jobs.wait_argument import WAIT_ARGUMENT

if TYPE_CHECKING:
    from mcp_gateway.models import Tool

Find = Callable[[str], "Party | None"]


@dataclass(frozen=True, slots=True)
class Party:
    """What of a tool decides. `upstream` is a name, "" for Wiv."""

    name: str
    upstream: str
    is_read_only: bool
    starts_a_job: bool
    arguments: frozenset[str]
    required: frozenset[str]

    @property
    def can_wait(self) -> bool:
        return WAIT_ARGUMENT not in self.arguments


def party_of(tool: "Tool") -> Party:
    """Also of a row that was written past validation."""
    schema = tool.input_schema if isinstance(tool.input_schema, Mapping) else {}
    return Party(
        name=tool.name,
        upstream=tool.upstream.name if tool.upstream else "",
        is_read_only=tool.read_only is True,
        starts_a_job=bool(tool.job),
        arguments=texts(schema.get("properties")),
        required=texts(schema.get("required")),
    )


def texts(names: object) -> frozenset[str]:
    found: Iterable[object] = names if isinstance(names, Mapping | list) else ()
    return frozenset(name for name in found if isinstance(name, str))


def check_parties(rule: JobRule, start: Party, find: Find) -> None:
    """Raises UnusableJob."""
    status = check_party(rule.status_tool, "status_tool", rule, start, find)
    if not status.is_read_only:
        raise UnusableJob(f"status_tool: {status.name} isn't marked read-only.")
    if status.starts_a_job:
        raise UnusableJob(f"status_tool: {status.name} starts a job itself.")
    if rule.cancel_tool:
        check_party(rule.cancel_tool, "cancel_tool", rule, start, find)


def check_party(name: str, key: str, rule: JobRule, start: Party, find: Find) -> Party:
    party = find(name)
    if party is None:
        raise UnusableJob(f"{key}: there is no tool {name[:80]}.")
    if party.name == start.name:
        raise UnusableJob(f"{key} can't be the tool that starts the job.")
    if party.upstream != start.upstream:
        raise UnusableJob(f"{key}: {party.name} goes to another upstream.")
    given = frozenset(rule.arguments)
    if missing := sorted(party.required - given):
        raise UnusableJob(f"arguments: {party.name} needs {missing[0]} too.")
    if other := sorted(given - party.required):
        raise UnusableJob(f"arguments: {party.name} has no required argument {other[0][:80]}.")
    return party


def check_wait_argument(*parties: Party) -> None:
    """Raises UnusableJob for a tool whose own argument has that name."""
    for party in parties:
        if not party.can_wait:
            raise UnusableJob(
                f"{party.name} has an argument {WAIT_ARGUMENT} of its own, which a tool of a job "
                "gets from this server: rename it."
            )
