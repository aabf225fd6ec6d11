"""Whose trace does a request belong to, and is it recorded?"""

from collections.abc import Iterator

import pytest

from telemetry import traces
from telemetry.traces import find_context
from tests.telemetry.collector import Collector, collecting

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made
        traces.stop()


@pytest.mark.requirement("W3C Trace Context §3.2.2")
@pytest.mark.parametrize("text", [f"00-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-what-follows"])
def test_a_traceparent_is_read(text):
    context = find_context(text)
    assert context is not None
    assert (f"{context.trace_id:032x}", f"{context.span_id:016x}") == (TRACE, SPAN)
    assert context.is_remote


@pytest.mark.requirement("W3C Trace Context §3.2.2")
@pytest.mark.parametrize(
    "text",
    [
        *("", "00", f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01"),
        *(f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{SPAN}-01"),
        *(f"00-{TRACE}-{SPAN}", f"00-{TRACE}-{SPAN}-01\n", f" 00-{TRACE}-{SPAN}-01"),
    ],
)
def test_what_isnt_one_begins_a_trace_of_its_own(text):
    assert find_context(text) is None


def test_while_traces_are_off_nothing_is_passed_on():
    with traces.span("anything") as span:
        assert span is None
        assert traces.traceparent() is None


@pytest.mark.parametrize(("share", "flags"), [(0.0, "00"), (1.0, "01")])
@pytest.mark.parametrize("asked", ["00", "01"])
def test_whether_a_trace_is_recorded_isnt_for_its_caller_to_say(collector, share, flags, asked):
    provider = traces.start(collector.url, {}, "wivmcp", "0", share)
    with traces.span("request", traceparent=f"00-{TRACE}-{SPAN}-{asked}"):
        passed_on = traces.traceparent() or ""
    provider.shutdown()
    assert passed_on.startswith(f"00-{TRACE}-")
    assert passed_on.endswith(f"-{flags}")
    assert [span.name for span in collector.spans()] == (["request"] if share else [])


def test_an_exceptions_text_isnt_in_its_span(collector):
    provider = traces.start(collector.url, {}, "wivmcp", "0", 1.0)
    with pytest.raises(ValueError), traces.span("request"):
        raise ValueError("a-secret-value")
    provider.shutdown()
    [span] = collector.spans()
    assert span.is_error
    assert span.attributes["error.type"] == "ValueError"
    assert not any(b"a-secret-value" in body for _, _, body in collector.received)


def test_a_collector_that_is_away_stops_nobody():
    provider = traces.start("http://127.0.0.1:9", {}, "wivmcp", "0", 1.0)
    try:
        with traces.span("request") as span:
            assert span is not None
    finally:
        traces.stop()
        provider.shutdown()
