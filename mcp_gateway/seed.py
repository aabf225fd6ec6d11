"""What does the shipped catalog say, and how do the rows follow it?

`catalog.json` is the seed: it creates and corrects rows, except where an administrator decided
otherwise. Rows that administrators made are never touched.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from django.db import transaction

from mcp_gateway.models import CatalogVersion, Source, Tool

CATALOG_FILE = Path(__file__).with_name("catalog.json")

Definition = Mapping[str, Any]
Action = Literal["created", "updated", "unchanged", "switched off", "kept"]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one row. `fields` are those that change, or for "kept" those that don't."""

    action: Action
    name: str
    fields: tuple[str, ...] = ()

    @property
    def writes(self) -> bool:
        return self.action in ("created", "updated", "switched off")


def read_definitions() -> list[Definition]:
    definitions: list[Definition] = json.loads(CATALOG_FILE.read_text(encoding="utf-8"))
    return definitions


def synchronize(definitions: Sequence[Definition], *, write: bool = True) -> list[Change]:
    """Make the rows follow the definitions; with `write=False` only say what that would change.

    Two processes that start together take turns, by the lock on the version row.
    """
    with transaction.atomic():
        CatalogVersion.objects.select_for_update().first()
        rows = {tool.name: tool for tool in Tool.objects.all()}
        return list(changes(definitions, rows, write=write))


def changes(
    definitions: Sequence[Definition], rows: Mapping[str, Tool], *, write: bool
) -> Iterator[Change]:
    for definition in definitions:
        yield from follow(definition, rows.get(definition["name"]), write=write)
    shipped = {definition["name"] for definition in definitions}
    for name, tool in rows.items():
        if name not in shipped and tool.source == Source.CATALOG:
            yield from retire(tool, write=write)


def follow(definition: Definition, tool: Tool | None, *, write: bool) -> Iterator[Change]:
    name = definition["name"]
    if tool is None:
        if write:
            Tool.objects.create(source=Source.CATALOG, **definition)
        yield Change("created", name, tuple(definition))
        return
    if tool.source == Source.ADMIN:
        yield Change("kept", name)  # made here under a name that was shipped later
        return
    wanted = {"enabled": True, **definition}
    different = [field for field, value in wanted.items() if getattr(tool, field) != value]
    if kept := [field for field in different if field in tool.overridden]:
        yield Change("kept", name, tuple(kept))
    yield update(tool, {f: wanted[f] for f in different if f not in kept}, write=write)


def update(tool: Tool, values: Mapping[str, Any], *, write: bool) -> Change:
    if not values:
        return Change("unchanged", tool.name)
    if write:
        Tool.objects.filter(pk=tool.pk).update(**values)
    return Change("updated", tool.name, tuple(values))


def retire(tool: Tool, *, write: bool) -> Iterator[Change]:
    """Switched off rather than deleted: an administrator may have edited it, or still want it."""
    if tool.enabled and "enabled" in tool.overridden:
        yield Change("kept", tool.name, ("enabled",))
    elif tool.enabled:
        if write:
            Tool.objects.filter(pk=tool.pk).update(enabled=False)
        yield Change("switched off", tool.name, ("enabled",))
