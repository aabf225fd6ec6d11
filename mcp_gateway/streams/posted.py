"""One POST to /messages/, with all that it takes to handle it in another worker."""

import json
from dataclasses import dataclass
from typing import Any, Self

from starlette.requests import Request

import telemetry.requests
from mcp_gateway.exchange import Exchange
from oauth_bridge.credentials import Secret, decrypt, encrypt
from telemetry.requests import current_request, new_request

# No handler needs them, so none gets to see them.
WITH_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})


@dataclass(frozen=True, slots=True)
class PostedMessage:
    """`body` is one JSON-RPC message; `address` is the caller's, for counting refusals."""

    path: str
    headers: tuple[tuple[str, str], ...]
    address: str | None
    credential: Secret
    body: bytes
    # Of the POST; "" where a worker of the version before has taken it.
    request_id: str = ""

    @classmethod
    def of(cls, exchange: Exchange, credential: Secret, body: bytes) -> Self:
        headers = tuple(
            pair for pair in exchange.headers.items() if pair[0] not in WITH_CREDENTIALS
        )
        request = current_request()
        return cls(
            exchange.endpoint.path,
            headers,
            exchange.client_address,
            credential,
            body,
            request.id if request and not request.is_theirs else "",
        )

    def as_request(self) -> telemetry.requests.Request:
        """For the log of the worker that handles it."""
        if self.request_id:
            return telemetry.requests.Request(self.request_id)
        return new_request(dict(self.headers).get("x-request-id", ""))

    @property
    def request(self) -> Request:
        """As tool handlers see it, wherever the message was posted."""
        headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in self.headers]
        scope = {"type": "http", "method": "POST", "path": self.path, "query_string": b""}
        return Request({**scope, "headers": headers})

    def sealed(self) -> str:
        """Encrypted with the newest of ENCRYPTION_KEYS."""
        fields = {
            "path": self.path,
            "headers": self.headers,
            "address": self.address,
            "credential": self.credential.reveal(),
            "request_id": self.request_id,
            "body": self.body.decode(),
        }
        return encrypt(Secret(json.dumps(fields)))

    @classmethod
    def unsealed(cls, text: str) -> Self:
        """Raises SecretUnreadable."""
        fields: dict[str, Any] = json.loads(decrypt(text).reveal())
        return cls(
            path=fields["path"],
            headers=tuple((name, value) for name, value in fields["headers"]),
            address=fields["address"],
            credential=Secret(fields["credential"]),
            body=fields["body"].encode(),
            request_id=fields.get("request_id", ""),
        )
