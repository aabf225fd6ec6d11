"""tools/list and tools/call over HTTP, with a Wiv that works and one that doesn't."""

import json
import time

import pytest

from mcp_gateway.models import Tool
from sandbox import fixtures
from tests.mcp_gateway.json_rpc import MODERN_META, McpClient, modern_headers
from tests.wiv_routes import READING, SHIPPED


@pytest.fixture
def reader(http, sign_in) -> McpClient:
    """A client whose user agreed to reading only."""
    return McpClient(http, sign_in("/mcp", scope="wiv:read").tokens["access_token"])


def wait_until(condition, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# Listing ---------------------------------------------------------------------------------------


def test_all_tools_are_listed_in_order(mcp):
    names = mcp.tool_names()
    assert len(names) == SHIPPED
    assert names[0] == "wiv_list_workflows"


def test_a_tool_is_listed_with_its_title_schema_and_hints(mcp):
    tools = mcp.request("tools/list").json()["result"]["tools"]
    [tool] = [tool for tool in tools if tool["name"] == "wiv_start_execution"]
    assert tool["title"] == "Run workflow"
    assert tool["inputSchema"]["required"] == ["workflow_id"]
    assert "_wiv_api_key" not in json.dumps(tools)
    assert tool["annotations"] == {
        "title": "Run workflow",
        "readOnlyHint": False,
        "destructiveHint": True,
        "idempotentHint": False,
        "openWorldHint": True,
    }


@pytest.mark.requirement("MCP 2026-07-28 Caching")
def test_a_modern_client_may_keep_the_list_for_a_while_and_for_itself(mcp):
    mcp.headers = modern_headers("tools/list")
    result = mcp.request("tools/list", {"_meta": MODERN_META}).json()["result"]
    assert (result["ttlMs"], result["cacheScope"]) == (30_000, "private")


@pytest.mark.requirement("MCP 2026-07-28 Pagination")
def test_a_cursor_is_refused_as_there_is_one_page(mcp):
    error = mcp.request("tools/list", {"cursor": "2"}).json()["error"]
    assert error["code"] == -32602


def test_a_tool_that_is_switched_off_is_unknown_within_a_second(mcp, monkeypatch):
    monkeypatch.undo()  # the server fixture's: here the worker asks once a second, as it is served
    assert not mcp.call("wiv_list_spaces").get("isError")
    Tool.objects.filter(name="wiv_list_spaces").update(enabled=False)
    started = time.monotonic()
    wait_until(lambda: "wiv_list_spaces" not in mcp.tool_names())
    assert time.monotonic() - started < 1.5
    answer = mcp.request("tools/call", {"name": "wiv_list_spaces", "arguments": {}}).json()
    assert answer["error"]["code"] == -32602
    Tool.objects.update(enabled=True)
    wait_until(lambda: "wiv_list_spaces" in mcp.tool_names())


# Scope -----------------------------------------------------------------------------------------


def test_what_the_token_may_not_do_is_not_listed(reader):
    names = reader.tool_names()
    assert len(names) == READING
    assert "wiv_start_execution" not in names


@pytest.mark.requirement("RFC 6750 §3.1; MCP 2026-07-28 Scope Challenge Handling")
def test_calling_it_asks_the_client_to_step_up(reader, server, sandbox):
    params = {"name": "wiv_start_execution", "arguments": {"workflow_id": "wf_7f3a"}}
    response = reader.request("tools/call", params)
    assert response.status_code == 403
    challenge = response.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="wiv:read wiv:write"' in challenge
    assert f'resource_metadata="{server}/.well-known/oauth-protected-resource/mcp"' in challenge
    assert response.json()["error"] == "insufficient_scope"
    assert sandbox.requests("wiv") == []


def test_reading_works_with_a_token_that_may_only_read(reader):
    assert not reader.call("wiv_list_spaces").get("isError")


# Calling ---------------------------------------------------------------------------------------


def test_an_answer_is_text_and_structured_content(mcp):
    result = mcp.call("wiv_get_workflow", workflow_id=fixtures.MONTHLY_REPORT)
    assert not result.get("isError")
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
    assert "Monthly report" in result["content"][0]["text"]


def test_wiv_gets_the_request_of_the_tools_row_and_the_callers_key(mcp, sandbox):
    mcp.call("wiv_search_msp_cases", customer_id="org_1", max_returned_items=5)
    [request] = sandbox.requests("wiv")
    assert (request["method"], request["query"]) == ("POST", {"customer_id": ["org_1"]})
    assert request["body"] == {"max_returned_items": 5}
    assert request["headers"]["x-api-key"] == mcp.credential
    assert "authorization" not in request["headers"]


@pytest.mark.parametrize("trigger_event", [{"customer": "A"}, {"payload": {"customer": "A"}}])
def test_a_run_gets_its_payload(mcp, sandbox, trigger_event):
    mcp.call("wiv_start_execution", workflow_id="wf_7f3a", trigger_event=trigger_event)
    [request] = sandbox.requests("wiv")
    assert request["body"] == {"payload": {"customer": "A"}}


@pytest.mark.requirement("MCP 2026-07-28 Tools, Error Handling")
def test_an_unknown_tool_is_a_protocol_error(mcp):
    answer = mcp.request("tools/call", {"name": "nope", "arguments": {}})
    assert answer.json()["error"]["code"] == -32602
    assert "nope" in answer.json()["error"]["message"]


@pytest.mark.requirement("MCP 2026-07-28 Tools, Error Handling")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, '"workflow_id" is a required property'),
        ({"workflow_id": 5}, "workflow_id: the value is not of type"),
        ({"workflow_id": "../spaces"}, "workflow_id: the value does not match"),
        ({"workflow_id": "wf_7f3a", "other": 1}, "'other' was unexpected"),
    ],
)
def test_arguments_that_do_not_fit_are_told_to_the_model_and_not_sent(
    mcp, sandbox, arguments, told
):
    assert told in mcp.refused("wiv_get_workflow", **arguments)
    assert sandbox.requests("wiv") == []


