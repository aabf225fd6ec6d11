"""Runs of workflows: start, list, status, stop."""

import secrets
from datetime import datetime
from typing import Any

from starlette.responses import Response

from sandbox.clock import iso_8601
from sandbox.wiv.call import Call, bad_request, data, not_found
from sandbox.wiv.tenant import FINISHED, Document, Execution, Progress, Tenant

STATES = ("PENDING", "RUNNING", "WAITING_APPROVAL", *FINISHED)
PROGRESS = {"PENDING": 0, "RUNNING": 50, "WAITING_APPROVAL": 75, "COMPLETED": 100}


def start(call: Call) -> Response:
    """Answers at once with the execution's id; the run begins as PENDING."""
    workflow = _workflow_of(call)
    payload = understood_payload(call)
    execution = Execution(
        execution_id=f"exec_{secrets.token_hex(6)}",
        workflow_id=workflow["workflow_id"],
        trigger_type="MANUAL",
        run_by=call.caller.name,
        started_at=iso_8601(call.now),
        payload=payload,
        progress=Progress(call.tenant.run_states(workflow["workflow_id"]), call.now),
    )
    call.tenant.executions.append(execution)
    return data(
        {
            "event_type": "WORKFLOW_TRIGGER",
            "execution_id": execution.execution_id,
            "payload": payload,
            "run_by": execution.run_by,
            "tenant_id": call.tenant.tenant_id,
            "timestamp": execution.started_at.replace("T", " ").rstrip("Z"),
            "trigger_id": "-",
            "trigger_type": "MANUAL",
            "workflow_id": execution.workflow_id,
        }
    )


def understood_payload(call: Call) -> Document:
    """{"payload": {...}} as documented; {"trigger_event": {...}} and a bare object pass too."""
    for wrapper in ("payload", "trigger_event"):
        if set(call.body) == {wrapper}:
            payload = call.body[wrapper]
            if not isinstance(payload, dict):
                raise bad_request(f"{wrapper} must be a dictionary")
            return payload
    return call.body


def list_all(call: Call) -> Response:
    return _listed(call, call.tenant.executions)


def list_of_workflow(call: Call) -> Response:
    return _listed(call, call.tenant.executions_of(_workflow_of(call)["workflow_id"]))


def status(call: Call) -> Response:
    execution = _execution_of(call)
    document = execution_document(execution, call.tenant, call.now)
    execution.progress.read(call.now)
    return data(document)


def stop(call: Call) -> Response:
    """A finished run stays what it is."""
    execution = _execution_of(call)
    execution.stop(call.now)
    return data(execution_document(execution, call.tenant, call.now))


def execution_document(execution: Execution, tenant: Tenant, now: float) -> Document:
    state = execution.settle(now)
    workflow = tenant.workflows[execution.workflow_id]
    return {
        "execution_id": execution.execution_id,
        "workflow_id": execution.workflow_id,
        "workflow_name": workflow["name"],
        "status": state,
        "trigger_type": execution.trigger_type,
        "run_by": execution.run_by,
        "started_at": execution.started_at,
        "ended_at": execution.ended_at,
        "duration_ms": _duration_ms(execution),
        "current_step": _current_step(state, workflow),
        "progress": PROGRESS.get(state, 50),
        "error": _error(workflow) if state == "FAILED" else None,
        "output": _output(execution) if state == "COMPLETED" else None,
    }


def last_execution(workflow_id: str, tenant: Tenant, now: float) -> Document | None:
    executions = tenant.executions_of(workflow_id)
    if not executions:
        return None
    latest = max(executions, key=lambda execution: execution.started_at)
    state = latest.settle(now)
    return {
        "execution_id": latest.execution_id,
        "status": state,
        "started_at": latest.started_at,
        "ended_at": latest.ended_at,
    }


def _listed(call: Call, executions: list[Execution]) -> Response:
    """Newest first; filtered by the state as it is now."""
    wanted_state = call.query_choice("status", STATES)
    start_date, end_date = call.query_date("start_date"), call.query_date("end_date")
    space_id = call.query("space_id")
    newest_first = sorted(executions, key=lambda run: run.started_at)[::-1]
    wanted = [
        run
        for run in newest_first
        if wanted_state in (None, run.settle(call.now))
        and (start_date is None or run.started_at[:10] >= start_date)
        and (end_date is None or run.started_at[:10] <= end_date)
        and space_id in (None, call.tenant.workflows[run.workflow_id]["space_id"])
    ]
    return call.page([execution_document(run, call.tenant, call.now) for run in wanted])


def _workflow_of(call: Call) -> Document:
    workflow = call.tenant.workflows.get(call.path("workflow_id"))
    if workflow is None:
        raise not_found()
    return workflow


def _execution_of(call: Call) -> Execution:
    workflow_id, execution_id = call.path("workflow_id"), call.path("execution_id")
    for execution in call.tenant.executions_of(workflow_id):
        if execution.execution_id == execution_id:
            return execution
    raise not_found()


def _duration_ms(execution: Execution) -> int | None:
    if execution.ended_at is None:
        return None
    took = datetime.fromisoformat(execution.ended_at) - datetime.fromisoformat(execution.started_at)
    return round(took.total_seconds() * 1000)


def _current_step(state: str, workflow: Document) -> str | None:
    """The name of the step that a run is at; the seeded workflows have at least three."""
    steps: list[Document] = workflow["steps"]
    if state in ("PENDING", "COMPLETED", "STOPPED") or not steps:
        return None
    waiting = [step["name"] for step in steps if step["type"] == "Approve"]
    if state == "WAITING_APPROVAL" and waiting:
        return str(waiting[0])
    return str(steps[len(steps) // 2]["name"])


def _error(workflow: Document) -> str:
    return f"Step '{_current_step('FAILED', workflow)}' failed: the billing API answered HTTP 503"


def _output(execution: Execution) -> Any:
    return {"summary": "All steps finished", "payload": execution.payload}
