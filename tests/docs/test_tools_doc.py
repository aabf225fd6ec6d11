"""docs/tools.md against mcp_gateway/catalog.json."""

import json
from typing import Any

from mcp_gateway.jobs.wait_argument import LONGEST_WAIT_SECONDS
from mcp_gateway.jobs.waiting import FIRST_INTERVAL, JOBS_PER_PERSON, LONGEST_INTERVAL
from mcp_gateway.models import Tool
from tests.docs.markdown import read, tables_with

HINTS = {"read_only": "read-only", "destructive": "destructive", "idempotent": "idempotent"}
NOTHING = "–"  # noqa: RUF001  # a dash, as in the table

CATALOG: list[dict[str, Any]] = json.loads(read("mcp_gateway/catalog.json"))


def row(tool: dict[str, Any]) -> dict[str, str]:
    hints = [word for field, word in HINTS.items() if tool[field]]
    return {
        "Tool": span(tool["name"]),
        "Method": tool["http_method"],
        "Path": span(tool["path_template"]),
        "Query": ", ".join(map(span, tool["query_parameters"])) or NOTHING,
        "Body": body(tool),
        "Scope": span(tool["required_scope"]),
        "Hints": ", ".join(hints) or NOTHING,
    }


def body(tool: dict[str, Any]) -> str:
    if not tool["body"]:
        return NOTHING
    wrapper = tool["body_wrapper"]
    return span(tool["body"]) + (f" in {span(wrapper)}" if wrapper else "")


def span(text: str) -> str:
    return f"`{text}`"


def test_the_table_of_tools_is_the_catalog():
    [table] = tables_with(read("docs/tools.md"), "Tool")
    in_order = sorted(CATALOG, key=lambda tool: tool["position"])
    assert list(table.rows) == [row(tool) for tool in in_order]


def test_the_table_of_jobs_is_the_catalogs():
    [table] = tables_with(read("docs/tools.md"), "Starts")
    in_order = sorted(
        (tool for tool in CATALOG if "job" in tool), key=lambda tool: tool["position"]
    )
    assert list(table.rows) == [job_row(tool) for tool in in_order]


def job_row(tool: dict[str, Any]) -> dict[str, str]:
    job = tool["job"]
    return {
        "Starts": span(tool["name"]),
        "Status tool": span(job["status_tool"]),
        "Cancel tool": span(job["cancel_tool"]) if "cancel_tool" in job else NOTHING,
        "Terminal": ", ".join(map(span, job["terminal"])),
        "Waits for somebody": ", ".join(map(span, job.get("input_required", []))) or NOTHING,
    }


def test_the_numbers_of_long_jobs_are_the_codes():
    text = read("docs/tools.md")
    assert f"`wait_seconds`, 0 to\n{LONGEST_WAIT_SECONDS}:" in text
    assert f"after {FIRST_INTERVAL:g} s and ever more rarely, every {LONGEST_INTERVAL:g} s" in text
    assert f"waits for {JOBS_PER_PERSON} jobs at once" in text


def test_every_tool_is_open_world_as_the_table_says_above_it():
    assert all(tool["open_world"] for tool in CATALOG)


def test_the_numbers_of_tools_that_documents_name_are_the_catalogs():
    reading = sum(tool["required_scope"] == "wiv:read" for tool in CATALOG)
    assert f"the {reading} reading tools" in read("docs/oauth.md")
    assert f"call all {len(CATALOG)};" in read("docs/oauth.md")
    assert f"{len(CATALOG)} tools" in read("README.md")


def test_every_field_of_a_tool_is_described():
    [table] = tables_with(read("docs/tools.md"), "Field")
    described = {
        name for entry in table.rows for name in entry["Field"].replace("`", "").split(", ")
    }
    fields = {field.name for field in Tool._meta.concrete_fields}
    assert described == fields - {"id"}
