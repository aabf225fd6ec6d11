"""Which Host and which web Origin may a request to the MCP endpoints name?

The guard against DNS rebinding that MCP asks for, and CORS for browser-based clients, both from
PUBLIC_URL, ALLOWED_HOSTS and ALLOWED_ORIGINS.
"""

from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import Message, Send

from mcp_gateway.errors import OriginRefused, WrongHost
from mcp_gateway.resources import Endpoint

REQUEST_HEADERS = (
    "authorization, content-type, x-api-key, mcp-protocol-version, mcp-method, mcp-name, "
    "mcp-session-id, last-event-id"
)
RESPONSE_HEADERS = "www-authenticate, mcp-session-id"
# Seconds a browser may remember a preflight; browsers cap it at two hours or less.
PREFLIGHT_MAX_AGE = "7200"


def check_host(headers: Headers) -> None:
    """The port isn't compared: behind a proxy it may be either side's."""
    domain, _ = split_domain_port(headers.get("host", ""))
    if not domain or not validate_host(domain, settings.ALLOWED_HOSTS):
        raise WrongHost("This server doesn't answer to the requested host")


def check_origin(headers: Headers) -> None:
    """No Origin at all is fine: only browsers send it."""
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in allowed_origins():
        raise OriginRefused("Web pages of this origin may not call this server")


def allowed_origins() -> set[str]:
    public = urlsplit(settings.PUBLIC_URL)
    ours = f"{public.scheme}://{public.netloc}"
    return {origin.lower() for origin in (ours, *settings.ALLOWED_ORIGINS)}


def preflight(endpoint: Endpoint) -> Response:
    methods = f"{endpoint.method}, OPTIONS"
    return Response(
        status_code=204,
        headers={
            "Allow": methods,
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": REQUEST_HEADERS,
            "Access-Control-Max-Age": PREFLIGHT_MAX_AGE,
        },
    )


def send_with_cors(headers: Headers, send: Send) -> Send:
    """`send`, with the CORS headers of the Fetch standard on the response's start."""
    origin = headers.get("origin")

    async def send_message(message: Message) -> None:
        if message["type"] == "http.response.start":
            response = MutableHeaders(scope=message)
            response.add_vary_header("Origin")
            if origin is not None and origin.lower() in allowed_origins():
                response["Access-Control-Allow-Origin"] = origin
                response["Access-Control-Expose-Headers"] = RESPONSE_HEADERS
        await send(message)

    return send_message
