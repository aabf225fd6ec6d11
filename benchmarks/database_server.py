"""The PostgreSQL server of a benchmark: POSTGRESQL_URL's, else a private one."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.append(
    str(Path(__file__).resolve().parents[1] / "script")
)  # whose modules import each other
from postgresql import find_binaries, private_cluster


@contextmanager
def found_postgresql() -> Iterator[str | None]:
    """Its URL; None where this machine has none."""
    if url := os.environ.get("POSTGRESQL_URL"):
        yield url
    elif binaries := find_binaries():
        with private_cluster(binaries) as url:
            yield url
    else:
        yield None


@contextmanager
def postgresql() -> Iterator[str]:
    with found_postgresql() as url:
        yield url or sys.exit("PostgreSQL is missing: install it, or set POSTGRESQL_URL")
