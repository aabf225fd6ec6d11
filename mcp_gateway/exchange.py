"""One HTTP request to an MCP endpoint, and the way to answer it."""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_gateway.resources import Endpoint
from oauth_bridge.credentials import address_of


@dataclass(frozen=True, slots=True)
class Exchange:
    endpoint: Endpoint
    headers: Headers
    scope: Scope
    receive: Receive
    send: Send

    @property
    def method(self) -> str:
        method: str = self.scope["method"]
        return method

    @property
    def client_address(self) -> str | None:
        peer = self.scope.get("client") or ("", 0)
        return address_of(",".join(self.headers.getlist("x-forwarded-for")), peer[0])

    async def answer_with(self, app: ASGIApp) -> None:
        await app(self.scope, self.receive, self.send)
