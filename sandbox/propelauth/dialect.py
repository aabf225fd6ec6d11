"""How does PropelAuth's backend API speak? Its authorization, error shapes and pages."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from sandbox import fixtures

if TYPE_CHECKING:
    from sandbox.state import Sandbox

Handler = Callable[[Request], Awaitable[Response]]
Found = TypeVar("Found")


class BackendError(Exception):
    status = 500
    body: Any = "Internal error"

    def response(self) -> Response:
        if isinstance(self.body, str):
            return PlainTextResponse(self.body, self.status)
        return JSONResponse(self.body, self.status)


class BadFields(BackendError):
    """400 {"field": ["message"]}"""

    status = 400

    def __init__(self, **messages: str) -> None:
        super().__init__(messages)
        self.body = {field: [message] for field, message in messages.items()}


class NotFound(BackendError):
    status = 404
    body = "Not found"


class Forbidden(BackendError):
    status = 403
    body = "Forbidden"


def sandbox_of(request: Request) -> "Sandbox":
    sandbox: Sandbox = request.app.state.sandbox
    return sandbox


def backend(handler: Handler) -> Handler:
    """Asks for the backend API key; 401 always means that key, never an end user's."""

    async def guarded(request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {fixtures.BACKEND_API_KEY}":
            return PlainTextResponse("Invalid backend API key", 401)
        try:
            return await handler(request)
        except BackendError as error:
            return error.response()

    return guarded


def found(thing: Found | None) -> Found:
    if thing is None:
        raise NotFound
    return thing


async def body_of(request: Request, fields: Sequence[str]) -> dict[str, Any]:
    """The request's JSON object without nulls; a field that isn't in `fields` is a 400."""
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError:
        raise BadFields(body="Must be JSON") from None
    if not isinstance(body, dict):
        raise BadFields(body="Must be an object")
    unknown = {field: "Unknown field" for field in body if field not in fields}
    if unknown:
        raise BadFields(**unknown)
    given = {field: value for field, value in body.items() if value is not None}
    for field, value in given.items():
        if field.endswith("_id") and not isinstance(value, str):
            raise BadFields(**{field: "Must be a text"})
    return given


def is_whole_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def paged(request: Request, documents: list[Any], *, items: str, total: str) -> Response:
    """One page of `documents`: `page_size` (10) and the 0-based `page_number`."""
    size = _page_parameter(request, "page_size", 10, minimum=1)
    number = _page_parameter(request, "page_number", 0, minimum=0)
    start = size * number
    return JSONResponse(
        {
            items: documents[start : start + size],
            total: len(documents),
            "current_page": number,
            "page_size": size,
            "has_more_results": start + size < len(documents),
        }
    )


def _page_parameter(request: Request, name: str, default: int, *, minimum: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal() or int(text) < minimum:
        raise BadFields(**{name: f"Must be a whole number of at least {minimum}"})
    return int(text)
