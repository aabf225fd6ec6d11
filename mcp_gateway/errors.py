"""What can go wrong in the gateway, and who is told what.

    GatewayError
    ├── HttpRefusal                 answered at the HTTP edge; the SDK never sees the request
    │   ├── WrongHost 421, NoSuchToolset 404, OriginRefused 403
    │   ├── HeadersTooLarge 431, BodyTooLarge 413, BodyTooSlow 408, Compressed 415
    │   ├── MethodNotAllowed 405, NotJson 415, UnreadableBody 400, NotAMessage 400
    │   ├── TooManyRefused 429, TooManyAtOnce 429, TooManyStreams 429, StreamsFull 503,
    │   │   Unavailable 503
    │   └── AuthorizationRefusal        an OAuth error, with a WWW-Authenticate challenge
    │       └── CredentialsDiffer 400, Unauthenticated 401, InsufficientScope 403
    ├── CatalogUnavailable          the database can't say which tools are switched on
    ├── UnknownTool                 a JSON-RPC error, which the SDK has a class for; told observers
    └── ToolFailure                 becomes an `isError` result
        ├── NotHereAnyMore              renamed or switched off, and says what to use instead
        ├── TooManyCalls, ConnectionPaused, NotRecorded     the call never left this server
        ├── ApprovalPending             nor did these; this one may after its user's approval
        ├── ApprovalRefused, ApprovalImpossible, ApprovalUnavailable, TooManyApprovals
        ├── ArgumentsRefused            nor did this one
        │   ├── MissingArgument, PathArgumentRefused, QueryArgumentRefused, ParameterRefused
        │   └── ArgumentsTooLarge, KeyArgumentRefused
        └── WivError                    the call left, or tried to
            ├── CircuitOpen, BulkheadFull   held back here
            ├── WivUnreachable
            │   └── WivAddressUnusable
            ├── WivTimeout, WivConnectionLost
            ├── WivAnswerTooLarge, WivAnswerNotJson
            └── WivRefused

Refusals are caught in `asgi.py`, tool failures in `server.py`. A ToolFailure has two texts:
`for_model` is written for the assistant, which can act on it; `reason` is for the log. Neither ever
holds a credential or an argument's value.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from mcp.types import INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR

from oauth_bridge.credentials import InvalidCredential


class GatewayError(Exception):
    """The root. Never raised itself."""


class CatalogUnavailable(GatewayError):
    """No tool list younger than a second can be had."""


class UnknownTool(GatewayError):
    """No tool of that name is there for the caller. Never raised: the SDK's error is."""


# --- At the HTTP edge ----------------------------------------------------------------------------


class HttpRefusal(GatewayError):
    """A request that is answered with `status` and a JSON-RPC error without an id."""

    status: ClassVar[int]
    code: ClassVar[int] = INVALID_REQUEST

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers = dict(headers or {})

    def body(self) -> dict[str, object]:
        error = {"code": self.code, "message": self.message}
        return {"jsonrpc": "2.0", "id": None, "error": error}


class WrongHost(HttpRefusal):
    """The Host header isn't ours: DNS rebinding, or a balancer that ALLOWED_HOSTS lacks."""

    status = 421


class NoSuchToolset(HttpRefusal):
    """A path below /mcp that no tool belongs to."""

    status = 404


class OriginRefused(HttpRefusal):
    status = 403


class HeadersTooLarge(HttpRefusal):
    status = 431


class UnreadBody(HttpRefusal):
    """The rest of the body may still be on its way, and nobody reads it: the connection ends."""

    def __init__(self, message: str) -> None:
        super().__init__(message, {"Connection": "close"})


class BodyTooLarge(UnreadBody):
    status = 413


class BodyTooSlow(UnreadBody):
    status = 408


class Compressed(HttpRefusal):
    status = 415

    def __init__(self, message: str) -> None:
        super().__init__(message, {"Accept-Encoding": "identity"})


class NotJson(HttpRefusal):
    """The Content-Type, which a foreign web page can't set to JSON without a CORS preflight."""

    status = 415


class UnreadableBody(HttpRefusal):
    """It says it's JSON, but it isn't."""

    status = 400
    code = PARSE_ERROR


class NotAMessage(HttpRefusal):
    """JSON, but not one JSON-RPC message; batches left the protocol with 2025-06-18."""

    status = 400


class MethodNotAllowed(HttpRefusal):
    status = 405

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(f"{method} isn't served here, use {allowed}", {"Allow": allowed})


class Unavailable(HttpRefusal):
    """Something this server depends on can't be asked now."""

    status = 503
    code = INTERNAL_ERROR

    def __init__(self, message: str) -> None:
        super().__init__(message, {"Retry-After": "5"})


class TooManyRefused(HttpRefusal):
    """Somebody tries one credential after the other (RFC 6585 section 4)."""

    status = 429

    def __init__(self, message: str) -> None:
        super().__init__(message, {"Retry-After": "60"})


