"""Which tools could an OpenAPI document's operations be?

Reads OpenAPI 3.0 and 3.1, from JSON or YAML. No Django, no I/O: a document is text that somebody
gave us, and nothing it refers to is fetched.
"""

from mcp_gateway.openapi.document import MAX_DOCUMENT_BYTES, DocumentRefused
from mcp_gateway.openapi.proposals import ApiDescription, Proposal, Unservable, describe

__all__ = [
    "MAX_DOCUMENT_BYTES",
    "ApiDescription",
    "DocumentRefused",
    "Proposal",
    "Unservable",
    "describe",
]
