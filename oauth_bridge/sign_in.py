"""The upstream leg of a sign-in: to PropelAuth with our own PKCE, back, and whom we let in.

    begin      an AuthorizationRequest row and its cookie, then 302 to PropelAuth
    resume     the callback: right browser, first time, in time
    identify   code -> token -> introspection -> user and memberships; PropelAuth's token ends here
    settle     which organization: introspection's, else the only one, else the person chooses
    finish     our own code for the client, or the session for /connect

Nothing is kept in the session or in memory: another worker, or the same one restarted, can take any
step.
"""

import dataclasses
import re
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qs

from django.conf import settings
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.crypto import constant_time_compare
from oauth2_provider.http import OAuth2ResponseRedirect

from oauth_bridge import authorization
from oauth_bridge.encryption import decrypt, encrypt
from oauth_bridge.errors import (
    PropelAuthMisconfigured,
    PropelAuthRefused,
    PropelAuthUnavailable,
    SecretUnreadable,
    SignInFailed,
)
from oauth_bridge.events import Event, record
from oauth_bridge.models import Application, AuthorizationRequest, User
from oauth_bridge.pkce import create_code_verifier, s256_code_challenge
from oauth_bridge.propelauth import Organization, PropelAuthUser, propelauth, upstream_resource
from oauth_bridge.secret import Secret, checksum

# {"id", "name"} of the organization somebody chose for /connect, and a list of all they have.
SESSION_ORGANIZATION = "organization"
SESSION_ORGANIZATIONS = "organizations"
CONNECT_PATH = "/connect"
# Where on these pages a sign-in may lead.
PAGE_PATH = re.compile(r"/connect(/[a-z0-9-]+)*")

START_AGAIN = "Go back to your assistant and connect again."


# Begin ---------------------------------------------------------------------------------------


def begin(
    purpose: AuthorizationRequest.Purpose,
    *,
    application: Application | None = None,
    query: str = "",
) -> HttpResponse:
    """Send the browser to PropelAuth, bound to this one by a cookie of the flow's own.

    `query` is the client's request; for the connect page, the path of the page to come back to.
    """
    state, browser_secret = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    verifier = create_code_verifier()
    row = AuthorizationRequest.objects.create(
        purpose=purpose,
        state_checksum=checksum(state),
        browser_checksum=checksum(browser_secret),
        encrypted_code_verifier=encrypt(Secret(verifier)),
        application=application,
        query=query,
    )
    record(Event.SIGN_IN_BEGUN, application=application)
    response = HttpResponseRedirect(
        propelauth().authorization_url(state=state, code_challenge=s256_code_challenge(verifier))
    )
    response.set_cookie(
        cookie_name(row),
        browser_secret,
        max_age=settings.SIGN_IN_LIFETIME,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",  # PropelAuth's redirect back to us is a cross-site navigation
    )
    return response


def cookie_name(row: AuthorizationRequest) -> str:
    """One cookie a flow, so that parallel sign-ins in one browser don't overwrite each other."""
    prefix = "__Host-" if settings.SESSION_COOKIE_SECURE else ""
    return f"{prefix}sign-in-{row.pk.hex}"


# Resume --------------------------------------------------------------------------------------


def resume(request: HttpRequest) -> AuthorizationRequest:
    """The flow a callback belongs to, consumed. Raises SignInFailed."""
    row = AuthorizationRequest.objects.filter(
        state_checksum=checksum(request.GET.get("state", ""))
    ).first()
    if row is None:
        raise SignInFailed(
            f"This sign-in isn't known here. {START_AGAIN}", reason="callback: unknown state"
        )
    require_same_browser(request, row)
    if not AuthorizationRequest.objects.consume(row):
        reason = "expired" if row.is_expired else "replayed"
        raise used_up(f"callback: {reason}")
    return row


def used_up(reason: str) -> SignInFailed:
    return SignInFailed(
        f"This sign-in was used already or took too long. {START_AGAIN}", reason=reason
    )


def require_same_browser(request: HttpRequest, row: AuthorizationRequest) -> None:
    """Raises SignInFailed for a browser that didn't begin this flow (RFC 9700 §4.7)."""
    browser_secret = request.COOKIES.get(cookie_name(row), "")
    if not constant_time_compare(checksum(browser_secret), row.browser_checksum):
        raise SignInFailed(
            f"This sign-in was begun in another browser, or cookies are off. {START_AGAIN}",
            reason="browser cookie missing or different",
        )


def refusal(request: HttpRequest) -> SignInFailed:
    """PropelAuth sent the person back with an error (RFC 6749 §4.1.2.1)."""
    if request.GET.get("error") == "access_denied":
        return SignInFailed(
            "You cancelled the sign-in.",
            reason="PropelAuth: access_denied",
            oauth_error="access_denied",
        )
    return SignInFailed(
        f"PropelAuth couldn't sign you in. {START_AGAIN}", reason="PropelAuth: error in callback"
    )


# Identify ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody PropelAuth vouches for. `choices` holds one organization when it is settled."""

    user: User
    choices: tuple[Organization, ...]
    organizations: tuple[Organization, ...]


