"""How often may somebody try a password at /admin/?

Attempts are counted before the password is looked at, so that many at once are no way round, and
nobody can have this server hash passwords all day. Strangers share a budget by network and another
by account. Who has signed in from a browser before has one of their own there, so that no stranger
can keep an administrator out (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
"""

import logging
import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib import admin
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from oauth_bridge.models import User
from oauth_bridge.network import client_address, network_of
from oauth_bridge.rate_limits import seconds_to_wait
from oauth_bridge.views import too_many

logger = logging.getLogger(__name__)

WINDOW = timedelta(minutes=15)
KNOWN_FOR = timedelta(days=90)
SALT = "oauth_bridge.admin_login"


@sensitive_post_parameters()
@never_cache
def login(request: HttpRequest) -> HttpResponse:
    """The admin's own page, behind the limits."""
    if request.method != "POST":
        return admin.site.login(request)
    account = account_of(request.POST.get("username", ""))
    if seconds := seconds_of_attempt(request, account):
        logger.warning("too many attempts to sign in at the admin")
        return too_many(request, "Too many attempts to sign in", seconds)
    response = admin.site.login(request)
    if response.status_code == 302:
        remember_browser(response, account)
    return response


def account_of(username: str) -> str:
    """The same for one that nobody has: what is refused must not tell which there are.

    With a key, as people type their password there by mistake.
    """
    name = User.normalize_username(username)
    return salted_hmac(SALT, name, algorithm="sha256").hexdigest()


def seconds_of_attempt(request: HttpRequest, account: str) -> int:
    """Counts it; 0 when the password may be looked at."""
    browser = known_browser(request, account)
    if browser is not None:
        bucket = f"admin logins in the known browser {browser}"
        return seconds_to_wait(bucket, settings.ADMIN_LOGINS_PER_ADDRESS, WINDOW)
    network = network_of(client_address(request))
    return seconds_to_wait(
        f"admin logins of {network}", settings.ADMIN_LOGINS_PER_ADDRESS, WINDOW
    ) or seconds_to_wait(f"admin logins at {account}", settings.ADMIN_LOGINS_PER_ACCOUNT, WINDOW)


def known_browser(request: HttpRequest, account: str) -> str | None:
    """Its own id, where this account has signed in before."""
    try:
        known, browser = signing.loads(
            request.COOKIES.get(cookie_name(), ""), salt=SALT, max_age=KNOWN_FOR
        )
    except signing.BadSignature:
        return None
    return str(browser) if known == account else None


def remember_browser(response: HttpResponse, account: str) -> None:
    response.set_cookie(
        cookie_name(),
        signing.dumps([account, secrets.token_urlsafe(16)], salt=SALT),
        max_age=KNOWN_FOR,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def cookie_name() -> str:
    return "__Host-admin-browser" if settings.SESSION_COOKIE_SECURE else "admin-browser"
