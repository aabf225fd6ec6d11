"""Calls that wait for their user: who decides, about what, and that nothing leaves before."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from django.utils import timezone

from mcp_gateway.approvals import decisions, gate
from mcp_gateway.approvals.models import Approval, HourlyCalls
from mcp_gateway.call_log.models import CallLogEntry
from mcp_gateway.models import Tool
from oauth_bridge.cleanup import delete_old_rows
from oauth_bridge.models import Denial
from sandbox import fixtures
from tests.conftest import drain_call_log
from tests.mcp_gateway.approving import WORKFLOW, Person, link_in, require_approval
from tests.mcp_gateway.json_rpc import MODERN_META, McpClient, modern_headers
from tests.mcp_gateway.test_tools import wait_until
from tests.robot import form_to, location_of

RUN = "wiv_start_execution"
UPDATE = "wiv_update_workflow"
OPENS_URLS: dict[str, Any] = {"elicitation": {"url": {}}}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A call that waits for a decision is held only for as long as a test wants it to be."""
    monkeypatch.setattr(gate, "PATIENCE", 0.0)
    monkeypatch.setattr(decisions, "INTERVAL", 0.05)


@pytest.fixture
def ana(browser, server) -> Person:
    return Person.sign_in(browser(), server)


def sent(sandbox, method: str = "POST") -> int:
    return sum(each["method"] == method for each in sandbox.requests("wiv"))


def modern_call(mcp: McpClient, name: str, arguments, capabilities=OPENS_URLS, **params):
    meta = MODERN_META | {"io.modelcontextprotocol/clientCapabilities": capabilities}
    mcp.headers = modern_headers("tools/call", name)
    body = {"name": name, "arguments": arguments, "_meta": meta, **params}
    return mcp.request("tools/call", body).json()["result"]


def accepted(state: str) -> dict[str, Any]:
    answer = {"approval": {"action": "accept"}}
    return {"requestState": state, "inputResponses": answer}


# Off unless an administrator wants it ----------------------------------------------------------


def test_no_shipped_tool_needs_an_approval(mcp, sandbox):
    assert not mcp.call(RUN, workflow_id=WORKFLOW).get("isError")
    assert sent(sandbox) == 1
    assert not Approval.objects.exists()


def test_a_tool_that_only_reads_cant_be_made_to_need_one(server):
    with pytest.raises(Exception, match="read-only tool needs no approval"):
        require_approval("wiv_list_workflows")


# The way of clients that get a link ------------------------------------------------------------


def test_a_call_waits_until_its_user_has_approved_it_and_is_made_once(mcp, ana, sandbox):
    require_approval()
    text = mcp.refused(RUN, workflow_id=WORKFLOW)
    assert text.startswith("Not done yet")
    assert sandbox.requests("wiv") == []
    page = ana.decide(link_in(text), "approve")
    assert "may make this call once" in page.text
    assert not mcp.call(RUN, workflow_id=WORKFLOW).get("isError")
    assert sent(sandbox) == 1
    assert mcp.refused(RUN, workflow_id=WORKFLOW).startswith("Not done yet")
    assert sent(sandbox) == 1


def test_the_answer_has_a_handle_for_programs(mcp):
    require_approval()
    handle = mcp.call(RUN, workflow_id=WORKFLOW)["structuredContent"]["approval"]
    assert handle["status"] == "pending"
    assert handle["url"].endswith(f"/connect/approvals/{handle['id']}")
    assert handle["tool"] == RUN


def test_calling_again_meanwhile_leads_to_the_same_page(mcp):
    require_approval()
    links = {link_in(mcp.refused(RUN, workflow_id=WORKFLOW)) for _ in range(3)}
    assert len(links) == 1
    assert Approval.objects.count() == 1


def test_a_call_that_is_held_goes_on_when_its_user_approves(mcp, ana, sandbox, monkeypatch):
    monkeypatch.setattr(gate, "PATIENCE", 30.0)
    require_approval()
    link = link_in(mcp.refused(RUN, workflow_id=WORKFLOW))
    with ThreadPoolExecutor() as pool:
        held = pool.submit(mcp.call, RUN, workflow_id=WORKFLOW)
        ana.decide(link, "approve")
        assert not held.result(15).get("isError")
    assert sent(sandbox) == 1