def identify(row: AuthorizationRequest, code: str) -> Identity:
    """Raises SignInFailed, whose page says what to do next."""
    try:
        person, organization_id = _ask_propelauth(row, code)
    except PropelAuthRefused as error:
        raise SignInFailed(
            f"PropelAuth didn't confirm the sign-in. {START_AGAIN}", reason=str(error)
        ) from error
    except SecretUnreadable as error:
        raise SignInFailed(
            f"This sign-in can't go on. {START_AGAIN}", reason="code verifier unreadable"
        ) from error
    except PropelAuthUnavailable as error:
        raise SignInFailed(
            "PropelAuth doesn't answer just now. Try again in a minute.",
            reason=str(error),
            status=503,
            oauth_error="temporarily_unavailable",
        ) from error
    except PropelAuthMisconfigured as error:
        raise SignInFailed(
            "This server's connection to PropelAuth is misconfigured. Tell your administrator.",
            reason=str(error),
            status=502,
        ) from error
    return _admit(person, organization_id)


def _ask_propelauth(row: AuthorizationRequest, code: str) -> tuple[PropelAuthUser, str | None]:
    token = propelauth().exchange_code(
        code=code, code_verifier=decrypt(row.encrypted_code_verifier)
    )
    introspection = propelauth().introspect(token)
    if introspection.audience and upstream_resource() not in introspection.audience:
        raise PropelAuthRefused("introspection: token for another audience")
    if not _is_uuid(introspection.subject):
        raise PropelAuthMisconfigured("introspection: sub isn't a user id")
    return propelauth().get_user(introspection.subject), introspection.organization_id


def _admit(person: PropelAuthUser, organization_id: str | None) -> Identity:
    if not person.enabled:
        raise SignInFailed(
            "Your account is blocked. Ask your administrator.",
            reason="account not enabled",
            status=403,
            oauth_error="access_denied",
        )
    if not person.organizations:
        raise SignInFailed(
            "Your account isn't a member of any organization yet. Ask for an invitation first.",
            reason="no organization",
            status=403,
            oauth_error="access_denied",
        )
    user = User.objects.from_propelauth(person)
    open_to_user = tuple(each for each in person.organizations if user.may_use(each.id))
    if not open_to_user:
        raise SignInFailed(
            "Your access to this server was switched off. Ask your administrator.",
            reason="user inactive, or denied here",
            status=403,
            oauth_error="access_denied",
        )
    named = tuple(found for found in open_to_user if found.id == organization_id)
    return Identity(user, named or open_to_user, open_to_user)


def _is_uuid(value: str) -> bool:
    try:
        uuid.UUID(value)
    except ValueError:
        return False
    return True


# Settle --------------------------------------------------------------------------------------


def settle(request: HttpRequest, row: AuthorizationRequest, identity: Identity) -> HttpResponse:
    if len(identity.choices) == 1:
        return finish(request, row, identity.user, identity.choices[0], identity.organizations)
    row.user = identity.user
    row.organizations = [dataclasses.asdict(choice) for choice in identity.choices]
    row.save(update_fields=["user", "organizations"])
    return HttpResponseRedirect(f"/oauth/organization/{row.pk}")


def choices_of(row: AuthorizationRequest) -> list[Organization]:
    return [Organization(**choice) for choice in row.organizations]


def chosen(row: AuthorizationRequest, organization_id: str) -> Organization:
    """Raises SignInFailed for an organization that wasn't offered."""
    for choice in choices_of(row):
        if choice.id == organization_id:
            return choice
    raise SignInFailed(
        "Choose one of your organizations.", reason="organization wasn't offered", status=400
    )


# Finish --------------------------------------------------------------------------------------


def finish(
    request: HttpRequest,
    row: AuthorizationRequest,
    user: User,
    organization: Organization,
    organizations: Iterable[Organization],
) -> HttpResponse:
    """`organization` is the settled one of those the person has."""
    if not AuthorizationRequest.objects.complete(row):
        raise used_up("completed or expired")
    response: HttpResponse
    if row.application is None:
        response = _enter_connect(request, user, organization, organizations, row.query)
    else:
        response = _return_to_client(row, row.application, user, organization)
    record(
        Event.SIGN_IN_COMPLETED,
        user=user,
        application=row.application,
        organization_id=organization.id,
    )
    response.delete_cookie(cookie_name(row))
    return response


def _enter_connect(
    request: HttpRequest,
    user: User,
    organization: Organization,
    organizations: Iterable[Organization],
    page: str,
) -> HttpResponseRedirect:
    login(request, user, backend="oauth_bridge.backends.PropelAuthBackend")
    request.session.cycle_key()  # login() keeps the key of a session the same user had
    request.session[SESSION_ORGANIZATION] = _id_and_name(organization)
    request.session[SESSION_ORGANIZATIONS] = [_id_and_name(each) for each in organizations]
    return HttpResponseRedirect(page if PAGE_PATH.fullmatch(page) else CONNECT_PATH)


def _id_and_name(organization: Organization) -> dict[str, str]:
    return {"id": organization.id, "name": organization.name}


def _return_to_client(
    row: AuthorizationRequest, application: Application, user: User, organization: Organization
) -> HttpResponse:
    request = authorization.AuthorizationCodeRequest.from_query(row.query)
    location = authorization.issue_code(
        request, user=user, organization=organization, token_family=uuid.uuid4()
    )
    return redirect_to_client(location, application)


def redirect_to_client(location: str, application: Application) -> HttpResponse:
    """A plain 302, to a custom scheme too: loopback clients wait only milliseconds for it."""
    response: HttpResponse = OAuth2ResponseRedirect(location, application.get_allowed_schemes())
    return response


def return_location(row: AuthorizationRequest | None, error: str) -> str | None:
    """Where a person whose sign-in failed may go back to the client, with the RFC's error."""
    if row is None or row.purpose == AuthorizationRequest.Purpose.CONNECT:
        return None
    query = parse_qs(row.query)
    return authorization.error_location(
        query["redirect_uri"][0], error, state=query.get("state", [None])[0]
    )
