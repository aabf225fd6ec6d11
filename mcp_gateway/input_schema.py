"""Do these arguments fit a tool's schema, and if not, what should the model change?

JSON Schema 2020-12, as MCP prescribes. Schemas come from database rows, so compiling one also
decides whether it may be served at all.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import jsonschema_rs

from mcp_gateway.errors import ArgumentsRefused

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Enough to repair a call in one go; a model that got everything wrong needs no longer list.
MAX_PROBLEMS_TOLD = 5
REFERENCES = ("$ref", "$dynamicRef")


class UnusableSchema(ValueError):
    """A schema that no client could be given. The message is for the person who edits the tool."""


class InputSchema:
    """One tool's compiled schema. Raises UnusableSchema when it can't be used."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        refuse_unusable(schema)
        try:
            # Values are masked in messages: an argument may hold a secret.
            self._validator = jsonschema_rs.Draft202012Validator(
                dict(schema), mask="the value", retriever=retrieve_nothing
            )
        except ValueError as error:
            summary = str(error).splitlines()[0]
            raise UnusableSchema(f"Not a valid JSON Schema 2020-12: {summary}") from error

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Raises ArgumentsRefused, which names each field that is wrong and the rule it breaks."""
        if self._validator.is_valid(arguments):
            return
        errors = list(self._validator.iter_errors(arguments))
        problems = [in_plain_words(error) for error in errors[:MAX_PROBLEMS_TOLD]]
        if len(errors) > MAX_PROBLEMS_TOLD:
            problems.append(f"and {len(errors) - MAX_PROBLEMS_TOLD} more")
        raise ArgumentsRefused(
            "The arguments don't fit this tool's input schema; nothing was sent to Wiv. "
            "Correct these and call again: " + "; ".join(problems) + ".",
            reason="arguments don't fit the schema: "
            + ", ".join(sorted({error.kind.name for error in errors})),
        )


def refuse_unusable(schema: Mapping[str, Any]) -> None:
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        # One such tool would fail the whole list: the SDK checks it in every protocol version.
        raise UnusableSchema('The root must be an object with "type": "object".')
    if schema.get("$schema", DIALECT) != DIALECT:
        raise UnusableSchema(f"Only {DIALECT} is served.")
    for reference in references_in(schema):
        if not reference.startswith("#"):
            raise UnusableSchema(f"A reference may not leave the schema: {reference}")


def references_in(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for keyword, value in node.items():
            if keyword in REFERENCES and isinstance(value, str):
                yield value
            else:
                yield from references_in(value)
    elif isinstance(node, list):
        for item in node:
            yield from references_in(item)


def retrieve_nothing(uri: str) -> NoReturn:
    raise ValueError(f"{uri} isn't fetched")


def in_plain_words(error: jsonschema_rs.ValidationError) -> str:
    """('filters', 'status', 0)  ->  "filters.status[0]: the value is not one of ..." """
    path = ""
    for step in error.instance_path:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    where = path.removeprefix(".") or "arguments"
    if error.kind.name == "falseSchema":
        return f"{where}: this tool has no such argument"
    return f"{where}: {error.message}"
