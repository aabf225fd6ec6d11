"""Who changed which tool, when, why, and from what to what?

Every change becomes a ToolRevision, whatever its way: signals hear of rows that are saved and
deleted, CatalogQuerySet of the writes for which Django sends none. Only raw SQL passes by. Writers
take turns by the lock on the version row, so that `before` is what the change really began with.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.db import models, transaction
from django.db.models import Q
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save
from django.http import HttpRequest, HttpResponse

from mcp_gateway.definitions import Definition, definition, definitions, same
from mcp_gateway.models import Availability, CatalogVersion, Tool, ToolRevision, Upstream

Cause = ToolRevision.Cause


@dataclass(slots=True)
class Change:
    """What is under way. `user` is anybody with `pk` and `is_staff`, and may be lazy."""

    cause: str
    user: Any = None
    # The last one of each tool: what one change does to a tool in several steps is one revision.
    revisions: dict[int, ToolRevision] = field(default_factory=dict)


_change: ContextVar[Change | None] = ContextVar("tool_change", default=None)


@contextmanager
def changing(*, cause: str, user: Any = None) -> Iterator[None]:
    """Says who changes tools and why. Without `user`, it's whoever was named outside."""
    outer = _change.get()
    if user is None and outer is not None:
        user = outer.user
    token = _change.set(Change(cause, user))
    try:
        yield
    finally:
        _change.reset(token)


class ActorMiddleware:
    """Of Django's pages only the admin changes tools. Stands after the authentication."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with changing(cause=Cause.ADMIN, user=request.user):
            return self.get_response(request)


# What was written ---------------------------------------------------------------------------------


def touched_by(row: models.Model) -> Q:
    """The tools whose definitions a row is part of: others name it."""
    match row:
        case Tool():
            return Q(pk__in=[row.pk]) | Q(replaced_by__in=[row.pk])
        case Availability():
            stored = Availability.objects.filter(pk=row.pk).values("tool")
            return Q(pk__in=[row.tool_id]) | Q(pk__in=stored)
        case _:
            return Q(upstream__in=[row.pk])


def note_before(instance: models.Model, **kwargs: Any) -> None:
    if is_part_of_another_deletion(instance, kwargs.get("origin")):
        return
    take_turns()
    instance.__dict__["_tools_before"] = definitions(touched_by(instance))


def record_saved(instance: models.Model, **kwargs: Any) -> None:
    before = instance.__dict__.pop("_tools_before", {})
    record(before, definitions(touched_by(instance) | Q(pk__in=before)))


def record_deleted(instance: models.Model, **kwargs: Any) -> None:
    before = instance.__dict__.pop("_tools_before", {})
    after = definitions(Q(pk__in=before))
    # Of tools that are deleted together, each is recorded by its own signal.
    gone = {pk for pk in before.keys() - after.keys() if pk != instance.pk}
    record({pk: before[pk] for pk in before if pk not in gone}, after)


def is_part_of_another_deletion(row: models.Model, origin: Any) -> bool:
    """An exception goes with its tool; that isn't a change of its own."""
    return origin is not None and not isinstance(row, getattr(origin, "model", type(origin)))


for _model in (Tool, Availability, Upstream):
    pre_save.connect(note_before, sender=_model)
    post_save.connect(record_saved, sender=_model)
    pre_delete.connect(note_before, sender=_model)
    post_delete.connect(record_deleted, sender=_model)


@contextmanager
def recording_write(
    rows: "models.QuerySet[Any]",
    created: Sequence[models.Model] | None = None,
    may_meet_others: bool = False,
) -> Iterator[None]:
    """Around an update of `rows`, or a bulk creation. In a transaction that has its turn."""
    if created is not None and rows.model is Tool and not may_meet_others:
        yield
        # Not read back: that would cost more than writing them.
        record({}, {row.pk: definition(row, ()) for row in created if isinstance(row, Tool)})
        return
    which = written(rows) if created is None else made(created)
    before = definitions(which)
    yield
    record(before, definitions(which | Q(pk__in=before)))


def written(rows: "models.QuerySet[Any]") -> Q:
    """By key, because after the update other rows may match."""
    if rows.model is Availability:
        return Q()  # it may move from any tool to any
    pks = list(rows.values_list("pk", flat=True))
    if rows.model is Tool:
        return Q(pk__in=pks) | Q(replaced_by__in=pks)
    return Q(upstream__in=pks if rows.model is Upstream else [])


def made(rows: Sequence[models.Model]) -> Q:
    """By name, because a row that is in the way may be updated instead."""
    tools = [row.name for row in rows if isinstance(row, Tool)]
    of_exceptions = [row.tool_id for row in rows if isinstance(row, Availability)]
    return Q(name__in=tools) | Q(pk__in=of_exceptions)


def take_turns() -> None:
    """Every writer holds the version row until its transaction ends."""
    if transaction.get_connection().in_atomic_block:
        CatalogVersion.objects.select_for_update().first()


# What is kept -------------------------------------------------------------------------------------


def record(before: Mapping[int, Definition], after: Mapping[int, Definition]) -> None:
    change = _change.get() or Change(Cause.OTHER)
    revisions = {
        pk: revision(change, pk, before.get(pk), after.get(pk))
        for pk in {**before, **after}
        if not same(before.get(pk), after.get(pk)) and not continued(change, pk, before, after)
    }
    if revisions:
        ToolRevision.objects.bulk_create(revisions.values())
        change.revisions.update(revisions)


def revision(
    change: Change, pk: int, before: Definition | None, after: Definition | None
) -> ToolRevision:
    user = change.user
    return ToolRevision(
        cause=change.cause,
        user_id=user.pk if user is not None and user.is_staff else None,
        tool_id=pk if after else None,
        tool_name=(after or before or {})["name"],
        before=before,
        after=after,
    )


def continued(
    change: Change, pk: int, before: Mapping[int, Definition], after: Mapping[int, Definition]
) -> bool:
    """Whether this is one more step of a change that has its revision."""
    last = change.revisions.get(pk)
    if last is None or not same(last.after, before.get(pk)):
        return False
    rows = ToolRevision.objects.filter(pk=last.pk)
    last.after = after.get(pk)
    if same(last.before, last.after):
        rows.delete()
        del change.revisions[pk]
        return True
    name = (last.after or last.before or {})["name"]
    tool_id = pk if last.after else None
    # None is there when the step that wrote it was rolled back.
    return bool(rows.update(after=last.after, tool_name=name, tool_id=tool_id))
