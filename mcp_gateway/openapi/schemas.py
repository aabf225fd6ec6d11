"""What is a Schema Object of OpenAPI 3.0 or 3.1 in JSON Schema 2020-12, for what a client sends?

References are written out, because some clients drop tools whose schemas have `$ref`; what refers
back to itself, and what would become too long, stays a reference into `$defs`.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from mcp_gateway.openapi.document import BadReference, References, reference_in

MAX_SCHEMA_BYTES = 48 * 1024
# Schemas that writing out references may make of one, before $defs are taken instead.
MAX_WRITTEN_OUT = 2_000
MAX_DEPTH = 60

Schema = dict[str, Any] | bool

ANNOTATIONS = ("title", "description", "default", "format", "deprecated", "writeOnly")
ASSERTIONS = (
    *("type", "enum", "const", "multipleOf", "maximum", "minimum"),
    *("exclusiveMaximum", "exclusiveMinimum", "maxLength", "minLength", "pattern"),
    *("maxItems", "minItems", "uniqueItems", "maxContains", "minContains"),
    *("maxProperties", "minProperties", "required", "dependentRequired"),
)
WITH_A_SCHEMA = (
    *("items", "additionalProperties", "not", "if", "then", "else", "contains"),
    *("propertyNames", "unevaluatedItems", "unevaluatedProperties"),
)
WITH_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
WITH_NAMED_SCHEMAS = ("properties", "patternProperties", "dependentSchemas")


class SchemaRefused(ValueError):
    """No input schema can be made of it; says why, as the end of a sentence."""


class Converter:
    """For one tool: `definitions` is what its schemas refer to, `count` how many were converted."""

    def __init__(self, references: References, *, is_3_0: bool, write_out: bool) -> None:
        self._references = references
        self._is_3_0 = is_3_0
        self._write_out = write_out
        self.count = 0
        self._names: dict[str, str] = {}
        self.definitions: dict[str, Schema] = {}

    def convert(self, schema: Any, inside: tuple[str, ...] = (), depth: int = 0) -> Schema:
        """`inside`: the references that are being written out. Raises SchemaRefused."""
        self.count += 1
        if depth > MAX_DEPTH or (self._write_out and self.count > MAX_WRITTEN_OUT):
            raise SchemaRefused("its schema is too large")
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, Mapping):
            raise SchemaRefused("it has something else where a schema must stand")
        reference = reference_in(schema)
        if reference is None:
            return self._converted(schema, inside, depth)
        target = self._refer(reference, inside, depth)
        beside = {} if self._is_3_0 else {k: v for k, v in schema.items() if k != "$ref"}
        more = self._converted(beside, inside, depth)
        if not more:
            return target
        if isinstance(target, dict) and not {*target} & {*more} - {*ANNOTATIONS}:
            return target | more
        return {"allOf": [target], **more}

    def _refer(self, reference: str, inside: tuple[str, ...], depth: int) -> Schema:
        try:
            found = self._references.find(reference)
        except BadReference as error:
            raise SchemaRefused(str(error)) from error
        if self._write_out and reference not in inside:
            return self.convert(found, (*inside, reference), depth + 1)
        if reference not in self._names:
            name = self._names[reference] = self._name(reference)
            self.definitions[name] = True  # its place, while it is made
            self.definitions[name] = self.convert(found, (*inside, reference), depth + 1)
        return {"$ref": f"#/$defs/{self._names[reference]}"}

    def _name(self, reference: str) -> str:
        base = re.sub(r"[^A-Za-z0-9_]+", "_", reference.rpartition("/")[2]) or "schema"
        name, number = base, 2
        while name in self.definitions:
            name, number = f"{base}_{number}", number + 1
        return name

    def _converted(
        self, schema: Mapping[str, Any], inside: tuple[str, ...], depth: int
    ) -> dict[str, Any]:
        plain = {key: schema[key] for key in (*ASSERTIONS, *ANNOTATIONS) if key in schema}
        converted = plain | self._children(schema, inside, depth) | examples_of(schema)
        without_read_only(converted, schema, self._references)
        converted = {key: value for key, value in converted.items() if is_well_formed(key, value)}
        converted = unwrapped(open_parts(converted))
        return modern(converted, schema) if self._is_3_0 else converted

    def _children(
        self, schema: Mapping[str, Any], inside: tuple[str, ...], depth: int
    ) -> dict[str, Any]:
        children: dict[str, Any] = {}
        for key in WITH_A_SCHEMA:
            if key in schema:
                children[key] = self.convert(schema[key], inside, depth + 1)
        for key in WITH_SCHEMAS:
            if isinstance(schema.get(key), list):
                children[key] = [self.convert(each, inside, depth + 1) for each in schema[key]]
        for key in WITH_NAMED_SCHEMAS:
            if isinstance(schema.get(key), Mapping):
                children[key] = {
                    name: self.convert(each, inside, depth + 1)
                    for name, each in schema[key].items()
                }
        return children


def examples_of(schema: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(schema.get("examples"), list):
        return {"examples": schema["examples"]}
    return {"examples": [schema["example"]]} if "example" in schema else {}


def without_read_only(
    converted: dict[str, Any], schema: Mapping[str, Any], references: References
) -> None:
    """OpenAPI 3.0.3 §4.7.24.2: such a property isn't sent, and isn't required in a request."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return
    gone = {name for name, each in properties.items() if is_read_only(each, references)}
    converted["properties"] = {
        name: each for name, each in converted["properties"].items() if name not in gone
    }
    if isinstance(required := converted.get("required"), list):
        converted["required"] = [name for name in required if name not in gone]


