"""Which tools are switched on right now, ready to be listed and called?

A worker keeps the compiled tools in memory and asks the database for their version at most once a
second, only when a request or an open SSE stream needs to know. So a change is seen everywhere
within a second. When the database can't be asked, the last answer is not used beyond that second: a
tool that an administrator switched off must not come back because of an outage.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import django.db
from django.conf import settings
from django.db import connections
from mcp import types

from mcp_gateway.answers import AnswerRule, Paging
from mcp_gateway.approvals.policy import Policy, Rule
from mcp_gateway.destinations import OtherApi
from mcp_gateway.encoded_lists import EncodedLists
from mcp_gateway.errors import CatalogUnavailable
from mcp_gateway.http_rule import HttpRule
from mcp_gateway.input_schema import InputSchema, UnusableSchema
from mcp_gateway.jobs.links import with_jobs
from mcp_gateway.jobs.rule import JobRule
from mcp_gateway.models import TOOL_NAME, CatalogVersion, FormerName, Tool, Upstream
from mcp_gateway.projection import Projection, UnusableProjection
from mcp_gateway.visibility import Switch, Toolset, Viewer
from oauth_bridge.credentials import SecretUnreadable, once_more
from telemetry import metrics
from telemetry.threads import RequestThreads

logger = logging.getLogger(__name__)

# Seconds; see the module's docstring.
LIFETIME = 1.0


@dataclass(frozen=True, slots=True)
class Replacement:
    """What to use instead of a name that isn't there (any more)."""

    tool: str = ""
    note: str = ""

    def __bool__(self) -> bool:
        return bool(self.tool or self.note)


@dataclass(frozen=True, slots=True)
class Preview:
    """How to read what a call would change: a tool, and where the object is in its answer."""

    tool: str
    object: Projection


@dataclass(frozen=True, slots=True)
class CatalogTool:
    """A tool as it's listed (`wire`), checked and sent."""

    wire: types.Tool
    input_schema: InputSchema
    http_rule: HttpRule
    answer_rule: AnswerRule
    required_scope: str
    timeout: timedelta
    repeatable: bool
    category: str
    is_read_only: bool
    switch: Switch
    place: tuple[int, str]
    # What a call is told where the tool is switched off: another tool's name, and a note.
    replacement: Replacement
    # Where its requests go; None for Wiv.
    other_api: OtherApi | None
    # None where no call needs one.
    approval: Policy | None
    preview: Preview | None
    # The job that a call of it starts, and those that it tells the state of.
    job: JobRule | None = None
    status_of: tuple[JobRule, ...] = ()
    # Whether its calls may wait for such a job to be over.
    can_wait: bool = False

    @property
    def name(self) -> str:
        return self.wire.name


VIEWERS_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The tools that are on for somebody, in list order, as of one version.

    `replacements` is what is known of names that nobody can call.
    """

    version: UUID | None
    tools: Mapping[str, CatalogTool] = field(default_factory=dict)
    replacements: Mapping[str, Replacement] = field(default_factory=dict)
    encoded_lists: EncodedLists = field(default_factory=EncodedLists, compare=False)
    _listed: dict[Viewer, list[CatalogTool]] = field(default_factory=dict, compare=False)

    def find(self, name: str) -> CatalogTool | None:
        """Whoever asks; `find_for` is what a caller may know of."""
        return self.tools.get(name)

    def find_by_any_name(self, name: str) -> CatalogTool | None:
        """The same, also by a former name."""
        former = self.replacements.get(name, Replacement())
        return self.tools.get(name) or self.tools.get(former.tool)

    def find_for(self, viewer: Viewer, name: str) -> CatalogTool | None:
        """Also one that their scope doesn't cover."""
        tool = self.tools.get(name)
        return tool if tool is not None and viewer.may_know(tool) else None

    def listed_for(self, viewer: Viewer) -> list[CatalogTool]:
        if (listed := self._listed.get(viewer)) is None:
            if len(self._listed) >= VIEWERS_REMEMBERED:
                self._listed.clear()
            listed = [tool for tool in self.tools.values() if viewer.may_call(tool)]
            self._listed[viewer] = listed
        return listed

    def has_toolset(self, toolset: Toolset) -> bool:
        """Whether it has a tool, for anybody."""
        return any(toolset.includes(tool) for tool in self.tools.values())

    def advise(self, viewer: Viewer, name: str) -> str | None:
        """What to do instead of calling `name`, which isn't there for this caller; or None."""
        hidden = self.tools.get(name)
        replacement = hidden.replacement if hidden else self.replacements.get(name, Replacement())
        sentences = [replacement.note] if replacement.note else []
        if replacement.tool and self.find_for(viewer, replacement.tool):
            sentences.insert(0, f"Call {replacement.tool} instead.")
        return " ".join(sentences) or None


