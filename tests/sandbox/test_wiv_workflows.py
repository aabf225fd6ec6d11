"""Wiv's workflows, folders, runs, generations and spaces."""

from typing import Any

import pytest

from sandbox import fixtures
from tests.sandbox.conftest import Sandbox, Wiv

REPORT = f"/workflows/{fixtures.MONTHLY_REPORT}"


def status_path(workflow_id: str, execution_id: str) -> str:
    return f"/monitoring/workflows/{workflow_id}/executions/{execution_id}/status"


def start(wiv: Wiv, workflow_id: str) -> str:
    """The path of the new run's status."""
    run = wiv.post(f"/workflows/{workflow_id}/run", {"payload": {}})["data"]
    return status_path(workflow_id, run["execution_id"])


def states(wiv: Wiv, path: str, reads: int) -> list[str]:
    return [wiv.get(path)["data"]["status"] for _ in range(reads)]


def test_workflows_are_listed_without_their_steps(ana: Wiv):
    listed = ana.get("/workflows")
    assert (listed["total"], listed["limit"], listed["offset"]) == (12, 50, 0)
    report = next(w for w in listed["data"] if w["workflow_id"] == fixtures.MONTHLY_REPORT)
    assert report["name"] == "Monthly report to finance"
    assert report["last_execution"]["status"] == "COMPLETED"
    assert "steps" not in report


def test_workflows_are_filtered_and_paged(ana: Wiv):
    assert ana.get("/workflows", search="MONTHLY")["total"] == 1
    in_folder = ana.get("/workflows", folder_id=fixtures.FINANCE_FOLDER)["data"]
    assert {workflow["folder_id"] for workflow in in_folder} == {fixtures.FINANCE_FOLDER}
    pages = [ana.get("/workflows", limit=5, offset=offset)["data"] for offset in (0, 5, 10)]
    assert [len(page) for page in pages] == [5, 5, 2]
    assert len({workflow["workflow_id"] for page in pages for workflow in page}) == 12


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 201}, {"limit": "x"}, {"offset": -1}])
def test_a_page_out_of_bounds_is_400(ana: Wiv, query: dict[str, Any]):
    status, text = ana.refusal("GET", "/workflows", params=query)
    assert status == 400
    assert "must be a whole number" in text


def test_a_workflow_tells_its_steps_and_its_input(ana: Wiv):
    workflow = ana.get(REPORT)["data"]
    assert workflow["steps"][0] == {"id": "step_1", "name": "Start", "type": "Entry"}
    assert workflow["input_schema"]["required"] == ["customer"]


def test_an_update_is_seen_by_the_next_read(ana: Wiv):
    before = ana.get(REPORT)["data"]
    change = {"name": "Renamed", "active": False, "tags": ["x"], "folder_id": "fld_3"}
    answer = ana.request("PUT", REPORT, json=change).json()["data"]
    after = ana.get(REPORT)["data"]
    assert after == answer
    assert after["name"] == "Renamed"
    assert after["active"] is False
    assert after["space_id"] == "spc_2"  # the folder's
    assert after["updated_at"] > before["updated_at"]
    assert after["description"] == before["description"]


def test_a_schedule_is_set_and_removed(ana: Wiv):
    removed = ana.request("PUT", REPORT, json={"schedule": ""}).json()["data"]
    assert (removed["schedule"], removed["trigger_type"]) == (None, "MANUAL")
    again = ana.request("PUT", REPORT, json={"schedule": "0 5 * * *"}).json()["data"]
    assert (again["schedule"], again["trigger_type"]) == ("0 5 * * *", "SCHEDULE")


def test_a_definition_replaces_the_steps(ana: Wiv):
    steps = [{"id": "step_1", "name": "Start", "type": "Entry"}]
    ana.request("PUT", REPORT, json={"definition": {"steps": steps}})
    assert ana.get(REPORT)["data"]["steps"] == steps


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({}, (400, "No fields to update")),
        ([], (400, "Request body must be a dictionary")),
        ({"colour": "red"}, (400, "Invalid fields requested")),
        ({"active": "yes"}, (400, "active must be true or false")),
        ({"folder_id": "fld_9"}, (400, "Unknown folder_id: fld_9")),
        ({"folder_id": "fld_1", "space_id": "spc_2"}, (409, "Conflict")),
    ],
)
def test_an_update_is_refused(ana: Wiv, body: Any, refusal: tuple[int, str]):
    assert ana.refusal("PUT", REPORT, json=body) == refusal


