"""Which JSON does every parser read alike (RFC 8259 sections 4, 6, 8.1 and 8.2)?

Of a name that is there twice each takes another, few agree about NaN, 1e999 and half a character,
and some overflow their stack. What is checked here is read again by others.
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Any, NoReturn

# As deep as a tool's schema may be.
MAX_DEPTH = 64
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class NotPlainJson(ValueError):
    """The text completes "The body ..."."""


def read_plain_json(text: str) -> Any:
    """Raises NotPlainJson."""
    try:
        document = DECODER.decode(text)
    except NotPlainJson:
        raise
    except RecursionError:
        raise too_deep() from None
    except ValueError:
        raise NotPlainJson("isn't JSON") from None
    # Each level takes a bracket, so a text with few of them needs no look.
    if text.count("{") + text.count("[") > MAX_DEPTH and is_deeper(document, MAX_DEPTH):
        raise too_deep()
    if SURROGATE.search(text) and not is_encodable(document):
        raise NotPlainJson("has half of a character")
    return document


def too_deep() -> NotPlainJson:
    return NotPlainJson(f"is nested deeper than {MAX_DEPTH} levels")


def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotPlainJson("has an object with the same name twice")
    return found


def finite(text: str) -> float:
    if math.isfinite(number := float(text)):
        return number
    raise NotPlainJson("has a number that is too large")


def refuse_constant(name: str) -> NoReturn:
    raise NotPlainJson(f"has {name}, which isn't JSON")


# Made once: making one takes longer than reading a message.
DECODER = json.JSONDecoder(
    object_pairs_hook=members,
    parse_float=finite,
    parse_constant=refuse_constant,
)


def is_deeper(document: Any, levels: int) -> bool:
    """Without recursion, as depth is what is in question."""
    level = [document] if is_container(document) else []
    for _ in range(levels):
        level = [child for each in level for child in children(each) if is_container(child)]
    return bool(level)


def is_container(value: Any) -> bool:
    return isinstance(value, dict | list)


def children(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def is_encodable(document: Any) -> bool:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
