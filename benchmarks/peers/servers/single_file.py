"""The same service as it is usually written: one file on the SDK's low-level Server.

Stateless, answering with JSON, with one HTTP client for all calls: what the SDK's documentation and
examples lead to. Tokens and tools are in memory, and nothing is validated, counted or logged.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import httpx
from mcp import types
from mcp.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

TOKENS = {os.environ["TOKEN"]: os.environ["TOKEN"]}
TOOLS = [
    types.Tool.model_validate(each) for each in json.loads(Path(os.environ["TOOLS"]).read_text())
]
ROUTES = {"wiv_list_workflows": "/workflows"}

api_key: ContextVar[str] = ContextVar("api_key")
http = httpx.AsyncClient(base_url=os.environ["UPSTREAM"], timeout=30)


async def list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
    return types.ListToolsResult(tools=TOOLS)


async def call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    try:
        response = await http.get(
            ROUTES[params.name],
            params=params.arguments,
            headers={"X-API-Key": api_key.get()},
        )
        response.raise_for_status()
        text, is_error = json.dumps(response.json()), False
    except (httpx.HTTPError, KeyError) as error:
        text, is_error = f"{params.name} failed: {error}", True
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], is_error=is_error
    )


server: Server[Any] = Server("wiv", on_list_tools=list_tools, on_call_tool=call_tool)
manager = StreamableHTTPSessionManager(server, json_response=True, stateless=True)


class Mcp:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await manager.handle_request(scope, receive, send)


class RequireToken:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        token = Headers(scope=scope).get("authorization", "").removeprefix("Bearer ")
        if token not in TOKENS:
            await JSONResponse({"error": "invalid_token"}, 401)(scope, receive, send)
            return
        api_key.set(TOKENS[token])
        await self.app(scope, receive, send)


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    async with manager.run(), http:
        yield


app = RequireToken(Starlette(routes=[Route("/mcp", Mcp())], lifespan=lifespan))
