"""The page "Try it": a dry run that sends nothing, and a live run with a key typed in."""

import html
import json
import re
from collections.abc import Mapping

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from mcp_gateway.answers import NOTES
from mcp_gateway.models import Tool
from oauth_bridge.models import EndUserApiKey, SecurityEvent
from sandbox import fixtures
from tests.mcp_gateway.json_rpc import McpClient
from tests.robot import form_to
from tests.robot import signed_in as signed_in_at_connect


@pytest.fixture
def administrator(server: str) -> Client:
    return signed_in("view_tool", "change_tool")


@pytest.fixture
def viewer(server: str) -> Client:
    return signed_in("view_tool")


def signed_in(*permissions: str) -> Client:
    user = get_user_model().objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser = Client(enforce_csrf_checks=True, headers={"host": "127.0.0.1"})
    browser.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return browser


def url(name: str) -> str:
    return f"/admin/mcp_gateway/tool/{Tool.objects.get(name=name).pk}/try/"


def opened(browser: Client, name: str) -> str:
    page = browser.get(url(name))
    assert page.status_code == 200
    return page.content.decode()


def dry_run(browser: Client, name: str, **fields: str) -> str:
    return posted(browser, name, {"dry_run": "1", **fields})


def live_run(browser: Client, name: str, key: str, **fields: str) -> str:
    return posted(browser, name, {"run": "1", "api_key": key, **fields})


def posted(browser: Client, name: str, fields: Mapping[str, str]) -> str:
    """The page, as text."""
    token = found(r'name="csrfmiddlewaretoken" value="(\w+)"', opened(browser, name))
    named = {f"argument-{n[4:]}" if n.startswith("arg_") else n: v for n, v in fields.items()}
    response = browser.post(url(name), {"csrfmiddlewaretoken": token, **named})
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def found(pattern: str, page: str) -> str:
    match = re.search(pattern, page, re.DOTALL)
    assert match, pattern
    return match[1]


def block(page: str, label: str) -> str:
    return found(rf'<pre[^>]* aria-label="{label}">(.*?)</pre>', page)


def row_of(page: str, name: str) -> str:
    """The form's row of one argument, its errors included."""
    rows: list[str] = re.findall(
        r'<div class="form-row.*?(?=<div class="form-row|</fieldset>)', page, re.S
    )
    return next(row for row in rows if f'name="argument-{name}"' in row)


# The form ---------------------------------------------------------------------------------------


def test_a_tools_page_leads_to_its_trial(administrator):
    page = administrator.get(url("wiv_list_cases").replace("/try/", "/change/"))
    assert f'<a href="{url("wiv_list_cases")}">Try it</a>' in page.content.decode()


def test_each_argument_is_a_field_with_its_description(administrator):
    page = opened(administrator, "wiv_list_cases")
    schema = Tool.objects.get(name="wiv_list_cases").input_schema
    for name, part in schema["properties"].items():
        assert part["description"] in html.unescape(row_of(page, name))
    assert '<option value="To Do">' in row_of(page, "status")
    assert "Default: 50." in row_of(page, "limit")


def test_what_is_required_is_marked_and_lists_and_objects_are_json(administrator):
    page = opened(administrator, "wiv_update_workflow")
    assert "workflow_id (required)" in row_of(page, "workflow_id")
    assert "(required)" not in row_of(page, "name")
    assert "<textarea" in row_of(page, "tags")
    assert '<option value="false">' in row_of(page, "active")


def test_the_page_has_no_inline_script_or_style(administrator):
    main = opened(administrator, "wiv_update_workflow").partition('id="content-main"')[2]
    assert not re.search(r"<script|<style|style=|on\w+=", main)


def test_a_tool_that_can_not_be_served_says_why(administrator):
    Tool.objects.filter(name="wiv_list_cases").update(input_schema={"type": "array"})
    assert "The root must be an object" in html.unescape(opened(administrator, "wiv_list_cases"))


