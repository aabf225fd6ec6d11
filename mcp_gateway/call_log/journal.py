"""From a request of the gateway to a record of the call log, and what its end is called."""

from typing import Any
from uuid import UUID

from mcp import types
from mcp.server import ServerRequestContext

from mcp_gateway.answers import Answer, estimated_tokens
from mcp_gateway.auth import caller
from mcp_gateway.call_log.record import CallRecord, Outcome, Principal, client_of
from mcp_gateway.catalog import CatalogTool
from mcp_gateway.errors import GatewayError, WivError
from mcp_gateway.key_argument import KEY_ARGUMENT
from mcp_gateway.wiv import Trail
from oauth_bridge.credentials import TokenGrant
from telemetry import requests


def begin(context: ServerRequestContext[Any], params: types.CallToolRequestParams) -> CallRecord:
    acting = caller()
    headers = context.request.headers if context.request else {}
    software = client_of(context.meta, headers.get("user-agent", ""))
    return CallRecord(
        principal=principal_of(acting.grant, software),
        tool=params.name,
        path=acting.endpoint.path,
        # The key isn't written down, not even as redacted.
        arguments={k: v for k, v in (params.arguments or {}).items() if k != KEY_ARGUMENT},
        call_id=requests.begin_call(),
    )


def principal_of(grant: TokenGrant, software: str) -> Principal:
    return Principal(
        subject=grant.subject,
        organization_id=grant.organization_id,
        role=grant.role,
        credential_kind=grant.kind,
        client_id=grant.client_id,
        client_name=grant.client_name,
        client_version=software,
    )


def found(record: CallRecord, tool: CatalogTool, version: UUID | None) -> None:
    record.writes, record.catalog_version = not tool.is_read_only, version
    record.is_known = True
    requests.note_tool(tool.name)


def answered(record: CallRecord, trail: Trail, answer: Answer) -> None:
    note_trail(record, trail)
    record.answer_bytes = len(answer.text.encode())
    record.tokens = estimated_tokens(answer.text)
    record.finish(Outcome.OK)


def failed(record: CallRecord, trail: Trail, error: BaseException) -> None:
    note_trail(record, trail)
    expected = isinstance(error, GatewayError)
    record.finish(outcome_of(record, error), str(error) if expected else type(error).__name__)


def parked(record: CallRecord) -> None:
    record.finish(Outcome.PARKED)


def cancelled(record: CallRecord, trail: Trail) -> None:
    note_trail(record, trail)
    record.finish(Outcome.CANCELLED)


def note_trail(record: CallRecord, trail: Trail) -> None:
    record.sent, record.upstream_status = trail.attempts, trail.status


def outcome_of(record: CallRecord, error: BaseException) -> Outcome:
    """Of a call without a good answer: a write may have taken effect all the same."""
    upstream = error if isinstance(error, WivError) else error.__cause__
    if not record.sent:
        return Outcome.REFUSED if isinstance(error, GatewayError) else Outcome.FAILED
    if isinstance(upstream, WivError) and not upstream.may_have_happened:
        return Outcome.FAILED
    return Outcome.UNKNOWN if record.writes else Outcome.FAILED
