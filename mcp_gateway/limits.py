"""How much may one request bring?"""

from django.conf import settings
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from mcp_gateway.errors import BodyTooLarge, HeadersTooLarge


class ClientGone(Exception):
    """The connection closed before the request was complete: there is nobody to answer."""


def check_header_size(scope: Scope) -> None:
    limit = settings.MCP_MAX_HEADER_BYTES
    if sum(len(name) + len(value) for name, value in scope["headers"]) > limit:
        raise HeadersTooLarge(f"Send at most {limit} bytes of headers")


async def read_body(headers: Headers, receive: Receive) -> bytes:
    """The whole body. Raises BodyTooLarge, as early as Content-Length allows, or ClientGone."""
    limit = settings.MCP_MAX_BODY_BYTES
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise BodyTooLarge(f"Send at most {limit} bytes")
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if len(body) > limit:
            raise BodyTooLarge(f"Send at most {limit} bytes")
        if not message.get("more_body", False):
            return bytes(body)


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read before, and then whatever comes next."""
    is_pending = True

    async def receive_message() -> Message:
        nonlocal is_pending
        if not is_pending:
            return await receive()
        is_pending = False
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_message
