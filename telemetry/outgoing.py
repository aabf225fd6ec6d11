"""What is told of one request to somebody else: how long it took and what came of it.

Of its address only the template: what its variables were replaced by are a caller's arguments.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from opentelemetry.trace import SpanKind

from telemetry import metrics, traces

Api = Literal["wiv", "propelauth", "other"]


@dataclass(slots=True)
class Sent:
    """`status` is None as long as nothing was answered."""

    status: int | None = None


@contextmanager
def observed(api: Api, method: str, path_template: str) -> Iterator[Sent]:
    sent, began = Sent(), time.perf_counter()
    attributes = {
        "http.request.method": method,
        "url.template": path_template,
        "wivmcp.api": api,
    }
    with traces.span(f"{method} {path_template}", SpanKind.CLIENT, attributes) as span:
        try:
            yield sent
        finally:
            metrics.upstream_answered(api, sent.status, time.perf_counter() - began)
            if span is not None and sent.status is not None:
                span.set_attribute("http.response.status_code", sent.status)
                if sent.status >= 400:  # for a client each of them is one
                    traces.fail(span, str(sent.status))
