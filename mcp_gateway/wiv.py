"""How is one call sent to Wiv or another upstream, and what comes back?

The tool's time limit is for the whole call: waiting for a place, connecting, and further attempts.
Only `retries` decides on those; the HTTP client sends each attempt once. Redirects aren't followed,
since they would carry the credential elsewhere.
"""

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self
from uuid import uuid4

import aiohttp
import anyio
from multidict import CIMultiDict
from pydantic_core import to_json

from mcp_gateway.breakers import Breakers
from mcp_gateway.bulkheads import PATIENCE, Bulkheads
from mcp_gateway.destinations import Destination, OtherApi, credential_header
from mcp_gateway.errors import WivAnswerTooLarge, WivError
from mcp_gateway.http_rule import JSON, WivRequest
from mcp_gateway.progress import Note, unheard
from mcp_gateway.retries import Retries
from mcp_gateway.routes import Route
from mcp_gateway.upstream_failures import refusal, too_late, transport_error
from mcp_gateway.upstream_http import (
    AnswerTooLong,
    HttpAnswer,
    HttpClient,
    HttpRequest,
    url_of,
)
from mcp_gateway.upstream_json import read_json
from oauth_bridge.credentials import Secret
from telemetry.outgoing import observed
from telemetry.traces import traceparent

logger = logging.getLogger(__name__)

RETRIES = Retries()


@dataclass(frozen=True, slots=True)
class WivResponse:
    """A 2xx answer: the JSON's `value`, and the same as compact `text` ("" for no content)."""

    status: int
    value: JSON
    text: str


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a tool's calls are sent. `is_repeatable`: twice is the same as once."""

    path_template: str
    time_limit: timedelta
    is_repeatable: bool = False


@dataclass(slots=True)
class Trail:
    """What becomes of one call, also of one that is cancelled half-way.

    `note` is told why it takes long. `attempts` and the last answer's `status` are written here.
    """

    note: Note = unheard
    request_id: str = field(default_factory=lambda: uuid4().hex)
    attempts: int = 0
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """What its attempts have in common; `deadline` is of anyio's clock."""

    request: WivRequest
    route: Route
    to: Destination
    terms: Terms
    trail: Trail
    deadline: float

    @property
    def seconds_left(self) -> float:
        return self.deadline - anyio.current_time()

    def log(self, problem: str) -> None:
        line = "%s %s %s: %s"
        logger.warning(line, self.to.title, self.request.method, self.trail.request_id, problem)


class WivClient:
    """Wiv's REST API over one pool of connections; enter it to open the pool."""

    def __init__(
        self,
        base_url: str,
        http: HttpClient,
        *,
        calls_per_route: int = 20,
        retries: Retries = RETRIES,
    ) -> None:
        self._base_url = base_url
        self._bulkheads = Bulkheads(calls_per_route)
        self._breakers = Breakers()
        self._retries = retries
        self._http = http

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._http.__aexit__(*error)

    def count_open_breakers(self) -> int:
        return self._breakers.count_open()

    async def send(
        self, request: WivRequest, credential: Secret, terms: Terms, trail: Trail | None = None
    ) -> WivResponse:
        """Wiv's answer. Raises a WivError."""
        header = credential_header(credential)
        wiv = Destination("Wiv", self._base_url, credential, header, is_wiv=True)
        return await self._send(request, wiv, terms, trail or Trail())

    async def send_elsewhere(
        self, request: WivRequest, api: OtherApi, terms: Terms, trail: Trail | None = None
    ) -> WivResponse:
        """The same from another upstream, which gets our credential and nothing of the caller's."""
        header = {}
        if api.credential_header and api.credential:
            header = {api.credential_header: api.credential.reveal()}
        there = Destination(api.title, api.base_url, api.credential, header, is_wiv=False)
        return await self._send(request, there, terms, trail or Trail())

    async def _send(
        self, request: WivRequest, to: Destination, terms: Terms, trail: Trail
    ) -> WivResponse:
        deadline = anyio.current_time() + terms.time_limit.total_seconds()
        route = Route(to.base_url, request.method, terms.path_template)
        call = Call(request, route, to, terms, trail, deadline)
        with self._breakers.of(route).guard(to.title):
            with anyio.CancelScope(deadline=deadline):
                return await self._send_until_answered(call)
            call.log("too late")  # nothing but the deadline leaves the block without an answer
            raise too_late(to, terms.time_limit)

    async def _send_until_answered(self, call: Call) -> WivResponse:
        while True:
            try:
                return await self._attempt(call)
            except WivError as error:
                delay = self._delay(call, error)
                if delay is None:
                    tell_attempts(error, call.trail.attempts)
                    raise
                call.trail.note(f"{error}; trying again in {delay:.1f} s")
            await anyio.sleep(delay)

    def _delay(self, call: Call, error: WivError) -> float | None:
        """Seconds until the next attempt; None when there is none."""
        if not call.terms.is_repeatable:
            return None
        return self._retries.delay(error, call.trail.attempts, call.seconds_left)

    async def _attempt(self, call: Call) -> WivResponse:
        """Sends the request once, or not at all. Raises a WivError."""
        to, patience = call.to, min(PATIENCE, call.seconds_left / 2)
        try:
            async with self._bulkheads.place(call.route, to.title, patience):
                with observed(to.api, call.route.method, call.route.path_template) as sent:
                    answer = await self._exchange(call)
                    sent.status = answer.status
        except AnswerTooLong as error:
            raise WivAnswerTooLarge(
                f"{to.title}'s answer is too large to pass on. Ask for less: a smaller page, "
                "narrower filters or fewer fields."
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            call.log(type(error).__name__)
            raise transport_error(error, to) from error
        call.trail.status, body = answer.status, to.without_credential(answer.body)
        if not 200 <= answer.status < 300:
            call.log(f"answered {answer.status}")
            raise refusal(to, answer.status, answer.headers, body)
        return WivResponse(answer.status, *read_json(body, to.title))

    async def _exchange(self, call: Call) -> HttpAnswer:
        request, to = call.request, call.to
        call.trail.attempts += 1
        if call.trail.attempts > 1:
            call.trail.note(f"This is attempt {call.trail.attempts}")
        content = to_json(request.body, inf_nan_mode="null") if request.has_body else None
        headers = request_headers(request, to, call.trail.request_id)
        return await self._http.exchange(
            HttpRequest(request.method, url_of(to.base_url, request.target), headers, content)
        )


def request_headers(request: WivRequest, to: Destination, request_id: str) -> CIMultiDict[str]:
    """The tool's own come before ours, so that none of them replaces the credential."""
    headers = CIMultiDict({"X-Request-ID": request_id})
    headers.update(request.headers)
    headers.update(to.headers)
    if to.is_wiv and (trace := traceparent()):
        headers["traceparent"] = trace
    if request.has_body:
        headers["Content-Type"] = "application/json"
    return headers


def tell_attempts(error: WivError, attempts: int) -> None:
    """So that a model doesn't begin with what has just been done in vain."""
    if attempts > 1:
        error.for_model += f" It was tried {attempts} times."
