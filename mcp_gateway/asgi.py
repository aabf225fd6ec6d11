"""Which requests are MCP's, and what happens to one before the SDK sees it?

`McpGateway` is the outermost ASGI application. `/mcp`, `/sse` and `/messages/` are served here, in
this order: header size, Host, Origin, preflight, credential, method, body, scope, SDK. Everything
else is Django's.
"""

import logging
from collections.abc import Callable, Iterable, Iterator

import django.db
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_gateway import refusals
from mcp_gateway.auth import Credentials, authenticate
from mcp_gateway.errors import HttpRefusal, MethodNotAllowed, Unavailable
from mcp_gateway.exchange import Exchange
from mcp_gateway.limits import ClientGone, check_header_size
from mcp_gateway.observer import Observer, Unobserved
from mcp_gateway.origins import check_host, check_origin, preflight, send_with_cors
from mcp_gateway.resources import find_endpoint
from mcp_gateway.run import Run, open_run
from oauth_bridge import credentials as bridge_credentials
from oauth_bridge.credentials import Secret, TokenGrant

logger = logging.getLogger(__name__)


def without_padding(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """RFC 9110 §5.5: spaces around a value aren't part of it; httptools leaves those behind it."""
    return ((name, value.strip(b" \t")) for name, value in headers)


class McpGateway:
    """Serves MCP in front of `django_app`. Needs the lifespan protocol: `uvicorn --lifespan on`.

    Everything with a life of its own belongs to a run of the lifespan, so that one process can run
    the application several times.
    """

    def __init__(
        self,
        django_app: ASGIApp,
        credentials: Credentials = bridge_credentials,
        observer: Observer | None = None,
        on_started: Callable[[], None] = lambda: None,
    ) -> None:
        self._django = django_app
        self._credentials = credentials
        self._observer = observer or Unobserved()
        self._on_started = on_started
        # None outside of a run of the lifespan.
        self.run: Run | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http" and (endpoint := find_endpoint(scope["path"])):
            scope = {**scope, "headers": list(without_padding(scope["headers"]))}
            headers = Headers(scope=scope)
            send = send_with_cors(headers, send)
            await self._serve(Exchange(endpoint, headers, scope, receive, send))
        elif scope["type"] == "http":
            await self._django(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with open_run(self._credentials, self._observer) as self.run:
            self._on_started()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.run = None
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, exchange: Exchange) -> None:
        try:
            await self._answer(exchange)
        except HttpRefusal as refusal:
            self._observer.refused(exchange, refusal)
            await exchange.answer_with(refusals.response(refusal, exchange))
        except ClientGone:
            logger.debug("a client left before its request was complete")

    async def _answer(self, exchange: Exchange) -> None:
        """Raises HttpRefusal until the SDK has begun to answer, and never after."""
        check_header_size(exchange.scope)
        check_host(exchange.headers)
        check_origin(exchange.headers)
        if exchange.method == "OPTIONS":
            await exchange.answer_with(preflight(exchange.endpoint))
            return
        if self.run is None:
            raise RuntimeError("The lifespan hasn't started: run uvicorn with --lifespan on")
        await self.run.require_toolset(exchange.endpoint)
        credential, grant = await self._authenticate(exchange)
        if exchange.method != exchange.endpoint.method:
            raise MethodNotAllowed(exchange.method, exchange.endpoint.method)
        await self.run.serve(exchange, credential, grant)

    async def _authenticate(self, exchange: Exchange) -> tuple[Secret, TokenGrant]:
        try:
            return await authenticate(exchange, self._credentials)
        except django.db.Error as error:
            logger.error("A credential can't be looked up: %s", error)
            raise Unavailable("Credentials can't be checked at the moment") from error
