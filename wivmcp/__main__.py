"""The server process: `python -m wivmcp --port 8000`. How many workers, uvicorn reads by itself.

Not uvicorn's own command, which can't be told of a protocol class. And it ends with status 0 when
it was told to end and has done so in order: uvicorn by itself raises the signal again after that,
and to a platform it looks as if the process had been killed.
"""

import argparse
import signal
import sys

import uvicorn


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m wivmcp")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--shutdown-seconds", type=int, default=20)
    options = parser.parse_args()
    uvicorn.run(
        "wivmcp.asgi:application",
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
        server_header=False,
        # An SSE stream never ends by itself, and platforms kill after 30 s.
        timeout_graceful_shutdown=options.shutdown_seconds,
    )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    main()
