"""Which paths are served, and which OAuth resource is each of them (RFC 9728, RFC 8707)?"""

from dataclasses import dataclass

from django.conf import settings


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
