"""What a worker asks of the database for its streams, and for messages to those of others.

Blocking; relay.py has the threads.
"""

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import TypeVar
from uuid import UUID

from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models import Count
from django.db.models.functions import Now

from mcp_gateway.streams.models import OpenStream, OpenStreamQuerySet, StreamMessage, StreamWorker
from mcp_gateway.streams.stream import Owner, Stream
from oauth_bridge.credentials import replace_dead_connections

T = TypeVar("T")

# A stream for which so many messages wait isn't served; the worker that has it takes each at once.
WAITING_MESSAGES = 200


class TooManyWaiting(Exception):
    """A stream's worker takes no messages."""


def channel_of(worker: UUID) -> str:
    return f"wivmcp_streams_{worker.hex}"


class Rows:
    """Of one worker. `streams` are those that are open in it."""

    def __init__(self, worker: UUID, streams: Callable[[], Iterable[Stream]]) -> None:
        self._worker = worker
        self._streams = streams

    # Its own streams --------------------------------------------------------------------------

    def enlist(self) -> None:
        """When it begins, or after others took it for lost while the database was away."""
        with transaction.atomic():
            StreamWorker.objects.bulk_create(
                [StreamWorker(id=self._worker, seen_at=Now())],
                update_conflicts=True,
                update_fields=["seen_at"],
                unique_fields=["id"],
            )
            rows = [self._row_of(stream) for stream in self._streams()]
            OpenStream.objects.bulk_create(rows, ignore_conflicts=True)
        # Some may have ended meanwhile, and were deleted before they were written.
        self.remove({row.pk for row in rows} - {stream.id for stream in self._streams()})

    def add(self, stream: Stream) -> int:
        """How many streams its user has in all workers, this one included."""
        self.show_life()  # a platform may have stopped a worker that had none
        try:
            self._row_of(stream).save(force_insert=True)
        except IntegrityError:
            self.enlist()
        return OpenStream.objects.alive().filter(subject=stream.owner.subject).count()

    def remove(self, stream_ids: Collection[UUID]) -> None:
        if stream_ids:
            persistently(partial(delete_streams, OpenStream.objects.filter(pk__in=stream_ids)))

    @transaction.atomic
    def leave(self) -> None:
        delete_streams(OpenStream.objects.filter(worker=self._worker))
        StreamWorker.objects.filter(pk=self._worker).delete()

    def show_life(self) -> None:
        if not StreamWorker.objects.filter(pk=self._worker).update(seen_at=Now()):
            self.enlist()

    def _row_of(self, stream: Stream) -> OpenStream:
        return OpenStream(id=stream.id, worker_id=self._worker, **asdict(stream.owner))

    # Messages ---------------------------------------------------------------------------------

    def find_waiting(self) -> list[UUID]:
        """The streams of this worker that have messages."""
        waiting = StreamMessage.objects.filter(stream__worker=self._worker)
        return list(waiting.values_list("stream_id", flat=True).distinct())

    def take(self, stream_id: UUID) -> list[str]:
        """Its sealed messages, in order; nobody gets them again."""
        waiting = StreamMessage.objects.filter(stream_id=stream_id).order_by("pk")
        rows = persistently(lambda: list(waiting.values_list("pk", "sealed")))
        if rows:
            taken = StreamMessage.objects.filter(pk__in=[pk for pk, _ in rows])
            persistently(taken.delete)
        return [sealed for _, sealed in rows]

    def take_last(self, stream_id: UUID) -> list[str]:
        """The same, and nobody can post to the stream any more."""
        with transaction.atomic():
            locked = OpenStream.objects.select_for_update().filter(pk=stream_id)
            sealed = [each.sealed for row in locked for each in row.messages.order_by("pk")]
            locked.delete()
        return sealed

    def post(self, stream_id: UUID, owner: Owner, seal: Callable[[], str]) -> bool:
        """Whether another worker has the stream, and will be told. Raises TooManyWaiting.

        Written once: a message that came twice would be a call made twice.
        """
        found = persistently(partial(self._find_elsewhere, stream_id, owner))
        if found is None:
            return False
        worker, waiting = found
        if waiting >= WAITING_MESSAGES:
            raise TooManyWaiting
        try:
            StreamMessage.objects.create(stream_id=stream_id, sealed=seal())
        except IntegrityError:
            return False  # it has just ended
        notify(channel_of(worker), str(stream_id))
        return True

    def _find_elsewhere(self, stream_id: UUID, owner: Owner) -> tuple[UUID, int] | None:
        """The worker, and how many messages wait."""
        found = OpenStream.objects.alive().filter(pk=stream_id, **asdict(owner))
        elsewhere = found.exclude(worker=self._worker).annotate(waiting=Count("messages"))
        return elsewhere.values_list("worker_id", "waiting").first()


def notify(channel: str, payload: str) -> None:
    """Should it get lost, the message is found a little later."""
    with suppress(OperationalError, InterfaceError), connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [channel, payload])


@transaction.atomic
def delete_lost() -> int:
    """The rows of workers that died, messages included; how many workers there were."""
    # Of several workers that come across them one deletes them.
    lost = StreamWorker.objects.lost().select_for_update(skip_locked=True)
    ids = list(lost.values_list("pk", flat=True))
    if ids:
        delete_streams(OpenStream.objects.filter(worker__in=ids))
        StreamWorker.objects.filter(pk__in=ids).delete()
    return len(ids)


@transaction.atomic
def delete_streams(streams: OpenStreamQuerySet) -> None:
    """Locked before: a message that is being written is either there by then, or refused."""
    ids = list(streams.select_for_update().order_by("pk").values_list("pk", flat=True))
    OpenStream.objects.filter(pk__in=ids).delete()


def persistently(query: Callable[[], T]) -> T:
    """Once more on a fresh connection when the database dropped the one at hand."""
    try:
        return query()
    except (OperationalError, InterfaceError):
        replace_dead_connections()
        return query()
