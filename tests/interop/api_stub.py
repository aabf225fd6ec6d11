"""An API made of its OpenAPI document: it takes what the document describes, and nothing else.

Reads the document by itself, and decodes a request the way a server does: it knows nothing of how
the gateway reads one or writes the other.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.settings import free_port
from tests.stand_ins import wait_until_answers

METHODS = {"get", "put", "post", "delete", "patch"}
# Of HTTP itself, and of the gateway.
OTHER_HEADERS = {"host", "accept", "accept-encoding", "connection", "user-agent", "content-type",
                 "content-length", "x-request-id", "x-stub-key"}  # fmt: skip


@dataclass
class Operation:
    method: str
    path: re.Pattern[str]
    parameters: dict[tuple[str, str], Mapping[str, Any]]
    has_body: bool


@dataclass
class Stub:
    """`received` has each request as "POST /path" and its decoded arguments."""

    document: Mapping[str, Any]
    url: str = ""
    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    operations: dict[str, Operation] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path, item in self.document["paths"].items():
            for method in METHODS & {*item}:
                self.operations[f"{method.upper()} {path}"] = self.operation(method, path, item)

    def find(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in node:
            reference, node = node["$ref"], self.document
            for step in reference.removeprefix("#/").split("/"):
                node = node[step]
        return node

    def operation(self, method: str, path: str, item: Mapping[str, Any]) -> Operation:
        declared = [*item.get("parameters", ()), *item[method].get("parameters", ())]
        found = [self.find(each) for each in declared]
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))
        parameters = {(each["in"], each["name"]): each for each in found}
        has_body = "requestBody" in item[method]
        return Operation(method.upper(), re.compile(pattern), parameters, has_body)

    async def serve(self, request: Request) -> Response:
        if request.headers.get("x-stub-key") != "key of the stub":
            return JSONResponse({"error": "no key"}, 401)
        for name, operation in self.operations.items():
            match = operation.path.fullmatch(request.url.path)
            if match and operation.method == request.method:
                return await self.take(name, operation, match, request)
        return JSONResponse({"error": f"no operation {request.method} {request.url.path}"}, 404)

    async def take(
        self, name: str, operation: Operation, match: re.Match[str], request: Request
    ) -> Response:
        arguments: dict[str, Any] = dict(match.groupdict())
        query = request.query_params.multi_items()
        for (place, wire_name), parameter in operation.parameters.items():
            if place == "query":
                taken, value = self.from_query(wire_name, parameter, query, operation)
                query = [pair for pair in query if pair not in taken]
                arguments |= {wire_name: value} if taken else {}
            elif place == "header" and wire_name.lower() in request.headers:
                arguments[wire_name] = request.headers[wire_name]
            if parameter.get("required") and wire_name not in arguments:
                return JSONResponse({"error": f"{wire_name} is missing"}, 400)
        known = {name.lower() for place, name in operation.parameters if place == "header"}
        if more := [*query, *({*request.headers} - OTHER_HEADERS - known)]:
            return JSONResponse({"error": f"unknown: {more}"}, 400)
        body = await request.body()
        is_json = request.headers.get("content-type") == "application/json"
        if bool(body) != operation.has_body or (body and not is_json):
            return JSONResponse({"error": "a body where none belongs, or none"}, 400)
        self.received.append((name, arguments | ({"body": await request.json()} if body else {})))
        return JSONResponse({"operation": name})

    def from_query(
        self,
        name: str,
        parameter: Mapping[str, Any],
        query: list[tuple[str, str]],
        operation: Operation,
    ) -> tuple[list[tuple[str, str]], Any]:
        """The pairs that are this parameter's, and its value."""
        kind = self.find(parameter["schema"]).get("type")
        if parameter.get("style") == "deepObject":
            taken = [pair for pair in query if pair[0].startswith(f"{name}[")]
            return taken, {key[len(name) + 1 : -1]: value for key, value in taken}
        if kind == "object":
            others = {each for place, each in operation.parameters if place == "query"}
            taken = [pair for pair in query if pair[0] not in others]
            return taken, dict(taken)
        taken = [pair for pair in query if pair[0] == name]
        values = [value_of(kind, value) for _, value in taken]
        return taken, values if kind == "array" else (values or [None])[0]


def value_of(kind: str | None, text: str) -> Any:
    match kind:
        case "integer":
            return int(text)
        case "number":
            return float(text)
        case "boolean":
            return {"true": True, "false": False}[text]
        case _:
            return text


@contextmanager
def running_stub(document: Mapping[str, Any]) -> Iterator[Stub]:
    port = free_port()
    stub = Stub(document, f"http://127.0.0.1:{port}")
    app = Starlette(
        routes=[
            Route("/", lambda request: Response()),
            Route("/{path:path}", stub.serve, methods=["GET", "PUT", "POST", "DELETE", "PATCH"]),
        ]
    )
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until_answers(stub.url)
    yield stub
    server.should_exit = True
    thread.join(15)
