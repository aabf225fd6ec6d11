"""How much may one request bring, and how long may it take?"""

import asyncio

from django.conf import settings
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from mcp_gateway.errors import BodyTooLarge, BodyTooSlow, Compressed, HeadersTooLarge


class ClientGone(Exception):
    """The connection closed before the request was complete: there is nobody to answer."""


def check_header_size(scope: Scope) -> None:
    limit = settings.MCP_MAX_HEADER_BYTES
    if sum(len(name) + len(value) for name, value in scope["headers"]) > limit:
        raise HeadersTooLarge(f"Send at most {limit} bytes of headers")


def check_encoding(headers: Headers) -> None:
    """A few bytes that become many would have to be limited a second time, and nobody sends them.

    RFC 9110 section 15.5.16.
    """
    codings = ",".join(headers.getlist("content-encoding")).replace(" ", "").lower()
    if codings.strip(",") not in ("", "identity"):
        raise Compressed("Send the body as it is, without Content-Encoding")


async def read_body(headers: Headers, receive: Receive) -> bytes:
    """The whole body.

    Raises BodyTooLarge, as early as Content-Length allows, BodyTooSlow or ClientGone.
    """
    receive = bounded(headers, receive, settings.MCP_MAX_BODY_BYTES)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def bounded(headers: Headers, receive: Receive, max_bytes: int) -> Receive:
    """A `receive` that raises BodyTooLarge or BodyTooSlow before the body is complete.

    SLOW_CLIENT_TIMEOUT begins now and is for all of it: each byte of a body that drips is in time.
    """
    refuse_large(declared_size(headers), max_bytes)
    seconds = settings.SLOW_CLIENT_TIMEOUT.total_seconds()
    deadline = asyncio.get_running_loop().time() + seconds
    size, is_complete = 0, False

    async def receive_message() -> Message:
        nonlocal size, is_complete
        if is_complete:
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError as error:
            raise BodyTooSlow(f"Send the body within {seconds:g} seconds") from error
        size += len(message.get("body", b""))
        refuse_large(size, max_bytes)
        is_complete = not message.get("more_body", False)
        return message

    return receive_message


def declared_size(headers: Headers) -> int:
    declared = headers.get("content-length", "")
    return int(declared) if declared.isdecimal() else 0


def refuse_large(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise BodyTooLarge(f"Send at most {max_bytes} bytes")


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
