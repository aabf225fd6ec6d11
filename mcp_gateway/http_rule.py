"""How do a tool's arguments become one request to Wiv?

The vocabulary is google.api.HttpRule's, path templates are RFC 6570 level 1. Nothing here knows
Django, MCP or the network.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote, urlencode

from mcp_gateway.errors import MissingArgument, PathArgumentRefused, QueryArgumentRefused

JSON: TypeAlias = "Mapping[str, JSON] | list[JSON] | str | int | float | bool | None"

PATH_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
ALL_ARGUMENTS = "*"


@dataclass(frozen=True, slots=True)
class WivRequest:
    """`target` is the encoded path with its query; `has_body` tells no body from a JSON null."""

    method: str
    target: str
    body: JSON = None
    has_body: bool = False


@dataclass(frozen=True, slots=True)
class HttpRule:
    """How one tool's arguments become one Wiv request.

    `path_template` is like "/workflows/{workflow_id}/run".
    `body` is "" (none), "*" (every argument that path and query left over) or one argument's name.
    `body_wrapper`, when set, is the key under which the body is sent; a body that has exactly that
    key is taken as wrapped already.
    """

    method: str
    path_template: str
    query_parameters: tuple[str, ...] = ()
    body: str = ""
    body_wrapper: str = ""

    @property
    def path_variables(self) -> tuple[str, ...]:
        return tuple(PATH_VARIABLE.findall(self.path_template))

    def bind(self, arguments: Mapping[str, JSON]) -> WivRequest:
        """{"workflow_id": "wf_1", "limit": 5}  ->  GET /workflows/wf_1?limit=5

        Raises MissingArgument, PathArgumentRefused or QueryArgumentRefused.
        """
        target = self._path(arguments)
        if query := list(self._query(arguments)):
            target += "?" + urlencode(query, quote_via=quote)
        if not self.body:
            return WivRequest(self.method, target)
        return WivRequest(self.method, target, self._wrapped(self._body(arguments)), has_body=True)

    def _path(self, arguments: Mapping[str, JSON]) -> str:
        def segment(variable: re.Match[str]) -> str:
            name = variable[1]
            if name not in arguments:
                raise MissingArgument(name)
            return path_segment(name, arguments[name])

        return PATH_VARIABLE.sub(segment, self.path_template)

    def _query(self, arguments: Mapping[str, JSON]) -> Iterator[tuple[str, str]]:
        """An absent or null argument is left out; a list repeats its name."""
        for name in self.query_parameters:
            value = arguments.get(name)
            for item in value if isinstance(value, list) else [value]:
                if item is not None:
                    yield name, query_value(name, item)

    def _body(self, arguments: Mapping[str, JSON]) -> JSON:
        """An absent body argument is an empty object: Wiv answers 400 to a POST without a body."""
        if self.body != ALL_ARGUMENTS:
            return arguments.get(self.body, {})
        elsewhere = {*self.path_variables, *self.query_parameters}
        return {name: value for name, value in arguments.items() if name not in elsewhere}

    def _wrapped(self, body: JSON) -> JSON:
        if not self.body_wrapper:
            return body
        if isinstance(body, Mapping) and set(body) == {self.body_wrapper}:
            return body
        return {self.body_wrapper: body}


def path_segment(name: str, value: JSON) -> str:
    """The value as one percent-encoded path segment that can't climb to another path."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PathArgumentRefused(name)
    text = str(value)
    if text in ("", ".") or ".." in text or any(map(is_unsafe_in_a_path, text)):
        raise PathArgumentRefused(name)
    return quote(text, safe="")


def is_unsafe_in_a_path(character: str) -> bool:
    """Separators, control characters and lone surrogates, which have no UTF-8 form."""
    return character in "/\\" or unicodedata.category(character) in ("Cc", "Cs")


def query_value(name: str, value: JSON) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # JSON Schema takes 5.0 for an integer, Wiv's parser may not
    if isinstance(value, str | int | float):
        return str(value)
    raise QueryArgumentRefused(name)
