"""One open stream: whose it is, what comes in and goes out, and when it ends."""

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID, uuid4

import anyio
from django.conf import settings
from mcp import types
from mcp.server.session import ServerSession
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from starlette.types import Receive, Send

from mcp_gateway.messages import read_message
from mcp_gateway.streams.handshake import begins_without, handshake
from mcp_gateway.streams.inbox import Inbox
from mcp_gateway.streams.outbox import Outbox
from mcp_gateway.streams.posted import PostedMessage
from oauth_bridge.credentials import Secret, TokenGrant

logger = logging.getLogger(__name__)

# Seconds of silence after which a stream may end early: calls come in bursts.
QUIET = 2.0
# Seconds that handlers get to notice that they were cancelled.
CLOSING_PATIENCE = 5.0
# Shares of a stream's life: the last part of it, for calls under way, and the most that is taken
# off those that began together, so that they don't end together.
LAST_PART = 0.25
JITTER = 0.1


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a stream is. Nobody else may post to it."""

    subject: str
    organization_id: str
    client_id: str


def owner_of(grant: TokenGrant) -> Owner:
    return Owner(grant.subject, grant.organization_id, grant.client_id)


def stream_id_of(session_id: UUID) -> UUID:
    """What others may know of a stream: half of the SHA-256 of what one must know to post."""
    return UUID(Secret(session_id.hex).checksum()[:32])


@dataclass(frozen=True, slots=True)
class Life:
    """Moments of the monotonic clock. From the first on a stream ends once it is quiet.

    From the second on it takes nothing new, and ends once nothing is under way: a busy client would
    else keep it open until the third, when it ends whatever is under way.
    """

    quiet_end_from: float = math.inf
    closed_from: float = math.inf
    over_at: float = math.inf

    @classmethod
    def beginning(cls, now: float) -> "Life":
        lifetime = settings.SSE_STREAM_LIFETIME.total_seconds()
        if not lifetime:
            return cls()
        last_part = min(settings.WIV_TIMEOUT.total_seconds(), LAST_PART * lifetime)
        jitter = random.uniform(0, JITTER * lifetime)  # noqa: S311 (nobody gains by guessing it)
        over_at = now + lifetime
        return cls(over_at - last_part - jitter, over_at - last_part / 2, over_at)

    def cut_short(self, over_at: float) -> "Life":
        """The server ends."""
        return Life(-math.inf, -math.inf, min(self.over_at, over_at))


# Reads the inbox until it ends, and writes the answers.
ServeMessages = Callable[[Inbox, Outbox, "Stream"], Awaitable[None]]


class Stream:
    """An open GET /sse. `session` is there once the client has initialized it.

    `turn` is held while messages are brought, so that they keep their order.
    """

    __slots__ = (
        "_expired_at",
        "_is_initialized",
        "_until_end",
        "_used_at",
        "catalog_version",
        "credential",
        "id",
        "inbox",
        "is_brought",
        "is_waking",
        "life",
        "outbox",
        "owner",
        "session",
        "session_id",
        "turn",
    )

    def __init__(
        self, grant: TokenGrant, credential: Secret, catalog_version: UUID | None, send: Send
    ) -> None:
        self.session_id = uuid4()
        self.id = stream_id_of(self.session_id)
        self.owner = owner_of(grant)
        self.renew(grant, credential)
        self.inbox, self.outbox = Inbox(), Outbox(send)
        self.session: ServerSession | None = None
        # The tools its client knows of.
        self.catalog_version = catalog_version
        self.turn = asyncio.Lock()
        self.is_waking = False
        self._is_initialized = False
        self._until_end = anyio.CancelScope()
        self._used_at = time.monotonic()
        self.life = Life.beginning(self._used_at)

    def renew(self, grant: TokenGrant, credential: Secret) -> None:
        """Its client came with this one: what it opened the stream with may be over."""
        self.credential = credential
        # PropelAuth has to be asked about it now and then.
        self.is_brought = grant.kind in ("own_api_key", "jwt")
        self._expired_at: float | None = None

    def has_expired(self, now: float, grace: float) -> None:
        """Its token has; it ends unless its client comes with another in time."""
        self._expired_at = self._expired_at or now
        if now - self._expired_at >= grace:
            self.end()

    async def accept(self, posted: PostedMessage) -> bool:
        """Brings one message, in the context of its principal; False at the end of the stream."""
        self._used_at = time.monotonic()
        if self._used_at >= self.life.closed_from:
            return False
        message, request = read_message(posted.body), posted.request
        if begins_without(message) and not self._is_initialized:
            for each in handshake():
                await self.inbox.put(each)
        metadata = ServerMessageMetadata(request_context=request)
        if isinstance(message, types.JSONRPCRequest):
            self._is_initialized = self._is_initialized or message.method != "ping"
            self.outbox.in_flight.add(message.id)
            metadata.on_request_unanswered = self._forget(message.id)
        return await self.inbox.put(SessionMessage(message, metadata))

    def _forget(self, request_id: types.RequestId) -> Callable[[], Awaitable[None]]:
        """For a request whose client cancelled it: it's never answered."""

        async def forget() -> None:
            self.outbox.in_flight.discard(request_id)

        return forget

    async def refuse(self, posted: PostedMessage, reason: str) -> None:
        """Tells of a request that it isn't handled; its POST was accepted already."""
        message = read_message(posted.body)
        if isinstance(message, types.JSONRPCRequest):
            error = types.ErrorData(code=types.INVALID_REQUEST, message=reason)
            answer = types.JSONRPCError(jsonrpc="2.0", id=message.id, error=error)
            with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                await self.outbox.send(SessionMessage(answer))

    async def serve(self, serve_messages: ServeMessages, endpoint: str, receive: Receive) -> None:
        """Until its end, which `outbox.end` then tells the client of."""
        await self.outbox.begin(f"{endpoint}?session_id={self.session_id.hex}")
        serving = asyncio.ensure_future(serve_messages(self.inbox, self.outbox, self))
        serving.add_done_callback(lambda _: self.end())
        try:
            with self._until_end:
                while (await receive())["type"] != "http.disconnect":
                    pass
                self.outbox.close()
        finally:
            self.inbox.close()
            await finish(serving)

    def end(self) -> None:
        self._until_end.cancel()

    async def close(self) -> None:
        """When it isn't served any more, or never was."""
        self.inbox.close()
        await self.inbox.aclose()

    def should_end(self, now: float) -> bool:
        if self.outbox.is_stuck or now >= self.life.over_at:
            return True
        if self.outbox.in_flight:
            return False
        quiet_since = max(self._used_at, self.outbox.used_at)
        is_quiet = now - quiet_since >= QUIET
        return now >= self.life.closed_from or (is_quiet and now >= self.life.quiet_end_from)


async def finish(serving: "asyncio.Future[None]") -> None:
    await asyncio.wait({serving}, timeout=CLOSING_PATIENCE)
    if not serving.done():
        logger.error("a stream's handlers didn't end, and are left behind")
        serving.cancel()
    elif not serving.cancelled() and (error := serving.exception()):
        logger.error("a stream ended unexpectedly", exc_info=error)
