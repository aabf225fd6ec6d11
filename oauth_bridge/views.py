"""The authorization server's pages and endpoints. What each decides is in the module it calls."""

import json
import logging
import math
import uuid
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from oauth2_provider.http import OAuth2ResponseRedirect
from oauth2_provider.views.base import RevokeTokenView as ToolkitRevokeTokenView
from oauth2_provider.views.base import TokenView as ToolkitTokenView
from oauthlib.oauth2 import OAuth2Error

from oauth_bridge import authorization, outbox, sign_in
from oauth_bridge.authorization import AuthorizationCodeRequest, AuthorizationRefused
from oauth_bridge.client_documents import document_host
from oauth_bridge.database import patiently
from oauth_bridge.errors import BridgeError, SignInFailed
from oauth_bridge.events import Event, record
from oauth_bridge.models import (
    AccessToken,
    Application,
    AuthorizationRequest,
    PrivateUseScheme,
)
from oauth_bridge.network import client_address, network_of
from oauth_bridge.parameters import settle_parameters
from oauth_bridge.rate_limits import seconds_to_wait
from oauth_bridge.redirect_uris import is_loopback, is_trusted_redirect, uses_private_scheme
from oauth_bridge.responses import SmallBodyMixin, no_store, oauth_error, unavailable
from telemetry import metrics

logger = logging.getLogger(__name__)


class ProblemPage(HttpResponse):
    """Somebody can't go on. `message` is the page's own, for whoever looks at responses."""

    def __init__(self, page: HttpResponse, message: str) -> None:
        super().__init__(page.content, status=page.status_code)
        self.message = message


@method_decorator(never_cache, name="dispatch")
class AuthorizeView(View):
    """GET asks for consent and changes nothing; POST is the consent, and begins the sign-in.

    Consent comes before PropelAuth: we are one client there for all of ours, so nothing it asks
    could tell the person who is asking (MCP 2026-07-28, confused deputy).
    """

    def get(self, request: HttpRequest) -> HttpResponse:
        try:
            asked, application = authorization.validate(request.GET)
        except AuthorizationRefused as refused:
            return refuse_authorization(request, refused)
        return render(request, "oauth_bridge/consent.html", consent_context(asked, application))

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            asked, application = authorization.validate(request.GET)
        except AuthorizationRefused as refused:
            return refuse_authorization(request, refused)
        if request.POST.get("decision") != "allow":
            record(Event.CONSENT_DENIED, application=application)
            return deny(request, asked, application)
        return begin_sign_in(
            request,
            AuthorizationRequest.Purpose.AUTHORIZE,
            application=application,
            query=asked.query(),
        )


def begin_sign_in(
    request: HttpRequest,
    purpose: AuthorizationRequest.Purpose,
    *,
    application: Application | None = None,
    query: str = "",
) -> HttpResponse:
    """Each is a row, and anybody can begin one."""
    bucket = f"sign-ins of {network_of(client_address(request))}"
    if seconds := seconds_to_wait(bucket, settings.SIGN_INS_PER_ADDRESS, timedelta(hours=1)):
        return too_many(request, "Too many sign-ins from your network", seconds)
    return sign_in.begin(purpose, application=application, query=query)


def too_many(request: HttpRequest, title: str, seconds: int) -> HttpResponse:
    """RFC 6585 §4."""
    minutes = math.ceil(seconds / 60)
    wait = "a minute" if minutes == 1 else f"{minutes} minutes"
    page = render_problem(request, title, f"Try again in {wait}.", status=429)
    page["Retry-After"] = str(seconds)
    return page


def deny(
    request: HttpRequest, asked: AuthorizationCodeRequest, application: Application
) -> HttpResponse:
    """To the client, by itself where its redirect URI can be trusted, else by a click.

    Nobody has signed in yet, and anybody may have registered the client (RFC 9700 §4.11.2).
    """
    location = authorization.error_location(asked.redirect_uri, "access_denied", state=asked.state)
    if is_trusted_redirect(asked.redirect_uri, PrivateUseScheme.objects.allowed()):
        return sign_in.redirect_to_client(location, application)
    return render_problem(
        request,
        "You cancelled",
        "Nothing was connected.",
        return_location=location,
        application=application,
    )


def consent_context(asked: AuthorizationCodeRequest, application: Application) -> dict[str, Any]:
    scopes = settings.SCOPES
    return {
        "application": application,
        "document_host": document_host(application),
        "redirect_host": urlsplit(asked.redirect_uri).netloc,
        "redirect_uri": asked.redirect_uri,
        "is_loopback": is_loopback(asked.redirect_uri),
        "is_private_scheme": uses_private_scheme(asked.redirect_uri),
        "permissions": [scopes[scope] for scope in asked.scopes],
        "hands_out_api_key": "wiv:write" in asked.scopes
        and settings.ACCESS_TOKEN_KIND == "api_key",
    }


def refuse_authorization(request: HttpRequest, refused: AuthorizationRefused) -> HttpResponse:
    """To the client where its redirect URI can be trusted before anybody consented, else a page."""
    location = refused.redirect_uri and authorization.error_location(
        refused.redirect_uri, refused.error, state=refused.state, description=refused.description
    )
    if location and is_trusted_redirect(location, PrivateUseScheme.objects.allowed()):
        response: HttpResponse = OAuth2ResponseRedirect(location, [urlsplit(location).scheme])
        return response
    return problem_page(
        request,
        "This connection can't be made",
        refused.message,
        reason=f"authorize: {refused.error} {refused.description}",
        detail=f"{refused.error}: {refused.description}",
        status=400,
    )


