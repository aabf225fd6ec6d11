"""Spans of Django's requests and of its queries, as Django itself lets one look at them."""

from collections.abc import Callable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.http import HttpRequest, HttpResponse

from telemetry import traces

GetResponse = Callable[[HttpRequest], HttpResponse]
Execute = Callable[[str, Any, bool, dict[str, Any]], Any]


class SpanMiddleware:
    """Named by the URL pattern and never by the path, which may hold anything."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with traces.span("django") as span:
            response = self.get_response(request)
            if span is not None:
                match = request.resolver_match
                route = f"/{match.route}" if match else "no route"
                span.update_name(f"django {route}")
                span.set_attribute("http.route", route)
                span.set_attribute("http.response.status_code", response.status_code)
        return response


def trace_queries() -> None:
    """Of every connection that is opened from here on."""
    connection_created.connect(install, dispatch_uid="wivmcp.tracing")


def install(sender: object, connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if query_span not in connection.execute_wrappers:
        connection.execute_wrappers.append(query_span)


def query_span(execute: Execute, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    with traces.query_span(context["connection"].vendor, sql):  # OpenTelemetry's names too
        return execute(sql, params, many, context)
