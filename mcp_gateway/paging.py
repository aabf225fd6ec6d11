"""Where does the next page of `tools/list` begin? (MCP: Pagination)

A cursor names the last tool that was given, by its place in the list, so that a page goes on where
the last one ended although the catalog changed meanwhile.
"""

import base64
import json
from collections.abc import Sequence
from typing import Protocol, TypeVar


class BadCursor(ValueError):
    """Not one of ours."""


class Placed(Protocol):
    @property
    def place(self) -> tuple[int, str]:
        """Position and name, by which the list is ordered."""


T = TypeVar("T", bound=Placed)


def page_of(tools: Sequence[T], cursor: str | None, size: int) -> tuple[list[T], str | None]:
    """`size` tools after `cursor`, and the cursor for those that follow. Raises BadCursor."""
    after = None if cursor is None else read_cursor(cursor)
    rest = [tool for tool in tools if after is None or tool.place > after]
    page = rest[:size]
    return page, cursor_after(page[-1].place) if len(rest) > size else None


def cursor_after(place: tuple[int, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def read_cursor(cursor: str) -> tuple[int, str]:
    try:
        position, name = json.loads(base64.urlsafe_b64decode(cursor))
    except (ValueError, TypeError) as error:
        raise BadCursor(cursor[:20]) from error
    if not isinstance(position, int) or not isinstance(name, str):
        raise BadCursor(cursor[:20])
    return position, name
