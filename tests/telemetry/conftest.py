import httpx2
import pytest

from tests.mcp_gateway.json_rpc import McpClient


@pytest.fixture
def mcp(http: httpx2.Client, make_key) -> McpClient:
    return McpClient(http, make_key())
