"""One HTTP request to an MCP endpoint, and the way to answer it."""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_gateway.resources import Endpoint


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

    async def answer_with(self, app: ASGIApp) -> None:
        await app(self.scope, self.receive, self.send)
