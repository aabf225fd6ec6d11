"""How does a catalog travel from one server to another, as a file?

`export` writes it; `read_file` refuses what can't be one; `plan` says what it would change here;
`apply` changes it. A file is taken whole or not at all: tools name each other, and half of it would
be a catalog that nobody wrote. Nothing is deleted that isn't named to `apply`.

Not in the file: credentials, and what is about one server only (`source`, `overridden`). An
upstream that is here already stays as it is: to give it another address would send its credential
there.
"""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import models, transaction

from mcp_gateway.definitions import (
    EXCEPTIONS,
    ORIGIN_FIELDS,
    Definition,
    References,
    assign,
    definition,
    parsed_exceptions,
    plain_words,
    replace_exceptions,
    same,
    shortened,
    tool_fields,
)
from mcp_gateway.differences import changed_fields
from mcp_gateway.history import Cause, changing, take_turns
from mcp_gateway.models import (
    Availability,
    CatalogVersion,
    FormerName,
    Source,
    Tool,
    ToolQuerySet,
    Upstream,
)
from mcp_gateway.seed import differing_from_shipped, read_definitions

SCHEMA_VERSION = 1
PARTS = ("tools", "upstreams", "former_names")
UPSTREAM_FIELDS = ("name", "title", "base_url", "credential_header")
FORMER_NAME_FIELDS = ("name", "tool", "note")
# The shipped catalog takes 60 KB.
MAX_FILE_BYTES = 1024 * 1024
# An input schema that a person can read has a tenth of this.
MAX_DEPTH = 64
MAX_ROWS = 1000

Row: TypeAlias = dict[str, Any]


class FileRefused(Exception):
    """This isn't a catalog. The message is for who brings it."""


class CatalogChanged(Exception):
    """Since its differences were looked at."""


# Out ----------------------------------------------------------------------------------------------


def export(tools: ToolQuerySet | None = None) -> str:
    """All of the catalog, or some tools with the upstreams and former names that are theirs."""
    chosen = Tool.objects.all() if tools is None else tools
    rows = list(
        chosen.select_related("upstream", "replaced_by")
        .prefetch_related(EXCEPTIONS)
        .order_by("name")
    )
    upstreams, former = Upstream.objects.all(), FormerName.objects.all()
    if tools is not None:
        upstreams = upstreams.filter(tools__in=rows).distinct()
        former = former.filter(tool__in=rows)
    catalog = {
        "schema_version": SCHEMA_VERSION,
        "upstreams": [described(each) for each in upstreams.order_by("name")],
        "tools": [ordered(exported(definition(row))) for row in rows],
        "former_names": [named(each) for each in former.select_related("tool").order_by("name")],
    }
    return json.dumps(catalog, indent=2, ensure_ascii=False) + "\n"


def exported(row: Definition) -> Row:
    return {name: value for name, value in row.items() if name not in ORIGIN_FIELDS}


def ordered(row: Row) -> Row:
    """The fields as the form has them; within them keys by the alphabet, on every database."""
    return {name: json.loads(json.dumps(value, sort_keys=True)) for name, value in row.items()}


def described(upstream: Upstream) -> Row:
    return {name: getattr(upstream, name) for name in UPSTREAM_FIELDS}


def named(former: FormerName) -> Row:
    return {
        "name": former.name,
        "tool": former.tool.name if former.tool else None,
        "note": former.note,
    }


# In: the file -------------------------------------------------------------------------------------


def read_file(data: bytes) -> dict[str, list[Row]]:
    """The rows of each part. Raises FileRefused."""
    if len(data) > MAX_FILE_BYTES:
        raise FileRefused(f"The file has more than {MAX_FILE_BYTES // 1024} KiB.")
    try:
        catalog = json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=without_repetition,
            parse_constant=refuse_constant,
            parse_float=finite,
        )
    except UnicodeDecodeError as error:
        raise FileRefused("The file isn't UTF-8 text.") from error
    except json.JSONDecodeError as error:
        raise FileRefused(f"This isn't JSON: {error}.") from error
    except RecursionError as error:
        raise FileRefused("The JSON is nested too deeply.") from error
    except ValueError as error:  # an integer of thousands of digits
        raise FileRefused("The JSON has a number that is too long.") from error
    refuse_depth_and_odd_text(catalog)
    return parts_of(catalog)


