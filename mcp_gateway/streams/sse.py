"""GET /sse and POST /messages/: HTTP+SSE of MCP 2024-11-05, at any worker."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote
from uuid import UUID

import anyio
import django.db
from django.conf import settings
from mcp import types
from mcp.server import NotificationOptions, Server, ServerRequestContext
from mcp.server.runner import serve_dual_era_loop
from starlette.datastructures import QueryParams
from starlette.responses import PlainTextResponse

from mcp_gateway.auth import Credentials, acting_for
from mcp_gateway.catalog import Catalog
from mcp_gateway.errors import StreamsFull, TooManyStreams, Unavailable
from mcp_gateway.exchange import Exchange
from mcp_gateway.resources import ENDPOINTS
from mcp_gateway.streams.inbox import Inbox
from mcp_gateway.streams.keeper import Keeper
from mcp_gateway.streams.outbox import Outbox
from mcp_gateway.streams.posted import PostedMessage
from mcp_gateway.streams.relay import open_relay
from mcp_gateway.streams.stream import Owner, Stream, owner_of, stream_id_of
from oauth_bridge.credentials import CredentialError, Secret, TokenGrant
from telemetry.requests import handling

logger = logging.getLogger(__name__)

MESSAGES_PATH = "/messages/"
# The answers of the SDK's own transport, which clients know.
ACCEPTED = PlainTextResponse("Accepted", 202)
NO_SESSION = PlainTextResponse("session_id is required", 400)
BAD_SESSION = PlainTextResponse("Invalid session ID", 400)
NOT_FOUND = PlainTextResponse("Could not find session", 404)
ENDED = "The stream has ended; send the request again on a new one"


class SseStreams:
    """`open` serves GET /sse, `receive` serves POST /messages/."""

    def __init__(self, server: Server[Any], catalog: Catalog, credentials: Credentials) -> None:
        self._server = server
        self._credentials = credentials
        self._resource = ENDPOINTS["/sse"].resource
        self._streams: dict[UUID, Stream] = {}
        self._keeper = Keeper(self._streams, catalog, credentials, self._resource)
        self._options = server.create_initialization_options(
            NotificationOptions(tools_changed=True)
        )
        server.add_notification_handler(
            "notifications/initialized", types.NotificationParams, remember_session
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as self._group:
            self._keeper.start(self._group)
            async with open_relay(self._streams, self._wake, self._group) as self._relay:
                yield
            self._group.cancel_scope.cancel()

    def count(self) -> int:
        return len(self._streams)

    # GET /sse ---------------------------------------------------------------------------------

    async def open(self, exchange: Exchange, credential: Secret, grant: TokenGrant) -> None:
        """Raises TooManyStreams, StreamsFull or Unavailable before anything is answered."""
        version = await self._keeper.catalog_version()
        self._check_room(owner_of(grant))
        stream = Stream(grant, credential, version, exchange.send)
        self._streams[stream.id] = stream
        try:
            await self._relay.announce(stream)
            path = exchange.scope.get("root_path", "").rstrip("/") + MESSAGES_PATH
            await stream.serve(self._serve, quote(path), exchange.receive)
            await self._refuse_what_waits(stream)
            await stream.outbox.end()
        finally:
            del self._streams[stream.id]
            self._relay.withdraw(stream)
            await stream.close()

    async def _refuse_what_waits(self, stream: Stream) -> None:
        """A POST that another worker accepted at the last moment isn't left without an answer."""
        if not stream.outbox.is_closed:
            async with stream.turn:
                for posted in await self._relay.take_last(stream):
                    await stream.refuse(posted, ENDED)

    def _check_room(self, owner: Owner) -> None:
        if len(self._streams) >= settings.SSE_STREAMS_PER_WORKER:
            raise StreamsFull
        theirs = sum(each.owner.subject == owner.subject for each in self._streams.values())
        if theirs >= settings.SSE_STREAMS_PER_USER:
            raise TooManyStreams(settings.SSE_STREAMS_PER_USER)

    async def _serve(self, inbox: Inbox, outbox: Outbox, stream: Stream) -> None:
        await serve_dual_era_loop(
            self._server, inbox, outbox, lifespan_state=stream, init_options=self._options
        )

    # POST /messages/ --------------------------------------------------------------------------

    async def receive(self, exchange: Exchange, posted: PostedMessage, grant: TokenGrant) -> None:
        """Raises Unavailable."""
        await exchange.answer_with(await self._received(exchange, posted, grant))

    async def _received(
        self, exchange: Exchange, posted: PostedMessage, grant: TokenGrant
    ) -> PlainTextResponse:
        session = QueryParams(exchange.scope["query_string"]).get("session_id")
        if session is None:
            return NO_SESSION
        try:
            stream_id = stream_id_of(UUID(hex=session))
        except ValueError:
            return BAD_SESSION
        stream, owner = self._streams.get(stream_id), owner_of(grant)
        if stream is None:
            is_accepted = await self._relay.post(stream_id, owner, posted)
        elif is_accepted := stream.owner == owner:
            stream.renew(grant, posted.credential)
            is_accepted = await self._bring(stream, posted)
        return ACCEPTED if is_accepted else NOT_FOUND

    async def _bring(self, stream: Stream, posted: PostedMessage) -> bool:
        """After what came before it elsewhere."""
        async with stream.turn:
            await self._bring_waiting(stream)
            return await stream.accept(posted)

    # Messages from other workers --------------------------------------------------------------

    def _wake(self, stream: Stream) -> None:
        if not stream.is_waking:
            stream.is_waking = True
            self._group.start_soon(self._bring_what_waits, stream)

    async def _bring_what_waits(self, stream: Stream) -> None:
        try:
            async with stream.turn:
                stream.is_waking = False
                await self._bring_waiting(stream)
        except Unavailable:
            pass  # was logged, and what waits is found again
        except Exception:
            logger.exception("messages from other workers can't be brought to their stream")

    async def _bring_waiting(self, stream: Stream) -> None:
        for posted in await self._relay.take(stream):
            try:
                await self._bring_from_elsewhere(stream, posted)
            except Exception:  # those behind it are taken already
                logger.exception("a message from another worker can't be brought to its stream")

    async def _bring_from_elsewhere(self, stream: Stream, posted: PostedMessage) -> None:
        """As if it had been posted here: nothing the other worker found is taken on trust."""
        try:
            grant = await self._credentials.find_grant(
                posted.credential, self._resource, posted.address
            )
        except CredentialError as error:
            await stream.refuse(posted, error.description)
            return
        except django.db.Error as error:
            logger.error("a credential can't be looked up: %s", error)
            await stream.refuse(posted, "Credentials can't be checked at the moment")
            return
        if owner_of(grant) != stream.owner:
            logger.error("a message of somebody else was on its way to a stream")
            return
        stream.renew(grant, posted.credential)
        with handling(posted.as_request()), acting_for(grant, ENDPOINTS[posted.path]):
            is_accepted = await stream.accept(posted)
        if not is_accepted:
            await stream.refuse(posted, ENDED)


async def remember_session(
    context: ServerRequestContext[Any], params: types.NotificationParams | None
) -> None:
    """Only 2025-era clients send `notifications/initialized`, and only they expect to be told."""
    if isinstance(context.lifespan_context, Stream):
        context.lifespan_context.session = context.session
