"""The record of security events: who got access, how, and how it ended."""

import uuid
from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta

from django.http import HttpRequest, HttpResponse

from oauth_bridge.models import Application, RateCounter, SecurityEvent, User
from oauth_bridge.network import client_address, network_of
from telemetry import metrics

GetResponse = Callable[[HttpRequest], HttpResponse]
Event = SecurityEvent.Event
REFUSALS_ON_RECORD = 20

# The request at hand, for callers that the toolkit reaches without one.
_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)


class EventMiddleware:
    """Lets every event of a request carry its address and user agent."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _request.set(request)
        try:
            return self.get_response(request)
        finally:
            _request.reset(token)


def record(
    event: SecurityEvent.Event,
    *,
    user: User | None = None,
    application: Application | None = None,
    organization_id: str = "",
    token_family: uuid.UUID | None = None,
    address: str | None = None,
    reason: str = "",
    reference: str = "",
) -> None:
    """Part of the caller's transaction, so that what was rolled back isn't on record."""
    metrics.event_recorded(event)
    request = _request.get()
    SecurityEvent.objects.create(
        event=event,
        user_email=user.email if user else "",
        client_id=application.client_id if application else "",
        client_name=application.name if application else "",
        organization_id=organization_id,
        token_family=token_family,
        address=address or (client_address(request) if request else None),
        user_agent=printable(request.headers.get("User-Agent", "")) if request else "",
        reason=reason[:200],
        reference=reference,
    )


def record_refusal(event: SecurityEvent.Event, *, address: str | None, reason: str) -> None:
    """So many an hour and network: anybody can send nonsense, the record is to stay readable."""
    bucket = f"{event} on record of {network_of(address)}"
    if RateCounter.objects.count_one(bucket, timedelta(hours=1)) <= REFUSALS_ON_RECORD:
        record(event, address=address, reason=reason)


def printable(value: str) -> str:
    """A header is the client's text: no line breaks or other control characters in our records."""
    return "".join(character for character in value if character.isprintable())[:200]
