"""What happens on the long-lived connection of the HTTP+SSE transport (MCP 2024-11-05)?

The SDK's transport does the protocol. Added here: a stream ends when its credential does, and its
client hears when the tool list changes.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import anyio
import django.db
from mcp import types
from mcp.server import NotificationOptions, Server, ServerRequestContext
from mcp.server.runner import serve_dual_era_loop
from mcp.server.session import ServerSession
from mcp.server.sse import SseServerTransport
from starlette.types import Message, Receive, Scope, Send

from mcp_gateway.catalog import Catalog
from mcp_gateway.errors import CatalogUnavailable
from oauth_bridge.credentials import InvalidCredential, TooManyAttempts, VerdictUnavailable

logger = logging.getLogger(__name__)

# Seconds between two looks at the credential and the catalog. Together with the age that either
# answer may have, a change is acted on within about a second.
RECHECK_INTERVAL = 0.5
# Seconds a client may leave a notification unread before it's dropped.
NOTIFICATION_PATIENCE = 1.0

# Raises InvalidCredential once the stream's credential is no longer good.
CredentialCheck = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class Stream:
    """One open stream, as the SDK's `lifespan_context`; `session` once it's initialized."""

    session: ServerSession | None = None
    is_over: anyio.Event = field(default_factory=anyio.Event)


class SseStreams:
    """`open` serves GET /sse and `receive_message` serves POST /messages/, in one process."""

    def __init__(self, server: Server[Any], catalog: Catalog, max_body_bytes: int) -> None:
        self._server = server
        self._catalog = catalog
        self._transport = SseServerTransport("/messages/", max_request_body_size=max_body_bytes)
        self.receive_message = self._transport.handle_post_message
        self._options = server.create_initialization_options(
            NotificationOptions(tools_changed=True)
        )
        server.add_notification_handler(
            "notifications/initialized", types.NotificationParams, remember_session
        )

    async def open(
        self, check: CredentialCheck, scope: Scope, receive: Receive, send: Send
    ) -> None:
        stream, response = Stream(), EndableResponse(send)
        receive = until(stream.is_over, receive)
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch, stream, check)
            async with self._transport.connect_sse(scope, receive, response.send) as streams:
                await serve_dual_era_loop(
                    self._server, *streams, lifespan_state=stream, init_options=self._options
                )
            group.cancel_scope.cancel()
        await response.end()

    async def _watch(self, stream: Stream, check: CredentialCheck) -> None:
        version = await self._version()
        while await is_still_valid(check):
            await anyio.sleep(RECHECK_INTERVAL)
            if version != (version := await self._version()):
                await announce(stream)
        logger.info("an SSE stream is closed because its credential ended")
        stream.is_over.set()

    async def _version(self) -> UUID | None:
        try:
            return (await self._catalog.current()).version
        except CatalogUnavailable:
            return self._catalog.latest.version


class EndableResponse:
    """Ends an HTTP response that was cut off half-way, so that the client sees a clean end."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_open = False

    async def send(self, message: Message) -> None:
        self._is_open = message["type"] == "http.response.start" or message.get("more_body", False)
        await self._send(message)

    async def end(self) -> None:
        if self._is_open:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def until(is_over: anyio.Event, receive: Receive) -> Receive:
    """A `receive` that reports a disconnect when the event is set.

    The transport closes its streams after a disconnect, but not when it's cancelled.
    """

    async def receive_message() -> Message:
        message: Message = {"type": "http.disconnect"}

        async def give_up() -> None:
            await is_over.wait()
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(give_up)
            message = await receive()
            group.cancel_scope.cancel()
        return message

    return receive_message


async def remember_session(
    context: ServerRequestContext[Any], params: types.NotificationParams | None
) -> None:
    """Only 2025-era clients send `notifications/initialized`, and only they expect to be told."""
    if isinstance(context.lifespan_context, Stream):
        context.lifespan_context.session = context.session


async def announce(stream: Stream) -> None:
    if stream.session is not None:
        with anyio.move_on_after(NOTIFICATION_PATIENCE):
            await stream.session.send_tool_list_changed()


async def is_still_valid(check: CredentialCheck) -> bool:
    """Not being able to ask closes nothing: each POST to the stream is authenticated anyway."""
    try:
        await check()
    except InvalidCredential:
        return False
    except (VerdictUnavailable, TooManyAttempts, django.db.Error) as error:
        logger.warning("an SSE stream's credential can't be checked: %s", error)
    return True
