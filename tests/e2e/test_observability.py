"""One call, followed by its id from `/mcp` to Wiv; and numbers that are those of all workers."""

import json
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from sandbox import fixtures
from tests.e2e.deployment import Deployment, deployed, empty_database
from tests.mcp_gateway.json_rpc import McpClient
from tests.mcp_gateway.test_tools import wait_until
from tests.oauth_client import OAuthClient
from tests.requirements import postgresql_url
from tests.robot import PLAIN_HTTP, Robot
from tests.telemetry.collector import Collector, Span, collecting
from tests.telemetry.exposition import number

METRICS_TOKEN = "read-the-metrics-0123456789"
TRACE = "0af7651916cd43dd8448eb211c80319c"
LINKED = "1af7651916cd43dd8448eb211c80319d"
MADE_UP = "a_tool_that_somebody_made_up"
MISPLACED = "sk0123456789abcdef0123456789abcdef"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def make_key(deployment: Deployment) -> str:
    made = deployment.sandbox.backend(
        "POST",
        "/end_user_api_keys",
        fixtures.BACKEND_API_KEY,
        json={"user_id": fixtures.ANA, "org_id": fixtures.ACME},
    )
    return str(made.raise_for_status().json()["api_key_token"])


def metrics_of(http: httpx2.Client) -> str:
    answer = http.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
    return answer.raise_for_status().text


# Followed by its id ------------------------------------------------------------------------------


@dataclass
class Followed:
    """What is known of a run with everything on: two calls and a sign-in."""

    key: str
    tokens: dict[str, str]
    answer: httpx2.Response
    failed: httpx2.Response
    lines: list[dict[str, Any]]
    metrics: str
    entries: list[dict[str, Any]]
    at_wiv: list[dict[str, Any]]
    collector: Collector

    def of(self, answer: httpx2.Response) -> list[dict[str, Any]]:
        """The log's lines of one request."""
        request_id = answer.headers["x-request-id"]
        return [line for line in self.lines if line.get("request_id") == request_id]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    folder: Path = tmp_path_factory.mktemp("followed")
    with collecting() as collector:
        settings = {
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "DEBUG",
            "METRICS_TOKEN": METRICS_TOKEN,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "x-team=observers",
        }
        database = f"sqlite:///{folder / 'db.sqlite3'}"
        with (
            deployed(folder, database, workers=1, **settings) as deployment,
            httpx2.Client(base_url=deployment.url, verify=PLAIN_HTTP, timeout=30) as http,
        ):
            client = OAuthClient(deployment.url, resource=f"{deployment.url}/mcp")
            robot = Robot(fixtures.ANA_EMAIL)
            client.redeem(client.obtain_code(robot))
            key = make_key(deployment)
            mcp = McpClient(http, key)
            call = {"name": "wiv_list_workflows", "arguments": {"limit": 7}}
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
            deployment.sandbox.forget_requests()
            answer = mcp.post(json=body, headers={"traceparent": TRACEPARENT})
            at_wiv = deployment.sandbox.requests("wiv")
            deployment.sandbox.fault("wiv", "/workflows", "status", status=401)
            failed = mcp.post(json=body, headers={"X-Request-ID": "theirs-0123456789"})
            meta = {"traceparent": f"00-{LINKED}-b7ad6b7169203331-01"}
            mcp.request("tools/call", {"name": MADE_UP, "arguments": {}, "_meta": meta})
            http.get(f"/mcp/{MISPLACED}?key={MISPLACED}")
            metrics = metrics_of(http)
            os.kill(deployment.process.pid, signal.SIGTERM)  # what waits is written and sent
            deployment.process.wait(20)
            entries = deployment.manage("export_call_log").splitlines()
        lines = (folder / "server.log").read_text().splitlines()
        yield Followed(
            key,
            dict(client.tokens),
            answer,
            failed,
            [json.loads(line) for line in lines],
            metrics,
            [json.loads(line) for line in entries],
            at_wiv,
            collector,
        )
        robot.close()
        client.http.close()