def test_a_body_that_is_not_json_is_400(ana: Wiv):
    refusal = ana.refusal("POST", f"{REPORT}/run", content=b"{nonsense")
    assert refusal == (400, "Request body must be a dictionary")


def test_a_folder_has_sub_folders_and_workflows(ana: Wiv):
    assert ana.get("/folders")["total"] == 5
    folder = ana.get(f"/folders/{fixtures.FINANCE_FOLDER}")["data"]
    assert [child["folder_id"] for child in folder["folders"]] == ["fld_2"]
    assert len(folder["workflows"]) == folder["workflow_count"] == 2


def test_starting_a_workflow_answers_as_documented(ana: Wiv):
    run = ana.post(f"{REPORT}/run", {"payload": {"customer": "ACME Corp"}})["data"]
    assert run.keys() == {
        "event_type",
        "execution_id",
        "payload",
        "run_by",
        "tenant_id",
        "timestamp",
        "trigger_id",
        "trigger_type",
        "workflow_id",
    }
    assert run["payload"] == {"customer": "ACME Corp"}
    assert run["run_by"] == fixtures.ANA_EMAIL
    assert run["tenant_id"] == "org_acme"


@pytest.mark.parametrize(
    ("body", "payload"),
    [
        ({"payload": {"a": 1}}, {"a": 1}),
        ({"trigger_event": {"a": 1}}, {"a": 1}),
        ({"a": 1}, {"a": 1}),
        ({"payload": {}, "a": 1}, {"payload": {}, "a": 1}),
        ({}, {}),
    ],
)
def test_the_payload_may_come_bare_or_wrapped(ana: Wiv, body: Any, payload: Any):
    assert ana.post(f"{REPORT}/run", body)["data"]["payload"] == payload


@pytest.mark.parametrize(
    ("workflow_id", "seen"),
    [
        (fixtures.MONTHLY_REPORT, ["PENDING", "RUNNING", "COMPLETED", "COMPLETED"]),
        (fixtures.ALWAYS_FAILS, ["PENDING", "RUNNING", "FAILED", "FAILED"]),
        (
            fixtures.WAITS_FOR_APPROVAL,
            ["PENDING", "RUNNING", "WAITING_APPROVAL", "WAITING_APPROVAL"],
        ),
    ],
)
def test_a_run_moves_one_state_with_each_read(ana: Wiv, workflow_id: str, seen: list[str]):
    assert states(ana, start(ana, workflow_id), 4) == seen


def test_a_run_moves_with_the_clock(ana: Wiv, sandbox: Sandbox):
    path = start(ana, fixtures.MONTHLY_REPORT)
    sandbox.control("clock", advance_seconds=2 * fixtures.STATE_STEP_SECONDS)
    finished = ana.get(path)["data"]
    assert finished["status"] == "COMPLETED"
    assert finished["progress"] == 100
    assert finished["duration_ms"] >= 600_000
    assert finished["output"]["summary"]


def test_a_failed_run_says_which_step_failed(ana: Wiv):
    run = ana.get(status_path(fixtures.ALWAYS_FAILS, fixtures.FAILED_EXECUTION))["data"]
    assert run["error"].startswith("Step 'Export invoices' failed")


def test_a_run_can_be_stopped_until_it_is_finished(ana: Wiv):
    path = start(ana, fixtures.WAITS_FOR_APPROVAL)
    stop = path.removeprefix("/monitoring").replace("/status", "/stop")
    assert ana.post(stop)["data"]["status"] == "STOPPED"
    assert ana.post(stop)["data"]["status"] == "STOPPED"
    assert states(ana, path, 2) == ["STOPPED", "STOPPED"]


def test_stopping_a_finished_run_changes_nothing(ana: Wiv):
    stop = f"{REPORT}/executions/{fixtures.COMPLETED_EXECUTION}/stop"
    assert ana.post(stop)["data"]["status"] == "COMPLETED"


