"""How does an argument look in a path, a query or a header? OpenAPI 3's styles.

The tables are those of OpenAPI 3.1.1, "Style Values" and Appendix C, which follow RFC 6570. What a
style has no form for is refused rather than sent in a form that another value has too. Nothing
here knows Django, MCP or the network.
"""

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeGuard
from urllib.parse import quote

from mcp_gateway.errors import ParameterRefused, PathArgumentRefused

JSON: TypeAlias = "Mapping[str, JSON] | list[JSON] | str | int | float | bool | None"
Location = Literal["path", "query", "header"]

# The first of each is the default.
STYLES: Mapping[Location, tuple[str, ...]] = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
}
DELIMITERS = {"form": ",", "spaceDelimited": " ", "pipeDelimited": "|"}
# RFC 9110 section 5.1.
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
# They say who calls, where the request goes and how long it is: never a model's to decide.
OWN_HEADERS = re.compile(
    r"authorization|proxy-.*|x-api-key|cookie2?|set-cookie2?|host|content-.*|x-forwarded.*|"
    r"forwarded|via|x-real-ip|x-original-.*|x-rewrite-url|connection|keep-alive|te|trailer|"
    r"transfer-encoding|upgrade|expect|accept|accept-encoding|user-agent|x-http-method.*|"
    r"x-method-override",
    re.IGNORECASE,
)
KEYS = {"in", "name", "style", "explode"}


class UnusableParameter(ValueError):
    """What a tool says of a parameter can't be followed. For the person who edits the tool."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """Where and how one argument is sent. `name` is the one on the wire."""

    argument: str
    location: Location
    name: str
    style: str
    explode: bool

    @property
    def sets_names(self) -> bool:
        """Whether an object's own keys become names in the query."""
        return self.explode and self.style != "deepObject"


def read_parameters(value: object) -> tuple[Parameter, ...]:
    """{"id": {"in": "header", "name": "X-Id"}}  ->  Parameters. Raises UnusableParameter."""
    if not isinstance(value, Mapping):
        raise UnusableParameter("This must be a JSON object: argument name to how it is sent.")
    parameters = tuple(read_parameter(argument, fields) for argument, fields in value.items())
    sent: set[tuple[str, str]] = set()
    for each in parameters:
        name = each.name.lower() if each.location == "header" else each.name
        if (each.location, name) in sent and each.location != "path":
            raise UnusableParameter(f"{each.argument}: another argument is sent as {each.name}.")
        sent.add((each.location, name))
    return parameters


def read_parameter(argument: object, fields: object) -> Parameter:
    if not isinstance(argument, str) or not isinstance(fields, Mapping) or not {*fields} <= KEYS:
        raise UnusableParameter(f'{argument}: use "in", "name", "style" and "explode".')
    location = fields.get("in")
    if not is_location(location):
        raise UnusableParameter(f'{argument}: "in" must be path, query or header.')
    name = fields.get("name", argument)
    style = fields.get("style", STYLES[location][0])
    explode = fields.get("explode", style in ("form", "deepObject"))
    if style not in STYLES[location]:
        styles = ", ".join(STYLES[location])
        raise UnusableParameter(f'{argument}: "style" in a {location} is {styles}.')
    if not isinstance(explode, bool):
        raise UnusableParameter(f'{argument}: "explode" must be true or false.')
    require_usable_name(argument, location, name)
    return Parameter(argument, location, name, style, explode)


def is_location(value: object) -> TypeGuard[Location]:
    return isinstance(value, str) and value in STYLES


def is_own_header(name: str) -> bool:
    """Servers behind CGI's conventions take an underscore for a hyphen."""
    return OWN_HEADERS.fullmatch(name.replace("_", "-")) is not None


