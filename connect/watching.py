"""Turns requests and their answers into sightings: at the gateway, and around Django's views.

Only looks. It is the one place that knows how a client's steps and mistakes appear in HTTP.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.request import RawPostDataException, UnreadablePostError

from connect import credential_shapes
from connect.models import Step
from connect.sightings import Seen, recorder
from mcp_gateway import errors
from mcp_gateway.auth import Caller
from mcp_gateway.exchange import Exchange
from oauth_bridge.credentials import (
    ExpiredToken,
    InvalidCredential,
    RevokedCredential,
    WrongResource,
)
from oauth_bridge.models import User
from oauth_bridge.network import client_address, network_of
from oauth_bridge.views import ProblemPage
from telemetry.logs import LIKE_A_SECRET

MAX_TEXT = 300

GetResponse = Callable[[HttpRequest], HttpResponse]

# --- The gateway ---------------------------------------------------------------------------------

PROBLEM_OF_REFUSAL: dict[type[errors.HttpRefusal], str] = {
    errors.CredentialsDiffer: "credentials_differ",
    errors.InsufficientScope: "read_only",
    errors.NoSuchToolset: "no_such_toolset",
    errors.OriginRefused: "origin_refused",
    errors.TooManyAtOnce: "too_many_calls",
    errors.TooManyRefused: "too_many_refused",
    errors.Unavailable: "unavailable",
    errors.WrongHost: "wrong_host",
}


class GatewayWatch:
    """A `mcp_gateway.observer.Observer`."""

    def refused(self, exchange: Exchange, refusal: errors.HttpRefusal) -> None:
        if (seen := refused(exchange, refusal)) is not None:
            recorder.note(seen)

    def listed(self, caller: Caller, tools: int) -> None:
        problem = "" if tools else "no_tools"
        recorder.note(_of_caller(caller, Step.LISTED, problem=problem, detail=str(tools)))

    def called(self, caller: Caller, tool: str, failure: Exception | None) -> None:
        problem = "" if failure is None else problem_of_call(failure)
        is_expected = isinstance(failure, errors.GatewayError)
        detail = f"{tool}: {failure}" if is_expected else tool
        recorder.note(_of_caller(caller, Step.CALLED, problem=problem, detail=detail))


def _of_caller(caller: Caller, step: Step, *, problem: str, detail: str) -> Seen:
    grant = caller.grant
    return Seen(
        step,
        network="",
        problem=problem,
        client_name=grant.client_name,
        detail=harmless(detail),
        subject=grant.subject,
    )


def problem_of_call(failure: Exception) -> str:
    match failure:
        case errors.UnknownTool() | errors.NotHereAnyMore():
            return "old_list"
        case errors.ConnectionPaused():
            return "paused"
        case errors.TooManyCalls():
            return "too_many_calls"
        case errors.ArgumentsRefused():
            return "arguments_refused"
        case errors.WivRefused(status=401 | 403):
            return "call_refused"
        case errors.WivError(is_outage=True) | errors.CircuitOpen():
            return "wiv_unreachable"
    return "call_failed"


def refused(exchange: Exchange, refusal: errors.HttpRefusal) -> Seen | None:
    authorization = texts(exchange.headers.getlist("authorization"))
    api_key = texts(exchange.headers.getlist("x-api-key"))
    key = credential_shapes.mended(authorization, api_key)
    problem = problem_of_refusal(exchange, refusal, authorization, api_key)
    if problem is None:
        return None
    return Seen(
        Step.REACHED,
        network=network_of(exchange.client_address),
        problem=problem,
        client_name=product(exchange.headers.get("user-agent", "")),
        detail=harmless(detail_of_refusal(exchange, refusal)),
        checksum=key.checksum() if key else "",
    )


def problem_of_refusal(
    exchange: Exchange,
    refusal: errors.HttpRefusal,
    authorization: list[str],
    api_key: list[str],
) -> str | None:
    """ "" for the challenge every sign-in begins with; None for what says nothing."""
    if isinstance(refusal, errors.Unauthenticated):
        if problem := credential_shapes.find_problem(authorization, api_key):
            return problem
        if not authorization and not api_key:
            return ""
        return problem_of_credential(refusal.because)
    if isinstance(refusal, errors.MethodNotAllowed):
        return {("POST", "GET"): "http_at_sse", ("GET", "POST"): "sse_at_http"}.get(
            (exchange.method, exchange.endpoint.method)
        )
    return PROBLEM_OF_REFUSAL.get(type(refusal), "refused")


def problem_of_credential(error: InvalidCredential | None) -> str | None:
    match error:
        case ExpiredToken():
            return None  # how clients notice that it's time to refresh
        case RevokedCredential():
            return "signed_out"
        case WrongResource():
            return "other_resource"
    return "key_unknown"


def detail_of_refusal(exchange: Exchange, refusal: errors.HttpRefusal) -> str:
    if isinstance(refusal, errors.OriginRefused):
        return exchange.headers.get("origin", "")
    if isinstance(refusal, errors.WrongHost):
        return exchange.headers.get("host", "")
    if isinstance(refusal, errors.Unauthenticated | errors.NoSuchToolset):
        return exchange.endpoint.path
    return refusal.message


# --- Django's views ------------------------------------------------------------------------------

WELL_KNOWN = re.compile(r"/\.well-known/(oauth-|openid-)")
RESOURCE_METADATA = re.compile(r"/\.well-known/oauth-protected-resource(?P<path>/.*)?$")


class WatchMiddleware:
    """After AuthenticationMiddleware: the browser's session says whose sign-in it is."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if (seen := look(request, response)) is not None:
            recorder.note(seen)
        return response


