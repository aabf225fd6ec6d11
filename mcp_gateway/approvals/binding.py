"""What exactly did somebody say yes to?"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp_gateway.http_rule import WivRequest


@dataclass(frozen=True, slots=True)
class BoundCall:
    """One call: whose it is, what was asked for, and what would be sent where.

    `connection` is one client's use by one person in one organization. The request is part of it
    because an administrator may change what a tool sends between the yes and the call.
    """

    connection: str
    organization_id: str
    tool: str
    arguments: Mapping[str, Any]
    destination: str
    request: WivRequest

    def hash(self) -> str:
        """SHA-256 in hexadecimal digits, the same for arguments in any order."""
        request = self.request
        sent = [request.method, request.target, request.body, request.has_body, request.headers]
        whole = [self.connection, self.organization_id, self.tool, self.arguments]
        return hash_of([*whole, self.destination, sent])


def hash_of(value: object) -> str:
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()


def canonical(value: object) -> str:
    """The same text for the same JSON: 1 and true stay apart, the order of members doesn't count.

    1 and 1.0 stay apart too: what is sent isn't the same.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
