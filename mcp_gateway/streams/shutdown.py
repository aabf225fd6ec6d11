"""Was the server told to end, and how long does it wait?

ASGI tells an application so after the last response only, and a stream is a response that doesn't
end by itself. So uvicorn is asked, which is found by the handler it has set for SIGTERM.
"""

import signal

from uvicorn import Server

# Where uvicorn waits as long as it takes.
PATIENCE_SECONDS = 20.0
# Of uvicorn's patience, for the last event to be written.
MARGIN_SECONDS = 2.0


def find_server() -> Server | None:
    """None where another server runs, or where uvicorn is in a thread and hears no signal."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return server if isinstance(server, Server) else None


def seconds_left() -> float | None:
    """What calls under way may still take once the server was told to end; None before that."""
    server = find_server()
    if server is None or not server.should_exit:
        return None
    patience = server.config.timeout_graceful_shutdown
    return PATIENCE_SECONDS if patience is None else max(patience - MARGIN_SECONDS, 0)