def look(request: HttpRequest, response: HttpResponse) -> Seen | None:
    path = request.path
    if WELL_KNOWN.search(path):
        return metadata_read(request, response)
    if path == "/register" and request.method == "POST":
        return registered(request, response)
    if path == "/authorize":
        return authorized(request, response)
    if path.startswith("/oauth/") and isinstance(response, ProblemPage):
        return seen_in(request, Step.ASKED, problem="page", detail=response.message)
    if path == "/token" and response.status_code >= 400:
        return token_refused(request, response)
    if response.status_code in (403, 404, 405) and is_mcp(request):
        return seen_in(request, Step.REACHED, problem="wrong_url", detail=path)
    return None


def metadata_read(request: HttpRequest, response: HttpResponse) -> Seen | None:
    if response.status_code == 200:
        return seen_in(request, Step.REACHED)
    asked = RESOURCE_METADATA.search(request.path)
    if asked and asked["path"]:
        return seen_in(request, Step.REACHED, problem="wrong_url", detail=asked["path"])
    return None  # clients try several places


def registered(request: HttpRequest, response: HttpResponse) -> Seen:
    metadata, answer = json_of(request_body(request)), json_of(response.content)
    name = str(metadata.get("client_name") or "")
    if response.status_code == 201:
        return seen_in(request, Step.REGISTERED, client_name=name)
    problem, detail = "registration_refused", str(answer.get("error_description", ""))
    if answer.get("error") == "invalid_redirect_uri":
        problem, detail = "redirect_refused", addresses(metadata.get("redirect_uris"))
    elif response.status_code == 429:
        problem = "too_many_registrations"
    return seen_in(request, Step.REGISTERED, problem=problem, client_name=name, detail=detail)


def addresses(uris: object) -> str:
    """["cursor://a/b", "https://x.test/cb"]  ->  "cursor://a, https://x.test" """
    texts = (uri for uri in uris if isinstance(uri, str)) if isinstance(uris, list) else ()
    return ", ".join(sorted({re.sub(r"(?<=[^:/])[/?#].*", "", uri[:MAX_TEXT]) for uri in texts}))


def authorized(request: HttpRequest, response: HttpResponse) -> Seen | None:
    client_id = request.GET.get("client_id", "")
    if isinstance(response, ProblemPage):
        problem = "consent_denied" if response.status_code == 200 else "page"
        return seen_in(
            request, Step.ASKED, problem=problem, detail=response.message, client_id=client_id
        )
    answer = QueryDict(urlsplit(response.get("Location", "")).query)
    if "error" in answer:
        denied = answer["error"] == "access_denied"
        return seen_in(
            request,
            Step.ASKED,
            problem="consent_denied" if denied else "authorization_refused",
            detail=answer.get("error_description", answer["error"]),
            client_id=client_id,
        )
    return seen_in(request, Step.ASKED, client_id=client_id) if request.method == "GET" else None


def token_refused(request: HttpRequest, response: HttpResponse) -> Seen:
    answer = json_of(response.content)
    detail = " ".join(str(answer.get(name, "")) for name in ("error", "error_description"))
    problem = "unavailable" if response.status_code == 503 else "token_refused"
    # Not the form: reading one that is too large fails here as it did there.
    return seen_in(request, Step.SIGNED_IN, problem=problem, detail=detail)


def seen_in(
    request: HttpRequest,
    step: Step,
    *,
    problem: str = "",
    detail: str = "",
    client_name: str = "",
    client_id: str = "",
) -> Seen:
    if not client_name and not client_id:
        client_name = product(request.headers.get("User-Agent", ""))
    return Seen(
        step,
        network=network_of(client_address(request)),
        problem=problem,
        client_name=client_name[:MAX_TEXT],
        detail=harmless(detail),
        user_id=session_user(request),
        client_id=client_id,
    )


# --- What a request says of its sender ------------------------------------------------------------


def is_mcp(request: HttpRequest) -> bool:
    """A program that speaks MCP, and no browser and no scanner."""
    if "text/event-stream" in request.headers.get("Accept", ""):
        return True
    return request.method == "POST" and "jsonrpc" in json_of(request_body(request))


def product(user_agent: str) -> str:
    """ "Cursor/1.2 (darwin arm64)"  ->  "Cursor/1.2"; browsers and libraries say nothing."""
    first = user_agent.partition(" ")[0]
    return "" if first.lower().startswith(("mozilla", "python", "node", "undici")) else first[:60]


def session_user(request: HttpRequest) -> int | None:
    """Without a session's cookie nothing is looked up."""
    user = request.user if request.COOKIES.get(settings.SESSION_COOKIE_NAME) else None
    if isinstance(user, User) and user.propelauth_user_id is not None:
        return user.pk
    return None


def request_body(request: HttpRequest) -> bytes:
    """What the view has read, or may still: never more than Django's limit."""
    try:
        return request.body
    except (RawPostDataException, RequestDataTooBig, UnreadablePostError):
        return b""


def harmless(text: str) -> str:
    """What could be a key somebody put in the wrong place isn't kept."""
    return LIKE_A_SECRET.sub("…", text[:MAX_TEXT])


def json_of(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def texts(values: Iterable[str]) -> list[str]:
    """Headers are read as Latin-1; a pasted typographic quote is UTF-8."""
    return [value.encode("latin-1", "replace").decode("utf-8", "replace") for value in values]
