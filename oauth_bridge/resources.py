"""Which protected resources tokens may be for (RFC 8707), and their canonical names."""

from django.conf import settings

# Path -> canonical path. Some users type a trailing slash, and clients compare the `resource` of
# our metadata with what was typed, byte for byte.
SERVED_PATHS = {"/mcp": "/mcp", "/mcp/": "/mcp", "/sse": "/sse", "/sse/": "/sse"}


def canonical_resource(resource: str) -> str | None:
    """`https://host/mcp/` -> `https://host/mcp`; None for anything we don't serve.

    Scheme and host compare without case (RFC 3986 §6.2.2.1), the path with.
    """
    origin = settings.PUBLIC_URL
    if resource[: len(origin)].lower() != origin.lower():
        return None
    path = SERVED_PATHS.get(resource[len(origin) :])
    return origin + path if path else None


def default_resources() -> list[str]:
    """For a client that names none (2025-03-26, VS Code after a mismatch): both endpoints."""
    return [f"{settings.PUBLIC_URL}/mcp", f"{settings.PUBLIC_URL}/sse"]
