"""A caller with a Wiv API key of their own: no OAuth is needed to reach the tools."""

from collections.abc import Callable, Iterator

import httpx2
import pytest

from sandbox import fixtures
from tests.mcp_gateway.json_rpc import McpClient
from tests.oauth_client import OAuthClient
from tests.robot import Robot
from tests.stand_ins import Sandbox


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def make_api_key(server: str, sandbox: Sandbox) -> Callable[..., str]:
    def make(user_id: str = fixtures.ANA, org_id: str | None = fixtures.ACME) -> str:
        answer = sandbox.backend(
            "POST",
            "/end_user_api_keys",
            fixtures.BACKEND_API_KEY,
            json={"user_id": user_id, "org_id": org_id},
        )
        token: str = answer.raise_for_status().json()["api_key_token"]
        return token

    return make


@pytest.fixture
def api_key(make_api_key: Callable[..., str]) -> str:
    return make_api_key()


@pytest.fixture
def sign_in(server: str, browser: Callable[..., Robot]) -> Iterator[Callable[..., OAuthClient]]:
    """A client that has its tokens for one path and scope."""
    clients: list[OAuthClient] = []

    def sign_in(path: str, scope: str | None = None) -> OAuthClient:
        client = OAuthClient(server, resource=f"{server}{path}", scope=scope)
        clients.append(client)
        client.register()
        client.sign_in(browser())
        return client

    yield sign_in
    for client in clients:
        client.http.close()


@pytest.fixture
def mcp(http: httpx2.Client, api_key: str) -> McpClient:
    return McpClient(http, api_key)
