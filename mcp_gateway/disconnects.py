"""Does a call stop when its client hangs up?

MCP 2026-07-28: closing the connection MUST be treated as cancellation, which the SDK leaves to its
host in JSON mode. Versions before say it SHOULD NOT, and on SSE the POST's connection isn't the
call's, so only the newer version on `/mcp` is wrapped.
"""

import asyncio

import anyio
from mcp.types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.types import ASGIApp, Message

from mcp_gateway.exchange import Exchange
from mcp_gateway.limits import replay

# A call that is answered by then is spared a task of its own.
UNWATCHED_SECONDS = 0.05


def disconnect_cancels(exchange: Exchange) -> bool:
    """The same rule by which the SDK tells the two eras apart."""
    version = exchange.headers.get("mcp-protocol-version")
    is_modern = version is not None and version not in HANDSHAKE_PROTOCOL_VERSIONS
    return is_modern and exchange.endpoint.resource_path == "/mcp"


async def cancelled_by_disconnect(app: ASGIApp, body: bytes, exchange: Exchange) -> None:
    """Runs `app` until it has answered or the client has gone."""
    answered = False
    watching: asyncio.Task[None] | None = None

    async def send(message: Message) -> None:
        nonlocal answered
        answered = answered or is_last(message)
        await exchange.send(message)

    async def watch() -> None:
        while (await exchange.receive())["type"] != "http.disconnect":
            pass
        if not answered:  # servers report a disconnect after a normal answer too
            scope.cancel()

    def begin() -> None:
        nonlocal watching
        watching = asyncio.create_task(watch())

    beginning = asyncio.get_running_loop().call_later(UNWATCHED_SECONDS, begin)
    with anyio.CancelScope() as scope:
        try:
            await app(exchange.scope, replay(body, never), send)
        finally:
            beginning.cancel()
            if watching is not None:
                watching.cancel()


def is_last(message: Message) -> bool:
    return message["type"] == "http.response.body" and not message.get("more_body", False)


async def never() -> Message:
    """`watch` owns the real `receive`; two readers would steal each other's messages."""
    await anyio.sleep_forever()
    raise AssertionError("unreachable")
