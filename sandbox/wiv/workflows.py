"""Workflows and their folders: list, get, update."""

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from sandbox.clock import iso_8601
from sandbox.wiv.call import Call, WivError, bad_request, contains, data, not_found
from sandbox.wiv.executions import last_execution
from sandbox.wiv.generation import settle_generations
from sandbox.wiv.tenant import Document, Tenant

DETAIL_FIELDS = ("input_schema", "steps")

_FIELD_RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "name": ("a text of 1 to 200 characters", lambda v: _is_text(v, 200) and v != ""),
    "description": ("a text of at most 2000 characters", lambda v: _is_text(v, 2000)),
    "active": ("true or false", lambda v: isinstance(v, bool)),
    "folder_id": ("a folder's id", lambda v: isinstance(v, str)),
    "space_id": ("a space's id", lambda v: isinstance(v, str)),
    "tags": ("a list of at most 20 texts", lambda v: _is_list_of_text(v)),
    "schedule": ("a cron expression with five fields, or empty", lambda v: _is_schedule(v)),
    "definition": ("an object with a list of steps", lambda v: _is_definition(v)),
}


def list_workflows(call: Call) -> Response:
    settle_generations(call.tenant, call.now)
    wanted = [
        workflow
        for workflow in call.tenant.workflows.values()
        if call.query("space_id") in (None, workflow["space_id"])
        and call.query("folder_id") in (None, workflow["folder_id"])
        and contains(workflow["name"], call.query("search"))
    ]
    return call.page([_summary(workflow, call) for workflow in wanted])


def get_workflow(call: Call) -> Response:
    return data(_detail(_workflow_of(call), call))


def update_workflow(call: Call) -> Response:
    """Changes the fields given; 409 when folder and space don't fit each other."""
    workflow = _workflow_of(call)
    changes = dict(call.body_with(tuple(_FIELD_RULES)))
    if not changes:
        raise bad_request("No fields to update")
    for field, value in changes.items():
        wanted, is_right = _FIELD_RULES[field]
        if not is_right(value):
            raise bad_request(f"{field} must be {wanted}")
    _check_place(changes, call.tenant)
    _apply(changes, workflow, call)
    return data(_detail(workflow, call))


def list_folders(call: Call) -> Response:
    wanted = [
        folder_document(folder, call.tenant)
        for folder in call.tenant.folders.values()
        if call.query("space_id") in (None, folder["space_id"])
    ]
    return call.page(wanted)


def get_folder(call: Call) -> Response:
    """A folder with its sub-folders and its workflows."""
    tenant, folder = call.tenant, call.tenant.folders.get(call.path("folder_id"))
    if folder is None:
        raise not_found()
    folder_id = folder["folder_id"]
    settle_generations(tenant, call.now)
    children = [other for other in tenant.folders.values() if other["parent_id"] == folder_id]
    inside = [flow for flow in tenant.workflows.values() if flow["folder_id"] == folder_id]
    content = {
        "folders": [folder_document(child, tenant) for child in children],
        "workflows": [_summary(workflow, call) for workflow in inside],
    }
    return data(folder_document(folder, tenant) | content)


def folder_document(folder: Document, tenant: Tenant) -> Document:
    places = [workflow["folder_id"] for workflow in tenant.workflows.values()]
    return folder | {"workflow_count": places.count(folder["folder_id"])}


def _workflow_of(call: Call) -> Document:
    settle_generations(call.tenant, call.now)
    workflow = call.tenant.workflows.get(call.path("workflow_id"))
    if workflow is None:
        raise not_found()
    return workflow


def _detail(workflow: Document, call: Call) -> Document:
    last = last_execution(workflow["workflow_id"], call.tenant, call.now)
    return workflow | {"last_execution": last}


def _summary(workflow: Document, call: Call) -> Document:
    detail = _detail(workflow, call)
    return {field: value for field, value in detail.items() if field not in DETAIL_FIELDS}


def _check_place(changes: Document, tenant: Tenant) -> None:
    """Both must exist; a folder lies in one space, so naming another one is a conflict."""
    folder_id, space_id = changes.get("folder_id"), changes.get("space_id")
    if folder_id is not None and folder_id not in tenant.folders:
        raise bad_request(f"Unknown folder_id: {folder_id}")
    if space_id is not None and space_id not in tenant.spaces:
        raise bad_request(f"Unknown space_id: {space_id}")
    if folder_id and space_id and tenant.folders[folder_id]["space_id"] != space_id:
        raise WivError(409, "Conflict")


def _apply(changes: Document, workflow: Document, call: Call) -> None:
    if "definition" in changes:
        definition = changes.pop("definition")
        workflow["steps"] = definition["steps"]
        workflow["input_schema"] = definition.get("input_schema", workflow["input_schema"])
    if "schedule" in changes:
        changes["schedule"] = changes["schedule"] or None
        changes["trigger_type"] = "SCHEDULE" if changes["schedule"] else "MANUAL"
    if "folder_id" in changes:
        changes["space_id"] = call.tenant.folders[changes["folder_id"]]["space_id"]
    elif changes.get("space_id") not in (None, workflow["space_id"]):
        changes["folder_id"] = None  # the old folder stays in the old space
    workflow.update(changes, updated_at=iso_8601(call.now))


def _is_text(value: Any, longest: int) -> bool:
    return isinstance(value, str) and len(value) <= longest


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 20 and all(_is_text(v, 50) for v in value)


def _is_schedule(value: Any) -> bool:
    return _is_text(value, 100) and len(value.split()) in (0, 5)


def _is_definition(value: Any) -> bool:
    steps = value.get("steps") if isinstance(value, dict) else None
    return isinstance(steps, list) and all(isinstance(step, dict) for step in steps)
