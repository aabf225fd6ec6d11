"""One tool call as it happens: begun by the server, finished once, then written by the writer."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID, uuid4


class Outcome(StrEnum):
    """`REFUSED` never left this server. `UNKNOWN` left, and may have taken effect. `PARKED` waits
    for its user's approval: a call after that is another one.
    """

    OK = "ok"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose call it is; `client_name` and `client_version` are the client's own claims."""

    subject: str
    organization_id: str
    role: str
    credential_kind: str
    client_id: str
    client_name: str
    client_version: str


@dataclass(slots=True)
class CallRecord:
    """`call_id` is also the request id that reaches the upstream.

    `arguments` are as they came; the writer leaves out what isn't to be written down.
    """

    principal: Principal
    tool: str
    path: str
    arguments: Mapping[str, object]
    catalog_version: UUID | None = None
    writes: bool = False
    # One of the catalog's; else `tool` is whatever its caller typed.
    is_known: bool = False
    call_id: UUID = field(default_factory=uuid4)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _began: float = field(default_factory=time.monotonic)
    outcome: Outcome | None = None
    problem: str = ""
    upstream_status: int | None = None
    sent: int = 0
    answer_bytes: int = 0
    tokens: int = 0
    duration_ms: int = 0

    def finish(self, outcome: Outcome, problem: str = "") -> None:
        self.outcome = outcome
        self.problem = problem
        self.duration_ms = round((time.monotonic() - self._began) * 1000)


def client_of(meta: Mapping[str, object] | None, user_agent: str) -> str:
    """ "Cursor 1.2", as MCP 2026-07-28's clientInfo says, else the User-Agent's first product."""
    info = (meta or {}).get("io.modelcontextprotocol/clientInfo")
    if isinstance(info, Mapping):
        return printable(f"{info.get('name', '')} {info.get('version', '')}".strip(), 100)
    return printable(user_agent.partition(" ")[0], 100)


def printable(text: str, length: int) -> str:
    if not text.isprintable():
        text = "".join(character for character in text if character.isprintable())
    return text[:length]
