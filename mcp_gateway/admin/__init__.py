"""How does an administrator keep the tools? One module a page or a group of buttons."""

from mcp_gateway.admin import (
    access,
    approvals,
    calls,
    history,
    listings,
    pauses,
    tools,
    transfer,
    upstreams,
)

__all__ = [
    "access",
    "approvals",
    "calls",
    "history",
    "listings",
    "pauses",
    "tools",
    "transfer",
    "upstreams",
]
