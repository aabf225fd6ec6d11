"""What are tools, arguments and categories called that come from a document's free text?"""

import re
import unicodedata
from collections.abc import Collection
from typing import Any

MAX_NAME = 64
MAX_DESCRIPTION = 2000


def snake_case(text: str) -> str:
    """ "getUserByID v2"  ->  "get_user_by_id_v2" """
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", ascii_text)
    words = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", words)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def tool_name(text: str) -> str:
    """Claude's API takes 64 characters."""
    return snake_case(text)[:MAX_NAME].strip("_")


def argument_name(wire_name: str) -> str:
    """As it is where it's a plain word: "filter[status]" -> "filter_status"."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", wire_name):
        return wire_name
    name = snake_case(wire_name)[:MAX_NAME].strip("_") or "argument"
    return f"_{name}"[:MAX_NAME] if name[0].isdigit() else name


def unique(name: str, taken: Collection[str]) -> str:
    """ "pets", "pets_2", ..., never longer than a name may be."""
    chosen, number = name, 2
    while chosen in taken:
        suffix = f"_{number}"
        chosen, number = f"{name[: MAX_NAME - len(suffix)]}{suffix}", number + 1
    return chosen


def category_name(tags: Any) -> str:
    first = tags[0] if isinstance(tags, list) and tags else ""
    return snake_case(first)[:MAX_NAME].strip("_") if isinstance(first, str) else ""


def one_line(text: Any, limit: int) -> str:
    return " ".join(printable(text).split())[:limit].strip() if isinstance(text, str) else ""


def described(summary: str, description: Any) -> str:
    """Summary and description, up to a length, cut between words."""
    text = description if isinstance(description, str) else ""
    text = "\n".join(line.rstrip() for line in printable(text).splitlines()).strip()
    text = re.sub(r"\n{3,}", "\n\n", text)
    begins_with = one_line(text, len(summary)).rstrip(".").casefold()
    if summary and begins_with != summary.rstrip(".").casefold():
        text = f"{summary.rstrip('.')}.\n\n{text}".strip()
    if len(text) <= MAX_DESCRIPTION:
        return text
    return text[:MAX_DESCRIPTION].rsplit(maxsplit=1)[0] + " ..."


def printable(text: str) -> str:
    """Without what nobody sees: control characters but line breaks, and formatting ones."""
    return "".join(
        each if each == "\n" or unicodedata.category(each) not in ("Cc", "Cf") else " "
        for each in text
    )
