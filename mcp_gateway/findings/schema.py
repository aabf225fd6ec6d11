"""Which clients would refuse, drop or change this input schema?

Each rule is a record with the place where the behaviour was reported. Clients differ because they
hand the schema to different models' APIs, and those take different parts of JSON Schema.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote

from mcp_gateway.findings.finding import Finding, Rule, Severity, pointer

Schema: TypeAlias = Mapping[str, Any]

# The argument that every tool takes and none may advertise: another key for one call.
RESERVED_ARGUMENT = "_wiv_api_key"
ROOT = "input_schema"
# jsonschema-rs reads 127 levels of JSON; JavaScript clients overflow their stack beyond.
MAX_JSON_LEVELS = 64
# Gemini refuses about here, and OpenAI's strict mode took 5 at first.
MAX_OBJECT_LEVELS = 5
MAX_PROPERTIES = 100
MAX_ENUM = 500
MAX_SIZE = 10_000  # characters of JSON, about 3,000 tokens in every conversation

EVERYBODY = ("every client",)
GEMINI = ("Gemini CLI", "Antigravity", "Copilot with Gemini")
STRICT = ("OpenAI strict mode",)

# Refused -----------------------------------------------------------------------------------------


def error(code: str, message: str, clients: tuple[str, ...] = EVERYBODY, source: str = "") -> Rule:
    return Rule(code, message, clients, source, Severity.ERROR)


NESTED_JSON = error("nested-json", f"It may not be nested deeper than {MAX_JSON_LEVELS} levels.")
NOT_JSON = error("not-json", "{what} can't be sent as JSON.")
RESERVED = error("reserved-argument", f"The argument {RESERVED_ARGUMENT} is this server's own.")
REQUIRED_UNKNOWN = error(
    "required-unknown",
    "{name} is required but isn't among the properties. Add it there, or don't require it.",
    GEMINI,
    "https://github.com/iBUHub/AIStudioToAPI/issues/154",
)
NO_PROPERTIES = error(
    "no-properties",
    'Without "properties" every prompt fails, not only this tool. Add "properties": {{}}.',
    ("Copilot CLI", "VS Code", "OpenAI models"),
    "https://github.com/github/copilot-cli/issues/1825",
)
ARGUMENT_NAME = error(
    "argument-name",
    "The name {name!r} makes Claude refuse every request, not only this tool. Use at most 64 of "
    "letters, digits, _ . and -; parameters can send it under another name.",
    ("Claude", "Claude Code"),
    "https://github.com/decocms/studio/pull/6874",
)
NO_ITEMS = error(
    "no-items",
    'An array without "items" stops every chat of these clients. Say what is in it.',
    ("VS Code", *GEMINI),
    "https://github.com/microsoft/vscode/issues/325618",
)
HEADER_ANNOTATION = error(
    "header-annotation",
    "x-mcp-header makes clients copy an argument into a header, or drop the tool. Leave it out; "
    "parameters can send an argument to the API as a header.",
    ("clients of MCP 2026-07-28",),
    "https://modelcontextprotocol.io/specification/2026-07-28/basic/transports",
)

# Told ---------------------------------------------------------------------------------------------

ROOT_COMBINATION = Rule(
    "root-combination",
    "{keywords} at the root makes these drop the tool silently, or fail every request. Describe "
    "one object, and say in the description which arguments go together.",
    ("Claude Code", "Claude", "Cline", "opencode", "LangChain"),
    "https://github.com/anthropics/claude-code/issues/95504",
)
DIALECT = Rule(
    "dialect",
    'VS Code calls parameters with "$schema" invalid. Leave it out: 2020-12 is the default.',
    ("VS Code",),
    "https://github.com/microsoft/vscode/issues/251315",
)
TITLE_AND_TYPE = Rule(
    "title-and-type",
    "Arguments named both title and type are taken for keywords, and every prompt fails. "
    "Rename one of them.",
    ("Gemini CLI",),
    "https://github.com/google-gemini/gemini-cli/issues/13705",
)
LARGE = Rule(
    "large",
    f"The schema has {{size}} characters; more than {MAX_SIZE} cost every conversation thousands "
    "of tokens. Shorten descriptions, or split the tool.",
    EVERYBODY,
    "https://github.com/coleam00/Archon/issues/453",
)
MANY_PROPERTIES = Rule(
    "many-properties",
    f"{{count}} properties; above {MAX_PROPERTIES} strict schemas are refused and models choose "
    "badly. Split the tool.",
    ("OpenAI strict mode", "Gemini"),
    "https://platform.openai.com/docs/guides/structured-outputs",
)
DEEP = Rule(
    "deep",
    f"Objects and lists are nested more than {MAX_OBJECT_LEVELS} levels deep, for which every "
    "prompt is refused. Flatten it, or take an object without further description.",
    GEMINI,
    "https://github.com/google-gemini/gemini-cli/issues/5923",
)
RECURSIVE = Rule(
    "recursive",
    "The definition contains itself. Clients that put definitions in place of references fail or "
    "crash. Write the levels out that are needed.",
    ("Gemini ADK", "FastMCP", "Mastra", "Gemini CLI"),
    "https://github.com/google/adk-python/issues/3870",
)
REFERENCE = Rule(
    "reference",
    "References are dropped or refused by some. Put the definition in its place.",
    ("Claude Code", "Gemini CLI", "Agno"),
    "https://github.com/Goldziher/basemind/issues/50",
)
UNDESCRIBED = Rule(
    "undescribed-argument",
    "Models guess what an argument without description means. Add one.",
    EVERYBODY,
    "https://platform.openai.com/docs/guides/function-calling",
)
LONG_TEXT = Rule(
    "long-argument-description",
    "It has {length} characters and is cut after 1024. Shorten it.",
    ("VS Code",),
    "https://github.com/dart-lang/ai/issues/170",
)
BOOLEAN_SCHEMA = Rule(
    "boolean-schema",
    "true or false in place of a schema fails every prompt. Write a schema with a type.",
    ("Copilot with Gemini", "Gemini CLI"),
    "https://github.com/github/copilot-cli/issues/4623",
)
NO_TYPE = Rule(
    "no-type",
    "Without a type it is refused. Say which type it has.",
    ("Codex", "OpenAI strict mode", "Gemini CLI"),
    "https://github.com/google-gemini/gemini-cli/issues/4400",
)
TYPE_LIST = Rule(
    "type-list",
    "A list of types is refused. Use one type; leave an optional argument out of required "
    "instead of allowing null.",
    (*GEMINI, "n8n", "Zed"),
    "https://github.com/n8n-io/n8n/issues/15553",
)
CONST = Rule(
    "const",
    '"const" is refused. Use an enum of one text.',
    GEMINI,
    "https://github.com/danny-avila/LibreChat/pull/11784",
)
ENUM_OF_OTHERS = Rule(
    "enum-of-others",
    "An enum of anything but texts is refused. Use texts, or minimum and maximum.",
    (*GEMINI, "opencode"),
    "https://github.com/chrisdoc/hevy-mcp/issues/1161",
)
LONG_ENUM = Rule(
    "long-enum",
    f"An enum of more than {MAX_ENUM} values is refused. Take any text and offer a tool that "
    "lists the values.",
    ("OpenAI strict mode", "Gemini"),
    "https://github.com/bethington/ghidra-mcp/issues/440",
)
FORMAT = Rule(
    "format",
    "The format {format!r} is refused. Leave it out and name the form in the description.",
    ("Gemini CLI", "OpenAI strict mode"),
    "https://github.com/google-gemini/gemini-cli/issues/2237",
)
LOOKAROUND = Rule(
    "lookaround",
    "A pattern that looks ahead or behind fails every request. Rewrite it without (?= (?! (?<.",
    ("ChatGPT", "Codex", "OpenAI models"),
    "https://github.com/cline/cline/pull/14019",
)
UNION = Rule(
    "union",
    "{keywords} within an argument becomes a plain text in Codex and is refused by Gemini. "
    "Use one type, or two arguments.",
    ("Codex", *GEMINI),
    "https://github.com/openai/codex/issues/13768",
)
UNKNOWN_KEYWORDS = Rule(
    "unknown-keywords",
    "{keywords}: refused or ignored. Say it in the description; this server checks it all the "
    "same when it stays.",
    ("Gemini", "OpenAI strict mode"),
    "https://github.com/zendev-sh/goai/pull/108",
)
DEFAULT = Rule(
    "default",
    "Strict mode refuses {count} defaults; clients of MCP switch it off for such tools. Say in "
    "the description what holds when an argument is left out.",
    STRICT,
    "https://github.com/dotnet/extensions/issues/6266",
    Severity.NOTE,
)

COMBINATIONS = ("allOf", "anyOf", "oneOf")
AT_THE_ROOT = (*COMBINATIONS, "not", "if", "$ref", "enum", "const")
FEW_TAKE = (
    *("not", "if", "contains", "prefixItems", "propertyNames", "patternProperties"),
    *("dependentSchemas", "dependentRequired", "unevaluatedItems", "unevaluatedProperties"),
    *("exclusiveMinimum", "exclusiveMaximum", "multipleOf", "uniqueItems", "$dynamicRef"),
)
GEMINI_FORMATS = ("date-time", "enum", "float", "double", "int32", "int64")

# JSON Schema 2020-12: where a schema has schemas.
MAPS_OF_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
LISTS_OF_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
SCHEMAS = (
    *("items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else"),
    *("unevaluatedItems", "unevaluatedProperties"),
)
# The places whose schema describes a value, rather than a condition on one.
VALUES = ("properties", "patternProperties", "items", "prefixItems")
CONDITIONS = ("not", "if", "then", "else", "contains", "propertyNames", "dependentSchemas")


@dataclass(frozen=True, slots=True)
class Node:
    """One schema within the whole. `level` counts the objects and lists it lies in."""

    schema: Any
    path: str
    keyword: str = ""
    level: int = 0

    @property
    def types(self) -> list[Any]:
        kind = self.schema.get("type", [])
        return kind if isinstance(kind, list) else [kind]


def nodes(schema: Schema) -> Iterator[Node]:
    """The root and every schema in it, in reading order. References aren't followed."""
    todo = [Node(schema, ROOT)]
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node.schema, Mapping):
            todo.extend(reversed(list(children(node))))


