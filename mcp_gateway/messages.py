"""Is this body one JSON-RPC message, and does it call a tool?

Read once here, before the SDK, for three reasons: the scope a tool needs must be known while HTTP
can still answer 403; the SDK's own parse errors would repeat parts of the body, which may hold a
key, to the client and to the log; and what two parsers take differently must not get as far as the
second one.
"""

from mcp import types
from pydantic import ValidationError
from starlette.datastructures import Headers

from mcp_gateway.errors import NotAMessage, NotJson, UnreadableBody
from mcp_gateway.plain_json import NotPlainJson, read_plain_json


def check_content_type(headers: Headers) -> None:
    media_type, _, _ = headers.get("content-type", "").partition(";")
    if media_type.strip().lower() != "application/json":
        raise NotJson("Send Content-Type: application/json")


def read_message(body: bytes) -> types.JSONRPCMessage:
    """Raises UnreadableBody or NotAMessage."""
    check_json(body)
    try:
        return types.jsonrpc_message_adapter.validate_json(body, by_name=False)
    except ValidationError as error:
        is_json = all(problem["type"] != "json_invalid" for problem in error.errors())
    if is_json:
        raise NotAMessage("The body must be a single JSON-RPC request or notification")
    raise UnreadableBody("The body isn't JSON")


def check_json(body: bytes) -> None:
    """Raises UnreadableBody."""
    try:
        read_plain_json(body.decode())
    except NotPlainJson as error:
        raise UnreadableBody(f"The body {error}") from None
    except UnicodeDecodeError:
        raise UnreadableBody("The body isn't JSON") from None


def called_tool(message: types.JSONRPCMessage) -> str | None:
    """The name in a `tools/call` request."""
    if not isinstance(message, types.JSONRPCRequest) or message.method != "tools/call":
        return None
    name = (message.params or {}).get("name")
    return name if isinstance(name, str) else None
