"""The server under fire: a process of its own, and what no answer and no line of its log may be."""

import http.client
import json
import re
import socket
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.deployment import ROOT, Deployment

Header = tuple[bytes, bytes]
PATIENCE = 30.0
# The paths of a machine and the texts of an interpreter.
INSIDES = re.compile(rf"Traceback|site-packages|{re.escape(str(ROOT))}|File \"/|\.py\", line")
# In both forms of the log.
ALARMS = re.compile(
    r'^.* (?:ERROR|CRITICAL) .*$|^.*"level": "(?:ERROR|CRITICAL)".*$|^Traceback.*$', re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Target:
    """`secrets` are what no answer may have in it and no log, by name."""

    deployment: Deployment
    secrets: dict[str, str] = field(default_factory=dict)
    inputs: int = 0

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.deployment.url)
        return str(parts.hostname), int(parts.port or 0)

    def send(
        self, method: bytes, path: bytes, headers: Iterable[Header] = (), body: bytes = b""
    ) -> Answer:
        """As it is, whatever a library would have mended. No answer may be a server error."""
        lines = [method + b" " + path + b" HTTP/1.1", *(b": ".join(each) for each in headers)]
        if not any(name.lower() == b"host" for name, _ in headers):
            lines.append(b"Host: 127.0.0.1")
        lines += [b"Connection: close", b"Content-Length: %d" % len(body), b"", body]
        answer = self._exchange(method, b"\r\n".join(lines))
        self.inputs += 1
        self.check(answer)
        return answer

    def _exchange(self, method: bytes, request: bytes) -> Answer:
        with (
            socket.create_connection(self.address, timeout=PATIENCE) as connected,
            closing(http.client.HTTPResponse(connected, method=method.decode())) as response,
        ):
            connected.sendall(request)
            response.begin()
            return Answer(response.status, response.headers, response.read())

    def check(self, answer: Answer) -> None:
        assert answer.status < 500, answer.text[:2000]
        shown = f"{answer.headers}{answer.text}"
        assert not INSIDES.search(shown), shown[:2000]
        assert not self.leaks(shown)

    def leaks(self, text: str) -> set[str]:
        return {name for name, secret in self.secrets.items() if secret in text}

    def check_log(self, start: int) -> None:
        """From that byte on."""
        with self.deployment.log.open("rb") as log:
            log.seek(start)
            text = log.read().decode("utf-8", "replace")
        assert not ALARMS.findall(text), text[-5000:]
        assert not self.leaks(text)

    def resident_bytes(self) -> int:
        """Of the one process that serves."""
        pages = Path(f"/proc/{self.deployment.process.pid}/statm").read_text().split()[1]
        return int(pages) * 4096