def test_one_call_is_followed_by_its_id_from_the_answer_to_wiv(followed: Followed):
    request_id = followed.answer.headers["x-request-id"]
    assert UUID(request_id).version == 4
    [access] = [each for each in followed.of(followed.answer) if each["logger"].endswith("access")]
    assert (access["method"], access["path"], access["status"]) == ("POST", "/mcp", 200)
    assert access["tool"] == "wiv_list_workflows"
    assert request_id in {UUID(entry["call_id"]).hex for entry in followed.entries}
    [sent] = followed.at_wiv
    assert sent["headers"]["x-request-id"] == request_id
    spans = spans_of(followed, request_id)
    assert spans["tools/call wiv_list_workflows"].attributes["wivmcp.call_id"] == request_id
    assert number(followed.metrics, "wivmcp_tool_calls_total", outcome="ok") == 1


def spans_of(followed: Followed, request_id: str) -> dict[str, Span]:
    """All of the trace in which the request is, by name."""
    spans = followed.collector.spans()
    [trace] = {
        span.trace_id for span in spans if span.attributes.get("wivmcp.request_id") == request_id
    }
    return {span.name: span for span in spans if span.trace_id == trace}


def test_the_callers_trace_goes_on_through_every_part_and_to_wiv(followed: Followed):
    spans = spans_of(followed, followed.answer.headers["x-request-id"])
    [edge, call] = [spans["POST /mcp"], spans["tools/call wiv_list_workflows"]]
    [upstream] = [span for span in spans.values() if span.attributes.get("wivmcp.api") == "wiv"]
    assert edge.trace_id == TRACE
    assert edge.parent_id == TRACEPARENT.split("-")[2]
    assert call.parent_id == edge.span_id
    assert upstream.parent_id == call.span_id
    assert followed.at_wiv[0]["headers"]["traceparent"] == f"00-{TRACE}-{upstream.span_id}-01"
    assert any(span.attributes.get("db.system.name") == "sqlite" for span in spans.values())
    assert {line["trace_id"] for line in followed.of(followed.answer)} == {TRACE}


def test_a_sign_in_is_traced_through_django_and_propelauth(followed: Followed):
    names = {span.name for span in followed.collector.spans()}
    assert {"django /oauth/callback", "POST /oauth/2.1/token", "SELECT"} <= names
    assert "GET /api/backend/v1/user/{id}" in names


def test_the_collector_gets_its_headers(followed: Followed):
    assert {headers.get("x-team") for _, headers, _ in followed.collector.received} == {"observers"}


def test_an_id_that_the_caller_chose_is_answered_but_never_the_call_logs(followed: Followed):
    assert followed.failed.headers["x-request-id"] == "theirs-0123456789"
    lines = followed.of(followed.failed)
    [call_id] = {line["call_id"] for line in lines if "call_id" in line}
    assert call_id in {UUID(entry["call_id"]).hex for entry in followed.entries}
    assert any("answered 401" in line["message"] for line in lines)


def test_the_span_of_a_call_that_failed_at_wiv_is_an_error(followed: Followed):
    [call_id] = {line["call_id"] for line in followed.of(followed.failed) if "call_id" in line}
    spans = followed.collector.spans()
    [span] = [span for span in spans if span.attributes.get("wivmcp.call_id") == call_id]
    assert (span.name, span.is_error) == ("tools/call wiv_list_workflows", True)
    assert span.attributes["error.type"] == "tool_error"


def test_each_line_of_the_log_is_one_object_with_a_time_and_a_level(followed: Followed):
    for line in followed.lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"])
        assert line["level"] in ("DEBUG", "INFO", "WARNING", "ERROR")
        assert line["logger"]
        assert isinstance(line["message"], str)
    assert any("Uvicorn running" in line["message"] for line in followed.lines)


def test_a_line_says_who_by_a_hash_that_is_the_same_for_the_same_person(followed: Followed):
    principals = {line["principal"] for line in followed.lines if "principal" in line}
    [principal] = principals
    assert re.fullmatch(r"[0-9a-f]{16}", principal)
    assert not any(fixtures.ANA in json.dumps(line) for line in followed.of(followed.answer))


