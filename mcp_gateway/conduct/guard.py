"""May this connection call a tool now? Asked before anything is sent."""

import hashlib
from collections.abc import Mapping

import django.db
from django.conf import settings
from pydantic_core import to_json

from mcp_gateway.auth import Caller
from mcp_gateway.conduct.models import Pause
from mcp_gateway.conduct.pauses import Pauses
from mcp_gateway.conduct.rules import Conduct, Limits, MustStop, MustWait
from mcp_gateway.conduct.sharing import Sharing
from mcp_gateway.errors import ArgumentsTooLarge, ConnectionPaused, TooManyCalls
from oauth_bridge.credentials import TokenGrant


class Guard:
    def __init__(self) -> None:
        # SQLite is for one process.
        self._conduct = Conduct(current_limits, is_alone=django.db.connection.vendor == "sqlite")
        self._sharing = Sharing(self._conduct)
        self._pauses = Pauses(ended=self._forget)

    def close(self) -> None:
        self._pauses.close()
        self._sharing.close()

    def _forget(self, connection: str) -> None:
        self._conduct.forget(connection)
        self._sharing.forget(connection)

    async def admit(
        self, caller: Caller, tool: str, arguments: Mapping[str, object], *, writes: bool
    ) -> None:
        """Raises TooManyCalls, ConnectionPaused or ArgumentsTooLarge."""
        connection = connection_of(caller.grant)
        if (reason := await self._pauses.find_reason(connection)) is not None:
            raise ConnectionPaused(reason, settings.PUBLIC_URL)
        verdict = self._conduct.judge(connection, tool, arguments, writes=writes)
        self._sharing.call_came()
        if isinstance(verdict, MustWait):
            raise TooManyCalls(verdict.limit, verdict.what, verdict.seconds)
        if isinstance(verdict, MustStop):
            await self._pauses.begin(pause_of(caller.grant, connection, verdict.reason))
            raise ConnectionPaused(verdict.reason, settings.PUBLIC_URL)
        refuse_large(arguments)

    def forgive(self, caller: Caller, tool: str, arguments: Mapping[str, object]) -> None:
        """It was told to make this call again, which isn't repeating itself."""
        self._conduct.forgive(connection_of(caller.grant), tool, arguments)


def refuse_large(arguments: Mapping[str, object]) -> None:
    limit = settings.MAX_ARGUMENT_BYTES
    size = len(to_json(arguments))
    if size > limit:
        raise ArgumentsTooLarge("The arguments", size, limit)


def current_limits() -> Limits:
    return Limits(settings.CALLS_PER_MINUTE, settings.WRITES_PER_MINUTE, settings.REPEATED_CALLS)


def connection_of(grant: TokenGrant) -> str:
    """One client's use by one person in one organization; each API key they bring is its own.

    Their JWTs are one together: each is gone after minutes.
    """
    names = [grant.subject, grant.organization_id, grant.client_id]
    if grant.kind == "own_api_key":
        names.append(grant.credential.checksum()[:16])
    text = " ".join(names)
    return text if len(text) <= 500 else hashlib.sha256(text.encode()).hexdigest()


def pause_of(grant: TokenGrant, connection: str, reason: str) -> Pause:
    return Pause(
        connection=connection,
        subject=grant.subject,
        organization_id=grant.organization_id,
        client_id=grant.client_id,
        client_name=grant.client_name,
        reason=reason[:300],
    )
