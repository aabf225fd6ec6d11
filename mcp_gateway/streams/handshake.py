"""What of a client that goes on after its stream ended, on a new stream and without a handshake?

EventSource opens a stream anew by itself whenever one ends. Clients built on it, as the TypeScript
SDKs are, then post to the new endpoint as if nothing had happened. Our SDK refuses what comes
before `initialize`, so that is made up for them.
"""

from collections.abc import Mapping
from uuid import uuid4

from mcp import types
from mcp.shared.message import SessionMessage
from mcp.types import PROTOCOL_VERSION_META_KEY
from mcp.types.version import LATEST_HANDSHAKE_VERSION

# The answer to this request is for nobody. Random, so that no client's id is the same.
HANDSHAKE_ID = f"handshake {uuid4()}"


def begins_without(message: types.JSONRPCMessage) -> bool:
    """A request that needs a handshake before it, and isn't one."""
    if not isinstance(message, types.JSONRPCRequest) or message.method in ("initialize", "ping"):
        return False
    return not is_modern(message)


def is_modern(message: types.JSONRPCRequest) -> bool:
    """2026-07-28 has no handshake: each request says all there is to say."""
    meta = (message.params or {}).get("_meta")
    return isinstance(meta, Mapping) and PROTOCOL_VERSION_META_KEY in meta


def handshake() -> tuple[SessionMessage, SessionMessage]:
    """`initialize` and `notifications/initialized`, as the client sent them on its first stream."""
    params = {
        "protocolVersion": LATEST_HANDSHAKE_VERSION,
        "capabilities": {},
        "clientInfo": {"name": "reconnected", "version": "0"},
    }
    method = "initialize"
    request = types.JSONRPCRequest(jsonrpc="2.0", id=HANDSHAKE_ID, method=method, params=params)
    method = "notifications/initialized"
    notification = types.JSONRPCNotification(jsonrpc="2.0", method=method)
    return SessionMessage(request), SessionMessage(notification)
