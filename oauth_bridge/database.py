"""What to do when the database dropped a connection?"""

from typing import Any

from django.db import connections


def replace_dead_connections() -> None:
    """Closes this thread's, and has the pool drop those that are dead, all at once.

    By itself psycopg's pool tries one idle connection after the other, and waits longer after each:
    with a dozen dead ones a request would find none within the pool's patience.
    """
    connections.close_all()
    for connection in connections.all():
        pool: Any = getattr(connection, "pool", None)  # PostgreSQL's alone
        if pool is not None:
            pool.check()
