"""What a role may do, read from its inline policies."""

import json
from typing import Any


def allowed(stacks: Any, stack: str, role: str) -> tuple[set[str], set[str]]:
    """Actions, and resources as JSON, of the one role whose logical id begins so."""
    template = stacks.templates[stack]["Resources"]
    [name] = [
        key
        for key, each in template.items()
        if each["Type"] == "AWS::IAM::Role" and key.startswith(role)
    ]
    assert "ManagedPolicyArns" not in template[name]["Properties"]
    assert "Policies" not in template[name]["Properties"]
    actions: set[str] = set()
    resources: set[str] = set()
    for policy in stacks.resources(stack, "AWS::IAM::Policy"):
        if {"Ref": name} not in policy["Roles"]:
            continue
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            actions |= set(as_list(statement["Action"]))
            resources |= {json.dumps(each) for each in as_list(statement["Resource"])}
    return actions, resources


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
