"""Markdown as far as our documents use it: headings, tables, links, code spans."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
NAMED_COMMANDS = re.compile(r"^```sh (.+)\n((?:.*\n)*?)```$", re.MULTILINE)
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE_SPAN = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, slots=True)
class Table:
    """`section` is the heading above it; a row is a cell by its column's title."""

    section: str
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]


def documents() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands(text: str, name: str) -> str:
    """Of the block that begins with "```sh NAME"."""
    [found] = [script for title, script in NAMED_COMMANDS.findall(text) if title == name]
    return str(found)


def prose(text: str) -> str:
    """Without fenced blocks."""
    return FENCE.sub("", text)


def headings(text: str) -> list[str]:
    return HEADING.findall(prose(text))


def anchors(text: str) -> set[str]:
    """As GitHub makes them: lower case, punctuation gone, spaces become hyphens."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings(text))
    return {heading.replace(" ", "-") for heading in plain}


def links(text: str) -> list[str]:
    return LINK.findall(prose(text))


def code_spans(text: str) -> list[str]:
    return CODE_SPAN.findall(prose(text))


def code(cell: str) -> str:
    """The one code span that a cell consists of, or the cell itself."""
    match = CODE_SPAN.fullmatch(cell)
    return match[1] if match else cell


def tables(text: str) -> Iterator[Table]:
    section, block = "", []
    for line in [*prose(text).splitlines(), ""]:
        if line.startswith("|"):
            block.append(cells(line))
            continue
        if block:
            columns, _, *rows = block
            yield Table(
                section,
                tuple(columns),
                tuple(dict(zip(columns, row, strict=True)) for row in rows),
            )
            block = []
        if heading := HEADING.fullmatch(line):
            section = heading[1]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def tables_with(text: str, column: str) -> list[Table]:
    """Those whose first column has this title. Finding none would prove nothing."""
    found = [table for table in tables(text) if table.columns[0] == column]
    assert found, f"no table begins with the column {column}"
    return found