def test_an_update_that_changes_nothing_is_refused(mcp, sandbox):
    assert "less than 2 properties" in mcp.refused("wiv_update_workflow", workflow_id="wf_7f3a")
    assert sandbox.requests("wiv") == []


def test_a_path_argument_is_refused_even_where_a_schema_forgot_to(mcp, sandbox):
    Tool.objects.filter(name="wiv_get_workflow").update(
        input_schema={"type": "object", "properties": {"workflow_id": {}}}
    )
    wait_until(lambda: "one plain id" in mcp.refused("wiv_get_workflow", workflow_id="../spaces"))
    assert all("spaces" not in request["path"] for request in sandbox.requests("wiv"))


# A Wiv that fails ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, "Correct the arguments"),
        (403, "role"),
        (404, "Look the id up"),
        (409, "current state"),
        (429, "Wait"),
        (500, "Try again later"),
    ],
)
def test_a_refusal_is_told_to_the_model(mcp, sandbox, status, told):
    sandbox.fault("wiv", "*", "status", status=status, times=None)
    text = mcp.refused("wiv_list_spaces")
    assert f"Wiv answered {status}" in text
    assert told in text
    assert "unknown whether" not in text


@pytest.mark.parametrize("kind", ["html", "broken_json", "drop", "hang"])
def test_no_good_answer_is_told_to_the_model(mcp, sandbox, kind):
    sandbox.fault("wiv", "*", kind, times=None)
    text = mcp.refused("wiv_list_spaces")
    assert "Wiv" in text
    assert "<" not in text
    sandbox.clear_faults()