class Catalog:
    """The current Snapshot. Enter it to start its database thread.

    One thread of its own, so that its one connection is kept between questions, and so that the
    event loop never waits for the database.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._checked_at = -math.inf
        self._refreshing = asyncio.Lock()
        self._thread = RequestThreads(max_workers=1, thread_name_prefix="catalog")
        self.latest = Snapshot(version=None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, connections.close_all)
        self._thread.shutdown()

    async def current(self) -> Snapshot:
        """At most a second old. Raises CatalogUnavailable."""
        if self._is_stale():
            async with self._refreshing:
                if self._is_stale():  # nobody else did it while we waited
                    await self._refresh()
        return self.latest

    def _is_stale(self) -> bool:
        return self._clock() - self._checked_at >= LIFETIME

    async def _refresh(self) -> None:
        asked_at = self._clock()
        loop = asyncio.get_running_loop()
        before = self.latest
        try:
            self.latest = await loop.run_in_executor(self._thread, read_newer, before)
        except django.db.Error as error:
            metrics.catalog_refreshed("failed")
            logger.error("The tool catalog can't be read: %s", error)
            raise CatalogUnavailable("The tool catalog can't be read") from error
        self._checked_at = asked_at
        metrics.catalog_refreshed("unchanged" if self.latest is before else "changed")


def read_newer(snapshot: Snapshot) -> Snapshot:
    """The same object when nothing changed. Survives one dropped connection."""
    return once_more(partial(read, snapshot))


def read(snapshot: Snapshot) -> Snapshot:
    """The version is read before the rows: rows that are newer still are read again next time."""
    version = CatalogVersion.current()
    if version is not None and version == snapshot.version:
        return snapshot
    tools = Tool.objects.served().select_related("upstream", "replaced_by")
    tools = tools.prefetch_related("availability")
    replacements = read_replacements()
    return Snapshot(version, compile_tools(tools, replacements), replacements)


def read_replacements() -> dict[str, Replacement]:
    """Former names, and tools that are off for everybody."""
    renamed = FormerName.objects.values_list("name", "tool__name", "note")
    retired = Tool.objects.exclude(pk__in=Tool.objects.served().values("pk")).values_list(
        "name", "replaced_by__name", "retirement_note"
    )
    found = {name: Replacement(tool or "", note) for name, tool, note in [*renamed, *retired]}
    return {name: replacement for name, replacement in found.items() if replacement}


def compile_tools(
    rows: Iterable[Tool], replacements: Mapping[str, Replacement] | None = None
) -> dict[str, CatalogTool]:
    """A row that can't be served is left out: the SDK would refuse the whole list because of it."""
    tools = {}
    # Not by the database's collation: a cursor of tools/list compares places too.
    rows = sorted(rows, key=lambda row: (row.position, row.name))
    for row in rows:
        try:
            tools[row.name] = compile_tool(row)
        except (UnusableSchema, TypeError, ValueError) as error:
            logger.error("The tool %r is left out of the catalog: %s", row.name, error)
    return with_jobs(tools, rows, replacements or {})


def compile_tool(row: Tool) -> CatalogTool:
    if not TOOL_NAME.fullmatch(row.name):
        raise ValueError("its name has characters that MCP doesn't allow")
    return CatalogTool(
        wire=wire_tool(row),
        input_schema=InputSchema(row.input_schema),
        http_rule=row.http_rule,
        answer_rule=answer_rule_of(row),
        required_scope=row.required_scope,
        timeout=row.timeout or settings.WIV_TIMEOUT,
        repeatable=row.read_only or row.idempotent,
        category=row.category,
        is_read_only=row.read_only,
        switch=switch_of(row),
        place=(row.position, row.name),
        replacement=Replacement(
            row.replaced_by.name if row.replaced_by else "", row.retirement_note
        ),
        other_api=other_api(row.upstream) if row.upstream else None,
        approval=policy_of(row),
        preview=preview_of(row),
    )


def policy_of(row: Tool) -> Policy | None:
    """A rule that can't be understood asks always."""
    if row.approval == Rule.NEVER:
        return None
    try:
        condition = Projection(row.approval_condition) if row.approval_condition.strip() else None
        return Policy(Rule(row.approval), condition, row.free_calls or 0)
    except ValueError as error:
        logger.error("Every call of the tool %r needs an approval: %s", row.name, error)
        return Policy(Rule.ALWAYS)


def preview_of(row: Tool) -> Preview | None:
    if not row.preview_tool:
        return None
    try:
        return Preview(row.preview_tool, Projection(row.preview_object.strip() or "@"))
    except UnusableProjection as error:
        logger.error("What the tool %r would change can't be shown: %s", row.name, error)
        return None


def other_api(upstream: Upstream) -> OtherApi:
    try:
        credential = upstream.credential
    except SecretUnreadable as error:
        raise ValueError(f"the credential of {upstream.name} can't be decrypted") from error
    return OtherApi(
        upstream.title, upstream.base_url.rstrip("/"), upstream.credential_header, credential
    )


def answer_rule_of(row: Tool) -> AnswerRule:
    return AnswerRule(
        tool=row.name,
        max_bytes=row.max_answer_bytes or settings.ANSWER_MAX_BYTES,
        projection=projection_of(row),
        untrusted_fields=frozenset(name for name in row.untrusted_fields if isinstance(name, str)),
        paging=Paging.of(row.input_schema),
    )


def projection_of(row: Tool) -> Projection | None:
    """A tool whose projection can't be used is better served whole than not at all."""
    try:
        return Projection(row.projection) if row.projection.strip() else None
    except UnusableProjection as error:
        logger.error("The projection of the tool %r is left out: %s", row.name, error)
        return None


def switch_of(row: Tool) -> Switch:
    exceptions = {
        (exception.organization_id, exception.role): exception.enabled
        for exception in row.availability.all()
    }
    return Switch(row.enabled, exceptions)


def wire_tool(row: Tool) -> types.Tool:
    hints = types.ToolAnnotations(
        title=row.title,
        read_only_hint=row.read_only,
        destructive_hint=row.destructive,
        idempotent_hint=row.idempotent,
        open_world_hint=row.open_world,
    )
    schema: dict[str, Any] = row.input_schema
    return types.Tool(
        name=row.name,
        title=row.title,
        description=row.description,
        input_schema=schema,
        annotations=hints,
    )
