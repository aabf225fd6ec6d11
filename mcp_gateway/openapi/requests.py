"""How does an operation's request become a tool's arguments?"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp_gateway.input_schema import InputSchema, UnusableSchema
from mcp_gateway.openapi.document import DocumentRefused, References, shortened
from mcp_gateway.openapi.names import argument_name, unique
from mcp_gateway.openapi.schemas import (
    MAX_SCHEMA_BYTES,
    Converter,
    Schema,
    SchemaRefused,
    object_shape,
    schema_size,
)
from mcp_gateway.parameter_styles import UnusableParameter, is_own_header, read_parameter

VARIABLE = re.compile(r"\{([^{}/]*)\}")
# The argument that any tool takes (see mcp_gateway.server) can't be an operation's own.
RESERVED = "_wiv_api_key"
# What clients' model providers take for a property's name.
PROPERTY_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
# OpenAPI 3.0.3 §4.7.12.1: not parameters, even if a document says so. The first two are ours.
IGNORED_HEADERS = ("accept", "content-type", "authorization", "x-api-key", "user-agent")


# In all operations of a document; some seconds' work.
MAX_SCHEMAS = 300_000


BODY = "The body of the request."


class NotServable(Exception):
    """This operation can't be a tool; says why, as the end of a sentence."""


@dataclass(slots=True)
class ToolRequest:
    path_template: str
    input_schema: dict[str, Any] = field(default_factory=dict)
    query_parameters: list[str] = field(default_factory=list)
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    body: str = ""
    notes: list[str] = field(default_factory=list)


