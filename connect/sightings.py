"""Writes down what was seen of open attempts, and nothing of anybody else's.

Whether a request belongs to an attempt is asked a moment after it, in a thread of its own: requests
don't wait for it, and an attempt that was opened just before its first request is found.
"""

import logging
import time
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

import django.db
from django.db import connections
from django.utils import timezone

from connect.models import ConnectionAttempt, Sighting, Step
from oauth_bridge.models import AccessToken, Application, EndUserApiKey
from oauth_bridge.text import visible_text

logger = logging.getLogger(__name__)

BATCH_SECONDS = 0.2
# So much less often while nobody watches.
UNWATCHED = 5
# More than that in one batch is no person's attempt; the oldest give way.
MAX_WAITING = 2_000
# A client that tries again and again adds no rows; one that says something else each time would.
MAX_ROWS = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """One request's part in a connection, as the edge saw it.

    Whose it is, by what is known: `subject` (PropelAuth's user id), `user_id` (the browser's
    session), else whoever watches from `network`. `checksum` is of a credential.
    """

    step: Step
    network: str
    problem: str = ""
    client_name: str = ""
    detail: str = ""
    subject: str = ""
    user_id: int | None = None
    client_id: str = ""
    checksum: str = ""
    at: datetime = field(default_factory=timezone.now)


class Recorder:
    def __init__(self) -> None:
        self._waiting: deque[Seen] = deque(maxlen=MAX_WAITING)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sightings")
        self._lock = Lock()
        self._is_due = False
        self._is_watched = False

    def note(self, seen: Seen) -> None:
        """Returns at once."""
        with self._lock:
            self._waiting.append(seen)
            if self._is_due:
                return
            self._is_due = True
        self._thread.submit(self._write_soon)

    def drain(self) -> None:
        """Returns when everything noted so far is written."""
        self._thread.submit(self._write).result()

    def _write_soon(self) -> None:
        time.sleep(BATCH_SECONDS * (1 if self._is_watched else UNWATCHED))
        self._write()

    def _write(self) -> None:
        with self._lock:
            batch, self._is_due = list(self._waiting), False
            self._waiting.clear()
        try:
            self._is_watched = write(batch)
        except django.db.Error as error:
            logger.warning("what was seen of an attempt to connect can't be written: %s", error)
        finally:
            connections.close_all()  # back to the pool


recorder = Recorder()


def write(batch: list[Seen]) -> bool:
    """Whether anybody watches."""
    attempts = ConnectionAttempt.objects.open().select_related("user")
    if not (watched := list(attempts)):
        return False
    traces = Traces.of(batch)
    for attempt in watched:
        if theirs := [seen for seen in batch if belongs(seen, attempt, traces)]:
            write_down(attempt, theirs, traces)
    return True


@dataclass(frozen=True, slots=True)
class Traces:
    """What the database knows of a batch's credentials and clients, by checksum and client id."""

    keys: Mapping[str, EndUserApiKey]
    token_owners: Mapping[str, int]
    client_names: Mapping[str, str]

    @classmethod
    def of(cls, batch: Iterable[Seen]) -> "Traces":
        checksums = {seen.checksum for seen in batch if seen.checksum}
        client_ids = {seen.client_id for seen in batch if seen.client_id}
        keys = EndUserApiKey.objects.filter(checksum__in=checksums)
        tokens = AccessToken.objects.filter(token_checksum__in=checksums)
        clients = Application.objects.filter(client_id__in=client_ids)
        return cls(
            {str(key.checksum): key for key in keys},
            dict(tokens.values_list("token_checksum", "user_id")),
            dict(clients.values_list("client_id", "name")),
        )

    def owner_of(self, checksum: str) -> int | None:
        key = self.keys.get(checksum)
        return key.user_id if key else self.token_owners.get(checksum)

    def problem_of(self, seen: Seen) -> str:
        """What was refused may be a key made on /connect: what became of it is worth saying."""
        key = self.keys.get(seen.checksum)
        if seen.problem not in ("key_unknown", "signed_out") or key is None:
            return seen.problem
        if key.purpose != EndUserApiKey.Purpose.CONNECT:
            return "signed_out"
        return "key_revoked" if key.revoked_at else "key_expired"


def belongs(seen: Seen, attempt: ConnectionAttempt, traces: Traces) -> bool:
    """Whoever is known to be somebody else isn't one's own assistant, whatever their network."""
    if seen.at < attempt.started_at:
        return False
    if seen.subject:
        return attempt.user.username == seen.subject
    owner = traces.owner_of(seen.checksum) if seen.user_id is None else seen.user_id
    return attempt.network == seen.network if owner is None else attempt.user_id == owner


def write_down(attempt: ConnectionAttempt, batch: Iterable[Seen], traces: Traces) -> None:
    rows = {identity(row): row for row in attempt.sightings.all()}
    touched = {}
    for seen in batch:
        name = seen.client_name or traces.client_names.get(seen.client_id, "")
        row = Sighting(
            attempt=attempt,
            step=seen.step,
            problem=traces.problem_of(seen),
            client_name=visible_text(name)[:120],
            detail=visible_text(seen.detail)[:300],
            first_at=seen.at,
        )
        if identity(row) not in rows and len(rows) >= MAX_ROWS:
            continue
        row = rows.setdefault(identity(row), row)
        row.last_at = seen.at
        touched[identity(row)] = row
    # Another worker may have written the same kind meanwhile.
    Sighting.objects.bulk_create(
        touched.values(),
        update_conflicts=True,
        unique_fields=IDENTITY,
        update_fields=["last_at"],
    )


IDENTITY = ["attempt", "step", "problem", "client_name", "detail"]


def identity(row: Sighting) -> tuple[str, ...]:
    return (row.step, row.problem, row.client_name, row.detail)