def children(node: Node) -> Iterator[Node]:
    for keyword, value in node.schema.items():
        path = pointer(node.path, keyword)
        level = node.level + (keyword in VALUES or keyword == "additionalProperties")
        if keyword in MAPS_OF_SCHEMAS and isinstance(value, Mapping):
            for name, child in value.items():
                yield Node(child, pointer(path, name), keyword, level)
        elif keyword in LISTS_OF_SCHEMAS and isinstance(value, list):
            for i, child in enumerate(value):
                yield Node(child, pointer(path, i), keyword, level)
        elif keyword in SCHEMAS and isinstance(value, Mapping | bool):
            yield Node(value, path, keyword, level)


def schema_findings(schema: Schema) -> Iterator[Finding]:
    if is_nested_too_deeply(schema):
        yield NESTED_JSON.at(ROOT)
        return
    if what := find_unsendable(schema):
        yield NOT_JSON.at(ROOT, what=what)
        return
    every = list(nodes(schema))
    yield from root_findings(schema)
    yield from argument_findings(schema)
    yield from size_findings(schema, every)
    yield from reference_findings(every)
    for node in every:
        if isinstance(node.schema, Mapping):
            yield from node_findings(node)
        elif node.keyword in ("properties", "items"):
            yield BOOLEAN_SCHEMA.at(node.path)


