"""What of a request can Django's admin, and the database behind it, not be asked about?

The admin checks what its forms have, and hands on what no browser would send: PostgreSQL has no NUL
in its texts, and no row has the id "x".
"""

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest

# The dashboard knows which values it has.
READ_BY_ITSELF = frozenset({"index"})
BIGINT = range(-(2**63), 2**63)

GetResponse = Callable[[HttpRequest], HttpResponse]


class AdminInputMiddleware:
    """400 for what would end in a server error."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: object, args: object, kwargs: object
    ) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or match.app_name != "admin" or match.url_name in READ_BY_ITSELF:
            return None
        if any("\0" in text for text in texts_of(request)):
            return HttpResponseBadRequest("A parameter has a character that no text has.")
        if not all(map(is_key(find_model(match.url_name)), chosen_rows(request))):
            return HttpResponseBadRequest("A row was chosen that can't be there.")
        return None


def texts_of(request: HttpRequest) -> Iterator[str]:
    for parameters in (request.GET, form_of(request)):
        for name, values in parameters.lists():
            yield from (name, *map(str, values))


def form_of(request: HttpRequest) -> Any:
    """Not one with a file: its page says in its own words that it is too large."""
    is_plain = request.content_type == "application/x-www-form-urlencoded"
    return request.POST if request.method == "POST" and is_plain else request.GET


def chosen_rows(request: HttpRequest) -> list[str]:
    rows: list[str] = form_of(request).getlist(ACTION_CHECKBOX_NAME)
    return rows


def find_model(url_name: str | None) -> type[Model] | None:
    """Whose list it is, if it is one."""
    for model in admin.site._registry:
        if url_name == f"{model._meta.app_label}_{model._meta.model_name}_changelist":
            return model
    return None


def is_key(model: type[Model] | None) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        if model is None:
            return True
        try:
            key = model._meta.pk.to_python(text)
        except ValidationError:
            return False
        return key in BIGINT if isinstance(key, int) else key is not None

    return check
