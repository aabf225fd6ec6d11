"""What is asked of every server, and what a right answer is?

One bearer token, `tools/list` of the tools that the gateway ships with, and
`tools/call wiv_list_workflows`, which takes one GET of the upstream; each as a client of 2026-07-28
and one of 2025-11-25 sends it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CATALOG = ROOT / "mcp_gateway" / "catalog.json"
MODERN, LEGACY = "2026-07-28", "2025-11-25"
LIST, CALL = "tools/list", "tools/call"
TOOL = "wiv_list_workflows"
# With an argument: the Python SDK lists all tools anew for such a call of 2026-07-28, unless it is
# told where schemas are.
ARGUMENTS = {"limit": 50}
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
}


@dataclass(frozen=True, slots=True)
class Work:
    method: str
    version: str

    def __str__(self) -> str:
        return f"{self.method} at {self.version}"

    def body(self) -> bytes:
        params: dict[str, Any] = {}
        if self.method == CALL:
            params = {"name": TOOL, "arguments": ARGUMENTS}
        if self.version == MODERN:
            params["_meta"] = META
        message = {"jsonrpc": "2.0", "id": 1, "method": self.method, "params": params}
        return json.dumps(message, separators=(",", ":")).encode()

    def headers(self) -> dict[str, str]:
        headers = {
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "User-Agent": "benchmark/1",
            "MCP-Protocol-Version": self.version,
        }
        if self.version == MODERN:
            headers["Mcp-Method"] = self.method
            if self.method == CALL:
                headers["Mcp-Name"] = TOOL
        return headers

    def check(self, status: int, body: bytes, upstream_answer: Mapping[str, Any]) -> None:
        """Raises AssertionError."""
        assert status == 200, body
        answer = json.loads(body)
        assert "result" in answer, answer
        result = answer["result"]
        if self.method == LIST:
            assert {tool["name"] for tool in result["tools"]} == {tool["name"] for tool in tools()}
        else:
            assert not result.get("isError"), result
            passed_on = json.loads(result["content"][0]["text"])
            passed_on.pop("_mcp_notes", None)  # the gateway's own word on third parties' text
            assert passed_on == upstream_answer


WORKS = tuple(Work(method, version) for method in (CALL, LIST) for version in (MODERN, LEGACY))


def catalog() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(CATALOG.read_text())
    return rows


def tools() -> list[dict[str, Any]]:
    """The definitions as a client gets to see them: the same words and schemas from all servers."""
    return [
        {
            "name": row["name"],
            "title": row["title"],
            "description": row["description"],
            "inputSchema": row["input_schema"],
            "annotations": {
                "title": row["title"],
                "readOnlyHint": row["read_only"],
                "destructiveHint": row["destructive"],
                "idempotentHint": row["idempotent"],
                "openWorldHint": row["open_world"],
            },
        }
        for row in sorted(catalog(), key=lambda row: row["position"])
    ]


def openapi_document(upstream: str) -> dict[str, Any]:
    """The same operations of the REST API, for servers that are made from such a document."""
    paths: dict[str, dict[str, Any]] = {}
    for row in catalog():
        paths.setdefault(row["path_template"], {})[row["http_method"].lower()] = operation(row)
    info = {"title": "Wiv", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "servers": [{"url": upstream}], "paths": paths}


def operation(row: Mapping[str, Any]) -> dict[str, Any]:
    schema = row["input_schema"]
    required = set(schema.get("required", []))
    parameters, in_body = [], {}
    for name, described in schema.get("properties", {}).items():
        if f"{{{name}}}" in row["path_template"]:
            parameters.append({"name": name, "in": "path", "required": True, "schema": described})
        elif row["body"] and name not in row["query_parameters"]:
            in_body[name] = described
        else:
            is_required = name in required
            parameters.append(
                {"name": name, "in": "query", "required": is_required, "schema": described}
            )
    made: dict[str, Any] = {
        "operationId": row["name"],
        "summary": row["title"],
        "description": row["description"],
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
    }
    if in_body:
        body_schema = {
            "type": "object",
            "properties": in_body,
            "required": sorted(required & in_body.keys()),
        }
        made["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": body_schema}},
        }
    return made
