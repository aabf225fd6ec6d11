"""Which protected resources tokens may be for (RFC 8707), and their canonical names.

`/mcp` and `/sse` are fixed. Whoever serves parts of `/mcp` under URLs of their own says so with
`register_parts`, and each part is a resource too.
"""

from collections.abc import Callable

from django.conf import settings

# Canonical path -> the scopes it needs, least first; None for a path that isn't served.
FindParts = Callable[[str], list[str] | None]

WHOLE = ("/mcp", "/sse")
# A resource's path as clients put it before "/.well-known/", for URL patterns.
RESOURCE_PATH = r"(?:mcp(?:/[A-Za-z0-9_/-]+)?|sse)"
_find_part_scopes: list[FindParts] = []


def register_parts(find_scopes: FindParts) -> None:
    _find_part_scopes.append(find_scopes)


def find_scopes(path: str) -> list[str] | None:
    """What is asked for at a path, with or without trailing slash; None for one not served.

    Some people type the slash, and clients compare the `resource` of our metadata with what was
    typed, byte for byte.
    """
    canonical = path.removesuffix("/")
    if canonical in WHOLE:
        return list(settings.SCOPES)
    found = (find_part(canonical) for find_part in _find_part_scopes)
    return next((scopes for scopes in found if scopes is not None), None)


def canonical_resource(resource: str) -> str | None:
    """`https://host/mcp/` -> `https://host/mcp`; None for anything we don't serve.

    Scheme and host compare without case (RFC 3986 §6.2.2.1), the path with.
    """
    origin = settings.PUBLIC_URL
    if resource[: len(origin)].lower() != origin.lower():
        return None
    path = resource[len(origin) :]
    return origin + path.removesuffix("/") if find_scopes(path) else None


def default_resources() -> list[str]:
    """For a client that names none (2025-03-26, VS Code after a mismatch): both endpoints."""
    return [f"{settings.PUBLIC_URL}{path}" for path in WHOLE]


def resources_that_include(resource: str) -> set[str]:
    """Who may use all of `/mcp` may use each part of it; never the other way round."""
    whole = f"{settings.PUBLIC_URL}/mcp"
    return {resource, whole} if resource.startswith(f"{whole}/") else {resource}
