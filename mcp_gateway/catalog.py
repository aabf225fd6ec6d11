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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import django.db
from django.conf import settings
from django.db import connection, connections
from mcp import types

from mcp_gateway.errors import CatalogUnavailable
from mcp_gateway.http_rule import HttpRule
from mcp_gateway.input_schema import InputSchema, UnusableSchema
from mcp_gateway.models import TOOL_NAME, CatalogVersion, Tool
from mcp_gateway.scopes import covers

logger = logging.getLogger(__name__)

# Seconds; see the module's docstring.
LIFETIME = 1.0


@dataclass(frozen=True, slots=True)
class CatalogTool:
    """A tool as it's listed (`wire`), checked and sent."""

    wire: types.Tool
    input_schema: InputSchema
    http_rule: HttpRule
    required_scope: str
    timeout: timedelta
    repeatable: bool

    @property
    def name(self) -> str:
        return self.wire.name


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The tools that are on, in list order, as of one version."""

    version: UUID | None
    tools: Mapping[str, CatalogTool] = field(default_factory=dict)

    def find(self, name: str) -> CatalogTool | None:
        return self.tools.get(name)

    def listed_for(self, scopes: Iterable[str]) -> list[types.Tool]:
        granted = frozenset(scopes)
        return [t.wire for t in self.tools.values() if covers(granted, t.required_scope)]


class Catalog:
    """The current Snapshot. Enter it to start its database thread.

    One thread of its own, so that its one connection is kept between questions, and so that the
    event loop never waits for the database.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._checked_at = -math.inf
        self._refreshing = asyncio.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="catalog")
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
        try:
            self.latest = await loop.run_in_executor(self._thread, read_newer, self.latest)
        except django.db.Error as error:
            logger.error("The tool catalog can't be read: %s", error)
            raise CatalogUnavailable("The tool catalog can't be read") from error
        self._checked_at = asked_at


def read_newer(snapshot: Snapshot) -> Snapshot:
    """The same object when nothing changed. Survives one dropped connection."""
    try:
        return read(snapshot)
    except (django.db.OperationalError, django.db.InterfaceError):
        connection.close()
        return read(snapshot)


def read(snapshot: Snapshot) -> Snapshot:
    """The version is read before the rows: rows that are newer still are read again next time."""
    version = CatalogVersion.current()
    if version is not None and version == snapshot.version:
        return snapshot
    return Snapshot(version, compile_tools(Tool.objects.served()))


def compile_tools(rows: Iterable[Tool]) -> dict[str, CatalogTool]:
    """A row that can't be served is left out: the SDK would refuse the whole list because of it."""
    tools = {}
    for row in rows:
        try:
            tools[row.name] = compile_tool(row)
        except (UnusableSchema, TypeError, ValueError) as error:
            logger.error("The tool %r is left out of the catalog: %s", row.name, error)
    return tools


def compile_tool(row: Tool) -> CatalogTool:
    if not TOOL_NAME.fullmatch(row.name):
        raise ValueError("its name has characters that MCP doesn't allow")
    return CatalogTool(
        wire=wire_tool(row),
        input_schema=InputSchema(row.input_schema),
        http_rule=row.http_rule,
        required_scope=row.required_scope,
        timeout=row.timeout or settings.WIV_TIMEOUT,
        repeatable=row.read_only or row.idempotent,
    )


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
