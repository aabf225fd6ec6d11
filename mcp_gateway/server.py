"""What do `tools/list` and `tools/call` answer?

The MCP server itself. The SDK speaks the protocol versions and transports; the tools are rows.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeGuard

import anyio.to_thread
from django.conf import settings
from mcp import MCPError, types
from mcp.server import CacheHint, Server, ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp_types import methods
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from mcp_gateway.answers import Answer, size_of, without_content
from mcp_gateway.approvals import asking
from mcp_gateway.approvals.gate import ApprovalGate, Departure, Reader
from mcp_gateway.auth import Credentials, caller, principal
from mcp_gateway.call_log import journal
from mcp_gateway.call_log.record import CallRecord
from mcp_gateway.call_log.writer import CallLog, CallLogUnavailable
from mcp_gateway.call_spans import CallSpans
from mcp_gateway.catalog import Catalog, CatalogTool, Snapshot
from mcp_gateway.conduct.guard import Guard
from mcp_gateway.encoded_lists import key_of
from mcp_gateway.errors import (
    ApprovalPending,
    CatalogUnavailable,
    KeyArgumentRefused,
    NotHereAnyMore,
    NotRecorded,
    ToolFailure,
    UnknownTool,
    WivError,
    WivRefused,
)
from mcp_gateway.http_rule import WivRequest
from mcp_gateway.jobs.calls import JobCalls, Reply
from mcp_gateway.jobs.wait_argument import Wait, taken_out
from mcp_gateway.key_argument import KEY_ARGUMENT
from mcp_gateway.listings import Listings
from mcp_gateway.models import LONGEST_CALL
from mcp_gateway.observer import Observer
from mcp_gateway.paging import BadCursor, page_of
from mcp_gateway.progress import reporting
from mcp_gateway.splicing import splices
from mcp_gateway.version import find_version
from mcp_gateway.wiv import Terms, Trail, WivClient, WivResponse
from oauth_bridge.credentials import (
    InvalidCredential,
    Secret,
    TokenGrant,
    TooManyAttempts,
    VerdictUnavailable,
)
from telemetry import traces

logger = logging.getLogger(__name__)

INSTRUCTIONS = (
    "Wiv is a FinOps platform: workflows that watch and change cloud cost, their runs "
    "(executions), and cases, which are savings recommendations. Ids come from the list tools. "
    "Before starting, stopping or changing anything, confirm with the user."
)
MAX_KEY_LENGTH = 4096
# Characters of an answer that take some 10 ms to shape.
LONG_TEXT = 128 * 1024
# Bytes that a job's status gets beside a start's answer, however long that is.
LEAST_ROOM = 2048

Context = ServerRequestContext[Any]


class ToolServer:
    """The handlers, and the SDK's `server` that calls them."""

    def __init__(
        self,
        catalog: Catalog,
        wiv: WivClient,
        credentials: Credentials,
        listings: Listings,
        observer: Observer,
        guard: Guard,
        gate: ApprovalGate,
        call_log: CallLog,
    ) -> None:
        self._catalog = catalog
        self._listings = listings
        self._observer = observer
        self._guard = guard
        self._gate = gate
        self._call_log = call_log
        self._wiv = wiv
        self._jobs = JobCalls(catalog, partial(send, wiv))
        self._credentials = credentials
        self.server: Server[Any] = Server(
            "wiv",
            title="Wiv",
            version=find_version(),
            instructions=INSTRUCTIONS,
            cache_hints={"tools/list": tools_list_cache_hint()},
            get_tool_input_schema=self.find_input_schema,
            on_list_tools=self.list_tools,
            on_call_tool=self.call_tool,
        )
        # Not the SDK's own, whose no-op spans cost 5 to 13 % of a call.
        spans = [CallSpans(catalog)] if traces.is_on() else []
        self.server.middleware[:] = [*spans, self.list_encoded]

    def find_input_schema(self, name: str) -> Mapping[str, Any] | None:
        """For the SDK's check of Mcp-Param headers, which else would run `tools/list` each time."""
        tool = self._catalog.latest.find(name)
        return tool.wire.input_schema if tool else None

    async def list_tools(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        snapshot = await self._current()
        tools = snapshot.listed_for(caller().viewer)
        try:
            page, cursor = page_of(
                tools, params.cursor if params else None, settings.TOOLS_PER_PAGE
            )
        except BadCursor as error:
            raise MCPError(types.INVALID_PARAMS, "Unknown cursor") from error
        self._note_listing(snapshot, tools)
        return types.ListToolsResult(tools=[tool.wire for tool in page], next_cursor=cursor)

    async def list_encoded(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Around `list_tools`: its answer, or the same from before as bytes."""
        parts = splices()
        if parts is None or not is_good_list_request(ctx):
            return await call_next(ctx)
        snapshot = await self._current()
        tools = snapshot.listed_for(caller().viewer)
        cursor = (ctx.params or {}).get("cursor")
        key = key_of(ctx.protocol_version, cursor, [tool.name for tool in tools])
        encoded = snapshot.encoded_lists.find(key)
        if encoded is None:
            encoded = to_json(await call_next(ctx))
            snapshot.encoded_lists.keep(key, encoded)
        else:
            self._note_listing(snapshot, tools)
        return parts.object(encoded)

    async def _current(self) -> Snapshot:
        try:
            return await self._catalog.current()
        except CatalogUnavailable as error:
            raise MCPError(types.INTERNAL_ERROR, f"{error}, try again later") from error

    def _note_listing(self, snapshot: Snapshot, tools: Sequence[CatalogTool]) -> None:
        self._listings.note(caller(), snapshot.version, len(tools))
        self._observer.listed(caller(), len(tools))

    async def call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        """Never raises anything but the protocol error for a tool that isn't there.

        The SDK would send any other exception's text to 2025-era clients.
        """
        record = journal.begin(context, params)
        trail = Trail(request_id=record.call_id.hex)
        try:
            async with reporting(context) as trail.note:
                answer = await self._answer(record, trail, params)
            journal.answered(record, trail, answer)
        except ApprovalPending as pending:
            journal.parked(record)
            self._guard.forgive(caller(), params.name, params.arguments or {})
            self._observer.called(caller(), params.name, None)
            return asking.result(pending, context)
        except MCPError:
            self._failed(record, trail, UnknownTool("not there"))
            raise
        except (CatalogUnavailable, ToolFailure) as failure:
            self._failed(record, trail, failure)
            return error_result(text_for_model(params.name, failure))
        except Exception as error:
            logger.exception("%s failed unexpectedly", params.name)
            self._failed(record, trail, error)
            return error_result("The MCP server failed to handle this call. Try again later.")
        finally:
            if record.outcome is None:
                journal.cancelled(record, trail)
            self._call_log.finish(record)
        self._observer.called(caller(), params.name, None)
        return success_result(answer, knows_structured_content(context))

    def _failed(self, record: CallRecord, trail: Trail, error: Exception) -> None:
        journal.failed(record, trail, error)
        self._observer.called(caller(), record.tool, error)

    async def _answer(
        self, record: CallRecord, trail: Trail, params: types.CallToolRequestParams
    ) -> Answer:
        arguments = params.arguments or {}
        tool = await self._find_tool(record)
        await self._guard.admit(caller(), tool.name, arguments, writes=record.writes)
        asked = asking.reply_in(params)
        reply = await self._call(tool, record, trail, arguments, asked)
        if reply.goes_on:
            self._guard.forgive(caller(), tool.name, arguments)
        return await told(tool, reply, arguments)

    async def _find_tool(self, record: CallRecord) -> CatalogTool:
        """The ASGI layer answers a missing scope with 403; this holds if it should be fooled."""
        snapshot, viewer, name = await self._catalog.current(), caller().viewer, record.tool
        tool = snapshot.find(name)
        if tool is not None and viewer.may_call(tool):
            journal.found(record, tool, snapshot.version)
            return tool
        if advice := snapshot.advise(viewer, name):
            raise NotHereAnyMore(name, advice)
        raise MCPError(
            types.INVALID_PARAMS, f"Unknown tool: {name[:128]} doesn't exist or is switched off"
        )

    async def _call(
        self,
        tool: CatalogTool,
        record: CallRecord,
        trail: Trail,
        arguments: Mapping[str, Any],
        asked: asking.Reply,
    ) -> Reply:
        wait, arguments = taken_out(arguments) if tool.can_wait else (Wait(), dict(arguments))
        grant = principal()
        if KEY_ARGUMENT in arguments:
            grant = await self._find_key_owner(arguments.pop(KEY_ARGUMENT), grant)
            record.principal = journal.principal_of(grant, record.principal.client_version)
        tool.input_schema.check(arguments)
        request = tool.http_rule.bind(arguments)
        if tool.approval is not None:
            call = Departure(tool, arguments, request, grant, record.call_id, asked, trail.note)
            await self._gate.admit(call, await self._catalog.current(), self._reader(grant))
        if record.writes:
            await self._intend(record)
        try:
            return await self._jobs.send(tool, arguments, request, wait, grant, trail)
        except WivError as error:
            if isinstance(error, WivRefused) and error.status == 401 and not tool.other_api:
                await self._confirm(grant)
            raise with_warning(error, tool) from error

    def _reader(self, grant: TokenGrant) -> Reader:
        """For what a call would change; none of it is part of the call."""

        async def read(tool: CatalogTool, request: WivRequest) -> WivResponse:
            return await send(self._wiv, tool, request, grant.credential)

        return read

    async def _intend(self, record: CallRecord) -> None:
        try:
            await self._call_log.intend(record)
        except CallLogUnavailable as error:
            logger.error("the intent of %s can't be recorded: %s", record.tool, error)
            raise NotRecorded from error

    async def _find_key_owner(self, value: object, grant: TokenGrant) -> TokenGrant:
        if not is_possible_key(value):
            raise KeyArgumentRefused(f"{KEY_ARGUMENT} must be a Wiv API key, or be left out.")
        try:
            return await self._credentials.find_key_owner(Secret(value), grant)
        except InvalidCredential as error:
            raise KeyArgumentRefused(
                f"The key in {KEY_ARGUMENT} isn't a valid Wiv API key. Ask the user for another, "
                "or leave it out to use the connection's own.",
                reason="invalid key in an argument",
            ) from error
        except (VerdictUnavailable, TooManyAttempts) as error:
            raise KeyArgumentRefused(
                f"The key in {KEY_ARGUMENT} can't be checked at the moment. Try again later.",
                reason="a key in an argument can't be checked",
            ) from error

    async def _confirm(self, grant: TokenGrant) -> None:
        """Wiv's 401 alone revokes nothing; PropelAuth's verdict does, from the next request on."""
        if not await self._credentials.confirm(grant):
            logger.warning("a credential was revoked: Wiv refused it and PropelAuth too")


def is_good_list_request(context: Context) -> bool:
    """By the rules of its protocol version; what isn't is the SDK's to refuse."""
    if context.method != "tools/list":
        return False
    try:
        methods.validate_client_request("tools/list", context.protocol_version, context.params)
    except (KeyError, ValidationError):
        return False
    return True


def tools_list_cache_hint() -> CacheHint:
    """Private: what is listed depends on the token's scope."""
    ttl_ms = int(settings.MCP_TOOLS_LIST_TTL.total_seconds() * 1000)
    return CacheHint(ttl_ms=ttl_ms, scope="private")


def is_possible_key(value: object) -> TypeGuard[str]:
    """Printable ASCII without spaces, as it becomes a header."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_KEY_LENGTH
        and all("!" <= character <= "~" for character in value)
    )


def with_warning(error: WivError, tool: CatalogTool) -> ToolFailure:
    """What a model must know before it repeats a call that might have worked."""
    if tool.repeatable or not error.may_have_happened:
        return error
    return ToolFailure(
        f"{error.for_model} It's unknown whether the call took effect: check the current state "
        "with a read-only tool before repeating it.",
        reason=str(error),
    )


async def send(
    wiv: WivClient,
    tool: CatalogTool,
    request: WivRequest,
    credential: Secret,
    trail: Trail | None = None,
) -> WivResponse:
    """To where the tool's requests go. The caller's credential is for Wiv alone."""
    time_limit = min(tool.timeout, LONGEST_CALL)
    terms = Terms(tool.http_rule.path_template, time_limit, tool.repeatable)
    if tool.other_api:
        return await wiv.send_elsewhere(request, tool.other_api, terms, trail)
    return await wiv.send(request, credential, terms, trail)


async def told(tool: CatalogTool, reply: Reply, arguments: Mapping[str, Any]) -> Answer:
    """As a model gets to see it: a start's answer with what was last seen of its job."""
    answer = await shaped(tool, reply.response, arguments, reply.notes)
    if (look := reply.last_look) is None:
        return answer
    rule = look.tool.answer_rule
    room = max(tool.answer_rule.max_bytes - size_of(answer.text), LEAST_ROOM)
    rule = replace(rule, max_bytes=min(room, rule.max_bytes))
    last = await shaped(replace(look.tool, answer_rule=rule), look.response, look.arguments)
    status = from_json(last.text) if look.response.text else last.text
    return tool.answer_rule.with_status(answer, status)


async def shaped(
    tool: CatalogTool,
    response: WivResponse,
    arguments: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> Answer:
    """The same of one answer. A long one takes a thread, so that others needn't wait."""
    if not response.text:
        api = tool.other_api.title if tool.other_api else "Wiv"
        return without_content(f"{api} answered {response.status} without content: done.", notes)
    apply = partial(tool.answer_rule.apply, response.value, response.text, arguments, notes)
    return await anyio.to_thread.run_sync(apply) if len(response.text) > LONG_TEXT else apply()


def knows_structured_content(context: Context) -> bool:
    """It came with 2025-06-18. No header says nothing: VS Code and Gemini CLI send none."""
    version = context.request.headers.get("mcp-protocol-version") if context.request else None
    return version is None or version >= "2025-06-18"


def text_for_model(tool: str, failure: CatalogUnavailable | ToolFailure) -> str:
    if isinstance(failure, CatalogUnavailable):
        return f"{failure}. Try again later."
    logger.info("%s failed: %s", tool, failure)
    return failure.for_model


def success_result(answer: Answer, with_structured_content: bool) -> types.CallToolResult:
    text, structured = answer.text, answer.structured if with_structured_content else None
    if (parts := splices()) is not None:
        text = parts.text(answer.text)
        # The text is the same as JSON.
        structured = parts.object(answer.text.encode()) if structured else None
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)],
        structured_content=dict(structured) if structured else None,
    )


def error_result(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=True)