@pytest.mark.parametrize("permissions", [(), ("add_tool",)])
def test_without_the_permission_to_view_there_is_no_page(server, permissions):
    assert signed_in(*permissions).get(url("wiv_list_cases")).status_code == 403


def test_what_is_not_there_can_not_be_tried(administrator):
    assert administrator.get("/admin/mcp_gateway/tool/0/try/").status_code == 404


# Dry run ----------------------------------------------------------------------------------------


def test_a_dry_run_shows_the_request_and_sends_nothing(administrator, sandbox):
    page = dry_run(
        administrator,
        "wiv_start_execution",
        arg_workflow_id="wf_7f3a",
        arg_trigger_event='{"month": "2026-10"}',
    )
    request = block(page, "Request")
    assert request.startswith(f"POST {settings.WIV_API_URL}/workflows/wf_7f3a/run\n")
    assert request.endswith('\n{"payload":{"month":"2026-10"}}')
    assert sandbox.requests("wiv") == sandbox.requests("propelauth") == []
    assert LogEntry.objects.count() == 0


def test_it_is_the_request_that_a_call_sends(administrator, mcp, sandbox):
    shown = block(dry_run(administrator, "wiv_list_cases", arg_limit="5"), "Request")
    mcp.call("wiv_list_cases", limit=5)
    [request] = sandbox.requests("wiv")
    lines = [line.split(": ", 1) for line in shown.strip().splitlines()[1:]]
    headers = {name.lower(): value for name, value in lines}
    assert shown.startswith(f"GET {settings.WIV_API_URL}/v2/cases?limit=5\n")
    assert settings.WIV_API_URL.endswith(request["path"].removesuffix("/v2/cases"))
    differ = {"x-request-id", "x-api-key"}
    assert headers.keys() == request["headers"].keys()
    assert all(headers[name] == request["headers"][name] for name in headers.keys() - differ)
    assert headers["x-api-key"] == "••••••••"


def test_who_may_only_view_may_do_dry_runs(viewer):
    page = dry_run(viewer, "wiv_list_cases", arg_limit="5")
    assert "?limit=5" in block(page, "Request")
    assert 'name="api_key"' not in page


def test_all_arguments_may_be_given_as_json(administrator):
    raw = '{"filters": {"status": ["To Do"]}, "max_returned_items": 5}'
    page = dry_run(administrator, "wiv_search_cases", raw=raw, arg_max_returned_items="9")
    expected = '{"filters":{"status":["To Do"]},"max_returned_items":5}'
    assert block(page, "Request").endswith(f"\n{expected}")


@pytest.mark.parametrize(
    ("name", "fields", "argument", "arguments"),
    [
        ("wiv_get_workflow", {}, "workflow_id", {}),
        (
            "wiv_get_workflow",
            {"arg_workflow_id": "../x"},
            "workflow_id",
            {"workflow_id": "../x"},
        ),
        ("wiv_list_cases", {"arg_limit": "many"}, "limit", {"limit": "many"}),
        ("wiv_list_cases", {"arg_limit": "5000"}, "limit", {"limit": 5000}),
        (
            "wiv_update_workflow",
            {"arg_workflow_id": "wf_1", "arg_tags": "[1]"},
            "tags",
            {"workflow_id": "wf_1", "tags": [1]},
        ),
    ],
)
def test_a_wrong_argument_is_told_in_a_models_words_and_at_its_field(
    administrator, mcp, name, fields, argument, arguments
):
    page = dry_run(administrator, name, **fields)
    told = mcp.refused(name, **arguments)
    assert told in page
    assert "errorlist" in row_of(page, argument)
    assert found(r'<ul class="errorlist".*?<li>(.*?)</li>', row_of(page, argument)) in told
    assert 'aria-label="Request"' not in page


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"raw": "{"}, "This isn't JSON"),
        ({"raw": "[" * 5000 + "]" * 5000}, "This is nested deeper than 64 levels"),
        ({"raw": '{"a": "\\ud800"}'}, "This has half of a character"),
        ({"raw": '{"a": NaN}'}, "This has NaN, which isn't JSON"),
        ({"raw": "[]"}, "This must be a JSON object"),
        ({"arg_filters": "{"}, "This isn't JSON"),
    ],
)
def test_what_is_no_json_is_said_at_its_field(administrator, fields, told):
    page = dry_run(administrator, "wiv_search_cases", **fields)
    assert told in page
    assert 'aria-label="Request"' not in page


