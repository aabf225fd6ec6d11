"""What is a finding, and the rule it comes from?"""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """In order: what keeps a tool from being saved, what its editor is told, what is shown only."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """`path` is a JSON Pointer that begins with the field: input_schema/properties/limit."""

    severity: Severity
    code: str
    clients: tuple[str, ...]
    message: str
    path: str
    source: str = ""

    def __str__(self) -> str:
        """/properties/limit: what is the matter. (Who suffers.)"""
        where = self.path.removeprefix(self.field)
        text = f"{where}: {self.message}" if where else self.message
        return f"{text} ({', '.join(self.clients)})" if self.clients else text

    @property
    def field(self) -> str:
        return self.path.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Rule:
    """What is the matter and what to do about it. `source` is where the client's behaviour is seen.

    `message` may have {names} that `at` fills in.
    """

    code: str
    message: str
    clients: tuple[str, ...] = ()
    source: str = ""
    severity: Severity = Severity.WARNING

    def at(self, path: str, **details: object) -> Finding:
        message = self.message.format(**details)
        return Finding(self.severity, self.code, self.clients, message, path, self.source)


def pointer(path: str, *steps: object) -> str:
    """RFC 6901."""
    escaped = (str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return "/".join((path, *escaped))