class TooManyAtOnce(HttpRefusal):
    """One principal has as many requests under way as it may; nobody else's are touched."""

    status = 429

    def __init__(self, limit: int) -> None:
        message = f"At most {limit} requests at once are served to you: wait for an answer first"
        super().__init__(message, {"Retry-After": "1"})


class TooManyStreams(HttpRefusal):
    """One person has as many open as anybody may."""

    status = 429

    def __init__(self, limit: int) -> None:
        message = f"You have {limit} streams open already; close one, or use /mcp"
        super().__init__(message, {"Retry-After": "10"})


class StreamsFull(HttpRefusal):
    """This worker has as many open as it may, whoever's they are. Others may have room."""

    status = 503
    code = INTERNAL_ERROR

    def __init__(self) -> None:
        message = "No more streams can be opened at the moment; /mcp needs none"
        super().__init__(message, {"Retry-After": "5"})


class AuthorizationRefusal(HttpRefusal):
    """An OAuth 2.1 error (RFC 6750 section 3), whose body is the authorization server's shape."""

    error: ClassVar[str]

    def __init__(self, message: str, challenge: str) -> None:
        super().__init__(message, {"WWW-Authenticate": challenge, "Cache-Control": "no-store"})

    def body(self) -> dict[str, object]:
        return {"error": self.error, "error_description": self.message}


class CredentialsDiffer(AuthorizationRefusal):
    """Two different credentials in one request: either could be the wrong one to act on."""

    status = 400
    error = "invalid_request"


class Unauthenticated(AuthorizationRefusal):
    """`because` is what is wrong with the credential that was presented, if one was."""

    status = 401
    error = "invalid_token"

    def __init__(
        self, message: str, challenge: str, because: InvalidCredential | None = None
    ) -> None:
        super().__init__(message, challenge)
        self.because = because


class InsufficientScope(AuthorizationRefusal):
    """The token is good, but its user hasn't agreed to this much: the client may ask for more."""

    status = 403
    error = "insufficient_scope"


# --- In a tool call ------------------------------------------------------------------------------


class ToolFailure(GatewayError):
    """A call that ends as an `isError` result."""

    def __init__(self, for_model: str, *, reason: str = "") -> None:
        super().__init__(reason or for_model)
        self.for_model = for_model


class NotHereAnyMore(ToolFailure):
    """A tool that was renamed or switched off; clients keep lists for up to a day."""

    def __init__(self, name: str, advice: str) -> None:
        super().__init__(f"{name} isn't available. {advice}", reason="not available any more")


class TooManyCalls(ToolFailure):
    """One connection calls more often than it may; others aren't touched."""

    def __init__(self, limit: int, what: str, seconds: int) -> None:
        super().__init__(
            f"This connection makes too many {what}: {limit} a minute are allowed. Wait "
            f"{seconds} s before the next. If you are repeating yourself, stop and tell the user.",
            reason=f"more than {limit} {what} a minute",
        )


class ConnectionPaused(ToolFailure):
    """It called as nobody can have meant it, until its owner lets it go on."""

    def __init__(self, reason: str, public_url: str) -> None:
        super().__init__(
            f"Stop calling tools. This connection to Wiv was paused, because {reason}. Tell the "
            f"user what you were doing, and that they can let it go on at {public_url}/connect, "
            "under My connections. Until then every call is answered like this.",
            reason=f"paused: {reason}",
        )


class NotRecorded(ToolFailure):
    """What changes something is only sent when the call log has it."""

    def __init__(self) -> None:
        super().__init__(
            "This call would change something and can't be recorded just now, so it wasn't made. "
            "Try again later.",
            reason="the intent can't be recorded",
        )


class ApprovalPending(ToolFailure):
    """The call waits for its user, who decides at `url` until `expires_at`.

    `is_known`: its client was sent there already.
    """

    def __init__(
        self,
        approval_id: UUID,
        *,
        tool: str,
        url: str,
        expires_at: datetime,
        is_known: bool,
        was_outdated: bool,
    ) -> None:
        before = ""
        if was_outdated:
            before = "What it changes is no longer as it was when the user was asked. "
        super().__init__(
            f"Not done yet: this call needs the user's approval. {before}Ask the user to decide "
            f"at {url} until {expires_at:%H:%M} UTC. When they have, call {tool} again with "
            "exactly the same arguments; it is made once, and nothing is sent before that.",
            reason="waits for an approval",
        )
        self.for_user = f"{before}{tool} needs your approval. Nothing was sent yet."
        self.approval_id = approval_id
        self.tool = tool
        self.url = url
        self.expires_at = expires_at
        self.is_known = is_known


