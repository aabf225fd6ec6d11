"""The forms in which OAuth endpoints answer programs: JSON errors, never cached."""

from typing import Any

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control
from django.views import View


def no_store(response: HttpResponse) -> HttpResponse:
    """RFC 6749 §5.1."""
    patch_cache_control(response, no_store=True)
    response["Pragma"] = "no-cache"
    return response


def oauth_error(error: str, description: str, status: int = 400) -> JsonResponse:
    """RFC 6749 §5.2, and RFC 7591 §3.2.2, which has the same form."""
    response = JsonResponse({"error": error, "error_description": description}, status=status)
    no_store(response)
    return response


def unavailable(description: str) -> JsonResponse:
    response = oauth_error("temporarily_unavailable", description, status=503)
    response["Retry-After"] = "5"
    return response


class SmallBodyMixin(View):
    """Django's answer to a body over DATA_UPLOAD_MAX_MEMORY_SIZE is an HTML page."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except (RequestDataTooBig, TooManyFieldsSent):
            return oauth_error("invalid_request", "The request is too large.", status=413)
