"""Which tool could each operation of a document be, and why can some be none?"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mcp_gateway.openapi.document import (
    BadReference,
    DocumentRefused,
    JsonObject,
    References,
    read_document,
    shortened,
)
from mcp_gateway.openapi.names import (
    category_name,
    described,
    one_line,
    tool_name,
    unique,
)
from mcp_gateway.openapi.requests import NotServable, RequestMaker

METHODS = ("get", "put", "post", "delete", "patch")
OTHER_METHODS = ("head", "options", "trace")
MAX_OPERATIONS = 800
MAX_TITLE = 128


@dataclass(frozen=True, slots=True)
class Proposal:
    """`operation` is "GET /pets/{id}"; `fields` are a Tool's; `notes` say what was left out."""

    operation: str
    operation_id: str
    fields: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Of everything but the name, which an administrator may choose."""
        fields = {name: value for name, value in self.fields.items() if name != "name"}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Unservable:
    operation: str
    reason: str


@dataclass(frozen=True, slots=True)
class ApiDescription:
    """What a document says. `server_url` may be relative, or empty."""

    title: str
    version: str
    server_url: str
    proposals: tuple[Proposal, ...] = ()
    unservable: tuple[Unservable, ...] = ()


@dataclass(slots=True)
class Names:
    taken: set[str] = field(default_factory=set)

    def take(self, name: str) -> str:
        chosen = unique(name, self.taken)
        self.taken.add(chosen)
        return chosen


def describe(text: str, base_url: str = "") -> ApiDescription:
    """`base_url` is where requests will go: what it lacks of the document's server's path is put
    in front of every path. Raises DocumentRefused.
    """
    document = read_document(text)
    version = require_version(document)
    info = document.get("info")
    info = info if isinstance(info, Mapping) else {}
    title = one_line(info.get("title"), MAX_TITLE) or "Untitled API"
    server_url = url_of_first(document.get("servers"))
    reader = Reader(document, title, is_3_0=version.startswith("3.0"))
    reader.prefix = missing_path(server_url, base_url)
    results = list(reader.read())
    if len(results) > MAX_OPERATIONS:
        raise DocumentRefused(f"The document has more than {MAX_OPERATIONS} operations.")
    return ApiDescription(
        title=title,
        version=one_line(info.get("version"), 64),
        server_url=server_url,
        proposals=tuple(each for each in results if isinstance(each, Proposal)),
        unservable=tuple(each for each in results if isinstance(each, Unservable)),
    )


def require_version(document: JsonObject) -> str:
    version = document.get("openapi")
    if isinstance(version, str) and re.fullmatch(r"3\.[01]\.\d{1,3}(-\w+)?", version):
        return version
    if "swagger" in document:
        raise DocumentRefused("This is Swagger 2.0. Convert it to OpenAPI 3 first.")
    if isinstance(version, str):
        raise DocumentRefused(f"OpenAPI 3.0 and 3.1 are read, not {shortened(version)}.")
    raise DocumentRefused('This is no OpenAPI document: it has no "openapi": "3.1.0".')


def url_of_first(servers: Any) -> str:
    """With its variables' defaults."""
    server = servers[0] if isinstance(servers, list) and servers else {}
    if not isinstance(server, Mapping) or not isinstance(url := server.get("url"), str):
        return ""
    variables = server.get("variables")
    for name, variable in variables.items() if isinstance(variables, Mapping) else ():
        default = variable.get("default") if isinstance(variable, Mapping) else None
        url = url.replace(f"{{{name}}}", str(default or ""))
    return url.rstrip("/")


def missing_path(server_url: str, base_url: str) -> str:
    """("https://api.test/v1", "https://api.test")  ->  "/v1" """
    try:
        wanted, present = urlsplit(server_url).path, urlsplit(base_url).path
    except ValueError:
        return ""
    present = present.rstrip("/")
    if not wanted.startswith("/") or present.endswith(wanted):
        return ""
    return wanted[len(present) :] if wanted.startswith(f"{present}/") else ""


class Reader:
    def __init__(self, document: JsonObject, title: str, *, is_3_0: bool) -> None:
        self._document = document
        self._title = title
        self._references = References(document)
        self._requests = RequestMaker(self._references, is_3_0=is_3_0)
        self._names = Names()
        self.prefix = ""

    def read(self) -> Iterator[Proposal | Unservable]:
        paths = self._document.get("paths", {})
        if not isinstance(paths, Mapping):
            raise DocumentRefused('"paths" must be an object.')
        for path, item in paths.items():
            if path.startswith("x-"):
                continue
            try:
                item = self._references.object(item)
            except BadReference as error:
                yield Unservable(shortened(path), f"{error}.")
                continue
            yield from self._read_item(path, item)

    def _read_item(self, path: str, item: Mapping[str, Any]) -> Iterator[Proposal | Unservable]:
        for method in item:
            if method in OTHER_METHODS:
                reason = f"{method.upper()} has no answer that a model could use."
                yield Unservable(shortened(f"{method.upper()} {path}"), reason)
            if method not in METHODS:
                continue
            name = f"{method.upper()} {path}"
            try:
                yield self._propose(name, method.upper(), path, item)
            except (NotServable, BadReference) as error:
                yield Unservable(shortened(name), f"{str(error)[:1].upper()}{str(error)[1:]}.")

    def _propose(self, name: str, method: str, path: str, item: Mapping[str, Any]) -> Proposal:
        operation = self._references.object(item[method.lower()])
        if operation.get("servers") or item.get("servers"):
            raise NotServable("it has a server of its own, and a tool has its upstream's")
        request = self._requests.make(method, path, item, operation)
        operation_id = operation.get("operationId")
        operation_id = operation_id if isinstance(operation_id, str) else ""
        chosen = tool_name(operation_id) or tool_name(f"{method} {path}") or "operation"
        summary = one_line(operation.get("summary"), 1000)
        fields = {
            "name": self._names.take(chosen),
            "title": summary[:MAX_TITLE].strip() or chosen.replace("_", " ").capitalize(),
            "description": described(summary, operation.get("description")) or name,
            "category": category_name(operation.get("tags")) or category_name([self._title]),
            "http_method": method,
            "path_template": self.prefix + request.path_template,
            "query_parameters": request.query_parameters,
            "parameters": request.parameters,
            "body": request.body,
            "input_schema": request.input_schema,
            **hints(method),
        }
        if len(fields["path_template"]) > 255:
            raise NotServable("its path is too long")
        return Proposal(shortened(name), operation_id[:200], fields, tuple(request.notes))


def hints(method: str) -> dict[str, Any]:
    """RFC 9110 section 9.2; whether a POST destroys something isn't said anywhere, so it may."""
    reads = method == "GET"
    return {
        "read_only": reads,
        "destructive": not reads,
        "idempotent": method in ("GET", "PUT", "DELETE"),
        "open_world": True,
        "required_scope": "wiv:read" if reads else "wiv:write",
    }
