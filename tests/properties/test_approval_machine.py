"""Calls that need an approval: approved, rejected, replayed, tampered with, expired, in any order.

Hypothesis chooses the steps. After each of them, what Wiv received is held against what somebody
had said yes to: never a call without a yes of its own, and each yes for one call at most.

A failure is printed as its list of steps. HYPOTHESIS_FACTOR=20 tries twenty times more.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import F
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from mcp_gateway.approvals import gate
from mcp_gateway.approvals.models import Approval
from sandbox import fixtures
from tests.mcp_gateway.approving import WORKFLOW, Person, require_approval
from tests.mcp_gateway.json_rpc import MODERN_META, McpClient, modern_headers
from tests.properties.examples import as_long_as_it_takes, examples_over_http
from tests.robot import form_to
from tests.stand_ins import Sandbox

Thing = TypeVar("Thing")
OPENS_URLS: dict[str, Any] = {
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"url": {}}}
}
TOOL = "wiv_start_execution"
# Which of what there is by then: two calls at once may leave more or less behind.
WHICH = st.integers(0, 99)
# What is sent: which client's key, and the number it asked for.
Sent = tuple[str, int]


@dataclass(eq=False)
class Parked:
    """What a client was given for a call that waits."""

    client: McpClient
    number: int
    state: str


@dataclass
class World:
    server: str
    sandbox: Sandbox
    clients: list[McpClient]
    people: list[Person]
    parked: list[Parked] = field(default_factory=list)
    made: "Counter[Sent]" = field(default_factory=Counter)
    approved: "Counter[Sent]" = field(default_factory=Counter)

    def begin(self) -> None:
        Approval.objects.all().delete()
        self.sandbox.forget_requests()
        self.parked, self.made, self.approved = [], Counter(), Counter()


class ApprovalMachine(RuleBasedStateMachine):
    world: World

    def __init__(self) -> None:
        super().__init__()
        self.world.begin()

    # The client's side ---------------------------------------------------------------------

    @rule(whose=WHICH, number=st.integers(1, 2))
    def a_client_calls(self, whose: int, number: int) -> None:
        self.call(one(self.world.clients, whose), number)

    @rule(which=WHICH, whose=WHICH, number=st.none() | st.integers(1, 2), accepts=st.booleans())
    def a_client_comes_back(
        self, which: int, whose: int, number: int | None, accepts: bool
    ) -> None:
        """With a state it was given, or another one was; with the same number, or another."""
        if not self.world.parked:
            return
        parked = one(self.world.parked, which)
        client = one([*self.world.clients, *[parked.client] * 3], whose)
        action = "accept" if accepts else "decline"
        self.call(client, number or parked.number, parked.state, action)

    def call(self, client: McpClient, number: int, state: str = "", action: str = "") -> None:
        is_open = self.is_approved(client, number)
        result = call(client, number, state, action)
        if result["resultType"] == "input_required":
            self.world.parked.append(Parked(client, number, result["requestState"]))
        elif not result.get("isError"):
            self.world.made[client.credential, number] += 1
        if is_open and action != "decline":
            assert result["resultType"] == "complete"
            assert not result.get("isError")

    def is_approved(self, client: McpClient, number: int) -> bool:
        """Whether a yes waits to be used: then the call has to be made."""
        mine = [
            UUID(each.state)
            for each in self.world.parked
            if (each.client, each.number) == (client, number)
        ]
        return Approval.objects.open().filter(pk__in=mine, status="approved").exists()

    # Its user's side -----------------------------------------------------------------------

    @rule(which=WHICH, who=WHICH, decision=st.sampled_from(["approve", "approve", "reject"]))
    def somebody_decides(self, which: int, who: int, decision: str) -> None:
        """The user or somebody else; what waits, or what is over."""
        if self.world.parked:
            self.decide(one(self.world.people, who), one(self.world.parked, which), decision)

    def decide(self, person: Person, parked: Parked, decision: str) -> None:
        was_pending = Approval.objects.pending().filter(pk=parked.state).exists()
        press(person, parked, decision)
        is_theirs = person is self.world.people[0]
        if decision == "approve" and was_pending and is_theirs:
            self.world.approved[parked.client.credential, parked.number] += 1

    # Time and chance -----------------------------------------------------------------------

    @rule(which=WHICH)
    def one_expires(self, which: int) -> None:
        if self.world.parked:
            parked = one(self.world.parked, which)
            Approval.objects.filter(pk=parked.state).update(
                expires_at=F("created_at") - timedelta(seconds=1)
            )

    @rule(which=WHICH)
    def all_of_it_happens_at_once(self, which: int) -> None:
        if not self.world.parked:
            return
        parked = one(self.world.parked, which)
        user, client, number = self.world.people[0], parked.client, parked.number
        before = Approval.objects.filter(pk=parked.state).values_list("decided_at", flat=True).get()
        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(call, client, number, parked.state, "accept") for _ in range(2)]
            calls.append(pool.submit(call, client, number))
            yes = pool.submit(press, user, parked, "approve")
            results = [each.result() for each in calls]
            yes.result()
        after = Approval.objects.filter(pk=parked.state).values_list("decided_at", flat=True).get()
        if before is None and after is not None:
            self.world.approved[client.credential, number] += 1
        for result in results:
            if result["resultType"] == "input_required":
                self.world.parked.append(Parked(client, number, result["requestState"]))
            elif not result.get("isError"):
                self.world.made[client.credential, number] += 1

    # What has to hold ----------------------------------------------------------------------

    @invariant()
    def nothing_leaves_without_a_yes_of_its_own(self) -> None:
        received = Counter(
            (each["headers"]["x-api-key"], each["body"]["payload"]["number"])
            for each in self.world.sandbox.requests("wiv")
        )
        assert received == self.world.made
        assert received <= self.world.approved
        assert Approval.objects.filter(status="used").count() == received.total()


def one(of: list[Thing], which: int) -> Thing:
    return of[which % len(of)]


def call(client: McpClient, number: int, state: str = "", action: str = "") -> dict[str, Any]:
    arguments = {"workflow_id": WORKFLOW, "trigger_event": {"number": number}}
    capabilities: dict[str, Any] = {
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"url": {}}}
    }
    params: dict[str, Any] = {
        "name": TOOL,
        "arguments": arguments,
        "_meta": MODERN_META | capabilities,
    }
    if state:
        params |= {"requestState": state, "inputResponses": {"approval": {"action": action}}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    answer = client.post(json=body, headers=modern_headers("tools/call", TOOL)).json()
    result: dict[str, Any] = answer["result"]
    return result


def press(person: Person, parked: Parked, decision: str) -> None:
    """Whether the page has that button or not, as somebody would who had it open before."""
    link = f"{person.server}/connect/approvals/{parked.state}"
    form = form_to(person.robot.get(f"{person.server}/connect"), "/connect/sign-out")
    form.action = link
    assert person.robot.submit(form, decision=decision).status_code == 302


@as_long_as_it_takes
def test_no_unapproved_write_leaves(server, sandbox, http, make_key, browser, monkeypatch):
    monkeypatch.setattr(gate, "PATIENCE", 0.0)
    require_approval(TOOL)
    keys = [make_key(), make_key()]
    emails = [fixtures.ANA_EMAIL, fixtures.MAX_EMAIL]

    class Machine(ApprovalMachine):
        world = World(
            server,
            sandbox,
            [McpClient(http, key) for key in keys],
            [Person.sign_in(browser(email), server) for email in emails],
        )

    run_state_machine_as_test(Machine, settings=examples_over_http(20, stateful_step_count=25))
