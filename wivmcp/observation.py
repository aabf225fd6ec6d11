"""Which of metrics, traces and error tracking are on in this process, by the settings?"""

from typing import Any

from django.conf import settings
from django.db import connections

from mcp_gateway.version import find_version
from telemetry import errors, metrics, traces
from wivmcp import tracing


def start_observing() -> None:
    """Once a worker, before it serves anything."""
    if settings.METRICS_TOKEN:
        metrics.start()
        metrics.look_at(pool_sources())
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        traces.start(
            settings.OTEL_EXPORTER_OTLP_ENDPOINT,
            settings.OTEL_EXPORTER_OTLP_HEADERS,
            settings.OTEL_SERVICE_NAME,
            find_version(),
            settings.OTEL_TRACES_SAMPLER_ARG,
        )
        tracing.trace_queries()
    if settings.SENTRY_DSN:
        errors.start(settings.SENTRY_DSN, find_version(), settings.SENTRY_ENVIRONMENT)


def pool_sources() -> dict[str, metrics.Read]:
    """None on SQLite, which has no pool, and until somebody has opened it."""

    def statistic(name: str) -> metrics.Read:
        def read() -> float | None:
            pool: Any = getattr(connections["default"], "pool", None)
            return None if pool is None else float(pool.get_stats().get(name, 0))

        return read

    return {
        "pool_size": statistic("pool_size"),
        "pool_limit": statistic("pool_max"),
        "pool_available": statistic("pool_available"),
        "pool_waiting": statistic("requests_waiting"),
    }
