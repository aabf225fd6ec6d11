"""A proxy that adds a credential, for tools that can send none.

It passes on the rest byte by byte, since some tests are about odd bytes: one request a connection,
so that nothing past the first head has to be understood.
"""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit


@contextmanager
def authenticating_proxy(server: str, key: str) -> Iterator[str]:
    """The URL of a proxy to `server` that sends `key` with each request."""
    upstream = urlsplit(server).netloc.encode()

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            if request := read_head(self.request):
                head, body = request
                head = re.sub(rb"\r\nconnection:[^\r]*", b"", head, flags=re.IGNORECASE)
                head = head.replace(own, upstream)  # in Host and Origin
                head += f"\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
                forward(self.request, upstream, head + body)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as proxy:
        proxy.daemon_threads = True
        own = b"127.0.0.1:%d" % proxy.server_address[1]
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://{own.decode()}"
        proxy.shutdown()


def read_head(connection: socket.socket) -> tuple[bytes, bytes] | None:
    """The first request's head and what came with it of its body; None for an unused connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        if not (more := connection.recv(65536)):
            return None
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body


def forward(client: socket.socket, upstream: bytes, request: bytes) -> None:
    host, port = upstream.decode().split(":")
    with socket.create_connection((host, int(port))) as server:
        server.sendall(request)
        rest = threading.Thread(target=pump, args=(client, server), daemon=True)
        rest.start()
        pump(server, client)


def pump(source: socket.socket, target: socket.socket) -> None:
    """Until either side has gone, and then the other one learns of it."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the other direction's pump has ended
