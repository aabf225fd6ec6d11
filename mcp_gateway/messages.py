"""Is this body one JSON-RPC message, and does it call a tool?

Read once here, before the SDK, for three reasons: the scope a tool needs must be known while HTTP
can still answer 403; the SDK's own parse errors would repeat parts of the body, which may hold a
key, to the client and to the log; and what two parsers take differently must not get as far as the
second one.
"""

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn

from mcp import types
from pydantic import ValidationError
from starlette.datastructures import Headers

from mcp_gateway.errors import NotAMessage, NotJson, UnreadableBody

# As deep as a tool's schema may be.
MAX_DEPTH = 64
TOO_DEEP = f"The body is nested deeper than {MAX_DEPTH} levels"


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
    """Only JSON that every parser reads alike goes on (RFC 8259 sections 4, 6 and 8.1).

    Of a name that is there twice each takes another, and few agree about NaN and 1e999. Raises
    UnreadableBody.
    """
    try:
        document = json.loads(
            body.decode(),
            object_pairs_hook=members,
            parse_float=finite,
            parse_constant=refuse_constant,
        )
    except AmbiguousJson as error:
        raise UnreadableBody(str(error)) from None
    except RecursionError:
        raise UnreadableBody(TOO_DEEP) from None
    except ValueError:
        raise UnreadableBody("The body isn't JSON") from None
    # Each level takes a bracket, so a body with few of them needs no look.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and is_deeper(document, MAX_DEPTH):
        raise UnreadableBody(TOO_DEEP)


class AmbiguousJson(ValueError):
    """JSON of which two parsers may make two things. The text is for the client."""


def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise AmbiguousJson("An object in the body has the same name twice")
    return found


def finite(text: str) -> float:
    if math.isfinite(number := float(text)):
        return number
    raise AmbiguousJson("A number in the body is too large")


def refuse_constant(name: str) -> NoReturn:
    raise AmbiguousJson(f"{name} isn't JSON")


def is_deeper(document: Any, levels: int) -> bool:
    """Without recursion, as depth is what is in question."""
    level = [document] if is_container(document) else []
    for _ in range(levels):
        level = [child for each in level for child in children(each) if is_container(child)]
    return bool(level)


def is_container(value: Any) -> bool:
    return isinstance(value, dict | list)


def children(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def called_tool(message: types.JSONRPCMessage) -> str | None:
    """The name in a `tools/call` request."""
    if not isinstance(message, types.JSONRPCRequest) or message.method != "tools/call":
        return None
    name = (message.params or {}).get("name")
    return name if isinstance(name, str) else None
