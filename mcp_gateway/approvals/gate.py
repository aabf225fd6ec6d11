"""What a call passes on its way out: does it need an approval, and has it got one?

Nothing of the call itself has been sent when this lets it pass or not. What may have been sent is a
read of the object that it would change, on the caller's own credential.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import django.db
from django.conf import settings
from django.db import connections

from mcp_gateway.approvals import desk
from mcp_gateway.approvals.asking import Reply
from mcp_gateway.approvals.binding import BoundCall, hash_of
from mcp_gateway.approvals.changes import values_before
from mcp_gateway.approvals.decisions import Decisions
from mcp_gateway.approvals.models import Approval, WaitingCall
from mcp_gateway.approvals.policy import Need
from mcp_gateway.catalog import CatalogTool, Snapshot
from mcp_gateway.conduct.guard import connection_of
from mcp_gateway.errors import (
    ApprovalImpossible,
    ApprovalPending,
    ApprovalRefused,
    ApprovalUnavailable,
    ArgumentsRefused,
    TooManyApprovals,
    WivRefused,
)
from mcp_gateway.http_rule import WivRequest
from mcp_gateway.models import LONGEST_CALL
from mcp_gateway.progress import Note
from mcp_gateway.projection import ProjectionFailed
from mcp_gateway.wiv import WivResponse
from oauth_bridge.credentials import TokenGrant

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds that a call is held for a decision, when its user knows of it: clients give up after 60.
# Less before a call that may itself take long.
PATIENCE = 45.0

# Reads with the caller's credential: the tool, and its request.
Reader = Callable[[CatalogTool, WivRequest], Awaitable[WivResponse]]


@dataclass(frozen=True, slots=True)
class Departure:
    """A call that is ready to leave. `arguments` are checked, without the caller's credential."""

    tool: CatalogTool
    arguments: Mapping[str, Any]
    request: WivRequest
    grant: TokenGrant
    call_id: UUID
    reply: Reply
    note: Note


class ApprovalGate:
    """One for a run of the server; close it to end its threads."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="approvals")
        self._decisions = Decisions(self._threads)

    def close(self) -> None:
        self._threads.shutdown()

    async def admit(self, call: Departure, snapshot: Snapshot, read: Reader) -> None:
        """Returns when the call may leave, once.

        Raises ApprovalPending, ApprovalRefused, ApprovalImpossible, ApprovalUnavailable,
        TooManyApprovals, or the WivError of reading what it would change.
        """
        policy = call.tool.approval
        if policy is None or (need := policy.need(call.arguments)) == Need.NONE:
            return
        if need == Need.COUNTED and await self._run(
            partial(desk.take_free_call, call.grant, call.tool.name, policy.free_calls)
        ):
            return
        if not is_person(call.grant):
            raise ApprovalImpossible
        await self._use_approval(call, snapshot, read)

    async def _use_approval(self, call: Departure, snapshot: Snapshot, read: Reader) -> None:
        awaited = call.reply.awaited
        if awaited is not None and call.reply.was_declined:
            await self._run(partial(desk.withdraw, awaited, connection_of(call.grant)))
            raise ApprovalRefused(Approval.Status.WITHDRAWN)
        ask = await self._ask_of(call, snapshot, read, awaited)
        verdict = await self._run(partial(desk.settle, ask))
        if isinstance(verdict, desk.Waiting) and not verdict.is_new:
            call.note("Waiting for the user's approval")
            left = (LONGEST_CALL - call.tool.timeout).total_seconds()
            await self._decisions.wait(verdict.approval.pk, min(PATIENCE, max(left, 0.0)))
            # What it would change is read again: minutes may have passed.
            ask = await self._ask_of(call, snapshot, read, verdict.approval.pk)
            verdict = await self._run(partial(desk.settle, ask))
        match verdict:
            case desk.Waiting():
                raise pending(verdict, awaited)
            case desk.Refused():
                raise ApprovalRefused(verdict.status)
            case desk.TooManyPending():
                raise TooManyApprovals(settings.PUBLIC_URL)

    async def _ask_of(
        self, call: Departure, snapshot: Snapshot, read: Reader, awaited: UUID | None
    ) -> desk.Ask:
        before, problem = await self._read_before(call, snapshot, read)
        tool, connection = call.tool, connection_of(call.grant)
        destination = tool.other_api.title if tool.other_api else "Wiv"
        address = tool.other_api.base_url if tool.other_api else settings.WIV_API_URL
        bound = BoundCall(
            connection=connection,
            organization_id=call.grant.organization_id,
            tool=tool.name,
            arguments=call.arguments,
            destination=address,
            request=call.request,
        )
        return desk.Ask(
            connection=connection,
            grant=call.grant,
            call=WaitingCall(
                tool=tool.name,
                title=tool.wire.title or tool.name,
                destination=destination,
                request=f"{call.request.method} {call.request.target}",
                arguments=call.arguments,
                before=before,
                problem=problem,
            ),
            call_hash=bound.hash(),
            before_hash=hash_of(before),
            call_id=call.call_id,
            awaited=awaited,
        )

    async def _read_before(
        self, call: Departure, snapshot: Snapshot, read: Reader
    ) -> tuple[dict[str, Any] | None, str]:
        """Those members of the current object that the call names, or why they aren't known."""
        preview = call.tool.preview
        if preview is None:
            return None, ""
        reader = snapshot.find_by_any_name(preview.tool)
        if reader is None or not reader.is_read_only or reader.other_api != call.tool.other_api:
            return None, f"{preview.tool} isn't available"
        try:
            request = request_of(reader, call.arguments)
            value = (await read(reader, request)).value
            current = preview.object.apply(value)
        except ArgumentsRefused:
            return None, f"{preview.tool} doesn't take these arguments"
        except ProjectionFailed:
            return None, f"{preview.tool} answered something else"
        except WivRefused as refusal:
            if refusal.is_outage or refusal.status in (401, 429):
                raise
            return None, f"{preview.tool} was answered with {refusal.status}"
        before = values_before(current, call.arguments)
        return before, "" if before is not None else f"{preview.tool} answered something else"

    async def _run(self, step: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, _in_thread, step)
        except django.db.Error as error:
            logger.error("an approval can't be looked up: %s", error)
            raise ApprovalUnavailable from error


def _in_thread(step: Callable[[], T]) -> T:
    try:
        return step()
    finally:
        connections.close_all()  # back to the pool


def request_of(reader: CatalogTool, arguments: Mapping[str, Any]) -> WivRequest:
    """With those of the arguments that it requires. Raises ArgumentsRefused."""
    required = reader.wire.input_schema.get("required", ())
    own = {name: arguments[name] for name in required if name in arguments}
    reader.input_schema.check(own)
    return reader.http_rule.bind(own)


def is_person(grant: TokenGrant) -> bool:
    """An organization's own key has nobody behind it who could be asked."""
    return not grant.subject.startswith("organization:")


def pending(verdict: desk.Waiting, awaited: UUID | None) -> ApprovalPending:
    approval = verdict.approval
    return ApprovalPending(
        approval.pk,
        tool=approval.tool,
        url=f"{settings.PUBLIC_URL}/connect/approvals/{approval.pk}",
        expires_at=approval.expires_at,
        is_known=approval.pk == awaited,
        was_outdated=verdict.was_outdated,
    )
