"""Is this process alive, may it be sent traffic, and what has it counted?

Answered by a middleware in front of everything else: balancers ask with a Host of their own, and so
does Prometheus.
"""

from collections.abc import Callable

import django.db
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

from mcp_gateway.models import Tool
from wivmcp.exposition import told

GetResponse = Callable[[HttpRequest], HttpResponse]


class HealthMiddleware:
    """Answers `GET /healthz`, `/readyz` and `/metrics`, and passes everything else on."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/healthz":
            return JsonResponse({"status": "ok"})
        if request.path == "/readyz":
            return readiness()
        if request.path == "/metrics":
            return told(request)
        return self.get_response(request)


_schema_is_current = False


def readiness() -> HttpResponse:
    """200 when the database answers, is migrated and has a catalog; else 503, naming what isn't."""
    checks: dict[str, str] = {"database": "unknown", "migrations": "unknown", "catalog": "unknown"}
    try:
        checks["migrations"] = "ok" if schema_is_current() else "pending"
        checks["database"] = "ok"
        if checks["migrations"] == "ok":
            checks["catalog"] = "ok" if Tool.objects.exists() else "empty"
    except django.db.Error:
        checks["database"] = "unavailable"
    ready = all(state == "ok" for state in checks.values())
    return JsonResponse(
        {"status": "ok" if ready else "unavailable", "checks": checks}, status=200 if ready else 503
    )


def schema_is_current() -> bool:
    """A schema never loses migrations under a running process, so only "not yet" is asked again."""
    global _schema_is_current
    if _schema_is_current:
        connection.ensure_connection()
    else:
        executor = MigrationExecutor(connection)
        _schema_is_current = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _schema_is_current
