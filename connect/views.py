"""The page where people begin, see what is connected, and end it."""

import uuid
from typing import cast

from django.conf import settings
from django.contrib.auth import logout
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from connect import ai_clients
from oauth_bridge import minting, outbox, sign_in
from oauth_bridge.errors import BridgeError
from oauth_bridge.families import revoke_family
from oauth_bridge.models import AuthorizationRequest, Consent, EndUserApiKey, User
from oauth_bridge.propelauth import propelauth
from oauth_bridge.registration import visible_text
from oauth_bridge.views import problem_page

DEFAULT_KEY_NAME = "Made on the connect page"


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return redirect("connect:page")


@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    url = f"{settings.PUBLIC_URL}/mcp"
    organization = organization_of(request)
    context = {
        "organization": organization,
        "connections": connections_of(request) if organization else [],
        "api_keys": api_keys_of(request) if organization else [],
        "url": url,
        "oauth_config": ai_clients.mcp_servers_json(url),
        "api_key_config": ai_clients.mcp_servers_json_with_key(url),
        "accepts_api_keys": settings.ACCEPT_API_KEYS,
        "key_days": settings.CONNECT_API_KEY_LIFETIME.days,
    }
    return render(request, "connect/page.html", context)


def connections_of(request: HttpRequest) -> "QuerySet[Consent]":
    """What this person allowed and a client can still use, in any organization."""
    mine = Consent.objects.in_force().filter(user=cast(User, request.user))
    return mine.select_related("application").order_by("-created")


def api_keys_of(request: HttpRequest) -> "QuerySet[EndUserApiKey]":
    """Those made on this page that still work."""
    return EndUserApiKey.objects.filter(
        user=cast(User, request.user),
        purpose=EndUserApiKey.Purpose.CONNECT,
        revoked_at=None,
        expires__gt=timezone.now(),
    ).order_by("-created")


@require_POST
def end_connections(request: HttpRequest) -> HttpResponse:
    """The one that is named, or all of them."""
    if organization_of(request) is not None:
        mine = connections_of(request)
        if (named := request.POST.get("connection", "")) != "all":
            mine = mine.filter(token_family=named) if is_uuid(named) else mine.none()
        for connection in mine:
            revoke_family(connection.token_family)
    return redirect("connect:page")


@require_POST
def revoke_api_key(request: HttpRequest) -> HttpResponse:
    if organization_of(request) is not None:
        named = visible_text(request.POST.get("key", ""))
        outbox.revoke_keys(api_keys_of(request).filter(api_key_id=named))
        outbox.deliver_soon()
    return redirect("connect:page")


def is_uuid(value: str) -> bool:
    try:
        uuid.UUID(value)
    except ValueError:
        return False
    return True


@require_POST
def start_sign_in(request: HttpRequest) -> HttpResponse:
    return sign_in.begin(AuthorizationRequest.Purpose.CONNECT)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("connect:page")


@never_cache
@require_POST
def make_api_key(request: HttpRequest) -> HttpResponse:
    """Answers with the key in the fragment: browsers send that to no server, and log it nowhere."""
    organization = organization_of(request)
    if organization is None or not settings.ACCEPT_API_KEYS:
        return redirect("connect:page")
    user = cast(User, request.user)
    try:
        if not is_still_member(user, organization["id"]):
            return problem_page(
                request,
                "No key was made",
                "You are no longer a member of this organization. Sign out and in again.",
                reason="connect key: no longer a member",
                status=403,
            )
        secret = minting.mint_connect_key(
            user=user,
            organization_id=organization["id"],
            name=visible_text(request.POST.get("name", "")) or DEFAULT_KEY_NAME,
            expires=timezone.now() + settings.CONNECT_API_KEY_LIFETIME,
        )
    except BridgeError as error:
        return problem_page(
            request,
            "No key was made",
            "PropelAuth didn't make an API key for you. Try again in a minute.",
            reason=f"connect key: {error}",
            status=503,
        )
    response = HttpResponseRedirect(f"/connect#api_key={secret.reveal()}")
    response.status_code = 303
    return response


def organization_of(request: HttpRequest) -> dict[str, str] | None:
    """The organization chosen at sign-in; None for a visitor, and for staff signed in at /admin."""
    if not request.user.is_authenticated or request.user.propelauth_user_id is None:
        return None
    return cast("dict[str, str] | None", request.session.get(sign_in.SESSION_ORGANIZATION))


def is_still_member(user: User, organization_id: str) -> bool:
    """False for somebody who was blocked or removed since the session began, there or here."""
    person = propelauth().get_user(str(user.propelauth_user_id))
    is_member = person.enabled and person.is_member_of(organization_id)
    return is_member and user.may_use(organization_id)
