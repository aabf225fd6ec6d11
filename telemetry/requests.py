"""Which request is being handled, and what is known of it so far? For the lines of the log.

One a request, in a context variable that the ASGI edge sets. Whoever learns more of it writes it
here: on another thread too, since threads that serve a request get its context.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID, uuid4

HEADER = b"x-request-id"
# A UUID, a ULID, a counter; too short for the keys and tokens that somebody could mistake it for.
SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,39}")


@dataclass(slots=True)
class Request:
    """`id` is the caller's where `is_theirs`, else made here.

    `tool` is one of the catalog's, never a caller's word; `call_id` is the call log's.
    """

    id: str
    is_theirs: bool = False
    subject: str = ""
    organization_id: str = ""
    client: str = ""
    tool: str = ""
    call_id: str = ""

    def begin_call(self) -> UUID:
        """The id of a tool call: the request's own, as long as nobody else chose it.

        Callers may send one id twice, and the call log's and the approvals' must be unique.
        """
        is_usable = not self.is_theirs and not self.call_id
        call_id = UUID(self.id) if is_usable else uuid4()
        self.call_id = call_id.hex
        return call_id


def new_request(theirs: str = "") -> Request:
    """With the caller's X-Request-ID where that is a short token, else with an id of our own."""
    if theirs and SAFE_ID.fullmatch(theirs):
        return Request(theirs, is_theirs=True)
    return Request(uuid4().hex)


_current: ContextVar[Request | None] = ContextVar("request", default=None)


def current_request() -> Request | None:
    return _current.get()


def set_current(request: Request) -> None:
    """For the rest of this context, which is the request's own."""
    _current.set(request)


@contextmanager
def handling(request: Request) -> Iterator[None]:
    token = _current.set(request)
    try:
        yield
    finally:
        _current.reset(token)


def note_caller(subject: str, organization_id: str, client: str) -> None:
    if (request := _current.get()) is not None:
        request.subject, request.organization_id = subject, organization_id
        request.client = client


def note_tool(name: str) -> None:
    if (request := _current.get()) is not None:
        request.tool = name


def begin_call() -> UUID:
    request = _current.get()
    return request.begin_call() if request is not None else uuid4()
