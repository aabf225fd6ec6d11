"""The argument by which a call says how long it would wait for the end of a job.

It's this server's own: listed with the tools of a job, and taken out before the tool's own schema
is asked, so that a rule like `minProperties` sees what is sent.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import anyio

from mcp_gateway.input_schema import InputSchema

WAIT_ARGUMENT = "wait_seconds"
# MCP's TypeScript SDK, and so most clients, give up after 60 s.
LONGEST_WAIT = timedelta(seconds=50)
LONGEST_WAIT_SECONDS = int(LONGEST_WAIT.total_seconds())
WAIT_PROPERTY = {
    "type": "integer",
    "minimum": 0,
    "maximum": LONGEST_WAIT_SECONDS,
    "description": "Wait for the end, at most so many seconds.",
}
_schema = InputSchema({"type": "object", "properties": {WAIT_ARGUMENT: WAIT_PROPERTY}})


class Wait:
    """What one call asked for; it's false for a call that doesn't wait. Times are of anyio's clock.

    It lasts from the call's begin: a client counts the time that starting a job takes as well.
    """

    def __init__(self, seconds: int = 0) -> None:
        self.seconds = seconds
        self.began = anyio.current_time()
        self.deadline = self.began + seconds

    def __bool__(self) -> bool:
        return self.seconds > 0

    @property
    def is_up(self) -> bool:
        return anyio.current_time() >= self.deadline

    @property
    def elapsed(self) -> float:
        return anyio.current_time() - self.began


def taken_out(arguments: Mapping[str, Any]) -> tuple[Wait, dict[str, Any]]:
    """The wait, and the other arguments. Raises ArgumentsRefused."""
    others = dict(arguments)
    if WAIT_ARGUMENT not in others:
        return Wait(), others
    seconds = others.pop(WAIT_ARGUMENT)
    _schema.check({WAIT_ARGUMENT: seconds})
    return Wait(int(seconds)), others


def with_wait_argument(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {**schema, "properties": {**schema.get("properties", {}), WAIT_ARGUMENT: WAIT_PROPERTY}}