@never_cache
@require_safe
def callback(request: HttpRequest) -> HttpResponse:
    row: AuthorizationRequest | None = None
    try:
        row = sign_in.resume(request)
        if "error" in request.GET:
            raise sign_in.refusal(request)
        identity = sign_in.identify(row, request.GET.get("code", ""))
        return sign_in.settle(request, row, identity)
    except SignInFailed as failed:
        return sign_in_failed(request, failed, row)
    except AuthorizationRefused as refused:
        return refuse_authorization(request, refused)


@method_decorator(never_cache, name="dispatch")
class OrganizationView(View):
    """Which organization, for people with several; for them the second confirmation."""

    def get(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        row = get_object_or_404(AuthorizationRequest, pk=pk)
        try:
            self._require_open(request, row)
        except SignInFailed as failed:
            return sign_in_failed(request, failed, None)
        context = {"organizations": row.organizations, "application": row.application}
        if row.application is not None:
            asked = AuthorizationCodeRequest.from_query(row.query)
            context["redirect_host"] = urlsplit(asked.redirect_uri).netloc
        return render(request, "oauth_bridge/organization.html", context)

    def post(self, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        row = get_object_or_404(AuthorizationRequest, pk=pk)
        try:
            self._require_open(request, row)
            organization = sign_in.chosen(row, request.POST.get("organization", ""))
            assert row.user is not None  # settle() stores it with the choices
            choices = sign_in.choices_of(row)
            return sign_in.finish(request, row, row.user, organization, choices)
        except SignInFailed as failed:
            return sign_in_failed(request, failed, None)
        except AuthorizationRefused as refused:
            return refuse_authorization(request, refused)

    def _require_open(self, request: HttpRequest, row: AuthorizationRequest) -> None:
        sign_in.require_same_browser(request, row)
        if row.user is None or row.completed_at or row.is_expired:
            raise sign_in.used_up("organization: completed, expired or too early")


def sign_in_failed(
    request: HttpRequest, failed: SignInFailed, row: AuthorizationRequest | None
) -> HttpResponse:
    reference = new_reference()
    application = row.application if row else None
    if row is not None:  # a callback nobody began is only logged: anybody can make those up
        record(
            Event.SIGN_IN_FAILED,
            application=application,
            reason=failed.reason,
            reference=reference,
        )
    return problem_page(
        request,
        "You aren't signed in",
        failed.message,
        reason=failed.reason,
        status=failed.status,
        reference=reference,
        return_location=sign_in.return_location(row, failed.oauth_error),
        application=application,
    )


def new_reference() -> str:
    return uuid.uuid4().hex[:12]


def problem_page(
    request: HttpRequest,
    title: str,
    message: str,
    *,
    reason: str,
    status: int,
    reference: str = "",
    **context: Any,
) -> HttpResponse:
    """A page with a reference that finds the log line; the line has the cause."""
    reference = reference or new_reference()
    logger.warning("problem page %s: %s", reference, reason)
    return render_problem(request, title, message, status=status, reference=reference, **context)


def render_problem(
    request: HttpRequest, title: str, message: str, *, status: int = 200, **context: Any
) -> ProblemPage:
    context |= {"title": title, "message": message}
    page = render(request, "oauth_bridge/problem.html", context, status=status)
    return ProblemPage(page, message)


@method_decorator(csrf_exempt, name="dispatch")
class TokenView(SmallBodyMixin, ToolkitTokenView):
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = self._answer(request)
        count_answer(request, response)
        return response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        if refused := settle_parameters(request):
            return client_challenge(refused)
        try:
            response = patiently(partial(self.authorization_flow_token_response, request))
        except BridgeError as error:
            logger.warning("token: %s", error)
            return unavailable("PropelAuth can't be reached. Try again shortly.")
        except AccessToken.DoesNotExist:
            # The toolkit looks once more for what it stored: a replay of the code has ended it.
            return oauth_error("invalid_grant", "The authorization code was used more than once.")
        outbox.deliver_soon()
        response["Content-Type"] = "application/json"  # oauthlib leaves it out of some errors
        return client_challenge(no_store(response))


def count_answer(request: HttpRequest, response: HttpResponse) -> None:
    error = ""
    if response.status_code >= 400:
        with suppress(ValueError, AttributeError):
            error = json.loads(response.content).get("error")
        error = error or str(response.status_code)
    metrics.token_answered(request.POST.get("grant_type", ""), error)


@method_decorator(csrf_exempt, name="dispatch")
class RevokeTokenView(SmallBodyMixin, ToolkitRevokeTokenView):
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if refused := settle_parameters(request):
            return client_challenge(refused)
        try:
            response: HttpResponse = super().post(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        except OAuth2Error as error:
            return oauth_error(error.error, error.description or "")
        return client_challenge(no_store(response))


def client_challenge(response: HttpResponse) -> HttpResponse:
    """RFC 6749 §5.2: a client that failed to authenticate hears of the scheme it could use.

    oauthlib says Bearer, which no client authenticates with.
    """
    if response.status_code == 401:
        response["WWW-Authenticate"] = f'Basic realm="{settings.PUBLIC_URL}", charset="UTF-8"'
    return response
