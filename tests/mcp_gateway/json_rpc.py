"""JSON-RPC over POST, as a 2025-era client without a session sends it."""

from dataclasses import dataclass, field
from typing import Any

import httpx2

TOOLS_LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPT = {"Accept": "application/json, text/event-stream"}
MODERN_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


def modern_headers(method: str, name: str = "") -> dict[str, str]:
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method}
    return headers | ({"Mcp-Name": name} if name else {})


@dataclass
class McpClient:
    http: httpx2.Client
    credential: str
    path: str = "/mcp"
    headers: dict[str, str] = field(default_factory=dict)

    def post(self, **options: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.credential}"} | ACCEPT | self.headers
        headers |= options.pop("headers", {})
        return self.http.post(self.path, headers=headers, **options)

    def request(self, method: str, params: dict[str, Any] | None = None) -> httpx2.Response:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        return self.post(json=body)

    def call(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """A tool's result; fails when the answer is a protocol error."""
        answer = self.request("tools/call", {"name": name, "arguments": arguments}).json()
        result: dict[str, Any] = answer["result"]
        return result

    def refused(self, name: str, /, **arguments: Any) -> str:
        """The text of an `isError` result."""
        result = self.call(name, **arguments)
        assert result["isError"] is True
        text: str = result["content"][0]["text"]
        return text

    def tool_names(self) -> list[str]:
        tools = self.request("tools/list").json()["result"]["tools"]
        return [tool["name"] for tool in tools]