def test_no_query_argument_or_secret_is_in_a_log_a_span_or_a_metric(followed: Followed):
    told = b"".join(body for _, _, body in followed.collector.received).decode("latin-1")
    told += followed.metrics + "\n".join(json.dumps(line) for line in followed.lines)
    secrets = {
        followed.key,
        followed.tokens["access_token"],
        followed.tokens["refresh_token"],
        fixtures.BACKEND_API_KEY,
        fixtures.CLIENT_SECRET,
        METRICS_TOKEN,
        fixtures.ANA_EMAIL,
    }
    assert "wiv_list_workflows" in told, "the search has to look at real data"
    assert not {secret for secret in secrets if secret in told}
    assert "limit=7" not in told
    assert not re.search(r"[?&](code|state)=", told)


def test_a_tools_name_that_its_caller_made_up_is_no_label_and_no_spans_name(followed: Followed):
    spans = [span for span in followed.collector.spans() if LINKED in span.links]
    [span] = spans
    assert (span.name, span.is_error) == ("tools/call", True)
    assert span.trace_id != LINKED
    assert "gen_ai.tool.name" not in span.attributes
    assert MADE_UP not in followed.metrics
    assert number(followed.metrics, "wivmcp_tool_calls_total", tool="(unknown)") == 1
    assert not any("tool" in line for line in followed.lines if MADE_UP in line["message"])


def test_a_key_that_somebody_put_in_the_path_is_nowhere(followed: Followed):
    told = b"".join(body for _, _, body in followed.collector.received).decode("latin-1")
    told += followed.metrics + "\n".join(json.dumps(line) for line in followed.lines)
    assert MISPLACED not in told
    paths = [line["path"] for line in followed.lines if "path" in line]
    assert "/mcp/\N{HORIZONTAL ELLIPSIS}" in paths


def test_a_sign_in_and_a_failure_are_counted(followed: Followed):
    steps = ("registration", "consent", "sign_in", "token")
    for step in steps:
        assert number(followed.metrics, "wivmcp_sign_in_steps_total", step=step, outcome="ok") == 1
    granted = {"grant_type": "authorization_code", "error": ""}
    assert number(followed.metrics, "wivmcp_token_answers_total", **granted) == 1
    assert number(followed.metrics, "wivmcp_upstream_requests_total", api="wiv", status="4xx") == 1
    assert number(followed.metrics, "wivmcp_tool_calls_total", outcome="failed") == 1
    assert number(followed.metrics, "wivmcp_propelauth_verdicts_total", result="miss") == 1
    assert number(followed.metrics, "wivmcp_worker_memory_bytes") > 10_000_000


# Several workers ---------------------------------------------------------------------------------


@pytest.mark.postgresql
def test_whichever_worker_is_asked_tells_what_all_have_counted_one_that_died_too(tmp_path: Path):
    with (
        empty_database(postgresql_url()) as database,
        deployed(tmp_path, database, workers=2, METRICS_TOKEN=METRICS_TOKEN) as deployment,
    ):
        key = make_key(deployment)
        calls = 0
        while not both_have_called(deployment):
            with httpx2.Client(base_url=deployment.url, verify=PLAIN_HTTP, timeout=30) as http:
                McpClient(http, key).call("wiv_list_workflows")
            calls += 1
            assert calls < 200
        assert {counted(deployment) for _ in range(10)} == {calls}
        victim = deployment.workers()[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(
            lambda: victim not in deployment.workers() and len(deployment.workers()) == 2, 30
        )
        wait_until(lambda: pids_told(deployment) == set(deployment.workers()), 30)
        assert counted(deployment) == calls


def told(deployment: Deployment) -> str:
    """By a worker of the kernel's choice."""
    with httpx2.Client(base_url=deployment.url, verify=PLAIN_HTTP, timeout=30) as http:
        return metrics_of(http)


def counted(deployment: Deployment) -> float:
    return number(told(deployment), "wivmcp_tool_calls_total", outcome="ok")


def both_have_called(deployment: Deployment) -> bool:
    """By the catalogs they hold: a worker has none before its first call."""
    versions = re.findall(r"^wivmcp_catalog_tools{pid=.*} [1-9]", told(deployment), re.MULTILINE)
    return len(versions) == 2


def pids_told(deployment: Deployment) -> set[int]:
    found = re.findall(r'^wivmcp_worker_cpu_seconds{pid="(\d+)"}', told(deployment), re.MULTILINE)
    return {int(pid) for pid in found}
