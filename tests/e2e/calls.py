"""One call of each shipped tool, and what has to come of it.

What Wiv must receive is computed from its routes as tests/wiv_routes.json has them; what must come
back is known from the sandbox's seed. An argument "$tool.path" stands for a value in an earlier
tool's answer.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from sandbox import fixtures
from tests.wiv_routes import ROUTES


@dataclass(frozen=True)
class Call:
    """`expected` maps paths in the answer ("data.0.name") to values; Ellipsis means: is there."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    expected: dict[str, Any] = field(default_factory=dict)
    body: object = None


REPORT = fixtures.MONTHLY_REPORT

CALLS = [
    Call("wiv_list_workflows", {"search": "monthly report"}, {"data.0.workflow_id": REPORT}),
    Call("wiv_get_workflow", {"workflow_id": REPORT}, {"data.name": "Monthly report to finance"}),
    Call(
        "wiv_update_workflow",
        {"workflow_id": REPORT, "description": "Sent on the first"},
        {"data.description": "Sent on the first"},
    ),
    Call(
        "wiv_list_folders", {"space_id": fixtures.DEFAULT_SPACE}, {"data.0.name": "Finance reports"}
    ),
    Call(
        "wiv_get_folder",
        {"folder_id": fixtures.FINANCE_FOLDER},
        {"data.folders.0.name": "Month end"},
    ),
    Call(
        "wiv_start_execution",
        {"workflow_id": REPORT, "trigger_event": {"customer": "ACME Corp"}},
        {"data.execution_id": ..., "data.payload.customer": "ACME Corp"},
        body={"payload": {"customer": "ACME Corp"}},
    ),
    Call(
        "wiv_get_execution_status",
        {"workflow_id": REPORT, "execution_id": "$wiv_start_execution.data.execution_id"},
        {"data.status": "PENDING"},
    ),
    Call(
        "wiv_list_all_executions",
        {"status": "FAILED", "limit": 5},
        {"data.0.execution_id": "exec_5eed00000004", "data.0.status": "FAILED"},
    ),
    Call(
        "wiv_list_workflow_executions",
        {"workflow_id": REPORT},
        {"data.0.workflow_id": REPORT},
    ),
    Call(
        "wiv_stop_execution",
        {"workflow_id": REPORT, "execution_id": "$wiv_start_execution.data.execution_id"},
        {"data.status": "STOPPED"},
    ),
    Call(
        "wiv_list_cases",
        {"status": "To Do", "limit": 3},
        {"data.0.case_id": "case_10021"},
    ),
    Call(
        "wiv_search_cases",
        {"filters": {"lifecycle": ["Open"]}, "max_returned_items": 2},
        {"data.0.lifecycle": "Open", "next_page_key.scroll_id": ...},
    ),
    Call("wiv_get_cases_summary", {"group_by": "service"}, {"data.total_cases": 120}),
    Call("wiv_get_cases_filters", {}, {"data.0.name": "status"}),
    Call(
        "wiv_get_cases_filter_values",
        {"filter_name": "owner"},
        {"data.0.value": "bea@acme.test", "data.0.count": 29},
    ),
    Call(
        "wiv_cases_query",
        {"query": {"range": {"annual_potential_savings": {"gte": 1000}}}, "size": 1},
        {"hits.total.value": 69},
    ),
    Call(
        "wiv_search_msp_cases",
        {"customer_id": "org_fabrikam", "max_returned_items": 1},
        {"data.0.customer_id": "org_fabrikam"},
    ),
    Call(
        "wiv_get_msp_cases_summary",
        {"customer_id": "org_tailwind", "group_by": "service"},
        {"data.total_cases": 9},
    ),
    Call("wiv_get_msp_cases_filter_values", {"filter_name": "customer_id"}, {"data.0.count": 34}),
    Call("wiv_list_msp_cases_types", {"customer_id": "org_fabrikam"}, {"data.0.cases": 5}),
    Call("wiv_msp_cases_query", {"query": {"match_all": {}}, "size": 1}, {"hits.total.value": 69}),
    Call(
        "wiv_generate_workflow",
        {"prompt": "Create a workflow named 'Daily AWS Cost Watch' that looks at costs."},
        {"data.generation_id": ..., "data.status": "PENDING"},
    ),
    Call(
        "wiv_get_generated_workflow",
        {"generation_id": "$wiv_generate_workflow.data.generation_id"},
        {"data.status": ...},
    ),
    Call("wiv_list_spaces", {"search": ""}, {"data.0.name": "FinOps"}),
    Call(
        "wiv_get_space",
        {"space_id": fixtures.DEFAULT_SPACE},
        {"data.counts.workflows": 4},
    ),
    Call(
        "wiv_get_space_resources",
        {"space_id": fixtures.DEFAULT_SPACE, "resource_type": "workflow"},
        {"data.0.id": REPORT},
    ),
]


def calls_for(*, msp: bool) -> Iterator[Call]:
    return (call for call in CALLS if ROUTES[call.tool]["msp"] == msp)


def expected_request(call: Call, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What Wiv has to receive: {"method", "path", "query", "body"}."""
    route = ROUTES[call.tool]
    in_path = re.findall(r"{(\w+)}", route["path"])
    in_query = [name for name in route["query"] if name in arguments]
    rest = {
        name: value
        for name, value in arguments.items()
        if name not in in_path and name not in in_query
    }
    return {
        "method": route["method"],
        "path": route["path"].format(
            **{name: quote(str(arguments[name]), safe="") for name in in_path}
        ),
        "query": {name: [str(arguments[name])] for name in in_query},
        "body": call.body if call.body is not None else (rest if route["body"] == "all" else None),
    }


def resolve(arguments: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Replace "$tool.path" by what that tool answered."""
    return {
        name: _resolve(value, answers) if isinstance(value, str) else value
        for name, value in arguments.items()
    }


def _resolve(value: str, answers: Mapping[str, Any]) -> Any:
    if not value.startswith("$"):
        return value
    tool, _, path = value[1:].partition(".")
    return find(answers[tool], path)


def find(answer: Any, path: str) -> Any:
    """find({"data": [{"id": 1}]}, "data.0.id") -> 1; raises LookupError."""
    for step in path.split("."):
        answer = answer[int(step)] if isinstance(answer, list) else answer[step]
    return answer
