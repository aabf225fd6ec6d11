"""Who may read the metrics, and what can nobody write into them?"""

import re

import pytest

from telemetry import metrics
from tests.mcp_gateway.test_tools import wait_until
from tests.telemetry.exposition import number


@pytest.fixture
def read(http, settings):
    def read() -> str:
        headers = {"Authorization": f"Bearer {settings.METRICS_TOKEN}"}
        return str(http.get("/metrics", headers=headers).raise_for_status().text)

    return read


def test_without_a_token_in_the_settings_there_is_no_such_page(http, settings):
    settings.METRICS_TOKEN = ""
    for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer x"}):
        assert http.get("/metrics", headers=headers).status_code == 404


@pytest.mark.requirement("RFC 6750 §3")
@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Bearer", "Basic {}", "Bearer  {}"])
def test_without_the_right_token_nothing_is_told(http, settings, authorization):
    sent = authorization.format(settings.METRICS_TOKEN)
    answer = http.get("/metrics", headers={"Authorization": sent} if sent else {})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert not answer.content


def test_prometheus_is_answered_whatever_host_it_asks(http, settings):
    headers = {"Authorization": f"Bearer {settings.METRICS_TOKEN}", "Host": "10.0.0.7:8000"}
    answer = http.get("/metrics", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert answer.headers["cache-control"] == "no-store"


def test_a_call_is_counted_with_its_outcome_and_its_time(mcp, sandbox, read):
    series = {"tool": "wiv_list_workflows"}
    before = read()
    mcp.call("wiv_list_workflows")
    sandbox.fault("wiv", "/workflows", "status", status=500)
    mcp.refused("wiv_list_workflows")
    mcp.refused("wiv_list_workflows", limit="no number")
    after = read()

    def more(name: str, **labels: str) -> float:
        return number(after, name, **labels) - number(before, name, **labels)

    for outcome in ("ok", "failed", "refused"):
        assert more("wivmcp_tool_calls_total", outcome=outcome, **series) == 1
    assert more("wivmcp_tool_call_seconds_count", **series) == 3
    assert more("wivmcp_upstream_requests_total", api="wiv", status="5xx") == 1
    assert more("wivmcp_http_requests_total", endpoint="mcp", status="200") == 3


def test_a_request_that_finds_nobody_is_counted_too(mcp, sandbox, read):
    before = number(read(), "wivmcp_upstream_requests_total", api="wiv", status="none")
    sandbox.fault("wiv", "/workflows", "drop", times=3)
    mcp.refused("wiv_list_workflows")
    assert number(read(), "wivmcp_upstream_requests_total", api="wiv", status="none") == before + 3


def test_an_open_stream_and_one_that_has_ended_are_counted(http, make_key, read):
    headers = {"Authorization": f"Bearer {make_key()}"}
    with http.stream("GET", "/sse", headers=headers) as stream:
        pieces = stream.iter_text()  # which closes the stream when nobody holds it any more
        next(pieces)
        assert number(read(), "wivmcp_streams_open") == 1
    wait_until(lambda: number(read(), "wivmcp_streams_open") == 0)


def test_no_label_has_a_callers_words(http, mcp, read):
    made_up = "Xq7made_up"
    http.get(f"/{made_up}")
    http.post("/token", data={"grant_type": made_up, "client_id": made_up})
    mcp.request("tools/call", {"name": made_up, "arguments": {}})
    http.post("/register", json={"client_name": made_up, "redirect_uris": ["https://a.example/"]})
    http.get("/connect", headers={"User-Agent": made_up})
    told = read()
    assert made_up not in told
    assert number(told, "wivmcp_http_requests_total", endpoint="other", status="404") >= 1
    assert number(told, "wivmcp_token_answers_total", grant_type="other") >= 1


def test_tokens_answers_are_counted_by_what_oauth_calls_them(http, read):
    labels = {"grant_type": "refresh_token", "error": "invalid_client"}
    before = number(read(), "wivmcp_token_answers_total", **labels)
    form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": "nobody"}
    http.post("/token", data=form)
    assert number(read(), "wivmcp_token_answers_total", **labels) == before + 1


@pytest.mark.parametrize("error", ["invalid_grant", "temporarily_unavailable"])
def test_oauths_errors_keep_their_names(error):
    assert error in metrics.TOKEN_ERRORS


def test_every_metric_says_what_it_is(read):
    told = read()
    described = set(re.findall(r"^# HELP (wivmcp_\w+) \S", told, re.MULTILINE))
    typed = set(re.findall(r"^# TYPE (wivmcp_\w+) ", told, re.MULTILINE))
    assert typed
    assert described == typed
