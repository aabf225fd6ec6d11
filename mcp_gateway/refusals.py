"""How is a refused request answered: as JSON for clients, as a page for a person?"""

from django.conf import settings
from django.template.loader import render_to_string
from starlette.responses import HTMLResponse, JSONResponse, Response

from mcp_gateway.errors import HttpRefusal, Unauthenticated
from mcp_gateway.exchange import Exchange


def response(refusal: HttpRefusal, exchange: Exchange) -> Response:
    """A person who opens the MCP URL in a browser gets a page; status and challenge stay."""
    accept = exchange.headers.get("accept", "")
    is_read = exchange.method in ("GET", "HEAD")
    if isinstance(refusal, Unauthenticated) and is_read and prefers_html(accept):
        return sign_in_page(refusal)
    return JSONResponse(refusal.body(), refusal.status, refusal.headers)


def sign_in_page(refusal: Unauthenticated) -> Response:
    html = render_to_string("mcp_gateway/sign_in.html", {"public_url": settings.PUBLIC_URL})
    page_headers = {
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(html, refusal.status, refusal.headers | page_headers)


def prefers_html(accept: str) -> bool:
    """text/html by name, and liked better than JSON (RFC 9110 section 12.5.1)."""
    quality = dict(media_range(item) for item in accept.lower().split(","))
    html = quality.get("text/html", 0.0)
    json = quality.get("application/json", quality.get("application/*", quality.get("*/*", 0.0)))
    return html > json


def media_range(item: str) -> tuple[str, float]:
    """ " text/html;q=0.9"  ->  ("text/html", 0.9)"""
    media_type, *parameters = (part.strip() for part in item.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q":
            return media_type, parse_quality(value)
    return media_type, 1.0


def parse_quality(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return 0.0
