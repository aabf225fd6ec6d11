"""The control route: faults, what was received, the clock, back to the seed."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from sandbox import fixtures
from tests.sandbox.conftest import Sandbox, Wiv


def ask_in_background(sandbox: Sandbox, path: str) -> "Future[httpx2.Response]":
    """Sends a request and returns once the sandbox has received it."""
    pool = ThreadPoolExecutor(1)
    answer = pool.submit(sandbox.get, path)
    pool.shutdown(wait=False)
    while not any(one["path"] == path for one in sandbox.received()):
        assert not answer.done()
    return answer


def test_what_was_received_is_told(sandbox: Sandbox, ana: Wiv):
    sandbox.delete("/control/requests")
    sandbox.get("/.well-known/jwks.json")
    ana.request("POST", "/v2/cases/msp/search?customer_id=a&customer_id=b", json={"filters": {}})
    sandbox.post("/oauth/2.1/token", data={"grant_type": "x"})
    first, second, third = sandbox.received()
    assert (first["side"], first["method"], first["path"], first["body"]) == (
        "propelauth",
        "GET",
        "/.well-known/jwks.json",
        None,
    )
    assert (second["side"], second["path"]) == ("wiv", "/v2/cases/msp/search")
    assert second["query"] == {"customer_id": ["a", "b"]}
    assert second["headers"]["x-api-key"] == ana.api_key
    assert second["body"] == {"filters": {}}
    assert second["status"] == 403
    assert third["body"] == {"grant_type": "x"}
    assert [one["side"] for one in sandbox.received("wiv")] == ["wiv"]


def test_control_requests_are_not_recorded(sandbox: Sandbox):
    sandbox.get("/control/health")
    assert sandbox.received() == []


@pytest.mark.parametrize(
    ("kind", "options", "status", "body"),
    [
        ("status", {}, 500, {"error": "Internal server error"}),
        ("status", {"status": 503, "body": "down"}, 503, "down"),
        ("status", {"status": 409}, 409, {"error": "Conflict"}),
        ("wrong_json", {}, 200, ["not", "what", "you", "expected"]),
        ("wrong_json", {"body": {"a": 1}}, 200, {"a": 1}),
        ("broken_json", {}, 200, '{"data": ['),
        ("rate_limit_json", {}, 429, {"error": "Too many requests"}),
        ("rate_limit_text", {}, 429, "Rate limit exceeded"),
    ],
)
def test_wiv_can_be_spoiled(ana: Wiv, kind: str, options: Any, status: int, body: Any):
    ana.sandbox.fault("wiv", "/workflows*", kind, **options)
    response = ana.request("GET", "/workflows/wf_7f3a")
    assert response.status_code == status
    assert (response.text if isinstance(body, str) else response.json()) == body
    assert ana.request("GET", "/workflows/wf_7f3a").status_code == 200


def test_an_html_page_can_take_the_place_of_json(ana: Wiv):
    ana.sandbox.fault("wiv", "/spaces", "html", status=502)
    response = ana.request("GET", "/spaces")
    assert response.status_code == 502
    assert response.headers["content-type"].startswith("text/html")


@pytest.mark.requirement("PropelAuth rate limits: per key in JSON, per project in text")
def test_propelauth_limits_in_two_ways(sandbox: Sandbox):
    sandbox.fault("propelauth", "/api/*", "rate_limit_json", headers={"retry-after": "4"})
    sandbox.fault("propelauth", "/api/*", "rate_limit_text")
    by_key, by_project = sandbox.validate("x"), sandbox.validate("x")
    assert by_key.status_code == by_project.status_code == 429
    assert by_key.json()["wait_seconds"] == 4.2
    assert by_key.headers["retry-after"] == "4"
    assert by_project.headers["content-type"].startswith("text/plain")


def test_a_dropped_connection_has_no_answer(sandbox: Sandbox):
    sandbox.fault("propelauth", "/oauth/2.1/token", "drop", method="POST")
    with pytest.raises(httpx2.RemoteProtocolError):
        sandbox.post("/oauth/2.1/token", data={})
    assert sandbox.received()[0]["status"] is None
    assert sandbox.post("/oauth/2.1/token", data={}).status_code == 401


def test_a_hanging_request_goes_on_when_the_faults_are_cleared(sandbox: Sandbox):
    sandbox.fault("propelauth", "/.well-known/*", "hang")
    answer = ask_in_background(sandbox, "/.well-known/jwks.json")
    assert sandbox.received()[0]["status"] is None
    sandbox.delete("/control/faults")
    assert answer.result(timeout=5).status_code == 200


def test_a_delay_ends_early_when_the_faults_are_cleared(sandbox: Sandbox):
    sandbox.fault("propelauth", "/.well-known/*", "delay", delay_seconds=60)
    answer = ask_in_background(sandbox, "/.well-known/jwks.json")
    sandbox.control("reset")
    assert answer.result(timeout=5).status_code == 200


def test_a_hanging_request_ends_when_the_client_goes_away(sandbox: Sandbox):
    sandbox.fault("propelauth", "/.well-known/*", "hang")
    with pytest.raises(httpx2.ReadTimeout):
        sandbox.get("/.well-known/jwks.json", timeout=0.1)
    assert sandbox.get("/.well-known/jwks.json").status_code == 200


def test_a_delay_precedes_the_usual_answer(sandbox: Sandbox):
    sandbox.fault("propelauth", "/.well-known/*", "delay", delay_seconds=0.05)
    response = sandbox.get("/.well-known/jwks.json")
    assert response.status_code == 200
    assert response.elapsed.total_seconds() >= 0.05


def test_a_fault_strikes_its_side_method_and_path_as_often_as_told(ana: Wiv):
    ana.sandbox.fault("wiv", "/workflows/*/run", "status", method="POST", times=2)
    ana.sandbox.fault("propelauth", "*", "status", times=None)
    run = "/workflows/wf_7f3a/run"
    assert ana.request("GET", "/workflows/wf_7f3a").status_code == 200
    answers = [ana.request("POST", run, json={}).status_code for _ in range(3)]
    assert answers == [500, 500, 200]
    for _ in range(3):
        assert ana.sandbox.get("/.well-known/jwks.json").status_code == 500
    assert len(ana.sandbox.get("/control/faults").json()["faults"]) == 1


def test_a_dropped_run_was_not_started(ana: Wiv):
    ana.sandbox.fault("wiv", "/workflows/*/run", "drop")
    before = ana.get("/monitoring/executions")["total"]
    with pytest.raises(httpx2.RemoteProtocolError):
        ana.request("POST", "/workflows/wf_7f3a/run", json={})
    assert ana.get("/monitoring/executions")["total"] == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"side": "wiv", "kind": "explode"}),
        ("faults", {"side": "nobody", "kind": "drop"}),
        ("faults", {"side": "wiv", "kind": "drop", "colour": "red"}),
        ("introspection", {"org_id": "sometimes"}),
        ("mcp", {}),
        ("clock", {"advance_seconds": "an hour"}),
        ("redirect-uris", {"redirect_uris": "http://127.0.0.1/"}),
    ],
)
def test_a_control_request_that_makes_no_sense_is_400(sandbox: Sandbox, path: str, body: Any):
    response = sandbox.post(f"/control/{path}", json=body)
    assert response.status_code == 400
    assert response.json()["error"]


def test_a_reset_brings_the_seed_back(sandbox: Sandbox, ana: Wiv):
    ana.request("PUT", "/workflows/wf_7f3a", json={"name": "Renamed"})
    sandbox.backend("POST", f"/user/{fixtures.ANA}/disable")
    sandbox.control("redirect-uris", redirect_uris=[])
    sandbox.control("mcp", enabled=False)
    sandbox.fault("propelauth", "*", "status", times=None)
    sandbox.control("reset")
    assert sandbox.live_keys() == []
    assert sandbox.received() == []
    assert sandbox.log_in(fixtures.ANA_EMAIL).status_code == 302
    fresh = Wiv(sandbox, fixtures.ANA, fixtures.ACME)
    assert fresh.get("/workflows/wf_7f3a")["data"]["name"] == "Monthly report to finance"


def test_the_seed_is_the_same_each_time(sandbox: Sandbox):
    def seeded() -> list[Any]:
        wiv = Wiv(sandbox, fixtures.ANA, fixtures.ACME)
        paths = ("/workflows", "/monitoring/executions", "/v2/cases")
        return [wiv.get(path, limit=200) for path in paths]

    before = seeded()
    sandbox.control("reset")
    assert seeded() == before
