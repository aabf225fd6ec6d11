"""Who may read the metrics? Whoever has METRICS_TOKEN."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.utils.crypto import constant_time_compare
from prometheus_client import CONTENT_TYPE_LATEST

from telemetry import metrics


def told(request: HttpRequest) -> HttpResponse:
    """404 where there is no token: to anybody else this address isn't there."""
    if not settings.METRICS_TOKEN:
        return HttpResponseNotFound()
    expected = f"Bearer {settings.METRICS_TOKEN}"
    if not constant_time_compare(request.headers.get("Authorization", ""), expected):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(
        metrics.exposition(),
        content_type=CONTENT_TYPE_LATEST,
        headers={"Cache-Control": "no-store"},
    )