class ApprovalRefused(ToolFailure):
    """How it ended: "rejected", "withdrawn", "expired", "used" or "outdated"."""

    TEXTS: ClassVar[Mapping[str, str]] = {
        "rejected": "The user rejected this call. Don't repeat it unless they ask for it.",
        "withdrawn": "The user didn't want to decide about this call. Ask them how to go on.",
        "expired": "The user didn't decide in time. Ask them whether to call again.",
        "used": "The user approved this call once, and it was made once: by another call with "
        "the same arguments. Check the result with a read-only tool before calling again.",
        "outdated": "What this call changes is no longer as it was when the user was asked. Call "
        "again, so that they can decide about it as it is now.",
    }

    def __init__(self, status: str) -> None:
        super().__init__(f"Not done. {self.TEXTS[status]}", reason=f"approval {status}")


class ApprovalImpossible(ToolFailure):
    """The credential is an organization's own, with nobody behind it who could be asked."""

    def __init__(self) -> None:
        super().__init__(
            "Not done: this call needs the approval of a person, and this connection's API key "
            "belongs to an organization. The user has to connect with their own account.",
            reason="nobody can approve for an organization's key",
        )


class ApprovalUnavailable(ToolFailure):
    def __init__(self) -> None:
        super().__init__(
            "Not done: this call needs the user's approval, and that can't be looked up just now. "
            "Try again later.",
            reason="approvals can't be looked up",
        )


class TooManyApprovals(ToolFailure):
    """So many calls of one connection wait that nobody would read another."""

    def __init__(self, public_url: str) -> None:
        super().__init__(
            "Not done: too many calls of this connection wait for the user's approval. Stop, and "
            f"ask the user to decide about those first, at {public_url}/connect.",
            reason="too many calls wait for an approval",
        )


class TooManyWaits(ToolFailure):
    """One person's calls wait for as many jobs as may be."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"Calls of this user wait for {limit} jobs already. Call without wait_seconds, or when "
            "one of them has been answered.",
            reason=f"{limit} jobs are waited for already",
        )


class ArgumentsRefused(ToolFailure):
    pass


class MissingArgument(ArgumentsRefused):
    def __init__(self, name: str) -> None:
        super().__init__(f"The argument '{name}' is missing; this tool can't be called without it.")


class PathArgumentRefused(ArgumentsRefused):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"The argument '{name}' must be one plain id: not empty, and without '/', '\\', '..' "
            "or control characters."
        )


class QueryArgumentRefused(ArgumentsRefused):
    def __init__(self, name: str) -> None:
        super().__init__(f"The argument '{name}' must be a plain value or a list of plain values.")


class ParameterRefused(ArgumentsRefused):
    """A value that the parameter's style has no form for."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"The argument '{name}' {problem}.")


class ArgumentsTooLarge(ArgumentsRefused):
    def __init__(self, what: str, size: int, limit: int) -> None:
        super().__init__(
            f"{what} would have {size} bytes, and {limit} are the most that is taken. Send less "
            "at a time.",
            reason="arguments too large",
        )


class KeyArgumentRefused(ArgumentsRefused):
    """`_wiv_api_key` isn't a key that works."""


class WivError(ToolFailure):
    """`may_have_happened`: Wiv might have done what was asked although no good answer came back.

    `is_outage`: nobody was there, or nobody in time, whatever was asked for.
    """

    may_have_happened = True
    is_outage = False


class CircuitOpen(WivError):
    """The last calls of a route found nobody, so this one wasn't sent."""

    may_have_happened = False

    def __init__(self, api: str, seconds: int) -> None:
        super().__init__(
            f"{api} didn't answer the last calls of this tool, so this one wasn't sent. Wait "
            f"{seconds} s before calling it again; other tools may work.",
            reason=f"the circuit is open for {seconds} s",
        )


class BulkheadFull(WivError):
    """As many requests of the route, or to its host, are under way as may be."""

    may_have_happened = False

    def __init__(self, api: str, calls: str = "calls") -> None:
        super().__init__(
            f"Too many {calls} are under way at {api}, so this one wasn't sent. Wait some seconds "
            "and call again.",
            reason="the bulkhead is full",
        )


class WivUnreachable(WivError):
    """No connection, so nothing was sent."""

    may_have_happened = False
    is_outage = True


class WivAddressUnusable(WivUnreachable):
    """What the address and the path give is no URL."""

    is_outage = False


class WivTimeout(WivError):
    is_outage = True


class WivConnectionLost(WivError):
    is_outage = True


class WivAnswerTooLarge(WivError):
    pass


class WivAnswerNotJson(WivError):
    pass


class WivRefused(WivError):
    """Wiv, or the upstream called `api`, answered with a `status` that isn't 2xx.

    `retry_after` is in seconds. 502, 503 and 504 are what a gateway says for a server that is away.
    """

    def __init__(
        self, status: int, for_model: str, *, api: str = "Wiv", retry_after: float | None = None
    ) -> None:
        super().__init__(for_model, reason=f"{api} answered {status}")
        self.status = status
        self.retry_after = retry_after
        self.may_have_happened = status >= 500
        self.is_outage = status in (502, 503, 504)
