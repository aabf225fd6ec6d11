"""What becomes of a call that starts a job, or that waits for the end of one?

A start is sent once, and what comes after it can't fail it any more: whatever happens while its job
is watched, the caller gets the start's own answer, with a note. A call of a status tool that waits
is answered by the looks of a poller that it may share.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import anyio

from mcp_gateway.auth import caller
from mcp_gateway.catalog import Catalog, CatalogTool
from mcp_gateway.errors import (
    ArgumentsRefused,
    CatalogUnavailable,
    NotHereAnyMore,
    ToolFailure,
    WivTimeout,
)
from mcp_gateway.http_rule import WivRequest
from mcp_gateway.jobs import notes
from mcp_gateway.jobs.notes import Directions
from mcp_gateway.jobs.rule import JobRule, State
from mcp_gateway.jobs.wait_argument import LONGEST_WAIT, Wait
from mcp_gateway.jobs.waiting import Look, Poller, Pollers, Watched
from mcp_gateway.wiv import Trail, WivResponse
from oauth_bridge.credentials import Secret, TokenGrant

logger = logging.getLogger(__name__)

# Seconds between two questions whether the status tool is still there for a caller who waits.
CHECK_INTERVAL = 1.0

Send: TypeAlias = Callable[[CatalogTool, WivRequest, Secret, Trail], Awaitable[WivResponse]]


@dataclass(frozen=True, slots=True)
class LastLook:
    """What the status tool answered last, for a call that started a job."""

    tool: CatalogTool
    arguments: Mapping[str, Any]
    response: WivResponse


@dataclass(frozen=True, slots=True)
class Reply:
    """An upstream's answer to a call. `goes_on`: the caller was told to make it again."""

    response: WivResponse
    notes: tuple[str, ...] = ()
    last_look: LastLook | None = None
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What the looks of one call came to: the last that worked, and why the last one didn't.

    A job that comes to need somebody while a call waits ends the wait. One that was found so
    doesn't: who was told, and waits for that somebody, isn't to ask again and again.
    """

    looks: int = 0
    response: WivResponse | None = None
    state: State | None = None
    error: Exception | None = None
    is_over: bool = False
    needs_somebody: bool = False
    went_on: bool = False
    is_done: bool = False

    def after(self, look: Look, rules: tuple[JobRule, ...]) -> "Seen":
        if look.response is None:
            return replace(self, looks=self.looks + 1, error=look.error, is_done=look.is_final)
        states = [(rule, rule.find_state(look.response.value)) for rule in rules]
        is_over = any(rule.is_over(state) for rule, state in states)
        needs_somebody = any(rule.needs_somebody(state) for rule, state in states)
        return Seen(
            looks=self.looks + 1,
            response=look.response,
            state=next((state for _, state in states if state is not None), None),
            is_over=is_over,
            needs_somebody=needs_somebody,
            went_on=self.went_on or not needs_somebody,
            is_done=is_over or (needs_somebody and self.went_on),
        )

    @property
    def has_failed(self) -> bool:
        """For good: looking again wouldn't help."""
        return self.error is not None and self.is_done

    @property
    def reason(self) -> str:
        """In words of ours, whatever the upstream said."""
        if self.error is None:
            return "there was no time left"
        is_told = isinstance(self.error, ToolFailure)
        return str(self.error).rstrip(".") if is_told else "an unexpected error"


@dataclass(frozen=True, slots=True)
class Target:
    """One job, as it's looked at: by a status tool's request, and what its answers mean."""

    tool: CatalogTool
    arguments: Mapping[str, Any]
    request: WivRequest
    rules: tuple[JobRule, ...]


@dataclass(frozen=True, slots=True)
class Started:
    """A job that a call has started. No `target`: its answer doesn't say which job it is."""

    directions: Directions
    target: Target | None


