"""How is a client told that a call waits for its user, and what does it say when it comes back?

Clients of MCP 2026-07-28 that can open a URL get an input-required result with the address, and
come back with the same call and the state they were given. The others get the address as text, for
the model to tell its user, and call again. No client can say yes: that is said on the page.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from mcp import types
from mcp.server import ServerRequestContext
from mcp.types.version import is_version_at_least

from mcp_gateway.errors import ApprovalPending

# The key of the one thing that is asked for.
REQUEST = "approval"
INPUT_REQUIRED_SINCE = "2026-07-28"


@dataclass(frozen=True, slots=True)
class Reply:
    """`awaited` is the approval the client was sent to; whether it's theirs isn't known yet."""

    awaited: UUID | None = None
    was_declined: bool = False


def reply_in(params: types.CallToolRequestParams) -> Reply:
    """What isn't ours counts as nothing: then the call is looked at like any other."""
    if params.request_state is None:
        return Reply()
    with suppress(ValueError):
        answer = (params.input_responses or {}).get(REQUEST)
        declined = isinstance(answer, types.ElicitResult) and answer.action != "accept"
        return Reply(UUID(params.request_state), declined)
    return Reply()


def result(
    pending: ApprovalPending, context: ServerRequestContext[Any]
) -> types.CallToolResult | types.InputRequiredResult:
    if not opens_urls(context):
        return as_text(pending)
    state = str(pending.approval_id)
    if pending.is_known:  # its user has the page already
        return types.InputRequiredResult(request_state=state)
    asked = types.ElicitRequestURLParams(message=pending.for_user, url=pending.url)
    return types.InputRequiredResult(
        input_requests={REQUEST: types.ElicitRequest(params=asked)}, request_state=state
    )


def opens_urls(context: ServerRequestContext[Any]) -> bool:
    capabilities = context.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    return (
        is_version_at_least(context.protocol_version, INPUT_REQUIRED_SINCE)
        and elicitation is not None
        and elicitation.url is not None
    )


def as_text(pending: ApprovalPending) -> types.CallToolResult:
    """An error, so that no client takes it for done; the handle is for those that read JSON."""
    handle = {
        "id": str(pending.approval_id),
        "status": "pending",
        "url": pending.url,
        "expires_at": pending.expires_at.isoformat(timespec="seconds"),
        "tool": pending.tool,
    }
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=pending.for_model)],
        structured_content={REQUEST: handle},
        is_error=True,
    )
