"""What is counted, and how is it told to Prometheus?

Off unless `start` is called, and then each function here returns at once. No label has a value that
a caller can choose: their number stays small, and nobody reads in a metric what somebody else sent.

Several workers share a folder of memory-mapped files (prometheus_client's multiprocess mode), which
whichever of them is asked adds up. What isn't counted but looked at, such as open streams, each
worker writes there every few seconds.
"""

import glob
import os
import re
import resource
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
SAMPLE_SECONDS = 5.0
# Seconds.
CALL_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 110)
REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

# First parts of paths; what is anything else is "other".
ENDPOINTS = frozenset(
    {
        *("mcp", "sse", "messages", "authorize", "token", "register", "revoke", "oauth"),
        *("connect", "admin", "static", ".well-known", "healthz", "readyz", "metrics"),
    }
)
GRANT_TYPES = frozenset({"authorization_code", "refresh_token"})
# RFC 6749 section 5.2, RFC 8707 section 2, and ours.
TOKEN_ERRORS = frozenset(
    {
        *("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client"),
        *("unsupported_grant_type", "invalid_scope", "invalid_target", "temporarily_unavailable"),
    }
)
# A security event -> which step of a sign-in it ends, and how.
SIGN_IN_STEPS = {
    "client_registered": ("registration", "ok"),
    "registration_refused": ("registration", "refused"),
    "sign_in_begun": ("consent", "ok"),
    "consent_denied": ("consent", "denied"),
    "sign_in_completed": ("sign_in", "ok"),
    "sign_in_failed": ("sign_in", "failed"),
    "token_issued": ("token", "ok"),
    "token_refreshed": ("refresh", "ok"),
    "code_replayed": ("token", "replayed"),
    "refresh_token_reused": ("refresh", "reused"),
    "membership_lost": ("refresh", "membership_lost"),
}
Mode = Literal["livesum", "liveall"]
Read = Callable[[], float | None]
UNKNOWN_TOOL = "(unknown)"


