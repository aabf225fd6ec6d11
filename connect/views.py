"""The page where people begin, and the way in and out of it."""

from functools import cache

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from connect import ai_clients, api_keys
from connect.approvals import pending_of
from connect.attempts import diagnosis_of, find_attempt
from connect.connections import list_connections, pauses_of
from connect.visitors import Person, find_person
from oauth_bridge import sign_in
from oauth_bridge.models import AuthorizationRequest
from oauth_bridge.views import begin_sign_in


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return redirect("connect:page")


@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    url = f"{settings.PUBLIC_URL}/mcp"
    person = find_person(request)
    context: dict[str, object] = {
        "url": url,
        "cards": cards(url, settings.ACCEPT_API_KEYS, is_signed_in=person is not None),
        "main_clients": [client.name for client in ai_clients.for_server(url) if client.is_main],
        "accepts_api_keys": settings.ACCEPT_API_KEYS,
    }
    if person is not None:
        context |= context_of(person)
        context["key_was_made"] = request.session.pop(api_keys.SESSION_KEY_WAS_MADE, False)
    return render(request, "connect/page.html", context)


@cache
def cards(url: str, accepts_api_keys: bool, *, is_signed_in: bool) -> SafeString:
    """Rendered once in a process: nothing in them is of a person, and they are most of the page."""
    clients = ai_clients.for_server(url)
    context = {
        "main_clients": [client for client in clients if client.is_main],
        "other_clients": [client for client in clients if not client.is_main],
        "accepts_api_keys": accepts_api_keys,
        "is_signed_in": is_signed_in,
    }
    return render_to_string("connect/clients.html", context)


def context_of(person: Person) -> dict[str, object]:
    attempt = find_attempt(person.user)
    return {
        "person": person,
        "connections": list_connections(person.user),
        "pauses": pauses_of(person.user),
        "approvals": pending_of(person.user),
        "api_keys": api_keys.list_api_keys(person),
        "key_lives": api_keys.lives_in_days(),
        "usual_key_life": api_keys.usual_life_in_days(),
        "attempt": attempt,
        "diagnosis": attempt and diagnosis_of(attempt),
    }


@require_POST
def start_sign_in(request: HttpRequest) -> HttpResponse:
    """`next` is the page to come back to; what isn't one of ours leads to the first page."""
    page = request.POST.get("next", "")
    query = page if sign_in.PAGE_PATH.fullmatch(page) else ""
    return begin_sign_in(request, AuthorizationRequest.Purpose.CONNECT, query=query)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("connect:page")
