"""What does one Wiv tenant hold, and how do its runs and generations move on?

A run answers a status read with its state and then moves one state on; every
`fixtures.STATE_STEP_SECONDS` of the sandbox's clock move it on too:

    PENDING -> RUNNING -> COMPLETED, or FAILED, or WAITING_APPROVAL until it's stopped

Workflows, folders, spaces and cases are kept as the documents that go over the wire.
"""

from dataclasses import dataclass, field
from typing import Any

from sandbox import fixtures
from sandbox.clock import iso_8601

Document = dict[str, Any]

FINISHED = ("COMPLETED", "FAILED", "STOPPED")


@dataclass
class Progress:
    states: tuple[str, ...]
    since: float  # Unix seconds
    reads: int = 0

    def state(self, now: float) -> str:
        steps = self.reads + max(0, int((now - self.since) // fixtures.STATE_STEP_SECONDS))
        return self.states[min(steps, len(self.states) - 1)]

    def read(self, now: float) -> str:
        """The state as it is; the next read finds the one after it."""
        state = self.state(now)
        self.reads += 1
        return state

    def stay(self, state: str) -> None:
        self.states = (state,)


@dataclass
class Execution:
    execution_id: str
    workflow_id: str
    trigger_type: str
    run_by: str
    started_at: str
    payload: Document
    progress: Progress
    ended_at: str | None = None

    def settle(self, now: float) -> str:
        """The state now; notes when a run was first seen to be finished."""
        state = self.progress.state(now)
        if state in FINISHED and self.ended_at is None:
            self.ended_at = iso_8601(now)
        return state

    def stop(self, now: float) -> None:
        if self.settle(now) not in FINISHED:
            self.progress.stay("STOPPED")
            self.settle(now)


@dataclass
class Generation:
    generation_id: str
    prompt: str
    space_id: str
    folder_id: str | None
    created_by: str
    progress: Progress
    workflow_id: str | None = None  # once COMPLETED


@dataclass(frozen=True)
class Scroll:
    """Where a search goes on: the page is fixed, so reading it twice gives the same cases."""

    route: str
    cases: tuple[Document, ...]
    expires_at: float


@dataclass
class Tenant:
    tenant_id: str
    name: str
    workflows: dict[str, Document] = field(default_factory=dict)
    folders: dict[str, Document] = field(default_factory=dict)
    spaces: dict[str, Document] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)  # oldest first
    cases: list[Document] = field(default_factory=list)
    # Boards, datastores, integrations and dashboards: {"resource_type", "id", "name", "space_id"}
    resources: list[Document] = field(default_factory=list)
    generations: dict[str, Generation] = field(default_factory=dict)
    scrolls: dict[str, Scroll] = field(default_factory=dict)
    final_states: dict[str, str] = field(default_factory=dict)  # by workflow id, else COMPLETED
    customers: list["Tenant"] = field(default_factory=list)  # an MSP's children

    @property
    def is_msp(self) -> bool:
        return bool(self.customers)

    @property
    def default_space_id(self) -> str:
        return next(space_id for space_id, space in self.spaces.items() if space["is_default"])

    def run_states(self, workflow_id: str) -> tuple[str, ...]:
        return ("PENDING", "RUNNING", self.final_states.get(workflow_id, "COMPLETED"))

    def executions_of(self, workflow_id: str) -> list[Execution]:
        return [run for run in self.executions if run.workflow_id == workflow_id]
