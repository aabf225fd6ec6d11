"""Which streams are open at which worker, and messages on their way to a stream of another worker.

Only on PostgreSQL: on SQLite there is one process, and these tables stay empty.
"""

from datetime import timedelta

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

# After so long without a sign of life a worker's streams are taken for gone, and later deleted.
SILENCE = timedelta(seconds=10)
LOST = timedelta(minutes=1)


class StreamWorkerQuerySet(models.QuerySet["StreamWorker"]):
    def lost(self) -> "StreamWorkerQuerySet":
        return self.filter(seen_at__lt=Now() - LOST)


class StreamWorker(models.Model):
    """A process that serves streams, for as long as it runs.

    One row is all that a sign of life changes, however many streams there are. Times are the
    database's, since the clocks of instances differ.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    seen_at = models.DateTimeField()

    objects = StreamWorkerQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.id}, seen {self.seen_at:%Y-%m-%d %H:%M:%S}"


class OpenStreamQuerySet(models.QuerySet["OpenStream"]):
    def alive(self) -> "OpenStreamQuerySet":
        return self.filter(worker__seen_at__gte=Now() - SILENCE)


class OpenStream(models.Model):
    """`id` is half of the session id's SHA-256, so that nobody can post who has read it."""

    id = models.UUIDField(primary_key=True, editable=False)
    worker = models.ForeignKey(StreamWorker, on_delete=models.CASCADE, related_name="streams")
    subject = models.CharField("PropelAuth user id", max_length=128, db_index=True)
    organization_id = models.CharField(max_length=64)
    client_id = models.CharField(max_length=255)
    opened_at = models.DateTimeField(default=timezone.now)

    objects = OpenStreamQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.subject}, {self.opened_at:%Y-%m-%d %H:%M:%S}"


class StreamMessage(models.Model):
    """One POST on its way to the worker that has the stream; `id` is the order.

    `sealed` has its body and its credential, so it is encrypted; the row goes when it is taken.
    """

    stream = models.ForeignKey(OpenStream, on_delete=models.CASCADE, related_name="messages")
    sealed = models.TextField()

    def __str__(self) -> str:
        return f"{self.pk} for {self.stream_id}"