def test_a_rejected_call_says_so_and_a_later_one_asks_anew(mcp, ana, sandbox):
    require_approval()
    first = link_in(mcp.refused(RUN, workflow_id=WORKFLOW))
    assert "Nothing was sent" in ana.decide(first, "reject").text
    assert "The user rejected this call" in mcp.refused(RUN, workflow_id=WORKFLOW)
    assert link_in(mcp.refused(RUN, workflow_id=WORKFLOW)) != first
    assert sandbox.requests("wiv") == []


def test_an_approval_can_be_taken_back_until_it_is_used(mcp, ana, sandbox):
    require_approval()
    link = link_in(mcp.refused(RUN, workflow_id=WORKFLOW))
    ana.decide(link, "approve")
    ana.decide(link, "reject")
    assert "rejected" in mcp.refused(RUN, workflow_id=WORKFLOW)
    assert sandbox.requests("wiv") == []


def test_of_many_calls_at_once_one_uses_the_approval(mcp, ana, sandbox):
    require_approval()
    ana.decide(link_in(mcp.refused(RUN, workflow_id=WORKFLOW)), "approve")
    together = threading.Barrier(8)

    def call() -> bool:
        together.wait()
        return not mcp.call(RUN, workflow_id=WORKFLOW).get("isError")

    with ThreadPoolExecutor(8) as pool:
        made = [each.result() for each in [pool.submit(call) for _ in range(8)]]
    assert sum(made) == sent(sandbox) == 1


# The way of clients that open URLs (MCP 2026-07-28) --------------------------------------------


@pytest.mark.requirement("MCP 2026-07-28 Multi Round-Trip Requests")
def test_a_modern_client_is_sent_to_the_page_and_comes_back_with_its_state(mcp, ana, sandbox):
    require_approval()
    asked = modern_call(mcp, RUN, {"workflow_id": WORKFLOW})
    assert asked["resultType"] == "input_required"
    request = asked["inputRequests"]["approval"]
    assert (request["method"], request["params"]["mode"]) == ("elicitation/create", "url")
    assert sandbox.requests("wiv") == []
    state = asked["requestState"]
    again = modern_call(mcp, RUN, {"workflow_id": WORKFLOW}, **accepted(state))
    assert again["resultType"] == "input_required"
    assert "inputRequests" not in again  # its user has the page already
    ana.decide(request["params"]["url"], "approve")
    done = modern_call(mcp, RUN, {"workflow_id": WORKFLOW}, **accepted(state))
    assert (done["resultType"], done.get("isError")) == ("complete", False)
    assert sent(sandbox) == 1


@pytest.mark.requirement("MCP 2026-07-28 Elicitation")
@pytest.mark.parametrize("capabilities", [{}, {"elicitation": {"form": {}}}])
def test_a_modern_client_that_opens_no_urls_gets_the_link_as_text(mcp, capabilities):
    require_approval()
    result = modern_call(mcp, RUN, {"workflow_id": WORKFLOW}, capabilities)
    assert result["isError"] is True
    assert link_in(result["content"][0]["text"])


@pytest.mark.requirement("MCP 2026-07-28 Elicitation")
def test_that_a_client_says_its_user_went_there_is_no_approval(mcp, sandbox):
    require_approval()
    state = modern_call(mcp, RUN, {"workflow_id": WORKFLOW})["requestState"]
    for _ in range(3):
        again = modern_call(mcp, RUN, {"workflow_id": WORKFLOW}, **accepted(state))
        assert again["resultType"] == "input_required"
    assert sandbox.requests("wiv") == []


@pytest.mark.parametrize("action", ["decline", "cancel"])
def test_a_user_who_doesnt_want_to_go_there_withdraws_the_call(mcp, ana, sandbox, action):
    require_approval()
    asked = modern_call(mcp, RUN, {"workflow_id": WORKFLOW})
    reply = {
        "requestState": asked["requestState"],
        "inputResponses": {"approval": {"action": action}},
    }
    result = modern_call(mcp, RUN, {"workflow_id": WORKFLOW}, **reply)
    assert result["isError"] is True
    page = ana.look_at(asked["inputRequests"]["approval"]["params"]["url"])
    assert "took this call back" in page.text
    assert sandbox.requests("wiv") == []