def without_repetition(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise FileRefused(f"One object has the key {shortened(twice)} twice.")
    return row


def refuse_constant(name: str) -> NoReturn:
    raise FileRefused(f"{name} isn't JSON.")


def finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise FileRefused(f"The number {shortened(text)} is too large.")
    return number


def refuse_depth_and_odd_text(catalog: object) -> None:
    """Without recursion. What compiles schemas is native code, whose stack is smaller."""
    pending = [(catalog, 0)]
    while pending:
        node, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise FileRefused(f"The JSON is nested more than {MAX_DEPTH} deep.")
        if isinstance(node, dict):
            pending += [(each, depth + 1) for pair in node.items() for each in pair]
        elif isinstance(node, list):
            pending += [(each, depth + 1) for each in node]
        elif isinstance(node, str) and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in node):
            raise FileRefused(
                "A text has a character that databases can't hold (NUL or half a pair)."
            )
        elif isinstance(node, int) and abs(node) >= 2**63:
            raise FileRefused(f"The number {shortened(node)} is too large.")


def parts_of(catalog: object) -> dict[str, list[Row]]:
    if not isinstance(catalog, dict) or "schema_version" not in catalog:
        raise FileRefused('This isn\'t an exported catalog: it has no "schema_version".')
    if not same(catalog["schema_version"], SCHEMA_VERSION):
        version = shortened(catalog["schema_version"])
        raise FileRefused(
            f"This file has schema version {version}; this server reads {SCHEMA_VERSION}."
        )
    if unknown := sorted(set(catalog) - {"schema_version", *PARTS}):
        raise FileRefused(f"The file has a part that isn't known: {shortened(unknown[0])}.")
    parts = {part: catalog.get(part, []) for part in PARTS}
    for part, rows in parts.items():
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise FileRefused(f'"{part}" must be a list of objects.')
        if len(rows) > MAX_ROWS:
            raise FileRefused(f'"{part}" has more than {MAX_ROWS} entries.')
    return parts


# In: what it would change -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Problem:
    """`row` is like 'tool wiv_list_cases' or 'tools, entry 3'."""

    row: str
    text: str

    def __str__(self) -> str:
        return f"{self.row}: {self.text}"


@dataclass(frozen=True, slots=True)
class Draft:
    """A tool with its new values, not validated yet; `before` is None for a new one."""

    tool: Tool
    exceptions: list[Availability]
    before: Definition | None


@dataclass(frozen=True, slots=True)
class ToolChange:
    """`tool` has its new values and isn't saved; `before` is None for a new one."""

    tool: Tool
    exceptions: list[Availability]
    before: Definition | None
    after: Definition

    @property
    def fields(self) -> list[str]:
        return changed_fields(self.before, self.after)


@dataclass(slots=True)
class Plan:
    version: UUID | None
    added: list[ToolChange] = field(default_factory=list)
    changed: list[ToolChange] = field(default_factory=list)
    unchanged: int = 0
    # Here, but not in the file.
    gone: list[Tool] = field(default_factory=list)
    upstreams: list[Upstream] = field(default_factory=list)
    # Names of those that are here with another address or header.
    kept_upstreams: list[str] = field(default_factory=list)
    former_names: list[FormerName] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, tool: Tool, error: ValidationError) -> None:
        where = label("tools", tool.name)
        self.problems.extend(Problem(where, text) for text in plain_words(error))

    @property
    def writes(self) -> bool:
        return bool(self.added or self.changed or self.upstreams or self.former_names)


