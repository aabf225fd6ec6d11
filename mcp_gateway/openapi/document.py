"""How does a document that anybody may have written become plain JSON, within bounds?

Each bound is there because something small can become something large: an alias inside of aliases
("billion laughs"), brackets inside of brackets, a reference to what refers back.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import unquote

import yaml

MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
# PyYAML needs a second or so for each of them.
MAX_YAML_BYTES = 2 * 1024 * 1024
# Values, aliases counted as often as they are used; a megabyte of YAML has some 60,000.
MAX_VALUES = 500_000
MAX_DEPTH = 100
MAX_REFERENCES_IN_A_ROW = 20

JsonObject = dict[str, Any]


class DocumentRefused(ValueError):
    """This can't be read at all. The message is for the person who gave it to us."""


class BadReference(ValueError):
    """A `$ref` that leads nowhere, or away from the document."""


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML 1.2's JSON schema, as OpenAPI asks for: no dates, and `on` is no boolean."""


Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+", list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?",
        list("-+.0123456789"),
    ),
):
    Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), _first)
Loader.add_constructor(
    "tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node))
)
Loader.add_constructor(
    "tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node))
)


def read_document(text: str) -> JsonObject:
    """JSON or YAML. Raises DocumentRefused."""
    size = len(text.encode("utf-8", "replace"))
    if size > MAX_DOCUMENT_BYTES:
        raise DocumentRefused(f"The document is longer than {MAX_DOCUMENT_BYTES >> 20} MiB.")
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("{"):
        value = read_json(text)
    elif size > MAX_YAML_BYTES:
        raise DocumentRefused(
            f"A YAML document may have {MAX_YAML_BYTES >> 20} MiB; convert it to JSON."
        )
    else:
        value = read_yaml(text)
    document = Copy().of(value)
    if not isinstance(document, dict):
        raise DocumentRefused("This is no OpenAPI document: it isn't an object.")
    return document


def read_json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=refuse_constant)
    except RecursionError as error:
        raise DocumentRefused("The document is nested too deeply.") from error
    except ValueError as error:
        raise DocumentRefused(f"This isn't JSON: {error}.") from error


def refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def read_yaml(text: str) -> Any:
    try:
        check_events(text)
        return yaml.load(text, Loader=Loader)  # noqa: S506  # a SafeLoader's child
    except RecursionError as error:
        raise DocumentRefused("The document is nested too deeply.") from error
    except (yaml.YAMLError, ValueError, TypeError) as error:
        if isinstance(error, DocumentRefused):
            raise
        raise DocumentRefused(f"This isn't YAML: {' '.join(str(error).split())}.") from error


def check_events(text: str) -> None:
    """Before anything is built of it, which recurses."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=Loader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise DocumentRefused("The document is nested too deeply.")
        if count > 2 * MAX_VALUES:
            raise DocumentRefused("The document holds too many values.")


class Copy:
    """Plain JSON with every alias a value of its own, as far as the bounds go."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def of(self, value: Any, depth: int = 0) -> Any:
        self._left -= 1
        if self._left < 0:
            raise DocumentRefused("The document holds too many values.")
        if depth > MAX_DEPTH:
            raise DocumentRefused("The document is nested too deeply.")
        if isinstance(value, dict):
            return {self.key(key): self.of(each, depth + 1) for key, each in value.items()}
        if isinstance(value, list):
            return [self.of(each, depth + 1) for each in value]
        return self.scalar(value)

    def key(self, key: Any) -> str:
        """YAML's `200:` is a number; JSON knows text only."""
        if key == "<<":
            raise DocumentRefused("The document uses YAML's merge key (<<), which isn't read.")
        if isinstance(key, bool):
            return str(key).lower()
        if isinstance(key, str | int | float):
            return str(self.scalar(str(key)))
        raise DocumentRefused("The document has a key that isn't text.")

    def scalar(self, value: Any) -> Any:
        if isinstance(value, str):
            if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
                raise DocumentRefused("The document has a character that no text may hold.")
        elif isinstance(value, float) and not math.isfinite(value):
            raise DocumentRefused("The document has a number that JSON doesn't know.")
        elif value is not None and not isinstance(value, bool | int | float):
            raise DocumentRefused("The document has a value that JSON doesn't know.")
        return value


class References:
    """What a document's `$ref`s stand for."""

    def __init__(self, document: JsonObject) -> None:
        self._document = document

    def find(self, reference: str) -> Any:
        """The value at "#/components/schemas/Pet". Raises BadReference."""
        if not reference.startswith("#"):
            raise BadReference(f"it refers to another document ({shortened(reference)})")
        if reference != "#" and not reference.startswith("#/"):
            raise BadReference(f"{shortened(reference)} isn't a JSON Pointer")
        value: Any = self._document
        for step in reference[2:].split("/") if reference != "#" else ():
            value = child(value, unquote(step).replace("~1", "/").replace("~0", "~"))
            if value is None:
                raise BadReference(f"{shortened(reference)} isn't in the document")
        return value

    def resolve(self, value: Any) -> Any:
        """Follows a Reference Object to what it stands for. Raises BadReference."""
        for _ in range(MAX_REFERENCES_IN_A_ROW):
            reference = reference_in(value)
            if reference is None:
                return value
            value = self.find(reference)
        raise BadReference("its references lead in a circle")

    def object(self, value: Any) -> Mapping[str, Any]:
        """The same, where an object must stand."""
        resolved = self.resolve(value)
        if not isinstance(resolved, Mapping):
            raise BadReference("it has something else where an object must stand")
        return resolved


def reference_in(value: Any) -> str | None:
    reference = value.get("$ref") if isinstance(value, Mapping) else None
    return reference if isinstance(reference, str) else None


def child(value: Any, step: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(step)
    if isinstance(value, list) and step.isascii() and step.isdigit() and len(step) < 7:
        return value[int(step)] if int(step) < len(value) else None
    return None


def shortened(text: str) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text)
    return printable if len(printable) <= 80 else f"{printable[:80]}..."
