"""Are a tool's fields beside the schema such that a call can work, and clients take its name?"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from mcp_gateway.findings.finding import Finding, Rule, Severity, pointer
from mcp_gateway.findings.text import hidden_characters
from mcp_gateway.parameter_styles import UnusableParameter, read_parameters
from mcp_gateway.projection import Projection, UnusableProjection

# The name that the connect page gives this server, which clients put before each tool's.
SERVER_NAME = "wiv"
MAX_NAME_LENGTH = 64
# OpenAI, Anthropic and Gemini all take 64 characters; Cursor compares fewer than 60.
PREFIXED = (
    ("Claude Code", f"mcp__{SERVER_NAME}__", 64),
    ("VS Code", f"mcp_{SERVER_NAME}_", 64),
    ("Gemini CLI", f"mcp_{SERVER_NAME}_", 63),
    ("Cursor", SERVER_NAME, 59),
)
LONG_NAME = Rule(
    "long-name",
    "A name of {length} characters is refused with the whole list by the models' APIs, which take "
    f"{MAX_NAME_LENGTH}. Shorten it.",
    ("every client",),
    "https://github.com/microsoft/vscode/issues/243602",
)
LONG_PREFIXED_NAME = Rule(
    "long-prefixed-name",
    "With the server's name before it this name is too long: clients leave such a tool out, or cut "
    "its name. Use {most} characters at most.",
    source="https://github.com/ComposioHQ/composio/issues/2788",
)
DOTTED_NAME = Rule(
    "dotted-name",
    "A name with a dot is refused or changed on the way. Use _ instead.",
    ("Claude Desktop", "Codex", "Cursor"),
    "https://github.com/openai/codex/issues/8174",
)
DASHED_NAME = Rule(
    "dashed-name",
    "Tools whose name has a dash may not show up. Use _ instead.",
    ("Cursor",),
    "https://github.com/webstudio-is/webstudio/issues/5960",
)
NAME_START = Rule(
    "name-start",
    "A name must begin with a letter or _ for Gemini, which else refuses every request.",
    ("Gemini CLI",),
    "https://github.com/google-gemini/gemini-cli/issues/7869",
)
DOUBLE_UNDERSCORE = Rule(
    "double-underscore",
    "Clients that join names with __ may not find this tool again. Use one _.",
    ("Cursor", "Claude Code"),
    "https://github.com/cursor/cursor/issues/3452",
)
LONG_DESCRIPTION = Rule(
    "long-description",
    "It has {length} characters; these clients cut it after 1024, or their models refuse it. "
    "Shorten it, the important things first.",
    ("VS Code", "Azure OpenAI"),
    "https://github.com/dart-lang/ai/issues/170",
)
CUT_DESCRIPTION = Rule(
    "cut-description",
    "It has {length} characters and is cut after 2048, without a word to anybody. Shorten it.",
    ("Claude Code", "VS Code", "Azure OpenAI"),
    "https://github.com/anthropics/claude-code/issues/87650",
)
SHORT_DESCRIPTION = Rule(
    "short-description",
    "Models choose a tool by its description: say what it returns and when to use it.",
    ("every client",),
    "https://modelcontextprotocol.io/specification/2026-07-28/server/tools",
)


def error(code: str, message: str) -> Rule:
    return Rule(code, message, severity=Severity.ERROR)


PARAMETER_UNUSABLE = error("parameters", "{problem}")
PARAMETER_UNKNOWN = error("parameter-unknown", "{name} isn't in the input schema.")
PROJECTION_UNUSABLE = error("projection", "{problem}")
UNTRUSTED_FIELDS = error("untrusted-fields", "This must be a list of field names, each once.")


def field_findings(definition: Mapping[str, Any]) -> Iterator[Finding]:
    if isinstance(name := definition.get("name"), str):
        yield from name_findings(name)
    if isinstance(description := definition.get("description"), str):
        yield from description_findings(description)
    yield from parameter_findings(definition)
    yield from projection_findings(definition.get("projection", ""))
    if not are_names(definition.get("untrusted_fields", [])):
        yield UNTRUSTED_FIELDS.at("untrusted_fields")


def name_findings(name: str) -> Iterator[Finding]:
    if len(name) > MAX_NAME_LENGTH:
        yield LONG_NAME.at("name", length=len(name))
    elif too_long := [limit for limit in PREFIXED if len(limit[1]) + len(name) > limit[2]]:
        clients = tuple(client for client, _, _ in too_long)
        most = min(limit - len(prefix) for _, prefix, limit in too_long)
        rule = replace(LONG_PREFIXED_NAME, clients=clients)
        yield rule.at("name", most=most)
    if "." in name:
        yield DOTTED_NAME.at("name")
    if "-" in name:
        yield DASHED_NAME.at("name")
    if not re.match(r"[A-Za-z_]", name):
        yield NAME_START.at("name")
    if "__" in name:
        yield DOUBLE_UNDERSCORE.at("name")


def description_findings(text: str) -> Iterator[Finding]:
    if len(text) > 2048:
        yield CUT_DESCRIPTION.at("description", length=len(text))
    elif len(text) > 1024:
        yield LONG_DESCRIPTION.at("description", length=len(text))
    elif len(text.strip()) < 20:
        yield SHORT_DESCRIPTION.at("description")


def parameter_findings(definition: Mapping[str, Any]) -> Iterator[Finding]:
    try:
        parameters = read_parameters(definition.get("parameters", {}))
    except UnusableParameter as problem:
        yield PARAMETER_UNUSABLE.at("parameters", problem=problem)
        return
    arguments = argument_names(definition.get("input_schema"))
    for name in (parameter.argument for parameter in parameters):
        if name not in arguments:
            yield PARAMETER_UNKNOWN.at(pointer("parameters", name), name=name)


def argument_names(schema: object) -> Mapping[str, object]:
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    return properties if isinstance(properties, Mapping) else {}


def projection_findings(projection: object) -> Iterator[Finding]:
    if not isinstance(projection, str):
        yield PROJECTION_UNUSABLE.at("projection", problem="This must be a text.")
    elif projection:
        try:
            Projection(projection)
        except UnusableProjection as problem:
            yield PROJECTION_UNUSABLE.at("projection", problem=problem)


def are_names(value: object) -> bool:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return False
    return all(map(is_name, value)) and len(set(value)) == len(value)


def is_name(text: str) -> bool:
    return bool(text.strip()) and not hidden_characters(text)
