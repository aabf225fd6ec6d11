"""Where does the time of a request go? Spans of OpenTelemetry, sent to a collector.

Off unless `start` is called, and then nothing of the SDK is imported: what is not traced pays for
one look at a variable. No attribute holds a query string, an argument, a body or a credential.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
)

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

Attributes = Mapping[str, str | int | float | bool]

# W3C Trace Context section 3.2.2. "ff" is no version; what a later one adds is left out.
TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
NOTHING: AbstractContextManager[None] = nullcontext()
# Seconds. The collector may be away; nobody waits for it but the end of the process.
EXPORT_TIMEOUT = 5
MAX_QUERY = 1000

_tracer: Tracer | None = None


def start(
    endpoint: str, headers: Mapping[str, str], service: str, version: str, share: float
) -> "TracerProvider":
    """Spans go to `endpoint`, the base URL of a collector's OTLP over HTTP.

    `share` is the part of the traces that is recorded. Whether a caller wants its trace recorded
    makes no difference: anybody can say so.
    """
    global _tracer
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    share_of_all = TraceIdRatioBased(share)
    provider = TracerProvider(
        sampler=ParentBased(
            share_of_all,
            remote_parent_sampled=share_of_all,
            remote_parent_not_sampled=share_of_all,
        ),
        resource=Resource({"service.name": service, "service.version": version}),
    )
    exporter = OTLPSpanExporter(
        f"{endpoint}/v1/traces", headers=dict(headers), timeout=EXPORT_TIMEOUT
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = provider.get_tracer("wivmcp", version)
    return provider


def stop() -> None:
    global _tracer
    _tracer = None


def is_on() -> bool:
    return _tracer is not None


def is_inside() -> bool:
    """A span is current."""
    return _tracer is not None and trace.get_current_span().get_span_context().is_valid


def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
    *,
    traceparent: str = "",
    link: str = "",
) -> AbstractContextManager[Span | None]:
    """The current span inside; None when traces are off.

    `traceparent` is the header of who asked; a `link` has the same form.
    """
    if _tracer is None:
        return NOTHING
    return _span(_tracer, name, kind, attributes, traceparent, link)


def query_span(system: str, sql: str) -> AbstractContextManager[Span | None]:
    """Around a query of somebody's request. The text has placeholders; the values it is run with
    aren't looked at. `system`: "postgresql", "sqlite".
    """
    if not is_inside():
        return NOTHING
    operation = sql.lstrip("( ").partition(" ")[0].upper()[:20]
    attributes = {
        "db.system.name": system,
        "db.operation.name": operation,
        "db.query.text": sql[:MAX_QUERY],
    }
    return span(operation, SpanKind.CLIENT, attributes)


@contextmanager
def _span(
    tracer: Tracer,
    name: str,
    kind: SpanKind,
    attributes: Attributes | None,
    traceparent: str,
    link: str,
) -> Iterator[Span]:
    linked = find_context(link)
    with tracer.start_as_current_span(
        name,
        context=parent_of(traceparent),
        kind=kind,
        attributes=attributes,
        links=[Link(linked)] if linked else None,
        # An exception's text may hold anything.
        record_exception=False,
        set_status_on_exception=False,
    ) as begun:
        try:
            yield begun
        except BaseException as error:
            fail(begun, type(error).__name__)
            raise


def fail(begun: Span, kind: str) -> None:
    begun.set_attribute("error.type", kind)
    begun.set_status(StatusCode.ERROR)


def parent_of(traceparent: str) -> Context | None:
    remote = find_context(traceparent)
    return trace.set_span_in_context(NonRecordingSpan(remote)) if remote else None


def find_context(traceparent: str) -> SpanContext | None:
    """ "00-4bf9...-00f0...-01"  ->  what it says; None for anything else."""
    match = TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    flags = TraceFlags(int(match[3], 16) & TraceFlags.SAMPLED)
    context = SpanContext(int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=flags)
    return context if context.is_valid else None


def traceparent() -> str | None:
    """Of the current span, for whom we ask; None when traces are off."""
    if not is_inside():
        return None
    now = trace.get_current_span().get_span_context()
    return f"00-{now.trace_id:032x}-{now.span_id:016x}-{now.trace_flags:02x}"


def current_ids() -> dict[str, str]:
    """As the log has them."""
    if not is_inside():
        return {}
    now = trace.get_current_span().get_span_context()
    return {"trace_id": f"{now.trace_id:032x}", "span_id": f"{now.span_id:016x}"}
