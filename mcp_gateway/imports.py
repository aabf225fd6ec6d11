"""What would an OpenAPI document change among the tools, and how are the picks applied?

A tool remembers the operation it came from, so that a newer document shows its drift: what was
added, changed or went away since.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from mcp_gateway.definitions import definition, plain_words
from mcp_gateway.differences import Difference, difference
from mcp_gateway.findings import Finding, findings
from mcp_gateway.history import take_turns
from mcp_gateway.models import Source, Tool, Upstream
from mcp_gateway.openapi import ApiDescription, Proposal, describe
from mcp_gateway.openapi.names import unique


class Status(StrEnum):
    NEW = "new"
    CONFLICT = "conflict"
    CHANGED = "changed"
    SAME = "same"


class Decision(StrEnum):
    CREATE = "create"
    RENAME = "rename"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One operation beside the tool that came from it (changed, same) or has its name (conflict).

    `free_name` is one that no tool has. `problems` are why it can't be saved.
    """

    number: int
    proposal: Proposal
    status: Status
    tool: Tool | None
    free_name: str
    problems: tuple[str, ...] = ()

    @property
    def may_update(self) -> bool:
        """A shipped tool follows its catalog."""
        return self.tool is not None and self.tool.source == Source.ADMIN

    @property
    def findings(self) -> list[Finding]:
        return findings(self.proposal.fields)

    @property
    def difference(self) -> Difference | None:
        if self.tool is None or self.status is Status.SAME:
            return None
        kept = {name: getattr(self.tool, name) for name in ("name",)}
        before = definition(self.tool)
        return difference(before, before | dict(self.proposal.fields) | kept)


@dataclass(frozen=True, slots=True)
class Plan:
    api: ApiDescription
    upstream: Upstream | None
    candidates: tuple[Candidate, ...]
    gone: tuple[Tool, ...]

    def of(self, status: Status) -> list[Candidate]:
        return [each for each in self.candidates if each.status is status]

    @property
    def has_been_imported(self) -> bool:
        return bool(self.gone or self.of(Status.CHANGED) or self.of(Status.SAME))


@dataclass(frozen=True, slots=True)
class Pick:
    decision: Decision
    name: str = ""


class ImportRefused(Exception):
    """Some picks can't be saved, so none was. `problems` by the candidate's number."""

    def __init__(self, problems: Mapping[int, Sequence[str]]) -> None:
        super().__init__(f"{len(problems)} of the picks can't be saved")
        self.problems = problems


def base_url_of(upstream: Upstream | None) -> str:
    url: str = upstream.base_url if upstream else settings.WIV_API_URL
    return url.rstrip("/")


def make_plan(text: str, upstream: Upstream | None) -> Plan:
    """Raises DocumentRefused."""
    api = describe(text, base_url_of(upstream))
    tools = list(Tool.objects.select_related("upstream", "replaced_by").all())
    names = {tool.name: tool for tool in tools}
    imported = [tool for tool in tools if came_from(tool, api, upstream)]
    candidates = tuple(
        candidate(number, proposal, imported, names, upstream)
        for number, proposal in enumerate(api.proposals)
    )
    kept = {each.tool.pk for each in candidates if each.tool}
    return Plan(api, upstream, candidates, tuple(t for t in imported if t.pk not in kept))


def came_from(tool: Tool, api: ApiDescription, upstream: Upstream | None) -> bool:
    return (
        bool(tool.origin)
        and tool.origin.get("document") == api.title
        and (tool.upstream_id == (upstream.pk if upstream else None))
    )


def candidate(
    number: int,
    proposal: Proposal,
    imported: Sequence[Tool],
    names: Mapping[str, Tool],
    upstream: Upstream | None,
) -> Candidate:
    tool = find_imported(proposal, imported)
    if tool is not None:
        is_same = tool.origin.get("digest") == proposal.digest
        status = Status.SAME if is_same else Status.CHANGED
    else:
        tool = names.get(proposal.fields["name"])
        status = Status.CONFLICT if tool else Status.NEW
    problems = () if status is Status.SAME else problems_of(proposal, upstream)
    free_name = unique(proposal.fields["name"], names)
    return Candidate(number, proposal, status, tool, free_name, tuple(problems))


def find_imported(proposal: Proposal, imported: Sequence[Tool]) -> Tool | None:
    """By operationId, which stays when a path is renamed; else by method and path."""
    for key, value in (
        ("operation_id", proposal.operation_id),
        ("operation", proposal.operation),
    ):
        found = next((t for t in imported if value and t.origin.get(key) == value), None)
        if found:
            return found
    return None


def problems_of(proposal: Proposal, upstream: Upstream | None) -> list[str]:
    tool = Tool(**proposal.fields, upstream=upstream, enabled=False)
    try:
        tool.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        return plain_words(error)
    return []


def apply_picks(
    plan: Plan, picks: Mapping[int, Pick], gone: Collection[int], title: str
) -> Iterator[tuple[Tool, str]]:
    """Each tool with what was done to it, all or nothing. New ones are off.

    `gone` has the keys of tools to switch off, whose operations aren't in the document any more.
    Raises ImportRefused.
    """
    done: list[tuple[Tool, str]] = []
    problems: dict[int, list[str]] = {}
    with transaction.atomic():
        take_turns()
        for number, pick in picks.items():
            chosen = plan.candidates[number]
            tool, message = picked(chosen, pick, plan.upstream, title)
            try:
                tool.full_clean()
                tool.save()
            except ValidationError as error:
                problems[number] = plain_words(error)
            done.append((tool, message))
        for tool in plan.gone:
            if tool.pk in gone and tool.enabled:
                tool.enabled = False
                tool.save(update_fields=["enabled"])
                done.append((tool, f"Switched off: gone from {title}."))
        if problems:
            raise ImportRefused(problems)
    yield from done


def picked(
    chosen: Candidate, pick: Pick, upstream: Upstream | None, title: str
) -> tuple[Tool, str]:
    fields: dict[str, Any] = dict(chosen.proposal.fields)
    origin = {
        "document": title,
        "operation": chosen.proposal.operation,
        "operation_id": chosen.proposal.operation_id,
        "digest": chosen.proposal.digest,
    }
    if pick.decision is Decision.UPDATE and chosen.tool is not None and chosen.may_update:
        tool = Tool.objects.get(pk=chosen.tool.pk)
        del fields["name"]
        for name, value in fields.items():
            setattr(tool, name, value)
        tool.upstream, tool.origin = upstream, origin
        return tool, f"Updated from {title}."
    if pick.decision is Decision.RENAME:
        fields["name"] = pick.name
    tool = Tool(**fields, upstream=upstream, origin=origin, enabled=False, source=Source.ADMIN)
    return tool, f"Imported from {title}."