@pytest.mark.requirement("MCP 2026-07-28 Multi Round-Trip Requests: requestState is untrusted")
@pytest.mark.parametrize("state", ["", "nonsense", "0" * 32, "é", "x" * 10_000])
def test_a_state_that_isnt_ours_is_a_new_call(mcp, sandbox, state):
    require_approval()
    result = modern_call(mcp, RUN, {"workflow_id": WORKFLOW}, **accepted(state))
    assert result["resultType"] == "input_required"
    assert "inputRequests" in result
    assert sandbox.requests("wiv") == []


# What an approval is for -----------------------------------------------------------------------


def test_other_arguments_need_an_approval_of_their_own(mcp, ana, sandbox):
    require_approval()
    asked = modern_call(mcp, RUN, {"workflow_id": WORKFLOW})
    ana.decide(asked["inputRequests"]["approval"]["params"]["url"], "approve")
    other = {"workflow_id": WORKFLOW, "trigger_event": {"amount": 1_000_000}}
    result = modern_call(mcp, RUN, other, **accepted(asked["requestState"]))
    assert result["requestState"] != asked["requestState"]
    assert sandbox.requests("wiv") == []


@pytest.mark.parametrize(
    ("approved", "called", "is_the_same"),
    [
        ({"a": 1, "b": [True]}, {"b": [True], "a": 1}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ({"a": "é"}, {"a": "e\u0301"}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
    ],
)
def test_only_the_order_of_members_doesnt_count(mcp, ana, sandbox, approved, called, is_the_same):
    require_approval()
    text = mcp.refused(RUN, workflow_id=WORKFLOW, trigger_event=approved)
    ana.decide(link_in(text), "approve")
    result = mcp.call(RUN, workflow_id=WORKFLOW, trigger_event=called)
    assert (not result.get("isError")) is is_the_same
    assert sent(sandbox) == is_the_same


def test_a_tool_that_sends_something_else_meanwhile_needs_a_new_approval(mcp, ana, sandbox):
    require_approval()
    ana.decide(link_in(mcp.refused(RUN, workflow_id=WORKFLOW)), "approve")
    Tool.objects.filter(name=RUN).update(path_template="/workflows/{workflow_id}/stop")
    assert mcp.refused(RUN, workflow_id=WORKFLOW).startswith("Not done yet")
    assert sandbox.requests("wiv") == []


def test_another_connection_of_the_same_person_doesnt_use_it(http, make_key, mcp, ana, sandbox):
    require_approval()
    ana.decide(link_in(mcp.refused(RUN, workflow_id=WORKFLOW)), "approve")
    assert "Not done yet" in McpClient(http, make_key()).refused(RUN, workflow_id=WORKFLOW)
    assert sandbox.requests("wiv") == []


def test_the_same_person_in_another_organization_doesnt_use_it(http, make_key, browser, server):
    require_approval()
    clients = [
        McpClient(http, make_key(fixtures.MAX, org)) for org in (fixtures.MSP, fixtures.NORTHWIND)
    ]
    max_ = Person.sign_in(browser(fixtures.MAX_EMAIL), server)
    max_.decide(link_in(clients[0].refused(RUN, workflow_id=WORKFLOW)), "approve")
    assert "Not done yet" in clients[1].refused(RUN, workflow_id=WORKFLOW)


def test_an_approval_that_nobody_uses_expires(mcp, ana, sandbox):
    require_approval()
    link = link_in(mcp.refused(RUN, workflow_id=WORKFLOW))
    ana.decide(link, "approve")
    Approval.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "Too late" in ana.look_at(link).text
    assert link_in(mcp.refused(RUN, workflow_id=WORKFLOW)) != link
    assert sandbox.requests("wiv") == []


def test_nobody_approves_what_has_expired(mcp, ana, sandbox):
    require_approval()
    link = link_in(mcp.refused(RUN, workflow_id=WORKFLOW))
    form = form_to(ana.look_at(link), link.removeprefix(ana.server))
    Approval.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    ana.robot.submit(form, decision="approve")
    assert Approval.objects.get().decided_at is None
    assert "Not done yet" in mcp.refused(RUN, workflow_id=WORKFLOW)
    assert sandbox.requests("wiv") == []


# Who decides -----------------------------------------------------------------------------------


def test_somebody_else_sees_nothing_of_it_and_decides_nothing(mcp, ana, browser, server, sandbox):
    require_approval()
    link = link_in(mcp.refused(RUN, workflow_id=WORKFLOW))
    form = form_to(ana.look_at(link), link.removeprefix(server))
    other = Person.sign_in(browser(fixtures.MAX_EMAIL), server)
    page = other.look_at(link)
    assert page.status_code == 404
    assert WORKFLOW not in page.text
    token = form_to(other.robot.get(f"{server}/connect"), "/connect/sign-out").fields
    form.fields = token
    other.robot.submit(form, decision="approve")
    assert Approval.objects.get().status == "pending"
    assert "Not done yet" in mcp.refused(RUN, workflow_id=WORKFLOW)


def test_a_visitor_signs_in_first_and_comes_back_to_the_page(mcp, browser, server):
    require_approval()
    link, robot = link_in(mcp.refused(RUN, workflow_id=WORKFLOW)), browser()
    page = robot.get(link)
    assert WORKFLOW not in page.text
    response = robot.submit(form_to(page, "/connect/sign-in"))
    response = robot.follow(response, stop_at=link)
    while location_of(response) != link:
        response = robot.follow(robot.answer(response), stop_at=link)
    assert "Allow this call?" in robot.get(link).text


@pytest.mark.requirement("RFC 9700 §4.11")
@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example", "//evil.example", "/connect/../admin/", "/connect\\evil", "/admin/",
     "/connect/a?b=c", "/connect//evil.example", "/connect/approvals/x\nSet-Cookie: a=b"],
)  # fmt: skip
def test_a_sign_in_leads_nowhere_else(browser, server, elsewhere):
    robot = browser()
    form = form_to(robot.get(f"{server}/connect"), "/connect/sign-in")
    page = f"{server}/connect"
    response = robot.follow(robot.submit(form, next=elsewhere), stop_at=page)
    while not location_of(response).startswith(page):
        response = robot.follow(robot.answer(response), stop_at=page)
    assert location_of(response) == page


