"""The SDK's own client, in both eras and on both transports."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types.version import HANDSHAKE_PROTOCOL_VERSIONS

from tests.mcp_gateway.json_rpc import MODERN_META, modern_headers
from tests.wiv_routes import SHIPPED

BOTH_ERAS = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
BOTH_TRANSPORTS = pytest.mark.parametrize("path", ["/mcp", "/sse"])


@asynccontextmanager
async def connected(server: str, path: str, api_key: str, mode: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {api_key}"}
    if path == "/sse":
        async with Client(sse_client(server + path, headers=headers), mode=mode) as client:
            yield client
        return
    async with httpx2.AsyncClient(headers=headers) as http:
        transport = streamable_http_client(server + path, http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


@BOTH_ERAS
@BOTH_TRANSPORTS
@pytest.mark.anyio
async def test_a_client_lists_and_calls(server, api_key, path, mode):
    async with connected(server, path, api_key, mode) as client:
        assert len((await client.list_tools()).tools) == SHIPPED
        result = await client.call_tool("wiv_list_workflows", {"search": "monthly"})
        assert not result.is_error
        assert result.structured_content["data"][0]["workflow_id"] == "wf_7f3a"


@BOTH_ERAS
@BOTH_TRANSPORTS
@pytest.mark.anyio
async def test_failures_look_the_same_everywhere(server, api_key, path, mode):
    async with connected(server, path, api_key, mode) as client:
        assert (await client.call_tool("wiv_get_workflow", {"workflow_id": "nope"})).is_error
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("nope", {})


@pytest.mark.parametrize("version", HANDSHAKE_PROTOCOL_VERSIONS)
def test_each_older_version_is_spoken(mcp, version):
    params = {
        "protocolVersion": version,
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    }
    assert mcp.request("initialize", params).json()["result"]["protocolVersion"] == version
    mcp.headers = {"MCP-Protocol-Version": version}
    assert len(mcp.tool_names()) == SHIPPED


@pytest.mark.requirement("MCP 2026-07-28 Discovery")
def test_the_newest_version_is_discovered(mcp):
    mcp.headers = modern_headers("server/discover")
    result = mcp.request("server/discover", {"_meta": MODERN_META}).json()["result"]
    assert "2026-07-28" in result["supportedVersions"]
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "wiv"


@pytest.mark.requirement("MCP 2026-07-28 Streamable HTTP, Header Validation")
def test_a_name_header_that_differs_from_the_body_is_refused(mcp):
    mcp.headers = modern_headers("tools/call", "wiv_list_spaces")
    params = {"name": "wiv_list_cases", "arguments": {}, "_meta": MODERN_META}
    response = mcp.request("tools/call", params)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == -32020
