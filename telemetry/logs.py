"""How does a line of the log look? JSON for machines, text for people."""

import hmac
import json
import logging
import re
from datetime import UTC, datetime
from functools import lru_cache

from telemetry.requests import current_request
from telemetry.traces import current_ids

# Attributes that our own lines bring along with `extra`; others' may hold anything.
EXTRA = ("method", "path", "status", "duration_ms")
# `json.dumps` with arguments would make one for each line.
ENCODER = json.JSONEncoder(default=str)
MAX_PATH = 200
# A key or code that somebody put where it doesn't belong, and ids that are as good as one.
LIKE_A_SECRET = re.compile(r"(?=[\w~+=-]*\d)[\w~+=-]{24,}")


class JsonFormatter(logging.Formatter):
    """One object a line, in ASCII. `principal_key` is for the hash that stands for a person."""

    def __init__(self, principal_key: bytes) -> None:
        super().__init__()
        self._principal = lru_cache(maxsize=4096)(Principals(principal_key).hash_of)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": rfc3339(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: record.__dict__[name] for name in EXTRA if name in record.__dict__}
        line |= self._of_request()
        line |= current_ids()
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return ENCODER.encode(line)

    def _of_request(self) -> dict[str, str]:
        request = current_request()
        if request is None:
            return {}
        known = {
            "request_id": request.id,
            "call_id": request.call_id,
            "principal": self._principal(request.subject, request.organization_id),
            "client": request.client,
            "tool": request.tool,
        }
        return {name: value for name, value in known.items() if value}


class Principals:
    """Who did something, without saying who: the same person in an organization, the same hash."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hash_of(self, subject: str, organization_id: str) -> str:
        """16 hexadecimal characters; "" for nobody."""
        if not subject:
            return ""
        text = f"{subject} {organization_id}".encode()
        return hmac.digest(self._key, text, "sha256").hex()[:16]


def principal_key(secret_key: str) -> bytes:
    """Of its own, so that no hash made with it is good for anything else."""
    return hmac.digest(secret_key.encode(), b"telemetry.logs.principal", "sha256")


def rfc3339(seconds: float) -> str:
    """2026-11-21T16:45:14.123456Z"""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def harmless(path: str) -> str:
    """The percent-decoded path is the sender's text: one line, and nothing like a key."""
    path = path[:MAX_PATH]
    if not path.isprintable():
        path = "".join(each if each.isprintable() else "?" for each in path)
    return LIKE_A_SECRET.sub("\N{HORIZONTAL ELLIPSIS}", path)
