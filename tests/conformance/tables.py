"""Which requirement of which specification is held by which test, or by somebody else?

Each specification has a TOML file beside this one, a revision of MCP one of its own. Standard
library only: `script/conformance` runs without the virtual environment.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROLES = FOLDER / "roles.toml"
DOCUMENT = FOLDER.parents[1] / "docs" / "conformance.md"
# REQUIRED and SHALL are MUST, RECOMMENDED is SHOULD (RFC 2119).
LEVELS = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT")
INTRODUCTION = """\
# Conformance

Each requirement (MUST, MUST NOT, SHOULD, SHOULD NOT) of the specifications this server follows, in
our own words, with the tests that prove it. A requirement on a role this server doesn't play names
the role instead. At MUST NOT and SHOULD NOT, the sentence says what doesn't happen.

`script/conformance` writes this page from the tables in `tests/conformance/`;
`tests/conformance/test_tables.py` holds that the page is theirs and that each test exists.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One row: either `tests` prove it, or `not_ours` names a role of roles.toml."""

    clause: str
    level: str
    says: str
    tests: Sequence[str] = ()
    not_ours: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    requirements: tuple[Requirement, ...]

    @property
    def tested(self) -> int:
        return sum(bool(row.tests) for row in self.requirements)


def paths() -> list[Path]:
    return sorted(path for path in FOLDER.glob("*.toml") if path != ROLES)


def read_table(path: Path) -> Table:
    """Raises TypeError for a row with an unknown key, or without a required one."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    rows = content.get("requirement", [])
    return Table(content["title"], tuple(Requirement(**row) for row in rows))


def read_roles() -> dict[str, str]:
    """Role -> why we don't play it."""
    roles: dict[str, str] = tomllib.loads(ROLES.read_text(encoding="utf-8"))["roles"]
    return roles


def document() -> str:
    tables = [read_table(path) for path in paths()]
    lines = [INTRODUCTION, *summary(tables), "", *roles_section(tables)]
    for table in tables:
        lines += ["", *section(table)]
    return "\n".join(lines) + "\n"


def summary(tables: Sequence[Table]) -> Iterator[str]:
    yield "| Specification | Requirements | With a test | Of another role |"
    yield "| --- | ---: | ---: | ---: |"
    for table in tables:
        yield count(f"[{table.title}](#{anchor(table.title)})", [table])
    yield count("All", tables)


def count(label: str, tables: Sequence[Table]) -> str:
    rows = sum(len(table.requirements) for table in tables)
    tested = sum(table.tested for table in tables)
    return f"| {label} | {rows} | {tested} | {rows - tested} |"


def anchor(heading: str) -> str:
    """As GitHub makes them."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def roles_section(tables: Sequence[Table]) -> Iterator[str]:
    named = [row.not_ours for table in tables for row in table.requirements]
    yield "## Roles this server doesn't play"
    yield ""
    yield "| Role | Why | Requirements |"
    yield "| --- | --- | ---: |"
    for role, why in read_roles().items():
        yield f"| {role} | {why} | {named.count(role)} |"


def section(table: Table) -> Iterator[str]:
    yield f"## {table.title}"
    yield ""
    yield "| Clause | Level | Requirement | Held by |"
    yield "| --- | --- | --- | --- |"
    for row in table.requirements:
        says = f"{row.says} *{row.note}*" if row.note else row.says
        held_by = ", ".join(f"`{test}`" for test in row.tests) or f"not ours: {row.not_ours}"
        yield f"| {row.clause} | {row.level} | {says} | {held_by} |"
