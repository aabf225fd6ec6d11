"""A call of a 2026-07-28 client ends with its connection; an older client's goes on."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import anyio
import pytest
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from mcp_gateway.disconnects import cancelled_by_disconnect, disconnect_cancels
from mcp_gateway.exchange import Exchange
from mcp_gateway.resources import ENDPOINTS

pytestmark = pytest.mark.anyio

SCOPE = {"type": "http", "method": "POST", "path": "/mcp", "headers": []}


class Connection:
    """A client that hangs up when `gone` is set, and what it was sent."""

    def __init__(self, send: Callable[[Message], Awaitable[None]] | None = None) -> None:
        self.gone = asyncio.Event()
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def exchange(self, path: str = "/mcp", **headers: str) -> Exchange:
        names = Headers({name.replace("_", "-"): value for name, value in headers.items()})
        return Exchange(ENDPOINTS[path], names, SCOPE, self.receive, self.send)


async def test_a_disconnect_cancels_the_call():
    connection, cancelled = Connection(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        connection.gone.set()
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(True)

    with anyio.fail_after(5):
        await cancelled_by_disconnect(app, b"{}", connection.exchange())
    assert cancelled
    assert not connection.sent


async def test_the_call_gets_the_body_and_its_answer_is_sent():
    connection = Connection()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        await JSONResponse(json.loads(message["body"]))(scope, receive, send)

    await cancelled_by_disconnect(app, b'{"a":1}', connection.exchange())
    assert connection.sent[-1]["body"] == b'{"a":1}'


async def test_work_after_the_answer_is_not_cut_off():
    connection, finished = Connection(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse({})(scope, receive, send)
        connection.gone.set()
        await anyio.lowlevel.checkpoint()
        finished.append(True)

    await cancelled_by_disconnect(app, b"{}", connection.exchange())
    assert finished


@pytest.mark.parametrize(
    ("path", "version", "cancels"),
    [
        ("/mcp", "2026-07-28", True),
        ("/mcp/", "2027-01-01", True),
        ("/mcp", "2025-11-25", False),
        ("/messages/", "2026-07-28", False),
    ],
)
def test_only_the_newer_versions_on_mcp_are_wrapped(path, version, cancels):
    exchange = Connection().exchange(path, mcp_protocol_version=version)
    assert disconnect_cancels(exchange) is cancels


def test_a_client_that_names_no_version_is_an_older_one():
    assert not disconnect_cancels(Connection().exchange())
