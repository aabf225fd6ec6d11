"""Which web pages may read our OAuth endpoints' answers? (Browser clients such as MCP Inspector.)

Metadata is public. Registration, token and revocation are open to the origins in ALLOWED_ORIGINS.
No credentials: none of these endpoints looks at cookies.
"""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from oauth_bridge.resources import RESOURCE_PATH

GetResponse = Callable[[HttpRequest], HttpResponse]
ENDPOINTS = frozenset({"/register", "/token", "/revoke"})
METADATA = re.compile(rf"(/{RESOURCE_PATH})?/\.well-known/")


class CorsMiddleware:
    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        allowed = allowed_origin(request)
        if request.method == "OPTIONS" and (is_metadata(request) or request.path in ENDPOINTS):
            response = HttpResponse(status=204)
            response["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
            response["Access-Control-Allow-Headers"] = (
                "authorization, content-type, mcp-protocol-version"
            )
            response["Access-Control-Max-Age"] = "3600"
        else:
            response = self.get_response(request)
        if allowed:
            response["Access-Control-Allow-Origin"] = allowed
            response["Access-Control-Expose-Headers"] = "WWW-Authenticate, Retry-After"
        if request.path in ENDPOINTS:
            patch_vary_headers(response, ["Origin"])
        return response


def is_metadata(request: HttpRequest) -> bool:
    return METADATA.match(request.path) is not None


def allowed_origin(request: HttpRequest) -> str | None:
    if is_metadata(request):
        return "*"
    origin = request.headers.get("Origin")
    if request.path in ENDPOINTS and origin in settings.ALLOWED_ORIGINS:
        return origin
    return None
