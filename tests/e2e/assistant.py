"""An AI assistant on the official Python SDK 2.x, with a robot as its user's browser."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl

from tests.robot import Robot, query_of

REDIRECT_URI = "http://127.0.0.1:49153/callback"


class Memory:
    """The SDK's TokenStorage."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Person:
    """Signs in whenever the SDK opens the browser. `opened` counts how often that was."""

    def __init__(self, robot: Robot) -> None:
        self.robot = robot
        self.opened = 0
        self._arrived = ""

    async def open_browser(self, url: str) -> None:
        self.opened += 1
        self._arrived = str(self.robot.authorize(url, stop_at=REDIRECT_URI))

    async def callback(self) -> AuthorizationCodeResult:
        answer = query_of(self._arrived)
        return AuthorizationCodeResult(
            code=answer["code"], state=answer.get("state"), iss=answer.get("iss")
        )


def oauth(url: str, person: Person, memory: Memory, scope: str | None = None) -> httpx2.Auth:
    metadata = OAuthClientMetadata(
        client_name="Python SDK",
        redirect_uris=[AnyUrl(REDIRECT_URI)],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
        scope=scope,
    )
    return OAuthClientProvider(url, metadata, memory, person.open_browser, person.callback)


@asynccontextmanager
async def connected(
    url: str, *, mode: str = "auto", auth: httpx2.Auth | None = None, key: str = "", **options: Any
) -> AsyncIterator[Client]:
    """A connected client; over SSE when the URL says so. `key` goes out as a pasted API key."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if url.rstrip("/").endswith("/sse"):
        transport = sse_client(url, headers=headers, auth=auth)
        async with Client(transport, mode=mode, **options) as client:
            yield client
        return
    async with (
        httpx2.AsyncClient(auth=auth, headers=headers, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode, **options) as client,
    ):
        yield client
