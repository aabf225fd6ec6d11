"""The server process: `python -m wivmcp --port 8000`. How many workers, uvicorn reads by itself.

Not uvicorn's own command, which can't be told of a protocol class. And it ends with status 0 when
it was told to end and has done so in order: uvicorn by itself raises the signal again after that,
and to a platform it looks as if the process had been killed.
"""

import argparse
import logging.config
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import uvicorn

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wivmcp.settings")

from django.conf import settings

from telemetry.metrics import FOLDER_VARIABLE

APPLICATION = "wivmcp.asgi:application"


@contextmanager
def shared_metrics() -> Iterator[None]:
    """A folder in which several workers count together, new at each start.

    Not for one alone, which then needs no place to write to.
    """
    if not settings.METRICS_TOKEN or uvicorn.Config(APPLICATION, log_config=None).workers == 1:
        yield
        return
    with TemporaryDirectory(prefix="wivmcp-metrics-") as folder:
        os.environ[FOLDER_VARIABLE] = folder
        yield


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m wivmcp")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--shutdown-seconds", type=int, default=20)
    options = parser.parse_args()
    logging.config.dictConfig(settings.LOGGING)
    with shared_metrics():
        run(options)


def run(options: argparse.Namespace) -> None:
    uvicorn.run(
        APPLICATION,
        host=options.host,
        port=options.port,
        http="wivmcp.connection:Connection",
        ws="none",
        # With "auto" a failed start-up would serve errors instead of ending the process.
        lifespan="on",
        # The client's address follows TRUSTED_PROXY_COUNT, URLs follow PUBLIC_URL.
        proxy_headers=False,
        # The request lines of /oauth/callback hold codes.
        access_log=False,
        # Its lines go where all others go.
        log_config=None,
        server_header=False,
        # An SSE stream never ends by itself, and platforms kill after 30 s.
        timeout_graceful_shutdown=options.shutdown_seconds,
    )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    main()