def require_usable_name(argument: str, location: Location, name: object) -> None:
    if not isinstance(name, str) or not 0 < len(name) <= 256 or any(map(is_unsendable, name)):
        raise UnusableParameter(f'{argument}: "name" must be a name.')
    if location == "header" and not HEADER_NAME.fullmatch(name):
        raise UnusableParameter(f"{argument}: {name} is no header name.")
    if location == "header" and is_own_header(name):
        raise UnusableParameter(f"{argument}: {name} is never taken from arguments.")


# --- In a path -----------------------------------------------------------------------------------


def path_expansion(parameter: Parameter, value: JSON) -> str:
    """The value, encoded, for its place in one segment, which it can't leave.

    Raises ParameterRefused or PathArgumentRefused.
    """
    if parameter.style == "label":
        expansion = "." + delimited(parameter, value, "." if parameter.explode else ",")
    elif parameter.style == "matrix":
        expansion = matrix(parameter, value)
    else:
        expansion = delimited(parameter, value, ",")
    if ".." in expansion:
        raise PathArgumentRefused(parameter.argument)
    return expansion


def delimited(parameter: Parameter, value: JSON, delimiter: str) -> str:
    """[3, 4]  ->  "3,4";   {"R": 1}  ->  "R,1", or "R=1" exploded."""
    if isinstance(value, Mapping):
        pairs = path_pairs(parameter, value)
        between = "=" if parameter.explode else ","
        parts = [f"{name}{between}{text}" for name, text in pairs]
    else:
        parts = path_items(parameter, value)
    if delimiter == "." and any("." in part for part in parts):
        # A dot can't be escaped: as %2E it means the same.
        raise ParameterRefused(parameter.argument, "can't hold a dot")
    return delimiter.join(parts)


def matrix(parameter: Parameter, value: JSON) -> str:
    name = quote(parameter.name, safe="")
    if isinstance(value, Mapping):
        pairs = path_pairs(parameter, value)
        if parameter.explode:
            return "".join(f";{key}={text}" for key, text in pairs)
        return f";{name}=" + ",".join(f"{key},{text}" for key, text in pairs)
    items = path_items(parameter, value)
    if parameter.explode:
        return "".join(f";{name}={item}" for item in items)
    return f";{name}=" + ",".join(items)


def path_items(parameter: Parameter, value: JSON) -> list[str]:
    items = value if isinstance(value, list) else [value]
    if not items:
        raise ParameterRefused(parameter.argument, "can't be empty")
    return [path_text(parameter, item) for item in items]


def path_pairs(parameter: Parameter, value: Mapping[str, JSON]) -> list[tuple[str, str]]:
    if not value:
        raise ParameterRefused(parameter.argument, "can't be empty")
    return [(path_text(parameter, k), path_text(parameter, v)) for k, v in value.items()]


def path_text(parameter: Parameter, value: JSON) -> str:
    return quoted_segment(parameter.argument, primitive_text(parameter, value))


def quoted_segment(argument: str, text: str) -> str:
    """The text, percent-encoded, as (part of) one segment that can't climb to another path."""
    if text in ("", ".") or ".." in text or any(map(is_unsafe_in_a_path, text)):
        raise PathArgumentRefused(argument)
    return quote(text, safe="")


# --- In a query ----------------------------------------------------------------------------------


def query_pairs(parameter: Parameter, value: JSON) -> Iterator[tuple[str, str]]:
    """Names and values, both encoded. An empty list or object is left out, like null.

    Raises ParameterRefused.
    """
    if value is None or value in ([], {}):
        return
    if parameter.style == "deepObject":
        yield from deep_pairs(parameter, value)
    elif isinstance(value, Mapping) and parameter.explode:
        for key, item in value.items():
            yield quote(key_text(parameter, key), safe=""), query_text(parameter, item)
    elif isinstance(value, list) and parameter.explode:
        for item in value:
            yield quote(parameter.name, safe=""), query_text(parameter, item)
    else:
        yield quote(parameter.name, safe=""), joined(parameter, value)


