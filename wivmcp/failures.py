"""How is a request of Django's answered that failed for no fault of its own?

Programs at the OAuth endpoints get an error in OAuth's form, which says that the same request may
be sent again; people get a page. Neither asks the database anything, as it may be what is away.
"""

import logging
import sys

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import defaults

from oauth_bridge.database import is_outage
from oauth_bridge.responses import unavailable

logger = logging.getLogger(__name__)

FOR_PROGRAMS = frozenset({"/token", "/register", "/revoke"})
RETRY_AFTER = "5"


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`: called while the exception is being handled."""
    error = sys.exc_info()[1]
    if not is_outage(error):
        return defaults.server_error(request)
    logger.error("%s: the database can't do it now: %s", request.path, error)
    if request.path in FOR_PROGRAMS:
        return unavailable("The server can't reach its database. Try again shortly.")
    return page()


def page() -> HttpResponse:
    context = {
        "title": "Wiv for AI assistants is away for a moment",
        "message": "Nothing is lost. Wait a few seconds, then reload this page.",
    }
    html = render_to_string("oauth_bridge/problem.html", context)
    return HttpResponse(html, status=503, headers={"Retry-After": RETRY_AFTER})
