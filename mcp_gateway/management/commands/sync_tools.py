"""Bring the tool rows up to date with the shipped catalog.

manage.py sync_tools            after every migration; does nothing when nothing changed
manage.py sync_tools --dry-run  write nothing; show what would change
manage.py sync_tools --check    the same, and exit 1 when something would change
"""

import sys
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from mcp_gateway.differences import difference
from mcp_gateway.seed import Change, read_definitions, synchronize


class Command(BaseCommand):
    help = (
        "Creates and corrects tools from catalog.json; leaves alone what an administrator decided."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check",
            action="store_true",
            help="Only say what would change, and exit 1 when something would.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Only say what would change.")

    def handle(self, *args: Any, check: bool, dry_run: bool, **options: Any) -> None:
        changes = synchronize(read_definitions(), write=not (check or dry_run))
        if options["verbosity"] > 0:
            self._report(changes)
        if check and any(change.writes for change in changes):
            sys.exit(1)

    def _report(self, changes: list[Change]) -> None:
        for change in changes:
            if change.action != "unchanged":
                self.stdout.write(line(change))
                for detail in details(change):
                    self.stdout.write(f"    {detail}")
        self.stdout.write(summary(changes))


def line(change: Change) -> str:
    fields = ", ".join(change.fields)
    detail = f" ({fields})" if fields and change.action != "created" else ""
    return f"{change.action}: {change.name}{detail}{reason(change)}"


def reason(change: Change) -> str:
    if change.action != "kept":
        return ""
    if not change.fields:
        return ", which an administrator made"
    return ", which an administrator decided; shipped is"


def details(change: Change) -> Iterator[str]:
    """From what to what; for what is kept, from that to what is shipped."""
    if change.before is None:
        return
    found = difference(change.before, change.after)
    yield from map(str, [*found.wire, *found.rest])


def summary(changes: list[Change]) -> str:
    counts = {
        action: sum(change.action == action for change in changes)
        for action in ("created", "updated", "switched off", "kept", "unchanged")
    }
    return ", ".join(f"{count} {action}" for action, count in counts.items())