class JobCalls:
    """Sends calls, and watches the jobs that some of them are about. One in a worker."""

    def __init__(self, catalog: Catalog, send: Send) -> None:
        self._catalog = catalog
        self._send = send
        self._pollers = Pollers()

    async def send(
        self,
        tool: CatalogTool,
        arguments: Mapping[str, Any],
        request: WivRequest,
        wait: Wait,
        grant: TokenGrant,
        trail: Trail,
    ) -> Reply:
        """Raises a ToolFailure or CatalogUnavailable, but for what happens after a start."""
        if wait and tool.status_of:
            target = Target(tool, arguments, request, tool.status_of)
            return await self._wait(target, wait, grant, trail)
        response = await self._send(tool, request, grant.credential, trail)
        if tool.job is None:
            return Reply(response)
        try:
            return await self._follow(tool.job, arguments, response, wait, grant, trail)
        except (CatalogUnavailable, ToolFailure) as failure:
            logger.info("the job of %s can't be followed: %s", tool.name, failure)
        except Exception:
            logger.exception("the job of %s can't be followed", tool.name)
        return Reply(response, (notes.NOT_SEEN,))

    # A status tool's call ------------------------------------------------------------------------

    async def _wait(self, target: Target, wait: Wait, grant: TokenGrant, trail: Trail) -> Reply:
        """The first look may take as long as a call that doesn't wait, within LONGEST_WAIT."""
        patience = min(target.tool.timeout, LONGEST_WAIT).total_seconds()
        first_until = max(wait.deadline, wait.began + patience)
        seen = await self._watch(target, wait, first_until, grant, trail, Seen())
        if seen.response is None or seen.has_failed:
            raise seen.error or too_late(target.tool, wait)
        if seen.is_over:
            return Reply(seen.response)
        return Reply(seen.response, tuple(told_of_wait(seen, wait)), goes_on=True)

    # A start's -----------------------------------------------------------------------------------

    async def _follow(
        self,
        rule: JobRule,
        arguments: Mapping[str, Any],
        response: WivResponse,
        wait: Wait,
        grant: TokenGrant,
        trail: Trail,
    ) -> Reply:
        started = await self._find_started(rule, arguments, response)
        if started is None:
            return Reply(response, (notes.NO_STATUS_TOOL,))
        directions, target = started.directions, started.target
        if not wait:
            return Reply(response, (notes.started(directions),))
        if target is None:
            told = notes.started_unseen(directions, "its answer doesn't say which it is")
            return Reply(response, (told,))
        if wait.is_up:
            return Reply(response, tuple(told_of_start(directions, Seen(), wait)))
        looks = Trail(note=trail.note)  # its own: looks are no attempts of the start
        try:
            seen = await self._watch(target, wait, wait.deadline, grant, looks, Seen(went_on=True))
        except NotHereAnyMore:
            return Reply(response, (notes.started_and_switched_off(target.tool.name),))
        except ToolFailure as failure:
            return Reply(response, (notes.started_unseen(directions, str(failure)),))
        last = LastLook(target.tool, target.arguments, seen.response) if seen.response else None
        return Reply(response, tuple(told_of_start(directions, seen, wait)), last)

    async def _find_started(
        self, rule: JobRule, arguments: Mapping[str, Any], response: WivResponse
    ) -> Started | None:
        """None where the caller may not call the status tool."""
        snapshot, viewer = await self._catalog.current(), caller().viewer
        status_tool, cancel_tool = snapshot.find(rule.status_tool), snapshot.find(rule.cancel_tool)
        if status_tool is None or not viewer.may_call(status_tool):
            return None
        target = find_target(status_tool, rule, rule.find_arguments(arguments, response.value))
        directions = Directions(
            status_tool.name,
            status_tool.can_wait,
            cancel_tool.name if cancel_tool and viewer.may_call(cancel_tool) else "",
            notes.find_plain(target.arguments) if target else None,
        )
        return Started(directions, target)

    # Both ----------------------------------------------------------------------------------------

    async def _watch(
        self,
        target: Target,
        wait: Wait,
        first_until: float,
        grant: TokenGrant,
        trail: Trail,
        seen: Seen,
    ) -> Seen:
        """Until it's over, or needs somebody, or the time is up."""
        once = replace(target.tool, repeatable=False)  # looking again is the poller's business

        async def ask(poll: Trail) -> WivResponse:
            return await self._send(once, target.request, grant.credential, poll)

        watched = Watched.by(grant, target.tool.name, target.request)
        with self._pollers.joined(watched, ask) as poller:
            trail.attempts, number = 1, poller.looks
            while not seen.is_done:
                look = await self._find_look(poller, number, target, wait.deadline, first_until)
                if look is None:
                    break
                number, seen = look.number, seen.after(look, target.rules)
                note_look(trail, target.tool, look, seen)
            if not seen.looks and poller.latest:  # of those who waited before
                seen = seen.after(poller.latest, target.rules)
        return seen

    async def _find_look(
        self, poller: Poller, number: int, target: Target, until: float, first_until: float
    ) -> Look | None:
        """The one after that number, or None when the time is up. Raises NotHereAnyMore."""
        while True:
            await self._require(target.tool)
            left = (until if poller.latest else first_until) - anyio.current_time()
            if left <= 0:
                return None
            with anyio.move_on_after(min(left, CHECK_INTERVAL)):
                return await poller.look_after(number)

    async def _require(self, tool: CatalogTool) -> None:
        snapshot, viewer = await self._catalog.current(), caller().viewer
        current = snapshot.find(tool.name)
        if current is None or not viewer.may_call(current):
            advice = snapshot.advise(viewer, tool.name)
            raise NotHereAnyMore(tool.name, advice or "It was switched off while this call waited.")


def find_target(
    tool: CatalogTool, rule: JobRule, arguments: Mapping[str, Any] | None
) -> Target | None:
    """None for arguments that the status tool wouldn't take."""
    if arguments is None:
        return None
    try:
        tool.input_schema.check(arguments)
        return Target(tool, arguments, tool.http_rule.bind(arguments), (rule,))
    except ArgumentsRefused:
        return None


def note_look(trail: Trail, tool: CatalogTool, look: Look, seen: Seen) -> None:
    trail.attempts, trail.status = seen.looks, look.status
    if seen.error:
        trail.note(f"{seen.reason}; looking again")
    else:
        trail.note(f"{tool.name}: {notes.told(seen.state)}")


def told_of_wait(seen: Seen, wait: Wait) -> Iterator[str]:
    """For a job that isn't over."""
    if seen.needs_somebody:
        yield notes.needs_somebody(seen.state)
    else:
        yield notes.goes_on(seen.state, wait.elapsed)
    if seen.error:
        yield notes.earlier(seen.reason)


def told_of_start(directions: Directions, seen: Seen, wait: Wait) -> Iterator[str]:
    if seen.is_over:
        yield notes.started_and_over(directions, seen.state)
        return
    if seen.response is None or seen.has_failed:
        yield notes.started_unseen(directions, seen.reason)
        return
    if seen.needs_somebody:
        yield notes.started_and_needs_somebody(directions, seen.state)
    else:
        yield notes.started_and_goes_on(directions, seen.state, wait.elapsed)
    if seen.error:
        yield notes.earlier(seen.reason)


def too_late(tool: CatalogTool, wait: Wait) -> WivTimeout:
    api = tool.other_api.title if tool.other_api else "Wiv"
    return WivTimeout(
        f"{api} didn't answer within {wait.elapsed:.0f} s. Try again later.", reason="too late"
    )
