"""How does an administrator keep the tools? One module a page or a group of buttons."""

from mcp_gateway.admin import access, listings, tools

__all__ = ["access", "listings", "tools"]