def test_a_key_among_the_arguments_is_refused_and_not_shown_again(administrator, sandbox):
    page = dry_run(administrator, "wiv_list_cases", raw='{"_wiv_api_key": "hunter2"}')
    assert "isn't taken here" in page
    assert "hunter2" not in page


# Live run ---------------------------------------------------------------------------------------


def test_a_live_run_shows_what_came_and_what_a_model_sees(administrator, mcp, api_key, sandbox):
    Tool.objects.update(max_answer_bytes=4000)
    page = live_run(administrator, "wiv_list_cases", api_key, arg_limit="10")
    raw, seen = block(page, "Answer as it came"), block(page, "What the model sees")
    assert "Answered 200 after" in page
    assert len(json.loads(raw)["data"]) == 10
    assert "offset=" in json.loads(seen)[NOTES][-1]
    assert re.search(r"\d+ bytes, about \d+ tokens", page)
    [request] = sandbox.requests("wiv")
    assert request["headers"]["x-api-key"] == api_key


def test_a_model_sees_the_same(administrator, mcp, api_key):
    page = live_run(administrator, "wiv_list_spaces", api_key)
    seen = json.loads(block(page, "What the model sees"))
    assert seen == json.loads(mcp.call("wiv_list_spaces")["content"][0]["text"])


def test_the_key_is_neither_shown_nor_stored_nor_logged(administrator, api_key, caplog, sandbox):
    caplog.set_level("DEBUG")
    sandbox.fault("wiv", "*", "status", status=200, body=f'{{"you": "{api_key}"}}')
    page = live_run(administrator, "wiv_list_cases", api_key, arg_owner="hunter2")
    entry = LogEntry.objects.get()
    assert entry.change_message == "Tried it with an API key: 200."
    assert entry.object_repr == "wiv_list_cases"
    assert api_key not in page + caplog.text
    assert "hunter2" not in caplog.text


def test_an_answer_is_escaped(administrator, api_key, sandbox):
    sandbox.fault("wiv", "*", "status", status=200, body='{"name": "</pre><script>x</script>"}')
    fields = {"run": "1", "api_key": api_key}
    token = found(r'middlewaretoken" value="(\w+)"', opened(administrator, "wiv_list_spaces"))
    page = administrator.post(url("wiv_list_spaces"), {"csrfmiddlewaretoken": token, **fields})
    assert "<script>x" not in page.content.decode()
    assert "&lt;script&gt;x" in page.content.decode()


def test_a_long_answer_is_shown_in_part(administrator, api_key):
    page = live_run(administrator, "wiv_search_cases", api_key)
    assert "shown here is the beginning" in page
    assert len(block(page, "Answer as it came")) == 20_000


@pytest.mark.parametrize("status", [404, 500])
def test_a_refusal_is_shown_as_it_came_and_as_a_model_is_told(
    administrator, mcp, api_key, sandbox, status
):
    sandbox.fault("wiv", "*", "status", status=status, body='{"error": "No"}')
    page = live_run(administrator, "wiv_list_spaces", api_key)
    assert f"Answered {status}" in page
    assert json.loads(block(page, "Answer as it came")) == {"error": "No"}
    sandbox.fault("wiv", "*", "status", status=status, body='{"error": "No"}')
    assert block(page, "What the model sees") == mcp.refused("wiv_list_spaces")
    assert LogEntry.objects.get().change_message.endswith(f"{status}.")


