"""Whole OpenAPI documents that others wrote: imported by an administrator, called by an assistant,
received by an API that is made of the same document."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import QuerySet

from mcp_gateway.errors import ArgumentsRefused
from mcp_gateway.input_schema import InputSchema
from mcp_gateway.models import Tool, Upstream
from mcp_gateway.openapi import describe
from oauth_bridge.credentials import Secret
from tests.interop.api_stub import Stub, running_stub
from tests.mcp_gateway.json_rpc import McpClient
from tests.mcp_gateway.test_admin import csrf_token, signed_in
from tests.mcp_gateway.test_tools import wait_until
from tests.requirements import node_packages

pytestmark = pytest.mark.interop

UPLOAD = "/admin/mcp_gateway/tool/import-openapi/"
# Package, operations that can be tools and that can't, and some worth calling: an object's keys in
# the query, lists, deepObject; paths, PUT and DELETE; objects that hold themselves.
DOCUMENTS = [
    ("rclone-openapi", 100, 1,
     ["rc_noop", "core_command", "operations_list", "options_set", "backend_command"]),
    ("shipengine-openapi", 75, 1,
     ["create_batch", "update_webhook", "delete_batch", "get_batch_by_id", "update_package_type",
      "parse_address", "add_to_batch", "create_tag"]),
]  # fmt: skip


def text_of(package: str) -> str:
    path: Path = node_packages() / package / "openapi.yaml"
    return path.read_text(encoding="utf-8")


@pytest.fixture
def mcp(http, make_key) -> Iterator[McpClient]:
    """The next test sees nothing of what was imported."""
    client = McpClient(http, make_key())
    yield client
    Tool.objects.exclude(upstream=None).delete()
    wait_until(lambda: all(name.startswith("wiv_") for name in client.tool_names()))


def import_for(stub: Stub, text: str) -> QuerySet[Tool]:
    """The tools of the whole document, whose requests go to the stub."""
    upstream = Upstream(name="stub", title="Stub", base_url=stub.url)
    upstream.credential_header, upstream.credential = "X-Stub-Key", Secret("key of the stub")
    upstream.full_clean()
    upstream.save()
    browser = signed_in(is_superuser=True)
    token = csrf_token(browser.get(UPLOAD).content.decode())
    file = SimpleUploadedFile("openapi.yaml", text.encode())
    data = {"csrfmiddlewaretoken": token, "file": file, "upstream": upstream.pk}
    picks = browser.post(UPLOAD, data)["Location"]
    token = csrf_token(browser.get(picks).content.decode())
    assert browser.post(picks, {"csrfmiddlewaretoken": token, "all": "1"}).status_code == 302
    return Tool.objects.filter(upstream=upstream)


def example(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Any:
    """A value that fits, of the document's own examples where it has some."""
    if not isinstance(schema, dict):
        return "any"
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("oneOf", "anyOf", "allOf"):
        if key in schema:
            parts = [example(each, root, depth) for each in schema[key]]
            every = [part for part in parts if isinstance(part, dict)]
            merged = {k: v for part in every for k, v in part.items()}
            return merged if key == "allOf" and merged else parts[0]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match kind if isinstance(kind, str) else kind[0]:
        case "object":
            return example_object(schema, root, depth)
        case "array":
            return [example(schema.get("items"), root, depth + 1)] * schema.get("minItems", 1)
        case "integer" | "number":
            return schema.get("minimum", 3)
        case "boolean":
            return True
        case _:
            return "a b&c=d/é?"[: schema.get("maxLength", 99)].ljust(
                schema.get("minLength", 0), "x"
            )


def example_object(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    """With everything at the top, and below it with what is required."""
    properties = schema.get("properties", {})
    wanted = properties if depth == 0 else schema.get("required", ())
    made = {name: example(properties.get(name), root, depth + 1) for name in wanted}
    return made or ({} if schema.get("additionalProperties") is False else {"key": "value"})


def arguments_for(tool: Tool) -> dict[str, Any] | None:
    """None where the document asks for what its examples don't show."""
    schema = tool.input_schema
    made: dict[str, Any] = {
        name: example(each, schema, 1) for name, each in schema["properties"].items()
    }
    for variable in tool.http_rule.path_variables:
        if isinstance(made[variable], str):
            made[variable] = made[variable].replace("/", "-")
    try:
        InputSchema(schema).check(made)
    except ArgumentsRefused:
        return None
    return made


def as_received(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the API must get: the wire's names and, in paths, texts; the body apart."""
    rule = tool.http_rule
    names = {each.argument: each.name for each in rule.parameters}
    sent = {*rule.path_variables, *rule.query_parameters, *names}
    received = {names.get(name, name): arguments[name] for name in sent & {*arguments}}
    for variable in rule.path_variables:
        received[names.get(variable, variable)] = str(arguments[variable])
    if rule.body == "*":
        received["body"] = {name: arguments[name] for name in {*arguments} - sent}
    elif rule.body:
        received["body"] = arguments.get(rule.body, {})
    return received


@pytest.mark.parametrize(("package", "servable", "unservable", "some"), DOCUMENTS)
def test_every_operation_is_a_tool_or_has_a_reason(package, servable, unservable, some):
    api = describe(text_of(package))
    assert (len(api.proposals), len(api.unservable)) == (servable, unservable)
    assert all("not JSON" in each.reason for each in api.unservable)
    names = {each.fields["name"] for each in api.proposals}
    assert len(names) == servable
    assert {*some} <= names


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("package", "servable", "some"),
    [(package, servable, some) for package, servable, _, some in DOCUMENTS],
)
def test_twenty_imported_tools_send_what_the_document_describes(mcp, package, servable, some):
    with running_stub(yaml.load(text_of(package), Loader=yaml.CSafeLoader)) as stub:
        imported = import_for(stub, text_of(package))
        assert imported.count() == servable
        assert not imported.filter(enabled=True).exists()
        calls = {tool: arguments for tool in imported if (arguments := arguments_for(tool))}
        chosen = sorted(calls, key=lambda tool: (tool.name not in some, tool.name))[:20]
        assert {*some} <= {tool.name for tool in chosen}
        imported.filter(pk__in=[tool.pk for tool in chosen]).update(enabled=True)
        wait_until(lambda: {tool.name for tool in chosen} <= {*mcp.tool_names()})
        for tool in chosen:
            result = mcp.call(tool.name, **calls[tool])
            assert not result.get("isError"), (tool.name, result)
            operation, received = stub.received.pop()
            assert operation == tool.origin["operation"]
            assert received == as_received(tool, calls[tool])
