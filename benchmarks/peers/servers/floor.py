"""The floor: what must be done at least, by hand, for this work alone. It understands no MCP.

ASGI without a framework, a dictionary of tokens, a list of tools that was encoded at the start, and
the fastest well-known libraries for JSON and HTTP. It checks nothing of a message but its method.
"""

import os
from pathlib import Path
from typing import Any

import aiohttp
import orjson

TOKENS = {f"Bearer {os.environ['TOKEN']}".encode(): "ana"}
UPSTREAM = os.environ["UPSTREAM"]
# 2026-07-28 wants these in results; 2025-11-25 ignores them.
LISTED = {"resultType": "complete", "ttlMs": 30_000, "cacheScope": "private"}
DEFINITIONS = orjson.loads(Path(os.environ["TOOLS"]).read_bytes())
TOOLS: bytes = orjson.dumps({"tools": DEFINITIONS, **LISTED})
ROUTES = {"wiv_list_workflows": "/workflows"}


class Floor:
    def __init__(self) -> None:
        self.http: aiohttp.ClientSession

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.live(receive, send)
            return
        if dict(scope["headers"]).get(b"authorization") not in TOKENS:
            await answer(send, 401, b"{}")
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        await answer(send, 200, await self.result(orjson.loads(body)))

    async def live(self, receive: Any, send: Any) -> None:
        await receive()
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(timeout=timeout) as self.http:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def result(self, message: Any) -> bytes:
        begun: bytes = b'{"jsonrpc":"2.0","id":%b,"result":' % orjson.dumps(message["id"])
        if message["method"] == "tools/list":
            return begun + TOOLS + b"}"
        text = await self.call(message["params"])
        content = [{"type": "text", "text": text}]
        result: bytes = orjson.dumps({"content": content, "resultType": "complete"})
        return begun + result + b"}"

    async def call(self, params: Any) -> str:
        url = UPSTREAM + ROUTES[params["name"]]
        key = {"X-API-Key": os.environ["TOKEN"]}
        async with self.http.get(url, params=params["arguments"], headers=key) as response:
            response.raise_for_status()
            text: str = (await response.read()).decode()
            return text


async def answer(send: Any, status: int, body: bytes) -> None:
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


app = Floor()
