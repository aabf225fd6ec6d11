"""Which list of tools does each connected client go by?

A client of `/mcp` isn't told of changes: it lists again when it likes, some after a day. So the
server remembers which version of the catalog each was last given.
"""

import logging
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import django.db
from django.db import connections
from django.utils import timezone

from mcp_gateway.auth import Caller
from mcp_gateway.models import Listing

logger = logging.getLogger(__name__)

# How exactly it is kept when a list that didn't change was last given.
RESOLUTION_SECONDS = 60.0
REMEMBERED = 10_000
KEPT_FOR = timedelta(days=30)

Key = tuple[str, str, str, str]


class Listings:
    """Writes what was listed, in a thread of its own: no client waits for it."""

    def __init__(self) -> None:
        self._written: OrderedDict[Key, tuple[UUID | None, float]] = OrderedDict()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="listings")

    def close(self) -> None:
        self._thread.shutdown()

    def note(self, caller: Caller, version: UUID | None, tools: int) -> None:
        grant, path = caller.grant, caller.endpoint.resource_path
        key = (grant.client_id, grant.subject, grant.organization_id, path)
        now = time.monotonic()
        known, at = self._written.get(key, (None, -RESOLUTION_SECONDS))
        if known == version and now - at < RESOLUTION_SECONDS:
            return
        self._written[key] = (version, now)
        self._written.move_to_end(key)
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)
        self._thread.submit(write, key, grant.client_name, version, tools)


def write(key: Key, client_name: str, version: UUID | None, tools: int) -> None:
    client_id, subject, organization_id, path = key
    try:
        _, created = Listing.objects.update_or_create(
            client_id=client_id,
            subject=subject,
            organization_id=organization_id,
            path=path,
            defaults={
                "client_name": client_name,
                "version": version,
                "tools": tools,
                "listed_at": timezone.now(),
            },
        )
        if created:
            Listing.objects.filter(listed_at__lt=timezone.now() - KEPT_FOR).delete()
    except django.db.Error as error:
        logger.warning("what a client listed can't be written: %s", error)
    finally:
        connections.close_all()  # back to the pool
