"""What is told to the error tracker: that something failed, of which kind, and where in the code.

Never what it was about. The text of an exception may hold a row or an argument, and that of a line
of the log a path: both stay in our own log, which the request's id finds. So this reports types,
frames without their variables, and the log line before anything was put into it.
"""

import logging
from typing import TYPE_CHECKING, Any, cast

from telemetry.requests import current_request
from telemetry.traces import current_ids

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

# What is passed on as it is, of an event and its parts.
KEPT = ("event_id", "timestamp", "level", "logger", "platform", "release", "environment")
KEPT_OF_AN_EXCEPTION = ("type", "module", "mechanism")
KEPT_OF_A_FRAME = ("filename", "module", "function", "lineno", "in_app")


def start(dsn: str, release: str, environment: str) -> None:
    """Lines of the log at ERROR become events from here on; unhandled exceptions are such lines."""
    import sentry_sdk
    from sentry_sdk.integrations.atexit import AtexitIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration

    sentry_sdk.init(
        dsn=dsn,
        release=release,
        environment=environment,
        # Nothing is patched but logging: the others read requests, queries and variables.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR),
            AtexitIntegration(callback=lambda *_: None),  # sends what waits, and says nothing
        ],
        before_send=scrubbed,
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        auto_session_tracking=False,
        send_client_reports=False,
        server_name="",
    )


def scrubbed(event: "Event", hint: "Hint") -> "Event":
    """By what may leave, so that what a later version of the SDK adds doesn't."""
    whole: dict[str, Any] = {**event}
    kept = {name: whole[name] for name in KEPT if name in whole}
    kept["tags"] = tags()
    if template := (whole.get("logentry") or {}).get("message"):
        kept["logentry"] = {"message": template}
    if exceptions := (whole.get("exception") or {}).get("values"):
        kept["exception"] = {"values": [bare(each) for each in exceptions]}
    return cast("Event", kept)


def tags() -> dict[str, str]:
    request = current_request()
    found = {} if request is None else {"request_id": request.id, "tool": request.tool}
    return {name: value for name, value in (found | current_ids()).items() if value}


def bare(exception: dict[str, Any]) -> dict[str, Any]:
    """Its type, its place among others, and its frames."""
    kept = {name: exception[name] for name in KEPT_OF_AN_EXCEPTION if name in exception}
    if frames := (exception.get("stacktrace") or {}).get("frames"):
        kept["stacktrace"] = {"frames": [bare_frame(frame) for frame in frames]}
    return kept


def bare_frame(frame: dict[str, Any]) -> dict[str, Any]:
    return {name: frame[name] for name in KEPT_OF_A_FRAME if name in frame}
