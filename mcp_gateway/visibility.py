"""Which tools may one caller see? The same answer decides listing and calling.

A tool is there for a caller when it's switched on for their organization and role, and belongs to
the toolset of the URL they use. The scope is asked last, because it is the one thing a client can
gain by itself (step-up).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mcp_gateway.scopes import covers

# (organization id, role); "" for any.
Whom = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Switch:
    """A tool's own switch and the exceptions to it; the most specific one that fits decides."""

    enabled: bool
    exceptions: Mapping[Whom, bool] = field(default_factory=dict)

    def is_on_for(self, organization_id: str, role: str) -> bool:
        for whom in ((organization_id, role), (organization_id, ""), ("", role)):
            if whom in self.exceptions:
                return self.exceptions[whom]
        return self.enabled


@dataclass(frozen=True, slots=True)
class Toolset:
    """The part of the catalog that one URL serves: all, one category, without the writing tools."""

    category: str = ""
    is_read_only: bool = False

    def includes(self, tool: "Listed") -> bool:
        if self.category and tool.category != self.category:
            return False
        return tool.is_read_only or not self.is_read_only


ALL_TOOLS = Toolset()


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks, and where."""

    organization_id: str
    role: str
    scopes: frozenset[str]
    toolset: Toolset = ALL_TOOLS

    def may_know(self, tool: "Listed") -> bool:
        """Whether the tool exists for them, whatever their token's scope."""
        is_on = tool.switch.is_on_for(self.organization_id, self.role)
        return is_on and self.toolset.includes(tool)

    def may_call(self, tool: "Listed") -> bool:
        return self.may_know(tool) and covers(self.scopes, tool.required_scope)


class Listed(Protocol):
    """What of a tool decides who sees it."""

    @property
    def category(self) -> str: ...
    @property
    def is_read_only(self) -> bool: ...
    @property
    def switch(self) -> Switch: ...
    @property
    def required_scope(self) -> str: ...
