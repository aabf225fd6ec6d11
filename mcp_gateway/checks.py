"""Settings the gateway can't work safely with; each with a stable id and what to do."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from mcp_gateway.models import LONGEST_CALL, LOOPBACK_HOSTS

LEAST_TOKEN_LENGTH = 20


@register
def wiv_api_url(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Every request to it carries somebody's credential."""
    parts = urlsplit(settings.WIV_API_URL)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS):
        return []
    hint = "Set WIV_API_URL to https://HOST; plain http is for loopback only."
    return [Error("WIV_API_URL isn't https.", hint=hint, id="mcp_gateway.E001")]


@register
def allowed_origins(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Origins are compared as a whole, so a slash at the end would never match."""
    hint = 'List origins as "https://app.example.com" or "http://localhost:6274".'
    return [
        Error(f"{origin!r} in ALLOWED_ORIGINS is no origin.", hint=hint, id="mcp_gateway.E002")
        for origin in settings.ALLOWED_ORIGINS
        if not re.fullmatch(r"https?://[^/?#\s*]+", origin)
    ]


@register
def limits(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    numbers = (
        "MCP_MAX_BODY_BYTES",
        "MCP_MAX_HEADER_BYTES",
        "WIV_MAX_RESPONSE_BYTES",
        "WIV_CALLS_PER_TOOL",
        "MAX_ARGUMENT_BYTES",
        "MAX_CONNECTIONS",
        "SSE_STREAMS_PER_USER",
        "SSE_STREAMS_PER_WORKER",
    )
    return [
        Error(f"{name} must be positive.", hint="Leave it unset.", id="mcp_gateway.E003")
        for name in numbers
        if getattr(settings, name) <= 0
    ]


@register
def durations(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    messages: list[CheckMessage] = []
    if settings.WIV_TIMEOUT.total_seconds() <= 0:
        hint = "Set WIV_TIMEOUT to the seconds a tool call may take, such as 30."
        messages.append(Error("WIV_TIMEOUT must be positive.", hint=hint, id="mcp_gateway.E004"))
    if settings.SLOW_CLIENT_TIMEOUT.total_seconds() <= 0:
        hint = "Set SLOW_CLIENT_TIMEOUT to the seconds a request may take to come in, such as 30."
        problem = "SLOW_CLIENT_TIMEOUT must be positive."
        messages.append(Error(problem, hint=hint, id="mcp_gateway.E008"))
    if settings.WIV_TIMEOUT > LONGEST_CALL:
        seconds = f"{LONGEST_CALL.total_seconds():g}"
        hint = f"Calls end after {seconds} s anyway: App Runner cuts a request soon after."
        messages.append(Warning("WIV_TIMEOUT is too long.", hint=hint, id="mcp_gateway.W001"))
    if settings.MCP_TOOLS_LIST_TTL.total_seconds() < 0:
        hint = "Set MCP_TOOLS_LIST_TTL to 0 or more seconds."
        messages.append(Error("MCP_TOOLS_LIST_TTL is negative.", hint=hint, id="mcp_gateway.E005"))
    if settings.SSE_STREAM_LIFETIME.total_seconds() < 0:
        hint = "Set SSE_STREAM_LIFETIME to the seconds a stream may be open, or to 0 for no limit."
        messages.append(Error("SSE_STREAM_LIFETIME is negative.", hint=hint, id="mcp_gateway.E009"))
    return messages


@register
def call_log(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    messages: list[CheckMessage] = []
    for pattern in settings.CALL_LOG_REDACTED:
        try:
            re.compile(pattern)
        except re.error as error:
            problem = f"{pattern!r} in CALL_LOG_REDACTED is no regular expression: {error}."
            hint = "Each is a regular expression, and a comma ends it."
            messages.append(Error(problem, hint=hint, id="mcp_gateway.E006"))
    for name in ("CALLS_PER_MINUTE", "WRITES_PER_MINUTE", "REPEATED_CALLS", "CONCURRENT_REQUESTS"):
        if getattr(settings, name) < 0:
            hint = "Set it to 0 for no limit."
            messages.append(Error(f"{name} is negative.", hint=hint, id="mcp_gateway.E007"))
    return messages


@register(Tags.security, deploy=True)
def generous_limits(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    messages: list[CheckMessage] = []
    if settings.MCP_MAX_BODY_BYTES > 16 * 1024 * 1024:
        hint = "Each request may take that much memory; no tool needs a megabyte."
        messages.append(Warning("MCP_MAX_BODY_BYTES is large.", hint=hint, id="mcp_gateway.W002"))
    if settings.MCP_TOOLS_LIST_TTL.total_seconds() > 60:
        hint = "A tool that was switched off is offered that long; set it to 60 or less."
        messages.append(Warning("MCP_TOOLS_LIST_TTL is long.", hint=hint, id="mcp_gateway.W003"))
    for origin in settings.ALLOWED_ORIGINS:
        parts = urlsplit(origin)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK_HOSTS:
            hint = "Whoever sits between can put a script into its pages."
            messages.append(
                Warning(f"{origin!r} may call us over http.", hint=hint, id="mcp_gateway.W004")
            )
    if not settings.CALL_LOG_REDACTED:
        hint = "Leave it unset, or name what secrets are called among your tools' arguments."
        messages.append(Warning("CALL_LOG_REDACTED is empty.", hint=hint, id="mcp_gateway.W005"))
    limits = (settings.CALLS_PER_MINUTE, settings.WRITES_PER_MINUTE, settings.REPEATED_CALLS)
    if not (all(limits) and settings.CONCURRENT_REQUESTS):
        hint = "Nothing stops an agent that runs wild; set each of the four limits."
        messages.append(Warning("Calls aren't limited.", hint=hint, id="mcp_gateway.W006"))
    return messages


@register
def observation(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Numbers of all organizations are behind the token, and anybody may try to guess it."""
    messages: list[CheckMessage] = []
    if settings.METRICS_TOKEN and len(settings.METRICS_TOKEN) < LEAST_TOKEN_LENGTH:
        problem = f"METRICS_TOKEN is shorter than {LEAST_TOKEN_LENGTH} characters."
        hint = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"
        messages.append(Error(problem, hint=hint, id="mcp_gateway.E010"))
    if settings.LOG_FORMAT not in ("json", "text"):
        hint = "Set LOG_FORMAT to json or text."
        messages.append(Error("LOG_FORMAT is neither.", hint=hint, id="mcp_gateway.E011"))
    if not 0 <= settings.OTEL_TRACES_SAMPLER_ARG <= 1:
        hint = "Set OTEL_TRACES_SAMPLER_ARG to a share, such as 0.1."
        problem = "OTEL_TRACES_SAMPLER_ARG isn't between 0 and 1."
        messages.append(Error(problem, hint=hint, id="mcp_gateway.E012"))
    return messages
