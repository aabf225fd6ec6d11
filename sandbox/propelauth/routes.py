"""Where PropelAuth's endpoints are. All that belongs to MCP is 404 while MCP is switched off."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.propelauth import authorize, backend, token
from sandbox.propelauth.dialect import Handler, sandbox_of


def _mcp(method: str, path: str, handler: Handler) -> Route:
    async def guarded(request: Request) -> Response:
        if not sandbox_of(request).grants.mcp_enabled:
            return PlainTextResponse("Not Found", 404)
        return await handler(request)

    return Route(path, guarded, methods=[method])


ROUTES = [
    _mcp("GET", "/.well-known/oauth-authorization-server/oauth/2.1", token.metadata),
    _mcp("GET", "/oauth/2.1/authorize", authorize.authorize),
    _mcp("POST", "/oauth/2.1/token", token.oauth(token.token)),
    _mcp("POST", "/oauth/2.1/introspect", token.oauth(token.introspect)),
    _mcp("POST", "/oauth/2.1/register", token.oauth(token.register)),
    Route("/login", authorize.login, methods=["POST"]),
    Route("/login/organization", authorize.choose_organization, methods=["POST"]),
    *backend.ROUTES,
]