@pytest.mark.parametrize("version", [{}, modern_headers("tools/call", "wiv_list_spaces")])
@pytest.mark.parametrize(
    ("body", "content"),
    [
        ('{"a": NaN, "b": 1e999}', {"a": None, "b": None}),
        ('{"a": "\\ud800"}', {"a": "?"}),
        ('{"a": ' + "[" * 150 + "]" * 150 + "}", None),
    ],
)
def test_what_json_does_not_allow_breaks_no_client(mcp, sandbox, version, body, content):
    sandbox.fault("wiv", "*", "status", status=200, body=body)
    mcp.headers = version
    params = {"name": "wiv_list_spaces", "arguments": {}, "_meta": MODERN_META}
    result = mcp.request("tools/call", params).json()["result"]
    assert not result.get("isError")
    if content:
        assert result["structuredContent"] == content
        assert json.loads(result["content"][0]["text"]) == content


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 500}, {"kind": "drop"}])
def test_a_call_that_may_have_worked_is_not_to_be_repeated_blindly(mcp, sandbox, fault):
    sandbox.fault("wiv", "*", **fault)
    text = mcp.refused("wiv_start_execution", workflow_id="wf_7f3a")
    assert "unknown whether the call took effect" in text


def test_a_refused_call_did_not_happen_for_sure(mcp, sandbox):
    sandbox.fault("wiv", "*", "status", status=400)
    text = mcp.refused("wiv_start_execution", workflow_id="wf_7f3a")
    assert "unknown whether" not in text


def test_wivs_401_alone_revokes_nothing(mcp, sandbox):
    sandbox.fault("wiv", "*", "status", status=401)
    assert "reconnect" in mcp.refused("wiv_list_spaces")
    assert not mcp.call("wiv_list_spaces").get("isError")


def test_wivs_401_and_propelauths_no_revoke(mcp, sandbox):
    assert not mcp.call("wiv_list_spaces").get("isError")  # PropelAuth's verdict is remembered now
    key_id = mcp.credential[:32]
    sandbox.backend("DELETE", f"/end_user_api_keys/{key_id}", fixtures.BACKEND_API_KEY)
    assert "reconnect" in mcp.refused("wiv_list_spaces")
    assert mcp.request("tools/list").status_code == 401


# _wiv_api_key ----------------------------------------------------------------------------------


def test_another_key_is_used_for_one_call_and_goes_nowhere_else(mcp, make_key, sandbox):
    other = make_key(fixtures.MAX, fixtures.MSP)
    assert not mcp.call("wiv_list_msp_cases_types", _wiv_api_key=other).get("isError")
    [request] = sandbox.requests("wiv")
    assert request["headers"]["x-api-key"] == other
    assert request["query"] == {}
    assert request["body"] in (None, "")
    mcp.call("wiv_list_spaces")
    assert sandbox.requests("wiv")[1]["headers"]["x-api-key"] == mcp.credential


def test_a_bad_key_is_told_and_not_repeated(mcp, sandbox, caplog):
    text = mcp.refused("wiv_list_spaces", _wiv_api_key="hunter2hunter2hunter2")
    assert "isn't a valid Wiv API key" in text
    assert "hunter2" not in text + caplog.text
    assert sandbox.requests("wiv") == []


@pytest.mark.parametrize("value", [5, None, "", "with space", "new\nline", "ünïcode", {"a": 1}])
def test_what_can_not_be_a_key_is_not_asked_about(mcp, sandbox, value):
    sandbox.forget_requests()
    assert "_wiv_api_key must be" in mcp.refused("wiv_list_spaces", _wiv_api_key=value)
    asked = [json.dumps(request["body"]) for request in sandbox.requests("propelauth")]
    assert all(mcp.credential in body for body in asked)


def test_it_gives_no_more_rights_than_the_connection_has(reader, make_key, sandbox):
    arguments = {"workflow_id": "wf_7f3a", "_wiv_api_key": make_key()}
    params = {"name": "wiv_start_execution", "arguments": arguments}
    response = reader.request("tools/call", params)
    assert response.status_code == 403
    assert arguments["_wiv_api_key"] not in response.text
    assert sandbox.requests("wiv") == []


@pytest.mark.parametrize("version", [{}, modern_headers("tools/call", "wiv_list_spaces")])
@pytest.mark.parametrize("arguments", ["_wiv_api_key=hunter2", ["hunter2"]])
def test_the_sdks_own_refusals_do_not_repeat_it(mcp, version, arguments):
    mcp.headers = version
    params = {"name": "wiv_list_spaces", "arguments": arguments, "_meta": MODERN_META}
    answer = mcp.request("tools/call", params)
    assert answer.json()["error"]["code"] == -32602
    assert "hunter2" not in answer.text