def deep_pairs(parameter: Parameter, value: JSON) -> Iterator[tuple[str, str]]:
    """{"R": 1}  ->  color[R]=1"""
    if not isinstance(value, Mapping):
        raise ParameterRefused(parameter.argument, "must be an object")
    for key, item in value.items():
        if "[" in key or "]" in key:
            raise ParameterRefused(parameter.argument, "can't have a key with brackets")
        name = f"{parameter.name}[{key_text(parameter, key)}]"
        yield quote(name, safe=""), query_text(parameter, item)


def joined(parameter: Parameter, value: JSON) -> str:
    if not isinstance(value, Mapping | list):
        return query_text(parameter, value)
    texts = [primitive_text(parameter, item) for item in flat(value)]
    delimiter = DELIMITERS[parameter.style]
    if delimiter == ",":  # as it stands between the items, and escaped inside them
        return ",".join(quote(text, safe="") for text in texts)
    if any(delimiter in text for text in texts):
        raise ParameterRefused(parameter.argument, f"can't hold {delimiter!r}")
    return quote(delimiter, safe="").join(quote(text, safe="") for text in texts)


def query_text(parameter: Parameter, value: JSON) -> str:
    return quote(primitive_text(parameter, value), safe="")


# --- In a header ---------------------------------------------------------------------------------


def header_value(parameter: Parameter, value: JSON) -> str:
    """As it stands: OpenAPI escapes nothing in a header. Raises ParameterRefused."""
    if isinstance(value, Mapping) and parameter.explode:
        parts = [header_pair(parameter, key, item) for key, item in value.items()]
    elif isinstance(value, Mapping | list):
        parts = [header_part(parameter, item, ",") for item in flat(value)]
    else:
        return header_part(parameter, value, "")
    if not all(parts):
        raise ParameterRefused(parameter.argument, "can't hold an empty item")
    return ",".join(parts)


def header_pair(parameter: Parameter, key: str, value: JSON) -> str:
    return f"{header_part(parameter, key, ',=')}={header_part(parameter, value, ',')}"


def header_part(parameter: Parameter, value: JSON, delimiters: str) -> str:
    text = primitive_text(parameter, value)
    if not all(" " <= character <= "~" for character in text) or text != text.strip():
        raise ParameterRefused(
            parameter.argument,
            "must be ASCII without control characters, and without spaces at its ends",
        )
    if held := next((each for each in delimiters if each in text), None):
        raise ParameterRefused(parameter.argument, f"can't hold {held!r}")
    return text


# --- Values --------------------------------------------------------------------------------------


def flat(value: "Mapping[str, JSON] | list[JSON]") -> list[JSON]:
    """["a"]  ->  ["a"];   {"R": 1}  ->  ["R", 1]"""
    if isinstance(value, list):
        return value
    return [each for pair in value.items() for each in pair]


def key_text(parameter: Parameter, key: str) -> str:
    if not key:
        raise ParameterRefused(parameter.argument, "can't have an empty key")
    return primitive_text(parameter, key)


def primitive_text(parameter: Parameter, value: JSON) -> str:
    """Raises ParameterRefused for a list or object, which no style has a place for here."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number_text(parameter, value)
    if isinstance(value, str | int):
        text = str(value)
        if any(map(is_unsendable, text)):
            raise ParameterRefused(parameter.argument, "can't hold text that has no UTF-8 form")
        return text
    raise ParameterRefused(
        parameter.argument, "must be a plain value, or a list or object of plain values"
    )


def number_text(parameter: Parameter, value: float) -> str:
    if not math.isfinite(value):
        raise ParameterRefused(parameter.argument, "must be a number")
    # JSON Schema takes 5.0 for an integer, a parser may not.
    return str(int(value)) if value.is_integer() else repr(value)


def is_unsendable(character: str) -> bool:
    """Lone surrogates have no UTF-8 form; NUL ends a string for too many parsers."""
    return character == "\0" or unicodedata.category(character) == "Cs"


def is_unsafe_in_a_path(character: str) -> bool:
    """Separators and control characters too."""
    return character in "/\\" or unicodedata.category(character) in ("Cc", "Cs")