def is_nested_too_deeply(value: object) -> bool:
    layer = [value]
    for _ in range(MAX_JSON_LEVELS):
        layer = [child for node in layer for child in members(node)]
        if not layer:
            return False
    return True


def members(value: object) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else []


def find_unsendable(value: object) -> str | None:
    """What JSON or PostgreSQL have no form for: NaN, half of a character pair, NUL."""
    todo = [value]
    while todo:
        node = todo.pop()
        if isinstance(node, float) and not math.isfinite(node):
            return str(node)
        if isinstance(node, str) and re.search("[\x00\ud800-\udfff]", node):
            return "A text with U+0000 or half of a character pair"
        todo += members(node)
        if isinstance(node, Mapping):
            todo += list(node)
    return None


def root_findings(schema: Schema) -> Iterator[Finding]:
    if found := [keyword for keyword in AT_THE_ROOT if keyword in schema]:
        yield ROOT_COMBINATION.at(ROOT, keywords=", ".join(found))
    if "$schema" in schema:
        yield DIALECT.at(pointer(ROOT, "$schema"))
    if "properties" not in schema:
        yield NO_PROPERTIES.at(ROOT)


def argument_findings(schema: Schema) -> Iterator[Finding]:
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        return
    for name, argument in properties.items():
        path = pointer(ROOT, "properties", name)
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name):
            yield ARGUMENT_NAME.at(path, name=name)
        if name == RESERVED_ARGUMENT:
            yield RESERVED.at(path)
        if isinstance(argument, Mapping) and not argument.get("description"):
            yield UNDESCRIBED.at(path)
    if {"title", "type"} <= set(properties):
        yield TITLE_AND_TYPE.at(pointer(ROOT, "properties"))
    required = schema.get("required")
    for name in required if isinstance(required, list) else []:
        if isinstance(name, str) and name not in properties:
            yield REQUIRED_UNKNOWN.at(pointer(ROOT, "required"), name=name)