def test_looking_at_the_page_approves_nothing(mcp, ana, sandbox):
    require_approval()
    link = link_in(mcp.refused(RUN, workflow_id=WORKFLOW))
    for url in (link, f"{link}?decision=approve"):
        assert ana.look_at(url).status_code == 200
    assert Approval.objects.get().status == "pending"


@pytest.mark.requirement("OWASP CSRF")
def test_another_site_cant_press_the_button(mcp, ana, sandbox):
    require_approval()
    link = link_in(mcp.refused(RUN, workflow_id=WORKFLOW))
    forged = ana.robot.http.post(
        link, data={"decision": "approve"}, headers={"Origin": "https://evil.example"}
    )
    assert forged.status_code == 403
    assert Approval.objects.get().status == "pending"
    assert "frame-ancestors 'none'" in ana.look_at(link).headers["content-security-policy"]


def test_nobody_can_approve_for_an_organizations_key(http, make_key, sandbox):
    require_approval()
    mcp = McpClient(http, make_key(user_id=None))
    assert "belongs to an organization" in mcp.refused(RUN, workflow_id=WORKFLOW)
    assert sandbox.requests("wiv") == []
    assert not Approval.objects.exists()


def test_somebody_who_was_shut_out_since_they_signed_in_approves_nothing(mcp, ana):
    require_approval()
    link = link_in(mcp.refused(RUN, workflow_id=WORKFLOW))
    Denial.objects.create(kind="organization", value=fixtures.ACME, reason="x")
    ana.decide(link, "approve")
    assert Approval.objects.get().status == "pending"


def test_an_administrator_rejects_what_waits(mcp, admin_client, sandbox):
    require_approval()
    mcp.refused(RUN, workflow_id=WORKFLOW)
    chosen = {"action": "reject", "_selected_action": [str(Approval.objects.get().pk)]}
    response = admin_client.post("/admin/mcp_gateway/approval/", chosen)
    assert response.status_code == 302
    assert Approval.objects.get().decided_by == "admin"
    assert "rejected" in mcp.refused(RUN, workflow_id=WORKFLOW)


# When one is needed ----------------------------------------------------------------------------


def test_only_calls_whose_arguments_match_need_one(mcp, sandbox):
    require_approval(UPDATE, "matching", approval_condition="active == `false`")
    assert not mcp.call(UPDATE, workflow_id=WORKFLOW, name="Renamed").get("isError")
    assert not mcp.call(UPDATE, workflow_id=WORKFLOW, active=True).get("isError")
    assert sent(sandbox, "PUT") == 2
    assert "Not done yet" in mcp.refused(UPDATE, workflow_id=WORKFLOW, active=False)
    assert sent(sandbox, "PUT") == 2


