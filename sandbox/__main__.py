"""python -m sandbox [--host 127.0.0.1] [--port 8001] [--redirect-uri URI ...]"""

import argparse
import os
import signal
import sys

from sandbox import fixtures
from sandbox.app import application
from sandbox.connections import open_socket, server


def main() -> int:
    options = _options()
    try:
        listening = open_socket(options.host, options.port)
    except OSError as error:
        where = f"{options.host}:{options.port}"
        reason = os.strerror(error.errno) if error.errno else str(error)
        print(f"sandbox: can't listen on {where}: {reason}", file=sys.stderr)
        return 1
    app = application(options.redirect_uri or fixtures.REDIRECT_URIS)
    # Held requests are let go first, so that ending waits for nothing.
    running = server(app, before_exit=app.faults.clear)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again once it has ended; then nothing is left to be done.
        signal.signal(number, lambda *_: None)
    host = f"[{options.host}]" if ":" in options.host else options.host
    print(f"Sandbox on http://{host}:{listening.getsockname()[1]}", flush=True)
    running.run([listening])
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m sandbox", description="PropelAuth and Wiv, faked")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001, help="0 takes a free one")
    parser.add_argument(
        "--redirect-uri",
        action="append",
        metavar="URI",
        help=f"of the MCP client; repeatable; default {' '.join(fixtures.REDIRECT_URIS)}",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
