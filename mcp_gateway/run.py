"""What lives from startup to shutdown, and how does an authenticated request reach the SDK?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace

from django.conf import settings
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from mcp_gateway.approvals.gate import ApprovalGate
from mcp_gateway.auth import Caller, Credentials, acting_for, insufficient_scope
from mcp_gateway.call_log.writer import CallLog
from mcp_gateway.catalog import Catalog
from mcp_gateway.conduct.guard import Guard
from mcp_gateway.disconnects import cancelled_by_disconnect, disconnect_cancels
from mcp_gateway.errors import CatalogUnavailable, NoSuchToolset, Unavailable
from mcp_gateway.exchange import Exchange
from mcp_gateway.in_flight import InFlight
from mcp_gateway.limits import check_encoding, read_body, replay
from mcp_gateway.listings import Listings
from mcp_gateway.messages import called_tool, check_content_type, read_message
from mcp_gateway.observer import Observer
from mcp_gateway.resources import Endpoint
from mcp_gateway.scopes import covers
from mcp_gateway.server import ToolServer
from mcp_gateway.splicing import splicing
from mcp_gateway.streams.posted import PostedMessage
from mcp_gateway.streams.sse import SseStreams
from mcp_gateway.upstream_http import HttpClient
from mcp_gateway.version import find_version
from mcp_gateway.visibility import ALL_TOOLS
from mcp_gateway.wiv import WivClient
from oauth_bridge.credentials import Secret, TokenGrant
from telemetry import metrics


@dataclass(frozen=True, slots=True)
class Run:
    credentials: Credentials
    catalog: Catalog
    manager: StreamableHTTPSessionManager
    streams: SseStreams
    call_log: CallLog
    in_flight: InFlight = field(default_factory=InFlight)

    async def serve(self, exchange: Exchange, credential: Secret, grant: TokenGrant) -> None:
        with acting_for(grant, exchange.endpoint) as caller:
            if exchange.method == "POST":
                with self.in_flight.admitted(grant):
                    await self._receive_message(exchange, credential, caller)
            else:
                await self.streams.open(exchange, credential, grant)

    async def _receive_message(
        self, exchange: Exchange, credential: Secret, caller: Caller
    ) -> None:
        check_encoding(exchange.headers)
        check_content_type(exchange.headers)
        body = await read_body(exchange.headers, exchange.receive)
        await self._check_scope(exchange, caller, body)
        if exchange.endpoint.resource_path == "/sse":
            posted = PostedMessage.of(exchange, credential, body)
            await self.streams.receive(exchange, posted, caller.grant)
            return
        with splicing(exchange.send) as send:
            await self._answer(replace(exchange, send=send), body)

    async def _answer(self, exchange: Exchange, body: bytes) -> None:
        if disconnect_cancels(exchange):
            await cancelled_by_disconnect(self.manager.handle_request, body, exchange)
            return
        exchange = replace(exchange, receive=replay(body, exchange.receive))
        await exchange.answer_with(self.manager.handle_request)

    async def require_toolset(self, endpoint: Endpoint) -> None:
        """Raises NoSuchToolset or Unavailable."""
        if endpoint.toolset == ALL_TOOLS:
            return
        try:
            snapshot = await self.catalog.current()
        except CatalogUnavailable as error:
            raise Unavailable(f"{error} at the moment") from error
        if not snapshot.has_toolset(endpoint.toolset):
            raise NoSuchToolset(f"{endpoint.path} has no tools; {settings.PUBLIC_URL}/mcp has all")

    async def _check_scope(self, exchange: Exchange, caller: Caller, body: bytes) -> None:
        """MCP 2026-07-28, "Scope Challenge Handling": the 403 must come from HTTP, before the SDK.

        A tool that isn't there passes: the SDK's answer to it is a JSON-RPC error.
        """
        name = called_tool(read_message(body))
        if name is None:
            return
        try:
            tool = (await self.catalog.current()).find_for(caller.viewer, name)
        except CatalogUnavailable as error:
            raise Unavailable(f"{error} at the moment") from error
        grant = caller.grant
        if tool is not None and not covers(grant.scopes, tool.required_scope):
            raise insufficient_scope(exchange.endpoint, grant, tool.name, tool.required_scope)


@asynccontextmanager
async def open_run(credentials: Credentials, observer: Observer) -> AsyncIterator[Run]:
    http = HttpClient(
        user_agent=f"wivmcp/{find_version()}",
        max_body_bytes=settings.WIV_MAX_RESPONSE_BYTES,
    )
    client = WivClient(settings.WIV_API_URL, http, calls_per_route=settings.WIV_CALLS_PER_TOOL)
    with (
        closing(Listings()) as listings,
        closing(Guard()) as guard,
        closing(ApprovalGate()) as gate,
        closing(CallLog()) as log,
    ):
        async with credentials.connected(), Catalog() as catalog, client as wiv:
            tools = ToolServer(catalog, wiv, credentials, listings, observer, guard, gate, log)
            server = tools.server
            manager = StreamableHTTPSessionManager(
                server,
                json_response=True,
                stateless=True,
                max_request_body_size=settings.MCP_MAX_BODY_BYTES,
            )
            streams = SseStreams(server, catalog, credentials)
            async with manager.run(), streams.running():
                with metrics.watched(gauges(catalog, wiv, streams, log)):
                    yield Run(credentials, catalog, manager, streams, log)


def gauges(
    catalog: Catalog, wiv: WivClient, streams: SseStreams, log: CallLog
) -> dict[str, metrics.Read]:
    def version() -> float | None:
        """Of 48 bits, which a float can hold."""
        version = catalog.latest.version
        return None if version is None else float(version.int >> 80)

    return {
        "streams_open": streams.count,
        "streams_limit": lambda: settings.SSE_STREAMS_PER_WORKER,
        "calls_waiting": log.count_waiting,
        "breakers_open": wiv.count_open_breakers,
        "catalog_tools": lambda: len(catalog.latest.tools),
        "catalog_version": version,
    }