@pytest.mark.parametrize("broken", ["abs(name)", "nonsense(", "sort(@)"])
def test_a_condition_that_cant_be_decided_needs_one(mcp, sandbox, broken):
    Tool.objects.filter(name=UPDATE).update(approval="matching", approval_condition=broken)
    assert "Not done yet" in mcp.refused(UPDATE, workflow_id=WORKFLOW, name="Renamed")
    assert sent(sandbox, "PUT") == 0


def test_over_a_number_of_calls_an_hour_the_next_needs_one(mcp, http, make_key, sandbox):
    require_approval(RUN, "over_limit", free_calls=2)
    for number in (1, 2):
        result = mcp.call(RUN, workflow_id=WORKFLOW, trigger_event={"number": number})
        assert not result.get("isError")
    assert "Not done yet" in mcp.refused(RUN, workflow_id=WORKFLOW)
    another_key = McpClient(http, make_key())
    assert "Not done yet" in another_key.refused(RUN, workflow_id=WORKFLOW)
    assert sent(sandbox) == 2
    somebody_else = McpClient(http, make_key(fixtures.MAX, fixtures.MSP))
    assert "Wiv answered 404" in somebody_else.refused(RUN, workflow_id=WORKFLOW)


def test_an_hour_later_calls_are_free_again(mcp, sandbox):
    require_approval(RUN, "over_limit", free_calls=1)
    mcp.call(RUN, workflow_id=WORKFLOW)
    row = HourlyCalls.objects.get()
    row.times = [at - 3601 for at in row.times]
    row.save()
    assert not mcp.call(RUN, workflow_id=WORKFLOW).get("isError")
    assert sent(sandbox) == 2


def test_of_many_calls_at_once_only_as_many_are_free_as_may_be(mcp, sandbox):
    require_approval(RUN, "over_limit", free_calls=3)
    together = threading.Barrier(8)

    def call(number: int) -> bool:
        together.wait()
        result = mcp.call(RUN, workflow_id=WORKFLOW, trigger_event={"number": number})
        return not result.get("isError")

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(call, range(8)))
    assert sum(made) == sent(sandbox) == 3


# What is shown ---------------------------------------------------------------------------------


def test_an_update_shows_what_it_changes(mcp, ana):
    require_approval(UPDATE)
    text = mcp.refused(UPDATE, workflow_id=WORKFLOW, name="Renamed", active=True)
    page = ana.look_at(link_in(text)).text
    assert "<ins>Renamed</ins>" in page
    assert "<del>" in page
    assert "stays as it is" in page  # it is active already


def test_only_reading_happens_before_the_approval(mcp, sandbox):
    require_approval(UPDATE)
    mcp.refused(UPDATE, workflow_id=WORKFLOW, name="Renamed")
    assert {each["method"] for each in sandbox.requests("wiv")} == {"GET"}


def test_what_changed_since_it_was_shown_is_asked_again(mcp, http, make_key, ana, sandbox):
    require_approval(UPDATE)
    link = link_in(mcp.refused(UPDATE, workflow_id=WORKFLOW, name="Renamed"))
    ana.decide(link, "approve")
    Tool.objects.filter(name=UPDATE).update(approval="")
    McpClient(http, make_key()).call(UPDATE, workflow_id=WORKFLOW, name="Somebody else's")
    require_approval(UPDATE)
    text = mcp.refused(UPDATE, workflow_id=WORKFLOW, name="Renamed")
    assert "no longer as it was" in text
    assert "has changed since you were asked" in ana.look_at(link).text
    assert "<del>Somebody else&#x27;s</del>" in ana.look_at(link_in(text)).text
    assert sent(sandbox, "PUT") == 1


def test_what_isnt_changed_by_it_may_change_meanwhile(mcp, http, make_key, ana, sandbox):
    require_approval(UPDATE)
    ana.decide(link_in(mcp.refused(UPDATE, workflow_id=WORKFLOW, name="Renamed")), "approve")
    McpClient(http, make_key()).call(RUN, workflow_id=WORKFLOW)  # the workflow's last run
    assert not mcp.call(UPDATE, workflow_id=WORKFLOW, name="Renamed").get("isError")
    assert sent(sandbox, "PUT") == 1