def test_a_run_belongs_to_its_workflow(ana: Wiv):
    path = status_path("wf_2c81", fixtures.COMPLETED_EXECUTION)
    assert ana.refusal("GET", path) == (404, "Not found")


def test_executions_are_listed_newest_first(ana: Wiv):
    listed = ana.get("/monitoring/executions", limit=200)
    started = [run["started_at"] for run in listed["data"]]
    assert listed["total"] == 60
    assert started == sorted(started, reverse=True)
    newest = ana.post(f"{REPORT}/run", {})["data"]["execution_id"]
    assert ana.get("/monitoring/executions", limit=1)["data"][0]["execution_id"] == newest


def test_executions_are_filtered(ana: Wiv):
    running = ana.get("/monitoring/executions", status="RUNNING")["data"]
    assert [run["execution_id"] for run in running] == [fixtures.RUNNING_EXECUTION]
    days = {"start_date": "2026-11-01", "end_date": "2026-11-10"}
    for run in ana.get("/monitoring/executions", limit=200, **days)["data"]:
        assert "2026-11-01" <= run["started_at"][:10] <= "2026-11-10"
    of_workflow = ana.get(f"/monitoring/workflows/{fixtures.MONTHLY_REPORT}/executions")
    assert {run["workflow_id"] for run in of_workflow["data"]} == {fixtures.MONTHLY_REPORT}
    status, _ = ana.refusal("GET", "/monitoring/executions", params={"status": "DONE"})
    assert status == 400


def test_a_generated_workflow_is_listed_as_a_draft(ana: Wiv):
    body = {"prompt": "Create a workflow named 'Daily Cost Watch' that watches the costs"}
    generation = ana.post("/ai/workflows/generate", body)["data"]
    path = f"/ai/workflows/generate/{generation['generation_id']}"
    assert states(ana, path, 2) == ["PENDING", "RUNNING"]
    finished = ana.get(path)["data"]
    assert finished["status"] == "COMPLETED"
    assert finished["workflow"]["name"] == "Daily Cost Watch"
    draft = ana.get(f"/workflows/{finished['workflow_id']}")["data"]
    assert draft["active"] is False
    assert draft["space_id"] == fixtures.DEFAULT_SPACE
    assert ana.get("/workflows", search="daily cost watch")["total"] == 1


def test_a_generation_can_fail(ana: Wiv):
    body = {"prompt": "Do something impossible, please"}
    generation = ana.post("/ai/workflows/generate", body)["data"]
    path = f"/ai/workflows/generate/{generation['generation_id']}"
    assert states(ana, path, 3) == ["PENDING", "RUNNING", "FAILED"]
    assert ana.get(path)["data"]["error"]


def test_a_prompt_must_say_something(ana: Wiv):
    status, text = ana.refusal("POST", "/ai/workflows/generate", json={"prompt": "short"})
    assert (status, text) == (400, "prompt must be a text of 10 to 4000 characters")


def test_spaces_are_found_by_name_and_count_what_they_hold(ana: Wiv):
    assert ana.get("/spaces")["total"] == 4
    found = ana.get("/spaces", search="operations")["data"]
    space = ana.get(f"/spaces/{found[0]['space_id']}")["data"]
    assert space["counts"] == {"workflows": 5, "folders": 2, "boards": 3, "datastores": 1}
    assert fixtures.ANA_EMAIL in space["members"]


def test_the_resources_of_a_space_are_listed_by_type(ana: Wiv):
    path = f"/spaces/{fixtures.DEFAULT_SPACE}/resources"
    types = {resource["resource_type"] for resource in ana.get(path)["data"]}
    assert types == {"workflow", "folder", "board", "datastore", "integration", "dashboard"}
    boards = ana.get(path, resource_type="board")["data"]
    assert [board["name"] for board in boards] == ["Savings"]


@pytest.mark.parametrize(
    "path", ["/workflows/none", "/folders/none", "/spaces/none", "/ai/workflows/generate/none"]
)
def test_what_does_not_exist_is_404(ana: Wiv, path: str):
    assert ana.refusal("GET", path) == (404, "Not found")
