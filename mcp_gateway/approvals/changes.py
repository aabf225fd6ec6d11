"""What would a call change of the object as it is now?"""

import difflib
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

# Lines of unchanged text around a change.
CONTEXT = 3
# A person doesn't read more of one argument, and comparing takes time that grows with the square.
MAX_LINES = 2_000


@dataclass(frozen=True, slots=True)
class Line:
    kind: Literal["same", "removed", "added", "skipped"]
    text: str


@dataclass(frozen=True, slots=True)
class Argument:
    """`lines` is its value, or, where something was there before, what becomes of that."""

    name: str
    lines: tuple[Line, ...]
    is_changed: bool

    @property
    def is_short(self) -> bool:
        return len(self.lines) == 1


def values_before(current: object, arguments: Iterable[str]) -> dict[str, Any] | None:
    """Those members of the current object that the arguments name; None if it's no object."""
    if not isinstance(current, Mapping):
        return None
    return {name: current[name] for name in sorted(arguments) if name in current}


def described(arguments: Mapping[str, Any], before: Mapping[str, Any] | None) -> list[Argument]:
    """Every argument, in the order it was given. Without `before` nothing is said of changes."""
    return [_described(name, value, before) for name, value in arguments.items()]


def _described(name: str, value: object, before: Mapping[str, Any] | None) -> Argument:
    after = lines_of(value)
    if before is None or name not in before:
        kind: Literal["same", "added"] = "same" if before is None else "added"
        return Argument(shown(name), tuple(Line(kind, line) for line in after), before is not None)
    old = lines_of(before[name])
    if type(value) is not type(before[name]):
        old, after = json_lines(before[name]), json_lines(value)  # "1" isn't 1
    if old == after:
        return Argument(shown(name), tuple(Line("same", line) for line in after), False)
    if len(old) > MAX_LINES or len(after) > MAX_LINES:
        whole = [*(Line("removed", line) for line in old), *(Line("added", line) for line in after)]
        return Argument(shown(name), tuple(whole), True)
    return Argument(shown(name), tuple(compared(old, after)), True)


def compared(old: list[str], new: list[str]) -> Iterator[Line]:
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    shown_up_to = 0
    for group in matcher.get_grouped_opcodes(CONTEXT):
        if skipped := group[0][1] - shown_up_to:
            yield Line("skipped", f"{skipped} unchanged lines")
        for tag, start, end, new_start, new_end in group:
            if tag == "equal":
                yield from (Line("same", line) for line in old[start:end])
                continue
            yield from (Line("removed", line) for line in old[start:end])
            yield from (Line("added", line) for line in new[new_start:new_end])
        shown_up_to = group[-1][2]
    if skipped := len(old) - shown_up_to:
        yield Line("skipped", f"{skipped} unchanged lines")


def lines_of(value: object) -> list[str]:
    """Text as it is, anything else as indented JSON, without a character that hides something."""
    if not isinstance(value, str):
        return json_lines(value)
    return [shown(line) for line in value.split("\n")]


def json_lines(value: object) -> list[str]:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return [shown(line) for line in text.split("\n")]


def shown(text: str) -> str:
    """What a page can't be relied on to show is spelled out: "a\\u202eb" for a reversed end."""
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    is_hidden = unicodedata.category(character) in HIDDEN or character in BLANK
    return f"\\u{ord(character):04x}" if is_hidden and character != "\t" else character


# Controls, formatting (bidirectional marks, zero width, tags), surrogates, private use, unassigned,
# and line and paragraph separators.
HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
# Letters and marks that show nothing.
BLANK = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u034f")
