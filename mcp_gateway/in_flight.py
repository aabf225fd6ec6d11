"""How many requests has one principal under way in this worker?

SSE streams aren't requests here; the POSTs to them are, and tool calls on `/mcp`, to their end.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from mcp_gateway.errors import TooManyAtOnce
from oauth_bridge.credentials import TokenGrant


class InFlight:
    """Of a person in an organization, whichever client and credential they come with."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many principals have any."""
        return len(self._counts)

    @contextmanager
    def admitted(self, grant: TokenGrant) -> Iterator[None]:
        """Raises TooManyAtOnce."""
        principal, limit = f"{grant.subject} {grant.organization_id}", settings.CONCURRENT_REQUESTS
        if limit and self._counts[principal] >= limit:
            raise TooManyAtOnce(limit)
        self._counts[principal] += 1
        try:
            yield
        finally:
            self._counts[principal] -= 1
            if not self._counts[principal]:
                del self._counts[principal]
