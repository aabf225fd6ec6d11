"""Which paths are served, and which OAuth resource is each of them (RFC 9728, RFC 8707)?

Beside `/mcp` there are its parts: `/mcp/x/cases` has the tools of one category, `/mcp/readonly`
those that change nothing, `/mcp/x/cases/readonly` both. Each is a resource of its own.
"""

import re
from dataclasses import dataclass, replace

from django.conf import settings

from mcp_gateway.models import Tool
from mcp_gateway.visibility import ALL_TOOLS, Toolset

TOOLSET_PATH = re.compile(
    r"/mcp(?=/x/|/readonly)(/x/(?P<category>[A-Za-z0-9_-]{1,64}))?(?P<read_only>/readonly)?"
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One served path, with the only method it answers once the caller is known.

    `resource_path` is where the token must be good for: `/mcp/` is `/mcp`, `/messages/` is `/sse`.
    `metadata_path` names the document that the challenge points to. It repeats the path as the
    client typed it, because most clients compare the two character by character.
    """

    path: str
    method: str
    resource_path: str
    metadata_path: str
    toolset: Toolset = ALL_TOOLS

    @property
    def resource(self) -> str:
        return f"{settings.PUBLIC_URL}{self.resource_path}"

    @property
    def metadata_url(self) -> str:
        return f"{settings.PUBLIC_URL}/.well-known/oauth-protected-resource{self.metadata_path}"


ENDPOINTS = {
    endpoint.path: endpoint
    for endpoint in (
        Endpoint("/mcp", "POST", resource_path="/mcp", metadata_path="/mcp"),
        Endpoint("/mcp/", "POST", resource_path="/mcp", metadata_path="/mcp/"),
        Endpoint("/sse", "GET", resource_path="/sse", metadata_path="/sse"),
        Endpoint("/sse/", "GET", resource_path="/sse", metadata_path="/sse/"),
        Endpoint("/messages", "POST", resource_path="/sse", metadata_path="/sse"),
        Endpoint("/messages/", "POST", resource_path="/sse", metadata_path="/sse"),
    )
}


def find_endpoint(path: str) -> Endpoint | None:
    """A toolset's endpoint too, whether or not it has any tool."""
    if path in ENDPOINTS:
        return ENDPOINTS[path]
    resource_path = path.removesuffix("/")
    toolset = find_toolset(resource_path)
    if toolset is None:
        return None
    endpoint = replace(ENDPOINTS["/mcp"], path=path, metadata_path=path, toolset=toolset)
    return replace(endpoint, resource_path=resource_path)


def find_toolset(resource_path: str) -> Toolset | None:
    """ "/mcp/x/cases/readonly"  ->  Toolset("cases", is_read_only=True)"""
    match = TOOLSET_PATH.fullmatch(resource_path)
    if match is None:
        return None
    return Toolset(match["category"] or "", is_read_only=match["read_only"] is not None)


def find_toolset_scopes(path: str) -> list[str] | None:
    """Which scopes the tools of a toolset need; None for a path that is none, or has no tools.

    For the authorization server, which serves each resource's metadata.
    """
    toolset = find_toolset(path)
    if toolset is None:
        return None
    tools = Tool.objects.served()
    if toolset.category:
        tools = tools.filter(category=toolset.category)
    if toolset.is_read_only:
        tools = tools.filter(read_only=True)
    return sorted({*tools.values_list("required_scope", flat=True)}) or None
