"""Workflows made from a plain-language prompt, which takes a while.

PENDING -> RUNNING -> COMPLETED, moved as a run is; then the draft is among the workflows. A prompt
with `fixtures.FAILING_PROMPT_WORD` in it ends FAILED.
"""

import re
import secrets

from starlette.responses import Response

from sandbox import fixtures
from sandbox.clock import iso_8601
from sandbox.wiv.call import Call, bad_request, data, not_found
from sandbox.wiv.tenant import Document, Generation, Progress, Tenant

FIELDS = ("prompt", "space_id", "folder_id")


def generate(call: Call) -> Response:
    body = call.body_with(FIELDS)
    prompt = body.get("prompt")
    if not isinstance(prompt, str) or not 10 <= len(prompt) <= 4000:
        raise bad_request("prompt must be a text of 10 to 4000 characters")
    folder_id = body.get("folder_id")
    end = "FAILED" if fixtures.FAILING_PROMPT_WORD in prompt.lower() else "COMPLETED"
    generation = Generation(
        generation_id=f"gen_{secrets.token_hex(6)}",
        prompt=prompt,
        space_id=_space_id(body, call.tenant),
        folder_id=folder_id,
        created_by=call.caller.name,
        progress=Progress(("PENDING", "RUNNING", end), call.now),
    )
    call.tenant.generations[generation.generation_id] = generation
    return data(_document(generation, call.tenant, call.now), 202)


def get_generated(call: Call) -> Response:
    generation = call.tenant.generations.get(call.path("generation_id"))
    if generation is None:
        raise not_found()
    settle_generations(call.tenant, call.now)
    document = _document(generation, call.tenant, call.now)
    generation.progress.read(call.now)
    return data(document)


def settle_generations(tenant: Tenant, now: float) -> None:
    """Adds the draft of each generation that's COMPLETED by now."""
    for generation in tenant.generations.values():
        if generation.workflow_id is None and generation.progress.state(now) == "COMPLETED":
            draft = _draft(generation, now)
            generation.workflow_id = draft["workflow_id"]
            tenant.workflows[draft["workflow_id"]] = draft


def _space_id(body: Document, tenant: Tenant) -> str:
    folder_id, space_id = body.get("folder_id"), body.get("space_id")
    if folder_id is not None and folder_id not in tenant.folders:
        raise bad_request(f"Unknown folder_id: {folder_id}")
    if space_id is not None and space_id not in tenant.spaces:
        raise bad_request(f"Unknown space_id: {space_id}")
    if folder_id is not None:
        return str(tenant.folders[folder_id]["space_id"])
    return str(space_id or tenant.default_space_id)


def _document(generation: Generation, tenant: Tenant, now: float) -> Document:
    state = generation.progress.state(now)
    workflow = tenant.workflows.get(generation.workflow_id or "")
    return {
        "generation_id": generation.generation_id,
        "status": state,
        "workflow_id": generation.workflow_id,
        "workflow": workflow,
        "error": "No workflow could be made of this prompt" if state == "FAILED" else None,
    }


def _draft(generation: Generation, now: float) -> Document:
    made_at = iso_8601(now)
    return {
        "workflow_id": f"wf_{secrets.token_hex(3)}",
        "name": _name(generation.prompt),
        "description": generation.prompt,
        "active": False,
        "space_id": generation.space_id,
        "folder_id": generation.folder_id,
        "tags": ["draft", "ai-generated"],
        "trigger_type": "MANUAL",
        "schedule": None,
        "created_by": generation.created_by,
        "created_at": made_at,
        "updated_at": made_at,
        "input_schema": {"type": "object", "properties": {}},
        "steps": [
            {"id": "step_1", "name": "Start", "type": "Entry"},
            {"id": "step_2", "name": "Collect costs", "type": "AWS Cost Explorer"},
            {"id": "step_3", "name": "Done", "type": "Exit"},
        ],
    }


def _name(prompt: str) -> str:
    """The quoted text after "named" or "called", else the prompt's first words."""
    named = re.search(r"(?:named|called)\s+(['\"])(.+?)\1", prompt)
    return named[2] if named else " ".join(prompt.split()[:6])
