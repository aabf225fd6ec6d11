"""How do a tool's arguments become one request to Wiv?

The vocabulary is google.api.HttpRule's, path templates are RFC 6570 level 1; parameters that say
more have OpenAPI 3's styles. Nothing here knows Django, MCP or the network.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from mcp_gateway.errors import (
    ArgumentsTooLarge,
    MissingArgument,
    ParameterRefused,
    PathArgumentRefused,
    QueryArgumentRefused,
)
from mcp_gateway.parameter_styles import (
    JSON,
    Location,
    Parameter,
    header_value,
    path_expansion,
    query_pairs,
    quoted_segment,
)

__all__ = ["ALL_ARGUMENTS", "JSON", "HttpRule", "WivRequest"]

PATH_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
ALL_ARGUMENTS = "*"
# RFC 9110 section 4.1 asks for 8,000 octets at least; servers' defaults are about that.
MAX_TARGET_BYTES = 8_000
MAX_HEADERS_BYTES = 8_000


@dataclass(frozen=True, slots=True)
class WivRequest:
    """`target` is the encoded path with its query; `has_body` tells no body from a JSON null."""

    method: str
    target: str
    body: JSON = None
    has_body: bool = False
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class HttpRule:
    """How one tool's arguments become one Wiv request.

    `path_template` is like "/workflows/{workflow_id}/run"; its variables are argument names.
    `body` is "" (none), "*" (every argument that nothing else takes) or one argument's name.
    `body_wrapper`, when set, is the key under which the body is sent; a body that has exactly that
    key is taken as wrapped already.
    `parameters` are the arguments that are sent in another way than plainly by their own name.
    """

    method: str
    path_template: str
    query_parameters: tuple[str, ...] = ()
    body: str = ""
    body_wrapper: str = ""
    parameters: tuple[Parameter, ...] = ()

    @property
    def path_variables(self) -> tuple[str, ...]:
        return tuple(PATH_VARIABLE.findall(self.path_template))

    def parameters_in(self, location: Location) -> dict[str, Parameter]:
        """By argument name."""
        return {each.argument: each for each in self.parameters if each.location == location}

    def bind(self, arguments: Mapping[str, JSON]) -> WivRequest:
        """{"workflow_id": "wf_1", "limit": 5}  ->  GET /workflows/wf_1?limit=5

        Raises MissingArgument, PathArgumentRefused, QueryArgumentRefused, ParameterRefused or
        ArgumentsTooLarge.
        """
        target = self._path(arguments)
        if query := [*self._plain_query(arguments), *self._styled_query(arguments)]:
            target += "?" + "&".join(f"{name}={value}" for name, value in query)
        headers = tuple(self._headers(arguments))
        refuse_large("The request's URL", len(target), MAX_TARGET_BYTES)
        header_bytes = sum(len(name) + len(value) for name, value in headers)
        refuse_large("The request's headers", header_bytes, MAX_HEADERS_BYTES)
        return WivRequest(
            self.method,
            target,
            self._wrapped(self._body(arguments)) if self.body else None,
            has_body=bool(self.body),
            headers=headers,
        )

    def _path(self, arguments: Mapping[str, JSON]) -> str:
        styled = self.parameters_in("path")

        def segment(variable: re.Match[str]) -> str:
            name = variable[1]
            if name not in arguments:
                raise MissingArgument(name)
            if name in styled:
                return path_expansion(styled[name], arguments[name])
            return path_segment(name, arguments[name])

        return PATH_VARIABLE.sub(segment, self.path_template)

    def _plain_query(self, arguments: Mapping[str, JSON]) -> Iterator[tuple[str, str]]:
        """An absent or null argument is left out; a list repeats its name."""
        for name in self.query_parameters:
            value = arguments.get(name)
            for item in value if isinstance(value, list) else [value]:
                if item is not None:
                    yield quote(name, safe=""), quote(query_value(name, item), safe="")

    def _styled_query(self, arguments: Mapping[str, JSON]) -> Iterator[tuple[str, str]]:
        """An object's keys may not pass for another parameter."""
        styled = self.parameters_in("query")
        taken = {*self.query_parameters, *(each.name for each in styled.values())}
        taken = {quote(name, safe="") for name in taken}
        for argument, parameter in styled.items():
            own = quote(parameter.name, safe="")
            pairs = list(query_pairs(parameter, arguments.get(argument)))
            is_object = isinstance(arguments.get(argument), Mapping)
            for name, value in pairs:
                if name in taken and (name != own or (is_object and parameter.sets_names)):
                    raise ParameterRefused(argument, "has a key that is another parameter's name")
                yield name, value
            taken |= {name for name, _ in pairs}

    def _headers(self, arguments: Mapping[str, JSON]) -> Iterator[tuple[str, str]]:
        for argument, parameter in self.parameters_in("header").items():
            value = arguments.get(argument)
            if value is not None and value not in ([], {}):
                yield parameter.name, header_value(parameter, value)

    def _body(self, arguments: Mapping[str, JSON]) -> JSON:
        """An absent body argument is an empty object: Wiv answers 400 to a POST without a body."""
        if self.body != ALL_ARGUMENTS:
            return arguments.get(self.body, {})
        elsewhere = {*self.path_variables, *self.query_parameters}
        elsewhere |= {parameter.argument for parameter in self.parameters}
        return {name: value for name, value in arguments.items() if name not in elsewhere}

    def _wrapped(self, body: JSON) -> JSON:
        if not self.body_wrapper:
            return body
        if isinstance(body, Mapping) and set(body) == {self.body_wrapper}:
            return body
        return {self.body_wrapper: body}


def refuse_large(what: str, size: int, limit: int) -> None:
    if size > limit:
        raise ArgumentsTooLarge(what, size, limit)


def path_segment(name: str, value: JSON) -> str:
    """The value as one percent-encoded path segment that can't climb to another path."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PathArgumentRefused(name)
    return quoted_segment(name, str(value))


def query_value(name: str, value: JSON) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # JSON Schema takes 5.0 for an integer, Wiv's parser may not
    if isinstance(value, str | int | float):
        return str(value)
    raise QueryArgumentRefused(name)