def test_without_the_current_object_the_page_says_so(mcp, ana, sandbox):
    require_approval(UPDATE)
    sandbox.fault("wiv", "/workflows/*", "status", status=403, times=1)
    page = ana.look_at(link_in(mcp.refused(UPDATE, workflow_id=WORKFLOW, name="Renamed"))).text
    assert "wiv_get_workflow was answered with 403" in page


def test_while_wiv_is_away_nothing_is_asked(mcp, sandbox):
    require_approval(UPDATE)
    sandbox.fault("wiv", "/workflows/*", "status", status=503, times=20)
    assert "Wiv" in mcp.refused(UPDATE, workflow_id=WORKFLOW, name="Renamed")
    assert not Approval.objects.exists()


def test_what_hides_in_a_text_is_spelled_out(mcp, ana):
    require_approval()
    hidden = {"note": "<b>safe</b>\u202etxt.exe\u200b\x07"}
    page = ana.look_at(link_in(mcp.refused(RUN, workflow_id=WORKFLOW, trigger_event=hidden))).text
    assert "&lt;b&gt;safe&lt;/b&gt;" in page
    assert "\u202e" not in page
    assert "\\u202e" in page


# What is kept ----------------------------------------------------------------------------------


def test_what_a_call_holds_is_encrypted_and_goes_soon(mcp, ana):
    require_approval()
    secret = "arguments-are-somebodys-business"
    text = mcp.refused(RUN, workflow_id=WORKFLOW, trigger_event={"note": secret})
    link, row = link_in(text), Approval.objects.get()
    assert secret in ana.look_at(link).text
    assert secret not in str(list(Approval.objects.values()))
    ana.decide(link, "reject")
    Approval.objects.update(expires_at=timezone.now() - timedelta(days=2))
    delete_old_rows()
    assert Approval.objects.get(pk=row.pk).encrypted_call == ""
    assert ana.look_at(link).status_code == 200
    Approval.objects.update(expires_at=timezone.now() - timedelta(days=91))
    delete_old_rows()
    assert not Approval.objects.exists()


def test_the_call_log_tells_a_call_that_waits_from_one_that_was_made(mcp, ana):
    require_approval()
    ana.decide(link_in(mcp.refused(RUN, workflow_id=WORKFLOW)), "approve")
    mcp.call(RUN, workflow_id=WORKFLOW)
    drain_call_log()
    calls = CallLogEntry.objects.calls().order_by("at")
    assert list(calls.values_list("outcome", "sent")) == [("parked", 0), ("ok", 1)]
    assert Approval.objects.get().used_by == calls[1].call_id


def test_not_more_calls_wait_than_somebody_would_read(mcp, monkeypatch):
    from mcp_gateway.approvals import desk

    monkeypatch.setattr(desk, "MAX_PENDING", 2)
    require_approval()
    for number in (1, 2):
        mcp.refused(RUN, workflow_id=WORKFLOW, trigger_event={"number": number})
    assert "too many calls" in mcp.refused(RUN, workflow_id=WORKFLOW)
    assert Approval.objects.count() == 2


def test_the_connect_page_lists_what_waits(mcp, ana, server):
    require_approval()
    link = link_in(mcp.refused(RUN, workflow_id=WORKFLOW))
    page = ana.robot.get(f"{server}/connect").text
    assert link.removeprefix(server) in page


def test_a_call_whose_client_went_away_stops_waiting(mcp, ana, sandbox, monkeypatch):
    monkeypatch.setattr(gate, "PATIENCE", 30.0)
    require_approval()
    asked = modern_call(mcp, RUN, {"workflow_id": WORKFLOW})
    mcp.http.timeout = 0.5
    with pytest.raises(httpx2.ReadTimeout):
        modern_call(mcp, RUN, {"workflow_id": WORKFLOW}, **accepted(asked["requestState"]))
    mcp.http.timeout = 30
    ana.decide(asked["inputRequests"]["approval"]["params"]["url"], "approve")

    def cancelled() -> bool:
        drain_call_log()
        return CallLogEntry.objects.filter(outcome="cancelled").exists()

    wait_until(cancelled)
    assert sandbox.requests("wiv") == []
    assert Approval.objects.get().status == "approved"
