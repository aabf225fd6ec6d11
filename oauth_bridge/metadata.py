"""Discovery: RFC 8414 for the authorization server, RFC 9728 for each resource.

Everything is built from PUBLIC_URL. An issuer taken from the request would be `http://` behind a
TLS proxy, or whatever Host an attacker sent.
"""

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from oauth_bridge.resources import find_scopes


@require_safe
@cache_control(max_age=300, public=True)
def authorization_server(request: HttpRequest, suffix: str = "") -> JsonResponse:
    """RFC 8414 §3.2, at the root and, for clients that guess, behind each resource's path."""
    if suffix and find_scopes(f"/{suffix}") is None:
        return not_found()
    supported = settings.OAUTH2_PROVIDER
    methods = supported["OAUTH2_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED"]
    return JsonResponse(
        {
            "issuer": settings.PUBLIC_URL,
            "authorization_endpoint": f"{settings.PUBLIC_URL}/authorize",
            "token_endpoint": f"{settings.PUBLIC_URL}/token",
            "registration_endpoint": f"{settings.PUBLIC_URL}/register",
            "revocation_endpoint": f"{settings.PUBLIC_URL}/revoke",
            "scopes_supported": list(settings.SCOPES),
            "response_types_supported": supported["OAUTH2_RESPONSE_TYPES_SUPPORTED"],
            "response_modes_supported": ["query"],
            "grant_types_supported": supported["OAUTH2_GRANT_TYPES_SUPPORTED"],
            "token_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "client_id_metadata_document_supported": supported["CIMD_ENABLED"],
        }
    )


@require_safe
@cache_control(max_age=300, public=True)
def protected_resource(request: HttpRequest, suffix: str = "mcp") -> JsonResponse:
    """RFC 9728 §3.2. `resource` is exactly the URL the client has, trailing slash included."""
    scopes = find_scopes(f"/{suffix}")
    if scopes is None:
        return not_found()
    return JsonResponse(
        {
            "resource": f"{settings.PUBLIC_URL}/{suffix}",
            "authorization_servers": [settings.PUBLIC_URL],
            "scopes_supported": scopes,
            "bearer_methods_supported": ["header"],
            "resource_name": "Wiv",
        }
    )


@require_safe
def unknown_metadata(request: HttpRequest, suffix: str) -> JsonResponse:
    return not_found()


def not_found() -> JsonResponse:
    """In JSON: a client that probes would choke on Django's HTML page."""
    return JsonResponse({"error": "not_found"}, status=404)