def size_findings(schema: Schema, every: list[Node]) -> Iterator[Finding]:
    if (size := len(json.dumps(schema))) > MAX_SIZE:
        yield LARGE.at(ROOT, size=size)
    if (count := sum(node.keyword == "properties" for node in every)) > MAX_PROPERTIES:
        yield MANY_PROPERTIES.at(ROOT, count=count)
    for node in every:
        if node.level >= MAX_OBJECT_LEVELS and has_members(node.schema):
            yield DEEP.at(node.path)
            break
    count = sum(isinstance(node.schema, Mapping) and "default" in node.schema for node in every)
    if count:
        yield DEFAULT.at(ROOT, count=count)


def has_members(schema: object) -> bool:
    return isinstance(schema, Mapping) and ("properties" in schema or "items" in schema)


def reference_findings(every: list[Node]) -> Iterator[Finding]:
    references = {
        node.path: ROOT + unquote(node.schema["$ref"].removeprefix("#"))
        for node in every
        if isinstance(node.schema, Mapping) and isinstance(node.schema.get("$ref"), str)
    }
    for path, target in references.items():
        rule = RECURSIVE if comes_back(target, references) else REFERENCE
        yield rule.at(path)


def comes_back(start: str, references: Mapping[str, str]) -> bool:
    """Whether what `start` refers to, or lies in it, leads to `start` again."""
    seen: set[str] = set()
    todo = [start]
    while todo:
        here = todo.pop()
        if here in seen:
            continue
        seen.add(here)
        inside = [t for path, t in references.items() if f"{path}/".startswith(f"{here}/")]
        if any(f"{start}/".startswith(f"{target}/") for target in inside):
            return True
        todo += inside
    return False


def node_findings(node: Node) -> Iterator[Finding]:
    for rule, breaks in NODE_RULES:
        if breaks(node):
            yield rule.at(node.path)
    schema = node.schema
    text = schema.get("description")
    if node.path != ROOT and isinstance(text, str) and len(text) > 1024:
        yield LONG_TEXT.at(node.path, length=len(text))
    if isinstance(schema.get("format"), str) and schema["format"] not in GEMINI_FORMATS:
        yield FORMAT.at(node.path, format=schema["format"])
    if node.path != ROOT and (found := [word for word in COMBINATIONS if word in schema]):
        yield UNION.at(node.path, keywords=", ".join(found))
    few = [k for k in FEW_TAKE if k in schema and not (node.path == ROOT and k in AT_THE_ROOT)]
    if few:
        yield UNKNOWN_KEYWORDS.at(node.path, keywords=", ".join(few))


def has_no_type(node: Node) -> bool:
    says = ("type", "$ref", "const", *COMBINATIONS)
    return node.keyword in VALUES and not any(keyword in node.schema for keyword in says)


def is_array_of_anything(node: Node) -> bool:
    is_condition = any(f"/{keyword}" in node.path for keyword in CONDITIONS)
    return "array" in node.types and "items" not in node.schema and not is_condition


def has_enum_of_others(node: Node) -> bool:
    enum = node.schema.get("enum")
    return isinstance(enum, list) and not all(isinstance(value, str) for value in enum)


def has_long_enum(node: Node) -> bool:
    enum = node.schema.get("enum")
    return isinstance(enum, list) and len(enum) > MAX_ENUM


def looks_around(node: Node) -> bool:
    pattern = node.schema.get("pattern")
    return isinstance(pattern, str) and bool(re.search(r"\(\?<?[=!]", pattern))


NODE_RULES: tuple[tuple[Rule, Callable[[Node], bool]], ...] = (
    (NO_ITEMS, is_array_of_anything),
    (HEADER_ANNOTATION, lambda node: "x-mcp-header" in node.schema),
    (NO_TYPE, has_no_type),
    (TYPE_LIST, lambda node: isinstance(node.schema.get("type"), list)),
    (CONST, lambda node: node.path != ROOT and "const" in node.schema),
    (ENUM_OF_OTHERS, has_enum_of_others),
    (LONG_ENUM, has_long_enum),
    (LOOKAROUND, looks_around),
)