def plan(parts: Mapping[str, list[Row]]) -> Plan:
    """What the file would change now. Nothing is written."""
    found = Plan(CatalogVersion.current())
    rows = {part: dict(usable(part, parts[part], found.problems)) for part in PARTS}
    known = References.current()
    upstreams = {**known.upstreams, **plan_upstreams(rows["upstreams"], known, found)}
    here = {
        tool.name: tool
        for tool in Tool.objects.select_related("upstream", "replaced_by").prefetch_related(
            EXCEPTIONS
        )
    }
    tools = {name: here.get(name) or Tool(name=name) for name in rows["tools"]}
    references = References({**known.tools, **here, **tools}, upstreams)
    # All are assigned before one is validated: tools name each other.
    drafts = [draft(tools[name], row, references, found) for name, row in rows["tools"].items()]
    by_any_name = {**renamed(rows["former_names"], references), **references.tools}
    for each in filter(None, drafts):
        plan_tool(each, by_any_name, found)
    for name, row in rows["former_names"].items():
        plan_former_name(name, row, references, found)
    found.gone = [tool for name, tool in here.items() if name not in rows["tools"]]
    return found


def usable(part: str, rows: list[Row], problems: list[Problem]) -> Iterator[tuple[str, Row]]:
    """By name, those that have one of their own and no field that isn't known."""
    times = Counter(row["name"] for row in rows if isinstance(row.get("name"), str))
    fields = known_fields(part)
    for number, row in enumerate(rows, 1):
        name = row.get("name")
        if not isinstance(name, str) or not name:
            problems.append(Problem(f"{part}, entry {number}", "It has no name."))
        elif times[name] > 1:
            problems.append(Problem(label(part, name), f"It is there {times[name]} times."))
            times[name] = 0  # said once
        elif times[name] == 0:
            continue
        elif unknown := sorted(set(row) - fields):
            problems.append(
                Problem(label(part, name), f"There is no field {shortened(unknown[0])}.")
            )
        else:
            yield name, row


def known_fields(part: str) -> set[str]:
    if part == "tools":
        return {*tool_fields(), EXCEPTIONS} - {*ORIGIN_FIELDS}
    return set(UPSTREAM_FIELDS if part == "upstreams" else FORMER_NAME_FIELDS)


def label(part: str, name: str) -> str:
    return f"{part.removesuffix('s').replace('_', ' ')} {shortened(name)}"


def plan_upstreams(rows: Mapping[str, Row], known: References, found: Plan) -> dict[str, Upstream]:
    """New ones, without credential."""
    added = {}
    for name, row in rows.items():
        if here := known.upstreams.get(name):
            if any(not same(getattr(here, each), value) for each, value in row.items()):
                found.kept_upstreams.append(name)
            continue
        upstream = Upstream(**row)
        if not all(isinstance(value, str) for value in row.values()):
            found.problems.append(Problem(label("upstreams", name), "Every field must be text."))
        elif is_clean(upstream, label("upstreams", name), found.problems):
            added[name] = upstream
            found.upstreams.append(upstream)
    return added


def draft(tool: Tool, row: Row, references: References, found: Plan) -> Draft | None:
    """A field that the file doesn't have stays as it is."""
    before = definition(tool) if tool.pk else None
    exceptions = list(tool.availability.all()) if tool.pk else []
    values = {name: value for name, value in row.items() if name != EXCEPTIONS}
    try:
        assign(tool, values, references)
        if EXCEPTIONS in row:
            exceptions = parsed_exceptions(row[EXCEPTIONS])
    except ValidationError as error:
        found.refuse(tool, error)
        return None
    return Draft(tool, exceptions, before)


def renamed(rows: Mapping[str, Row], references: References) -> dict[str, Tool]:
    """By the former names that come with the file: a job may still have one."""
    named = {name: row.get("tool") for name, row in rows.items()}
    return {
        name: references.tools[tool]
        for name, tool in named.items()
        if isinstance(tool, str) and tool in references.tools
    }


