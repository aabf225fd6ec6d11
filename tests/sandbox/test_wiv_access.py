"""Who may call Wiv, with which credential, and what they may do there."""

from typing import Any

import pytest

from sandbox import fixtures
from tests.sandbox.conftest import Sandbox, Wiv

RUN = f"/workflows/{fixtures.MONTHLY_REPORT}/run"
WRITES: list[tuple[str, str, dict[str, Any] | None]] = [
    ("POST", RUN, {"payload": {}}),
    ("PUT", f"/workflows/{fixtures.MONTHLY_REPORT}", {"active": False}),
    ("POST", "/ai/workflows/generate", {"prompt": "Watch the daily costs"}),
    (
        "POST",
        f"/workflows/wf_58f0/executions/{fixtures.RUNNING_EXECUTION}/stop",
        None,
    ),
]


def jwt_of(sandbox: Sandbox, **fields: Any) -> str:
    body = {"user_id": fixtures.ANA, "duration_in_minutes": 5} | fields
    token: str = sandbox.backend("POST", "/access_token", json=body).json()["access_token"]
    return token


def spaces_of(sandbox: Sandbox, **headers: str) -> int:
    return sandbox.get("/wiv/spaces", headers=headers).status_code


def test_without_a_credential_or_with_a_wrong_one_the_answer_is_401(sandbox: Sandbox):
    for headers in ({}, {"x-api-key": "0" * 96}, {"authorization": "Bearer a.b.c"}):
        response = sandbox.get("/wiv/spaces", headers=headers)
        assert response.status_code == 401
        assert response.json() == {"error": "Authentication required"}


def test_an_api_key_with_an_organization_is_accepted(sandbox: Sandbox):
    both = sandbox.create_key(user_id=fixtures.ANA, org_id=fixtures.ACME)["api_key_token"]
    organization = sandbox.create_key(org_id=fixtures.ACME)["api_key_token"]
    assert spaces_of(sandbox, **{"x-api-key": both}) == 200
    assert spaces_of(sandbox, **{"x-api-key": organization}) == 200


def test_personal_and_generic_keys_name_no_organization(sandbox: Sandbox):
    personal = sandbox.create_key(user_id=fixtures.ANA)["api_key_token"]
    generic = sandbox.create_key()["api_key_token"]
    assert spaces_of(sandbox, **{"x-api-key": personal}) == 401
    assert spaces_of(sandbox, **{"x-api-key": generic}) == 401


def test_a_jwt_with_an_active_organization_is_accepted_until_it_expires(sandbox: Sandbox):
    headers = {"authorization": f"Bearer {jwt_of(sandbox, active_org_id=fixtures.ACME)}"}
    assert spaces_of(sandbox, **headers) == 200
    sandbox.control("clock", advance_seconds=301)
    assert spaces_of(sandbox, **headers) == 401


def test_a_jwt_without_an_active_organization_is_401(sandbox: Sandbox):
    assert spaces_of(sandbox, authorization=f"Bearer {jwt_of(sandbox)}") == 401


def test_an_api_key_is_no_bearer_token(sandbox: Sandbox, ana: Wiv):
    assert spaces_of(sandbox, authorization=f"Bearer {ana.api_key}") == 401


def test_a_key_stops_working_when_its_user_is_blocked(sandbox: Sandbox, ana: Wiv):
    sandbox.backend("POST", f"/user/{fixtures.ANA}/disable")
    assert ana.refusal("GET", "/workflows") == (401, "Authentication required")


def test_a_role_is_the_one_of_now(sandbox: Sandbox, gus: Wiv):
    change = {"user_id": fixtures.GUS, "org_id": fixtures.ACME, "role": "Editor"}
    assert gus.refusal("POST", RUN, json={"payload": {}})[0] == 403
    sandbox.backend("POST", "/org/change_role", json=change)
    assert gus.request("POST", RUN, json={"payload": {}}).status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_a_guest_reads_but_does_not_write(gus: Wiv, method: str, path: str, body: Any):
    assert gus.get("/workflows")["total"] == 12
    assert gus.refusal(method, path, json=body) == (403, "Forbidden")


def test_an_editor_runs_workflows_and_a_member_does_not(sandbox: Sandbox):
    editor = Wiv(sandbox, fixtures.MAX, fixtures.NORTHWIND)
    member = Wiv(sandbox, fixtures.MAX, fixtures.CONTOSO)
    started = editor.post("/workflows/wf_northwind_1/run", {"payload": {}})
    assert started["data"]["tenant_id"] == "org_northwind"
    refusal = member.refusal("POST", "/workflows/wf_contoso_1/run", json={"payload": {}})
    assert refusal == (403, "Forbidden")


def test_organizations_do_not_see_each_other(sandbox: Sandbox, ana: Wiv):
    contoso = Wiv(sandbox, fixtures.MAX, fixtures.CONTOSO)
    assert contoso.refusal("GET", f"/workflows/{fixtures.MONTHLY_REPORT}") == (404, "Not found")
    for path in ("/workflows", "/folders", "/spaces", "/v2/cases", "/monitoring/executions"):
        assert "contoso" in str(contoso.get(path)).lower()
        assert "acme" not in str(contoso.get(path)).lower()
        assert "contoso" not in str(ana.get(path)).lower()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v2/cases/msp/search", {}),
        ("POST", "/v2/cases/msp/summary", {}),
        ("GET", "/v2/cases/msp/filters/status/values", None),
        ("GET", "/v2/cases/msp/types", None),
        ("POST", "/v2/cases/msp/query", {"query": {"match_all": {}}}),
    ],
)
def test_msp_routes_are_for_msps(ana: Wiv, msp: Wiv, method: str, path: str, body: Any):
    assert ana.refusal(method, path, json=body) == (403, "Forbidden")
    assert msp.request(method, path, json=body).status_code == 200


def test_unknown_routes_and_methods_are_json_errors(ana: Wiv):
    assert ana.refusal("GET", "/nothing/here") == (404, "Not found")
    assert ana.refusal("DELETE", "/workflows/wf_7f3a") == (405, "Method not allowed")