def is_read_only(schema: Any, references: References) -> bool:
    try:
        resolved = references.resolve(schema)
    except BadReference:
        return False
    either = (schema, resolved)
    return any(isinstance(each, Mapping) and each.get("readOnly") is True for each in either)


def modern(converted: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """3.0's own words: boolean exclusive bounds, and `nullable`."""
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        is_exclusive = converted.get(exclusive)
        if isinstance(is_exclusive, bool):
            del converted[exclusive]
            if is_exclusive and bound in converted:
                converted[exclusive] = converted.pop(bound)
    return nullable(converted) if schema.get("nullable") is True else converted


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    kind = schema.get("type")
    if isinstance(kind, str):
        schema = schema | {"type": [kind, "null"]}
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema = schema | {"enum": [*schema["enum"], None]}
        if not {*schema} & {"allOf", "anyOf", "oneOf", "not", "const"}:
            return schema
    return {"anyOf": [schema, {"type": "null"}]}


def open_parts(schema: dict[str, Any]) -> dict[str, Any]:
    """Beside an allOf, and in its parts, "nothing else" refuses what the others ask for.

    Documents that do so mean the whole; the API itself still checks.
    """
    parts = schema.get("allOf", [])
    if not parts:
        return schema
    if len(parts) > 1 or "properties" in schema:
        parts = [without_closing(part) for part in parts]
    return {**without_closing(schema), "allOf": parts}


def without_closing(schema: Any) -> Any:
    if isinstance(schema, dict) and schema.get("additionalProperties") is False:
        return {key: value for key, value in schema.items() if key != "additionalProperties"}
    return schema


def unwrapped(schema: dict[str, Any]) -> dict[str, Any]:
    """An allOf of one is how 3.0 says something beside a `$ref`."""
    parts = schema.get("allOf", [])
    only: Any = parts[0] if len(parts) == 1 else None
    if not isinstance(only, dict):
        return schema
    beside = {key: value for key, value in schema.items() if key != "allOf"}
    said_twice = {key for key, value in beside.items() if only.get(key) == value}
    if {*beside} - said_twice <= {*ANNOTATIONS, "examples"}:
        return {**only, **beside}
    return schema


def is_well_formed(key: str, value: Any) -> bool:
    """What hand-written documents get wrong and says nothing: it's left out."""
    if key in ("required", "examples"):
        return isinstance(value, list) and bool(value)
    if key in ("title", "description", "format", "pattern"):
        return isinstance(value, str) and bool(value)
    if key == "enum":
        return isinstance(value, list) and bool(value)
    return value is not None or key in ("default", "const")


def schema_size(schema: Mapping[str, Any]) -> int:
    return len(json.dumps(schema, ensure_ascii=False).encode())


def object_shape(schema: Schema) -> tuple[dict[str, Schema], list[str], Schema | None] | None:
    """Properties, required ones and what else is allowed, of a plain object; else None.

    An `allOf` of plain objects is one too, as long as no two say something of the same property.
    """
    if not isinstance(schema, dict) or not {*schema} <= SHAPE:
        return None
    parts = [object_shape(each) for each in schema.get("allOf", ())]
    if schema.get("type", "object") != "object" or ("properties" not in schema and not parts):
        return None
    properties = dict(schema.get("properties", {}))
    required = list(schema.get("required", ()))
    others = [schema["additionalProperties"]] if "additionalProperties" in schema else []
    for part in parts:
        if part is None or {*part[0]} & {*properties} or part[2] is not None:
            return None
        properties |= part[0]
        required += [name for name in part[1] if name not in required]
    if parts and others:
        return None  # beside an allOf it would forbid the other parts' properties
    return properties, required, others[0] if others else None


SHAPE = {"type", "properties", "required", "additionalProperties", "allOf", "examples"}
SHAPE |= {*ANNOTATIONS}
