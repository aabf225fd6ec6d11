"""Is this body one JSON-RPC message, and does it call a tool?

Read once here, before the SDK, for two reasons: the scope a tool needs must be known while HTTP can
still answer 403, and the SDK's own parse errors would repeat parts of the body, which may hold a
key, to the client and to the log.
"""

from mcp import types
from pydantic import ValidationError
from starlette.datastructures import Headers

from mcp_gateway.errors import NotAMessage, NotJson, UnreadableBody


def check_content_type(headers: Headers) -> None:
    media_type, _, _ = headers.get("content-type", "").partition(";")
    if media_type.strip().lower() != "application/json":
        raise NotJson("Send Content-Type: application/json")


def read_message(body: bytes) -> types.JSONRPCMessage:
    """Raises UnreadableBody or NotAMessage."""
    try:
        return types.jsonrpc_message_adapter.validate_json(body, by_name=False)
    except ValidationError as error:
        is_json = all(problem["type"] != "json_invalid" for problem in error.errors())
    if is_json:
        raise NotAMessage("The body must be a single JSON-RPC request or notification")
    raise UnreadableBody("The body isn't JSON")


def called_tool(message: types.JSONRPCMessage) -> str | None:
    """The name in a `tools/call` request."""
    if not isinstance(message, types.JSONRPCRequest) or message.method != "tools/call":
        return None
    name = (message.params or {}).get("name")
    return name if isinstance(name, str) else None
