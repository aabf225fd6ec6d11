"""`manage.py check` names a setting that the gateway can't work safely with."""

from datetime import timedelta

import pytest

from mcp_gateway import checks


def ids(check) -> list[str]:
    return [message.id for message in check(None)]


@pytest.mark.parametrize("url", ["https://api.wiv.ai", "http://127.0.0.1:8001/wiv"])
def test_wiv_may_be_https_or_on_this_machine(settings, url):
    settings.WIV_API_URL = url
    assert ids(checks.wiv_api_url) == []


@pytest.mark.parametrize("url", ["http://api.wiv.ai", "api.wiv.ai", ""])
def test_a_credential_is_never_sent_in_the_clear(settings, url):
    settings.WIV_API_URL = url
    assert ids(checks.wiv_api_url) == ["mcp_gateway.E001"]


@pytest.mark.parametrize("origin", ["https://a.test/", "*", "a.test", "https://*.a.test", "null"])
def test_an_origin_that_could_never_match_is_named(settings, origin):
    settings.ALLOWED_ORIGINS = ["https://app.test", origin]
    [message] = checks.allowed_origins(None)
    assert message.id == "mcp_gateway.E002"
    assert repr(origin) in message.msg


@pytest.mark.parametrize(
    "name",
    [
        *("MCP_MAX_BODY_BYTES", "MCP_MAX_HEADER_BYTES", "WIV_MAX_RESPONSE_BYTES"),
        *("WIV_CALLS_PER_TOOL", "MAX_ARGUMENT_BYTES", "MAX_CONNECTIONS"),
        *("SSE_STREAMS_PER_USER", "SSE_STREAMS_PER_WORKER"),
    ],
)
def test_a_limit_of_nothing_is_named(settings, name):
    setattr(settings, name, 0)
    [message] = checks.limits(None)
    assert (message.id, name in message.msg) == ("mcp_gateway.E003", True)


@pytest.mark.parametrize(
    ("name", "seconds", "expected"),
    [
        ("WIV_TIMEOUT", 0, ["mcp_gateway.E004"]),
        ("WIV_TIMEOUT", 120, ["mcp_gateway.W001"]),
        ("MCP_TOOLS_LIST_TTL", -1, ["mcp_gateway.E005"]),
        ("MCP_TOOLS_LIST_TTL", 0, []),
        ("SLOW_CLIENT_TIMEOUT", 0, ["mcp_gateway.E008"]),
    ],
)
def test_a_duration_that_makes_no_sense_is_named(settings, name, seconds, expected):
    setattr(settings, name, timedelta(seconds=seconds))
    assert ids(checks.durations) == expected


def test_a_pattern_that_is_none_is_named(settings):
    settings.CALL_LOG_REDACTED = ["secret", "(unclosed"]
    [message] = checks.call_log(None)
    assert (message.id, "(unclosed" in message.msg) == ("mcp_gateway.E006", True)


CALLS = ("CALLS_PER_MINUTE", "WRITES_PER_MINUTE", "REPEATED_CALLS", "CONCURRENT_REQUESTS")


@pytest.mark.parametrize("name", CALLS)
def test_a_negative_limit_is_named_and_a_missing_one_before_deployment(settings, name):
    for each in CALLS:
        setattr(settings, each, 10)
    assert ids(checks.generous_limits) == []
    setattr(settings, name, 0)
    assert ids(checks.generous_limits) == ["mcp_gateway.W006"]
    setattr(settings, name, -1)
    assert ids(checks.call_log) == ["mcp_gateway.E007"]


def test_writing_every_argument_down_is_named_before_deployment(settings):
    settings.CALL_LOG_REDACTED = []
    assert "mcp_gateway.W005" in ids(checks.generous_limits)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("METRICS_TOKEN", "", []),
        ("METRICS_TOKEN", "x" * 19, ["mcp_gateway.E010"]),
        ("METRICS_TOKEN", "x" * 20, []),
        ("LOG_FORMAT", "xml", ["mcp_gateway.E011"]),
        ("OTEL_TRACES_SAMPLER_ARG", 1.1, ["mcp_gateway.E012"]),
        ("OTEL_TRACES_SAMPLER_ARG", -0.1, ["mcp_gateway.E012"]),
        ("OTEL_TRACES_SAMPLER_ARG", 0.0, []),
    ],
)
def test_a_way_of_being_watched_that_makes_no_sense_is_named(settings, name, value, expected):
    setattr(settings, name, value)
    assert ids(checks.observation) == expected
