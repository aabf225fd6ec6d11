"""Which parameters of an OAuth request are taken at all? (RFC 6749 §3.1, §3.2)"""

import unicodedata

from django.core.exceptions import BadRequest
from django.http import HttpRequest, JsonResponse
from django.http.multipartparser import MultiPartParserError

from oauth_bridge.responses import oauth_error

MAX_PARAMETER_LENGTH = 2048  # VS Code's state alone is about 400 characters
# RFC 6749 §3.2: parameters MUST NOT occur twice; `resource` may (RFC 8707 §2).
REPEATABLE = ("resource",)


def settle_parameters(request: HttpRequest) -> JsonResponse | None:
    """Takes empty parameters out of the form (RFC 6749 §3.2); the refusal of a malformed one."""
    if not request.headers.get("Authorization", "").isascii():
        return oauth_error("invalid_client", "The credentials can't be read.", status=401)
    try:
        parameters = request.POST.copy()
    except (BadRequest, MultiPartParserError, ValueError, LookupError):
        return oauth_error("invalid_request", "The form can't be read.")
    for name, values in list(parameters.lists()):
        if not all(is_plain_text(str(value)) for value in values):
            return oauth_error("invalid_request", "A parameter is malformed or too long.")
        given = [value for value in values if value]
        if len(given) > 1 and name not in REPEATABLE:
            return oauth_error("invalid_request", "A parameter is there more than once.")
        if given:
            parameters.setlist(name, given)
        else:
            del parameters[name]
    if "client_secret" in parameters and "Authorization" in request.headers:
        return oauth_error("invalid_request", "The client authenticates in two ways at once.")
    request.POST = parameters  # type: ignore[assignment]  # nobody changes it from here on
    return None


def is_plain_text(value: str) -> bool:
    """No control characters (PostgreSQL can't even store NUL) and no novel."""
    return len(value) <= MAX_PARAMETER_LENGTH and not any(
        unicodedata.category(character) in ("Cc", "Cs") for character in value
    )
