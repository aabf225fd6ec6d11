"""A span for each MCP message, as OpenTelemetry's conventions for MCP name it and what it has.

The SDK's own takes its parent from the message's `_meta`, away from the request it came in, and has
a caller's text in its name and status. Here a caller's trace is linked to, and a tool is named when
there is one of that name.
"""

from collections.abc import Mapping
from typing import Any

from mcp import MCPError
from mcp.server import ServerRequestContext
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware
from opentelemetry.trace import SpanKind

from mcp_gateway.catalog import Catalog
from telemetry import traces
from telemetry.requests import current_request

# What else a client may send is one of these many names that it makes up.
METHODS = frozenset({"initialize", "server/discover", "ping", "tools/list", "tools/call"})


class CallSpans(ServerMiddleware[Any]):
    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def __call__(
        self, context: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        method = context.method if context.method in METHODS else "other"
        tool = self._find_tool(context.params) if method == "tools/call" else ""
        with traces.span(
            f"{method} {tool}".rstrip(),
            SpanKind.SERVER,
            attributes_of(method, tool, context),
            link=link_of(context.meta),
        ) as span:
            try:
                result = await call_next(context)
            except MCPError as error:
                if span is not None:
                    traces.fail(span, str(error.error.code))
                raise
            if span is not None:
                if isinstance(result, dict) and result.get("isError"):
                    traces.fail(span, "tool_error")
                if (request := current_request()) is not None and request.call_id:
                    span.set_attribute("wivmcp.call_id", request.call_id)
            return result

    def _find_tool(self, params: Mapping[str, Any] | None) -> str:
        name = (params or {}).get("name")
        tool = self._catalog.latest.find(name) if isinstance(name, str) else None
        return tool.name if tool is not None else ""


def attributes_of(
    method: str, tool: str, context: ServerRequestContext[Any, Any]
) -> dict[str, str]:
    attributes = {"mcp.method.name": method, "mcp.protocol.version": context.protocol_version}
    if method == "tools/call":
        attributes["gen_ai.operation.name"] = "execute_tool"
    if tool:
        attributes["gen_ai.tool.name"] = tool
    if (request := current_request()) is not None:
        attributes["wivmcp.request_id"] = request.id
    return attributes


def link_of(meta: Mapping[str, Any] | None) -> str:
    """The client's own span, which MCP carries in `_meta`."""
    value = (meta or {}).get("traceparent")
    return value if isinstance(value, str) else ""
