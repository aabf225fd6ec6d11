"""Spaces, and what belongs to them."""

from starlette.responses import Response

from sandbox.wiv.call import Call, contains, data, not_found
from sandbox.wiv.generation import settle_generations
from sandbox.wiv.tenant import Document, Tenant

COUNTED_TYPES = ("workflow", "folder", "board", "datastore")
RESOURCE_TYPES = (*COUNTED_TYPES, "integration", "dashboard")


def list_spaces(call: Call) -> Response:
    settle_generations(call.tenant, call.now)
    wanted = [
        _summary(space, call.tenant)
        for space in call.tenant.spaces.values()
        if contains(space["name"], call.query("search"))
    ]
    return call.page(wanted)


def get_space(call: Call) -> Response:
    settle_generations(call.tenant, call.now)
    space = _space_of(call)
    return data(_summary(space, call.tenant) | {"members": space["members"]})


def get_resources(call: Call) -> Response:
    settle_generations(call.tenant, call.now)
    space_id = _space_of(call)["space_id"]
    resource_type = call.query_choice("resource_type", RESOURCE_TYPES)
    wanted = [
        resource
        for resource in _resources(call.tenant)
        if resource["space_id"] == space_id and resource_type in (None, resource["resource_type"])
    ]
    return call.page(wanted)


def _space_of(call: Call) -> Document:
    space = call.tenant.spaces.get(call.path("space_id"))
    if space is None:
        raise not_found()
    return space


def _summary(space: Document, tenant: Tenant) -> Document:
    inside = [r["resource_type"] for r in _resources(tenant) if r["space_id"] == space["space_id"]]
    counts = {f"{kind}s": inside.count(kind) for kind in COUNTED_TYPES}
    without_members = {field: value for field, value in space.items() if field != "members"}
    return without_members | {"member_count": len(space["members"]), "counts": counts}


def _resources(tenant: Tenant) -> list[Document]:
    workflows = [
        _resource("workflow", workflow["workflow_id"], workflow)
        for workflow in tenant.workflows.values()
    ]
    folders = [
        _resource("folder", folder["folder_id"], folder) for folder in tenant.folders.values()
    ]
    return [*workflows, *folders, *tenant.resources]


def _resource(resource_type: str, resource_id: str, document: Document) -> Document:
    return {
        "resource_type": resource_type,
        "id": resource_id,
        "name": document["name"],
        "space_id": document["space_id"],
    }
