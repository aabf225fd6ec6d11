"""Which compiled tools belong together, because one starts what the other tells of?

A job that can't be used leaves its tool as it would be without: better served so than not at all.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from mcp_gateway.jobs.parties import Party, check_parties, check_wait_argument, party_of
from mcp_gateway.jobs.rule import JobRule, UnusableJob, read_job
from mcp_gateway.jobs.wait_argument import with_wait_argument

if TYPE_CHECKING:
    from mcp_gateway.catalog import CatalogTool, Replacement
    from mcp_gateway.models import Tool

logger = logging.getLogger(__name__)

# Names that lead to another one: a former name's tool may have been retired for a third.
MAX_STEPS = 5


def with_jobs(
    tools: Mapping[str, "CatalogTool"],
    rows: Iterable["Tool"],
    replacements: Mapping[str, "Replacement"],
) -> dict[str, "CatalogTool"]:
    """The same tools in the same order, each with its part in jobs."""
    parties = {row.name: party_of(row) for row in rows if row.name in tools}
    linked = dict(tools)
    for row in rows:
        if row.name in tools and (rule := find_rule(row, parties, replacements)) is not None:
            linked[row.name] = replace(linked[row.name], job=rule)
            status = linked[rule.status_tool]
            linked[rule.status_tool] = replace(status, status_of=(*status.status_of, rule))
    return {name: waiting(tool, parties[name]) for name, tool in linked.items()}


def find_rule(
    row: "Tool", parties: Mapping[str, Party], replacements: Mapping[str, "Replacement"]
) -> JobRule | None:
    """With the tools' present names, and without a cancel tool that is switched off."""
    try:
        rule = read_job(row.job)
        if rule is None:
            return None
        status_tool = present_name(rule.status_tool, parties, replacements)
        cancel_tool = present_name(rule.cancel_tool, parties, replacements)
        rule = replace(
            rule,
            status_tool=status_tool,
            cancel_tool=cancel_tool if cancel_tool in parties else "",
        )
        check_parties(rule, parties[row.name], parties.get)
    except UnusableJob as error:
        logger.error("The job of the tool %r is left out: %s", row.name, error)
        return None
    return rule


def present_name(
    name: str, parties: Mapping[str, Party], replacements: Mapping[str, "Replacement"]
) -> str:
    """What a tool that was renamed, or replaced by another, is called now."""
    for _ in range(MAX_STEPS):
        if name in parties or name not in replacements:
            return name
        name = replacements[name].tool or name
    return name


def waiting(tool: "CatalogTool", party: Party) -> "CatalogTool":
    """Listed with the argument by which a call waits."""
    if tool.job is None and not tool.status_of:
        return tool
    try:
        check_wait_argument(party)
    except UnusableJob as error:
        logger.error("%s can't wait for a job: %s", tool.name, error)
        return tool
    schema = with_wait_argument(tool.wire.input_schema)
    return replace(tool, wire=tool.wire.model_copy(update={"input_schema": schema}), can_wait=True)