class RequestMaker:
    def __init__(self, references: References, *, is_3_0: bool) -> None:
        self._references = references
        self._is_3_0 = is_3_0
        self._left = MAX_SCHEMAS

    def make(
        self, method: str, path: str, item: Mapping[str, Any], operation: Mapping[str, Any]
    ) -> ToolRequest:
        """Raises NotServable or BadReference."""
        self._require_json_answer(operation)
        failure = SchemaRefused("its schema is too large")
        for write_out in (True, False):
            converter = Converter(self._references, is_3_0=self._is_3_0, write_out=write_out)
            try:
                request = Request(self._references, converter, path).of(item, operation)
            except SchemaRefused as error:
                failure = error
                continue
            finally:
                self._spend(converter.count)
            if schema_size(request.input_schema) <= MAX_SCHEMA_BYTES:
                self._require_usable(request)
                return request
        raise NotServable(str(failure))

    def _spend(self, schemas: int) -> None:
        self._left -= schemas
        if self._left < 0:
            raise DocumentRefused("The document's operations refer to too many schemas in all.")

    def _require_usable(self, request: ToolRequest) -> None:
        literal = VARIABLE.sub("x", request.path_template)
        if not re.fullmatch(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+/?", literal) or ".." in literal:
            raise NotServable("its path has characters that a path template can't have")
        try:
            InputSchema(request.input_schema)
        except UnusableSchema as error:
            raise NotServable(f"its schema can't be used: {error}") from error

    def _require_json_answer(self, operation: Mapping[str, Any]) -> None:
        responses = operation.get("responses")
        kinds: set[str] = set()
        for status, response in responses.items() if isinstance(responses, Mapping) else ():
            if status.startswith("2"):
                content = self._references.object(response).get("content")
                kinds |= {*content} if isinstance(content, Mapping) else {"*/*"}
        if kinds and not any(map(may_be_json, kinds)):
            raise NotServable(f"it answers {shortened(', '.join(sorted(kinds)))}, not JSON")


class Request:
    """One operation's parameters and body, on their way to be a ToolRequest."""

    def __init__(self, references: References, converter: Converter, path: str) -> None:
        self._references = references
        self._converter = converter
        self._path = path
        self._properties: dict[str, Schema] = {}
        self._required: list[str] = []
        self._variables: dict[str, str] = {}
        self._additional: Schema = False
        self._made = ToolRequest(path_template="")

    def of(self, item: Mapping[str, Any], operation: Mapping[str, Any]) -> ToolRequest:
        for parameter in self._declared(item, operation):
            self._add_parameter(parameter)
        self._made.path_template = VARIABLE.sub(self._variable, self._path)
        self._add_body(operation)
        schema: dict[str, Any] = {"type": "object", "properties": self._properties}
        if self._required:
            schema["required"] = self._required
        schema["additionalProperties"] = self._additional
        if self._converter.definitions:
            schema["$defs"] = self._converter.definitions
        self._made.input_schema = schema
        return self._made

    def _declared(
        self, item: Mapping[str, Any], operation: Mapping[str, Any]
    ) -> list[Mapping[str, Any]]:
        """The operation's own replace those of its path."""
        parameters: dict[tuple[Any, Any], Mapping[str, Any]] = {}
        for declared in (item.get("parameters"), operation.get("parameters")):
            for each in declared if isinstance(declared, list) else ():
                parameter = self._references.object(each)
                parameters[str(parameter.get("in")), str(parameter.get("name"))] = parameter
        return list(parameters.values())

    def _variable(self, match: re.Match[str]) -> str:
        if match[1] not in self._variables:
            raise NotServable(f"its path names {{{shortened(match[1])}}} without declaring it")
        return f"{{{self._variables[match[1]]}}}"

    # Parameters ------------------------------------------------------------------------------

    def _add_parameter(self, parameter: Mapping[str, Any]) -> None:
        name, location = parameter.get("name"), parameter.get("in")
        if not isinstance(name, str) or not name:
            raise NotServable("it has a parameter without a name")
        required = parameter.get("required") is True or location == "path"
        if location == "path" and f"{{{name}}}" not in self._path:
            return
        problem = self._problem_with(name, location, parameter)
        if location == "header" and name.lower() in IGNORED_HEADERS:
            self._made.notes.append(f"The header {name} is this server's to send.")
        elif problem and required:
            raise NotServable(problem)
        elif problem:
            self._made.notes.append(f"Without {shortened(name)}: {problem}.")
        else:
            self._take(name, str(location), parameter, required=required)

    def _problem_with(self, name: str, location: Any, parameter: Mapping[str, Any]) -> str:
        if location == "cookie":
            return f"the parameter {shortened(name)} is a cookie"
        if location not in ("path", "query", "header"):
            return f"the parameter {shortened(name)} has no place"
        if location == "header" and is_own_header(name):
            return f"the header {shortened(name)} is never taken from arguments"
        if "content" in parameter:
            return f"the parameter {shortened(name)} has a media type of its own"
        if parameter.get("allowReserved") is True:
            return f"the parameter {shortened(name)} must be sent without escaping"
        try:
            read_parameter("it", wire_form(name, str(location), parameter))
        except UnusableParameter as error:
            return f"the parameter {shortened(name)} can't be sent ({error})".replace("it: ", "")
        return ""

    def _take(
        self, name: str, location: str, parameter: Mapping[str, Any], *, required: bool
    ) -> None:
        argument = unique(argument_name(name), {*self._properties, RESERVED})
        schema = self._converter.convert(parameter.get("schema", {}))
        self._properties[argument] = with_description(schema, parameter)
        if required:
            self._required.append(argument)
        if location == "path":
            self._variables[name] = argument
        form = wire_form(name, location, parameter)
        if is_plain(argument, form, schema):
            if location == "query":
                self._made.query_parameters.append(argument)
        else:
            self._made.parameters[argument] = shortest(argument, form)

    # The body --------------------------------------------------------------------------------

    def _add_body(self, operation: Mapping[str, Any]) -> None:
        if "requestBody" not in operation:
            return
        body = self._references.object(operation["requestBody"])
        content = body.get("content")
        content = content if isinstance(content, Mapping) else {}
        media = next((content[kind] for kind in content if is_json_body(kind)), None)
        is_required = body.get("required") is True
        if media is None:
            raise NotServable(f"its body is {shortened(', '.join(content)) or 'nothing'}, not JSON")
        media = self._references.object(media)
        schema = self._converter.convert(media.get("schema", {}))
        shape = object_shape(schema)
        if shape and self._fits_in(shape[0]):
            properties, required, additional = shape
            self._properties |= properties
            self._required += required if is_required else []
            self._additional = False if additional is None else additional
            self._made.body = "*"
            if required and not is_required:
                needed = ", ".join(shortened(name) for name in required)
                self._made.notes.append(f"A body is optional, but one must have {needed}.")
            return
        argument = unique("body", {*self._properties})
        self._properties[argument] = with_description(schema, body, otherwise=BODY)
        self._made.body = argument
        # Without it an empty object would be sent, which only an object may be.
        if is_required or not shape:
            self._required.append(argument)

    def _fits_in(self, properties: Mapping[str, Schema]) -> bool:
        """Whether a body's own properties can be arguments beside the parameters."""
        names = {*properties}
        return (
            not names & {*self._properties, RESERVED}
            and all(map(PROPERTY_NAME.fullmatch, names))
            and bool(names)
        )


def may_be_json(kind: str) -> bool:
    """Of an answer: "application/json; charset=utf-8", "application/hal+json", "*/*"."""
    kind = kind.partition(";")[0].strip().lower()
    return kind in ("application/json", "*/*", "application/*") or kind.endswith("+json")


def is_json_body(kind: str) -> bool:
    """Of a request, which is sent as application/json."""
    return kind.partition(";")[0].strip().lower() in ("application/json", "*/*", "application/*")


def wire_form(name: str, location: str, parameter: Mapping[str, Any]) -> dict[str, Any]:
    form = {"in": location, "name": name}
    return form | {key: parameter[key] for key in ("style", "explode") if key in parameter}


def is_plain(argument: str, form: Mapping[str, Any], schema: Schema) -> bool:
    """Whether HttpRule's path variables and query_parameters say the same."""
    if form["name"] != argument or not isinstance(schema, dict) or form["in"] == "header":
        return False
    kind = schema.get("type")
    if form["in"] == "path":
        return form.get("style", "simple") == "simple" and kind in ("string", "integer")
    if form.get("style", "form") != "form":
        return False
    if kind == "array":
        return form.get("explode", True) is True
    return kind in ("string", "integer", "number", "boolean")


def shortest(argument: str, form: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is the default."""
    return {k: v for k, v in form.items() if k != "name" or v != argument}


def with_description(
    schema: Schema, described: Mapping[str, Any], *, otherwise: str = ""
) -> Schema:
    """The parameter's own words, which say more of it than its type's."""
    if not isinstance(schema, dict):
        return schema
    own = described.get("description")
    text = own.strip() if isinstance(own, str) else ""
    text = text or schema.get("description", otherwise)
    return schema | {"description": text} if text else schema