class Collectors:
    """Each metric, once a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"wivmcp_{name}", text, labels, registry=registry)

        def histogram(
            name: str, text: str, *labels: str, buckets: tuple[float, ...] = CALL_BUCKETS
        ) -> Histogram:
            return Histogram(f"wivmcp_{name}", text, labels, registry=registry, buckets=buckets)

        def gauge(name: str, text: str, mode: Mode = "livesum") -> Gauge:
            return Gauge(f"wivmcp_{name}", text, registry=registry, multiprocess_mode=mode)

        self.requests = counter("http_requests", "HTTP requests.", "endpoint", "status")
        self.request_seconds = histogram(
            "http_request_seconds", "Without open streams.", "endpoint", buckets=REQUEST_BUCKETS
        )
        self.calls = counter("tool_calls", "Tool calls that ended.", "tool", "outcome")
        self.call_seconds = histogram("tool_call_seconds", "Of a tool call.", "tool")
        self.upstream_requests = counter(
            "upstream_requests", "Requests to Wiv, PropelAuth and other APIs.", "api", "status"
        )
        self.upstream_seconds = histogram("upstream_request_seconds", "Of such a request.", "api")
        self.verdicts = counter(
            "propelauth_verdicts", "Brought API keys that were looked up.", "result"
        )
        self.sign_in_steps = counter(
            "sign_in_steps", "Steps of sign-ins that ended.", "step", "outcome"
        )
        self.token_answers = counter(
            "token_answers", "Answers of /token; no error is success.", "grant_type", "error"
        )
        self.catalog_refreshes = counter(
            "catalog_refreshes", "Looks for a new version of the catalog.", "result"
        )
        self.gauges = {
            "streams_open": gauge("streams_open", "Open SSE streams."),
            "streams_limit": gauge("streams_limit", "SSE streams there may be."),
            "calls_waiting": gauge("call_log_waiting", "Calls that aren't in the call log yet."),
            "breakers_open": gauge("breakers_open", "Routes that are given up for the moment."),
            "pool_size": gauge("database_pool_size", "Connections in the pool."),
            "pool_limit": gauge("database_pool_limit", "Connections there may be in the pool."),
            "pool_available": gauge("database_pool_available", "Connections nobody uses."),
            "pool_waiting": gauge("database_pool_waiting", "Those who wait for a connection."),
            "catalog_tools": gauge("catalog_tools", "Tools in a worker's memory.", "liveall"),
            "catalog_version": gauge(
                "catalog_version", "Differs where workers have different catalogs.", "liveall"
            ),
            "cpu": gauge("worker_cpu_seconds", "Processor time of a worker.", "liveall"),
            "memory": gauge("worker_memory_bytes", "Resident memory of a worker.", "liveall"),
            "started": gauge(
                "worker_start_time_seconds", "When a worker started, in Unix time.", "liveall"
            ),
        }
        # `labels` costs more than counting does.
        self.of_call = cache(self._of_call)
        self.of_request = cache(self._of_request)
        self.of_upstream = cache(self._of_upstream)

    def _of_call(self, tool: str, outcome: str) -> tuple[Counter, Histogram]:
        return self.calls.labels(tool, outcome), self.call_seconds.labels(tool)

    def _of_request(self, endpoint: str, status: str) -> tuple[Counter, Histogram]:
        return self.requests.labels(endpoint, status), self.request_seconds.labels(endpoint)

    def _of_upstream(self, api: str, status: str) -> tuple[Counter, Histogram]:
        return self.upstream_requests.labels(api, status), self.upstream_seconds.labels(api)


_collectors: Collectors | None = None
_registry = CollectorRegistry()
_sources: dict[str, Read] = {}


def start() -> None:
    """Once a process, before anything is counted."""
    global _collectors
    if _collectors is None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each
        _collectors = Collectors(_registry)
        _sources.update(process_sources())


def process_sources() -> dict[str, Read]:
    started = time.time()
    return {"cpu": time.process_time, "memory": resident_bytes, "started": lambda: started}


def resident_bytes() -> float:
    with suppress(OSError):  # not on Linux
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return float(pages * resource.getpagesize())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


# Counted where it happens ------------------------------------------------------------------------


def request_answered(path: str, status: int, seconds: float) -> None:
    """`status` is 0 for a request that nobody waited for until its answer began."""
    if _collectors is None:
        return
    endpoint = endpoint_of(path)
    counter, histogram = _collectors.of_request(endpoint, str(status) if status else "none")
    counter.inc()
    if endpoint != "sse":
        histogram.observe(seconds)


def endpoint_of(path: str) -> str:
    first = path[1:].partition("/")[0]
    return first if first in ENDPOINTS else "other"


def call_ended(tool: str, outcome: str, seconds: float) -> None:
    """`tool` is one of the catalog's, or "" for what isn't there."""
    if _collectors is None:
        return
    counter, histogram = _collectors.of_call(tool or UNKNOWN_TOOL, outcome)
    counter.inc()
    histogram.observe(seconds)


def upstream_answered(api: str, status: int | None, seconds: float) -> None:
    """`status` is None when there was no answer."""
    if _collectors is None:
        return
    counter, histogram = _collectors.of_upstream(api, status_class(status))
    counter.inc()
    histogram.observe(seconds)


def status_class(status: int | None) -> str:
    return f"{status // 100}xx" if status else "none"


def verdict_found(*, is_known: bool) -> None:
    if _collectors is not None:
        _collectors.verdicts.labels("hit" if is_known else "miss").inc()


def event_recorded(event: str) -> None:
    if _collectors is not None and event in SIGN_IN_STEPS:
        _collectors.sign_in_steps.labels(*SIGN_IN_STEPS[event]).inc()


def token_answered(grant_type: str, error: str) -> None:
    """`error` is "" for success."""
    if _collectors is None:
        return
    grant_type = grant_type if grant_type in GRANT_TYPES else "other"
    error = error if not error or error in TOKEN_ERRORS else "other"
    _collectors.token_answers.labels(grant_type, error).inc()


def catalog_refreshed(result: Literal["unchanged", "changed", "failed"]) -> None:
    if _collectors is not None:
        _collectors.catalog_refreshes.labels(result).inc()


# Looked at ---------------------------------------------------------------------------------------


def look_at(sources: Mapping[str, Read]) -> None:
    """Those gauges have what the functions return; None is left out."""
    _sources.update(sources)


@contextmanager
def watched(sources: Mapping[str, Read]) -> Iterator[None]:
    """The same, as long as it lasts."""
    look_at(sources)
    try:
        yield
    finally:
        for name in sources:
            if _sources.get(name) is sources[name]:
                del _sources[name]


def sample() -> None:
    if _collectors is None:
        return
    for name, read in list(_sources.items()):
        if (value := read()) is not None:
            _collectors.gauges[name].set(value)


@contextmanager
def sampling() -> Iterator[None]:
    """So that another worker that is asked knows of this one."""
    if _collectors is None or folder() is None:
        yield
        return
    is_over = threading.Event()

    def sample_until_over() -> None:
        while True:
            sample()
            if is_over.wait(SAMPLE_SECONDS):
                return

    thread = threading.Thread(target=sample_until_over, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


# Told --------------------------------------------------------------------------------------------


def folder() -> str | None:
    """Where the workers' files are; None for a process that is alone."""
    return os.environ.get(FOLDER_VARIABLE) or None


def exposition() -> bytes:
    """All workers' in Prometheus' text format."""
    sample()
    shared = folder()
    if shared is None:
        return generate_latest(_registry)
    forget_the_dead(shared)
    everybodys = CollectorRegistry()
    MultiProcessCollector(everybodys, shared)  # type: ignore[no-untyped-call]
    return generate_latest(everybodys)


def forget_the_dead(shared: str) -> None:
    """The gauges of workers that were killed; what they counted stays."""
    for path in glob.glob(f"{glob.escape(shared)}/gauge_live*.db"):
        pid = re.search(r"_(\d+)\.db$", path)
        if pid is not None and not is_alive(int(pid[1])):
            with suppress(FileNotFoundError):  # another one was quicker
                mark_process_dead(int(pid[1]), shared)  # type: ignore[no-untyped-call]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