def plan_tool(draft: Draft, known_tools: Mapping[str, Tool], found: Plan) -> None:
    tool, exceptions, before = draft.tool, draft.exceptions, draft.before
    if before is not None and same(before, definition(tool, exceptions)):
        found.unchanged += 1  # even if it wouldn't be accepted today
        return
    tool.known_tools = known_tools
    try:
        tool.full_clean()
    except ValidationError as error:
        found.refuse(tool, error)
        return
    remember_decisions(tool, before, definition(tool, exceptions))
    change = ToolChange(tool, exceptions, before, definition(tool, exceptions))
    if before is None:
        found.added.append(change)
    else:
        found.changed.append(change)


def remember_decisions(tool: Tool, before: Definition | None, after: Definition) -> None:
    """An import is an administrator's edit: sync_tools leaves alone what it changes."""
    if before is not None:
        if tool.source == Source.CATALOG:
            changed = changed_fields(exported(before), exported(after))
            tool.override(name for name in changed if name != EXCEPTIONS)
    elif any(shipped["name"] == tool.name for shipped in read_definitions()):
        tool.source = Source.CATALOG
        tool.override(differing_from_shipped(after))


def plan_former_name(name: str, row: Row, references: References, found: Plan) -> None:
    former = FormerName.objects.select_related("tool").filter(name=name).first()
    before = named(former) if former else None
    former = former or FormerName(name=name)
    where = label("former_names", name)
    tool, note = row.get("tool"), row.get("note", "")
    if not isinstance(note, str):
        found.problems.append(Problem(where, "note must be text."))
        return
    if tool is not None and not (isinstance(tool, str) and tool in references.tools):
        found.problems.append(Problem(where, f"There is no tool {shortened(tool)}."))
        return
    former.tool, former.note = references.tools[tool] if tool else None, note
    if is_clean(former, where, found.problems) and not same(before, named(former)):
        found.former_names.append(former)


def is_clean(row: models.Model, where: str, problems: list[Problem]) -> bool:
    try:
        row.full_clean()
    except ValidationError as error:
        problems.extend(Problem(where, text) for text in plain_words(error))
        return False
    return True


# In: changing it ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Imported:
    added: list[Tool]
    changed: list[Tool]
    deleted: list[str]


def apply(parts: Mapping[str, list[Row]], seen: str, delete: Collection[int] = ()) -> Imported:
    """`seen` is the version of the catalog whose differences somebody confirmed.

    Raises CatalogChanged when it's another one now, FileRefused when the file has problems.
    """
    with transaction.atomic(), changing(cause=Cause.IMPORT):
        take_turns()
        todo = plan(parts)
        if str(todo.version) != seen:
            raise CatalogChanged
        if todo.problems:
            raise FileRefused(str(todo.problems[0]))
        write(todo)
        going = [tool for tool in todo.gone if tool.pk in delete and may_go(tool)]
        deleted = [tool.name for tool in going]
        for tool in going:
            tool.delete()
        return Imported(tools_of(todo.added), tools_of(todo.changed), deleted)


def may_go(tool: Tool) -> bool:
    """A shipped one would come back with the next sync_tools."""
    return tool.source != Source.CATALOG


def write(todo: Plan) -> None:
    for upstream in todo.upstreams:
        upstream.save()
    changes = [*todo.added, *todo.changed]
    later: list[tuple[Tool, Tool]] = []
    for change in changes:
        tool = change.tool
        tool.upstream = tool.upstream  # its key, if it has just been saved
        if tool.replaced_by and tool.replaced_by.pk is None:
            later.append((tool, tool.replaced_by))
            tool.replaced_by = None
        tool.save()
        replace_exceptions(tool, change.exceptions)
    for tool, replacement in later:
        tool.replaced_by = replacement
        tool.save()
    for former in todo.former_names:
        former.tool = former.tool
        former.save()


def tools_of(changes: Iterable[ToolChange]) -> list[Tool]:
    return [change.tool for change in changes]