def test_no_answer_is_shown_too(administrator, api_key, sandbox):
    sandbox.fault("wiv", "*", "drop", times=None)
    page = live_run(administrator, "wiv_list_spaces", api_key)
    assert "No answer after" in page
    assert "connection to Wiv broke" in block(page, "What the model sees")


def test_a_writing_tool_needs_a_tick(administrator, api_key, sandbox):
    arguments = {"arg_workflow_id": fixtures.MONTHLY_REPORT}
    page = live_run(administrator, "wiv_start_execution", api_key, **arguments)
    assert "Tick this to call it all the same" in page
    assert sandbox.requests("wiv") == []
    page = live_run(administrator, "wiv_start_execution", api_key, really="on", **arguments)
    assert "Answered 200" in page
    [request] = sandbox.requests("wiv")
    assert request["method"] == "POST"


def test_a_wrong_argument_is_not_sent(administrator, api_key, sandbox):
    sandbox.forget_requests()
    page = live_run(administrator, "wiv_list_cases", api_key, arg_limit="many")
    assert "nothing was sent to Wiv" in page
    assert sandbox.requests("wiv") == sandbox.requests("propelauth") == []
    assert LogEntry.objects.count() == 0


def test_who_may_only_view_runs_nothing(viewer, api_key, sandbox):
    token = found(r'middlewaretoken" value="(\w+)"', opened(viewer, "wiv_list_cases"))
    fields = {"csrfmiddlewaretoken": token, "run": "1", "api_key": api_key}
    assert viewer.post(url("wiv_list_cases"), fields).status_code == 403
    assert sandbox.requests("wiv") == []


def test_without_the_pages_token_nothing_is_run(administrator, api_key, sandbox):
    fields = {"run": "1", "api_key": api_key}
    assert administrator.post(url("wiv_list_cases"), fields).status_code == 403
    assert sandbox.requests("wiv") == []


@pytest.mark.parametrize("key", ["", "with space", "ünïcode", "x" * 5000])
def test_what_can_not_be_a_key_is_not_asked_about(administrator, sandbox, key):
    assert "errorlist" in live_run(administrator, "wiv_list_cases", key)
    assert sandbox.requests("wiv") == sandbox.requests("propelauth") == []


def test_a_key_that_propelauth_does_not_know_is_refused_and_on_record(administrator, sandbox):
    page = live_run(administrator, "wiv_list_cases", "hunter2hunter2")
    assert "isn't valid here" in page
    assert "hunter2" not in page
    assert sandbox.requests("wiv") == []
    assert SecurityEvent.objects.filter(event="credential_refused").count() == 1


def test_a_key_of_ours_works_until_it_is_revoked(administrator, server, browser, sandbox):
    robot = browser()
    page = signed_in_at_connect(robot, server)
    answer = robot.submit(form_to(page, "/connect/api-keys"))
    key = answer.headers["location"].split("#api_key=")[1]
    assert "Answered 200" in live_run(administrator, "wiv_list_spaces", key)
    EndUserApiKey.objects.update(revoked_at=timezone.now())
    sandbox.forget_requests()
    assert "was revoked" in live_run(administrator, "wiv_list_spaces", key)
    assert sandbox.requests("wiv") == []


def test_a_token_that_is_no_key_is_refused(administrator, sign_in, sandbox):
    token = sign_in("/mcp", scope="wiv:read").tokens["access_token"]
    assert "is no Wiv API key" in live_run(administrator, "wiv_list_spaces", token)
    assert sandbox.requests("wiv") == []


def test_a_tool_that_the_keys_owner_would_not_see_says_so(administrator, api_key):
    Tool.objects.filter(name="wiv_list_spaces").update(enabled=False)
    page = live_run(administrator, "wiv_list_spaces", api_key)
    assert "Answered 200" in page
    assert "wouldn't see this tool" in page


def test_an_mcp_client_learns_nothing_of_a_trial(administrator, api_key, mcp: McpClient):
    before = mcp.tool_names()
    live_run(administrator, "wiv_list_spaces", api_key)
    assert mcp.tool_names() == before
