"""A client that sends bytes as no HTTP library would."""

import contextlib
import select
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

# Seconds; longer than any limit on time that these tests set.
PATIENCE = 10.0


class RawClient:
    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._hang_up = select.poll()
        self._hang_up.register(connected, select.POLLRDHUP | select.POLLHUP | select.POLLERR)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def drip(self, data: bytes, interval: float = 0.05) -> None:
        """Sends it again and again, until the server closes the connection."""
        for _ in range(int(PATIENCE / interval)):
            if self.is_closed_within(interval):
                return
            with contextlib.suppress(OSError):
                self._socket.sendall(data)
        raise AssertionError(f"the connection is still open after {PATIENCE} s")

    def is_closed_within(self, seconds: float) -> bool:
        return bool(self._hang_up.poll(seconds * 1000))

    def read(self) -> bytes:
        """Until the server closes the connection."""
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := self._socket.recv(65536):
                received += piece
        return received

    def status(self) -> int:
        """Of the one answer, after which the server has to close."""
        return int(self.read().split(b" ", 2)[1])


@contextlib.contextmanager
def raw_client(url: str, receive_buffer: int | None = None) -> Iterator[RawClient]:
    """`receive_buffer`: bytes, so that what isn't read soon stays with the server."""
    parts = urlsplit(url)
    with socket.socket() as connected:
        if receive_buffer is not None:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connected.settimeout(PATIENCE)
        connected.connect((parts.hostname, parts.port))
        yield RawClient(connected)
