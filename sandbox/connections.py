"""How does the sandbox serve, and how does it hang up on a client without an answer?

ASGI has no way to close a connection before the response, so the protocol class here remembers
each open transport by its client's address, which is in every request's scope.
"""

import asyncio
import socket
from collections.abc import Callable
from types import FrameType
from typing import cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn._types import ASGIApplication
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Address = tuple[str, int]

_open_transports: dict[Address, asyncio.Transport] = {}


class RememberedProtocol(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client:
            _open_transports[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.client:
            _open_transports.pop(self.client, None)
        super().connection_lost(exc)


def hang_up(client: Address) -> None:
    transport = _open_transports.get((client[0], client[1]))
    if transport:
        transport.close()


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket; raises OSError when the port is taken. Port 0 takes any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


class Server(uvicorn.Server):
    """Calls `before_exit` when a signal asks it to end."""

    def __init__(self, config: uvicorn.Config, before_exit: Callable[[], None]) -> None:
        super().__init__(config)
        self._before_exit = before_exit

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._before_exit()
        super().handle_exit(sig, frame)


def server(app: ASGIApp, before_exit: Callable[[], None]) -> Server:
    config = uvicorn.Config(
        cast(ASGIApplication, app),
        http=RememberedProtocol,
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        # The client's address is a key above, so no header may replace it.
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    return Server(config, before_exit)
