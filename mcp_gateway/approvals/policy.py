"""Does this call need its user's approval?"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mcp_gateway.projection import Projection, ProjectionFailed


class Rule(StrEnum):
    """As it stands in a tool's row."""

    NEVER = ""
    ALWAYS = "always"
    MATCHING = "matching"
    OVER_LIMIT = "over_limit"


class Need(StrEnum):
    """`COUNTED` is without approval as long as there are few such calls."""

    NONE = "none"
    COUNTED = "counted"
    APPROVAL = "approval"


@dataclass(frozen=True, slots=True)
class Policy:
    """`condition` is asked by MATCHING; `free_calls` an hour and person are allowed by OVER_LIMIT.

    What can't be decided needs an approval.
    """

    rule: Rule
    condition: Projection | None = None
    free_calls: int = 0

    def need(self, arguments: Mapping[str, Any]) -> Need:
        match self.rule:
            case Rule.NEVER:
                return Need.NONE
            case Rule.MATCHING if not self._matches(arguments):
                return Need.NONE
            case Rule.OVER_LIMIT:
                return Need.COUNTED
        return Need.APPROVAL

    def _matches(self, arguments: Mapping[str, Any]) -> bool:
        if self.condition is None:
            return True
        try:
            return self.condition.is_true_of(dict(arguments))
        except ProjectionFailed:
            return True
