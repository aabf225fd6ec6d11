"""How do two definitions of a tool differ, in lines that a person can read?

In two parts: what goes on the wire, as the entry of tools/list in JSON; and the rest, which clients
don't see (request, access, where it came from).
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mcp_gateway.catalog import wire_tool
from mcp_gateway.definitions import EXCEPTIONS, canonical, tool_fields
from mcp_gateway.models import Tool

# Those that `wire_tool` puts on the wire.
WIRE_FIELDS = (
    "name",
    "title",
    "description",
    "input_schema",
    "read_only",
    "destructive",
    "idempotent",
    "open_world",
)
CONTEXT_LINES = 2
# Comparing takes longer than linear time.
MOST_LINES = 4000

Sign = Literal["+", "-", " ", "…"]


@dataclass(frozen=True, slots=True)
class Line:
    sign: Sign
    text: str

    def __str__(self) -> str:
        return f"{self.sign} {self.text}".rstrip()


@dataclass(frozen=True, slots=True)
class Difference:
    """Empty lists where nothing differs."""

    wire: list[Line]
    rest: list[Line]

    def __bool__(self) -> bool:
        return bool(self.wire or self.rest)


def difference(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Difference:
    return Difference(
        wire=list(changed_lines(wire_lines(before), wire_lines(after))),
        rest=list(changed_lines(rest_lines(before), rest_lines(after))),
    )


def changed_fields(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    """In the order of the form; none for a tool that is new or gone."""
    if not before or not after:
        return []
    return [
        name
        for name in [*tool_fields(), EXCEPTIONS]
        if canonical(before.get(name)) != canonical(after.get(name))
    ]


def wire_lines(definition: Mapping[str, Any] | None) -> list[str]:
    if not definition:
        return []
    return pretty(wire(definition)).splitlines()


def wire(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The entry of tools/list; for a row that can't be served, why it isn't there."""
    row = Tool(**{name: definition[name] for name in WIRE_FIELDS if name in definition})
    try:
        return wire_tool(row).model_dump(mode="json", by_alias=True, exclude_none=True)
    except ValueError as error:
        return {"name": row.name, "not served": str(error).splitlines()[0]}


def rest_lines(definition: Mapping[str, Any] | None) -> list[str]:
    if not definition:
        return []
    names = [name for name in [*tool_fields(), EXCEPTIONS] if name not in WIRE_FIELDS]
    return [
        line
        for name in names
        if name in definition
        for line in f"{name}: {pretty(definition[name])}".splitlines()
    ]


def pretty(value: object) -> str:
    """Keys sorted below the first level: PostgreSQL doesn't keep their order."""
    if isinstance(value, dict):
        value = {name: json.loads(canonical(each)) for name, each in value.items()}
    return json.dumps(value, indent=2, ensure_ascii=False)


def changed_lines(before: list[str], after: list[str]) -> Iterator[Line]:
    if before == after:
        return
    if max(len(before), len(after)) > MOST_LINES:
        yield Line("…", f"too long to compare: {len(before)} lines before, {len(after)} now")
        return
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for number, group in enumerate(matcher.get_grouped_opcodes(CONTEXT_LINES)):
        if number:
            yield Line("…", "")
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from (Line(" ", text) for text in before[i1:i2])
            else:
                yield from (Line("-", text) for text in before[i1:i2])
                yield from (Line("+", text) for text in after[j1:j2])
