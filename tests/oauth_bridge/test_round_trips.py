"""What does each step from nothing to a tool call ask of the database and of PropelAuth?

The table is in docs/oauth.md.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.db.backends.utils import CursorWrapper

from mcp_gateway import catalog
from oauth_bridge import outbox
from oauth_bridge.loop_connection import LoopConnection
from sandbox import fixtures
from tests.docs.markdown import tables_with
from tests.mcp_gateway.json_rpc import McpClient
from tests.robot import location_of, query_of

# What nobody waits for, and what a worker asks once a second or once in all.
NOT_IN_THE_WAY = (
    *("outbox", "listings", "conduct", "pauses", "call-log", "catalog", "streams", "sightings"),
    "MainThread",
)
KINDS = ("for an API-key token", "for an opaque token")
STATEMENTS = ("SELECT", "INSERT", "UPDATE", "DELETE")


class Counter:
    """Statements that a request waits for, and requests to PropelAuth."""

    def __init__(self, sandbox) -> None:
        self._sandbox = sandbox
        self.statements: list[str] = []
        self.steps: dict[str, tuple[int, int]] = {}

    def note(self, sql: str) -> None:
        if not threading.current_thread().name.startswith(NOT_IN_THE_WAY) and sql.lstrip(
            "("
        ).startswith(STATEMENTS):
            self.statements.append(sql)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.statements.clear()
        self._sandbox.forget_requests()
        yield
        asked = [each for each in self._sandbox.requests("propelauth") if is_ours(each)]
        self.steps[name] = (len(self.statements), len(asked))


def is_ours(request) -> bool:
    """And none of the browser's."""
    return "mozilla" not in request["headers"].get("user-agent", "").lower()


@pytest.fixture
def counter(sandbox, monkeypatch) -> Counter:
    counter, execute = Counter(sandbox), CursorWrapper.execute

    def counted(self, sql, params=None):
        counter.note(str(sql))
        return execute(self, sql, params)

    async def counted_on_loop(self, sql, parameters):
        counter.statements.append(sql)
        return await ask(self, sql, parameters)

    ask = LoopConnection._ask
    monkeypatch.setattr(LoopConnection, "_ask", counted_on_loop)
    monkeypatch.setattr(CursorWrapper, "execute", counted)
    monkeypatch.setattr(catalog, "LIFETIME", 60.0)
    return counter


def test_each_step_takes_the_round_trips_that_the_document_names(
    server, new_client, browser, counter, http
):
    client, robot = new_client(), browser(fixtures.ANA_EMAIL)
    ours = settings.ACCESS_TOKEN_KIND == "opaque"
    for _ in range(2):  # whatever is learned once is known the second time
        with counter.step("`GET /.well-known/oauth-authorization-server`"):
            http.get("/.well-known/oauth-authorization-server")
        with counter.step("`POST /register`"):
            client.register()
        with counter.step("`GET /authorize`"):
            page = robot.get(client.authorization_url())
        with counter.step("`POST /authorize`: yes"):
            to_propelauth = robot.answer(page)
        there = location_of(to_propelauth)
        callback = str(robot.authorize(there, stop_at=f"{server}/oauth/callback"))
        with counter.step("`GET /oauth/callback`"):
            back = robot.get(callback)
        with counter.step("`POST /token` with a code"):
            tokens = client.redeem(query_of(location_of(back))["code"]).json()
        with counter.step(f"`POST /token` with a refresh token, {KINDS[ours]}"):
            tokens = client.refresh(tokens["refresh_token"]).json()
        outbox.deliver_soon().result(30)
        mcp = McpClient(http, tokens["access_token"])
        with counter.step("a token's first request in a minute"):
            mcp.tool_names()
        with counter.step("`tools/list`"):
            mcp.tool_names()
        with counter.step("`tools/call`, reading"):
            mcp.call("wiv_list_spaces")
        with counter.step("`tools/call`, writing"):
            mcp.call("wiv_start_execution", workflow_id=fixtures.MONTHLY_REPORT)
    [table] = tables_with(Path("docs/oauth.md").read_text(), "Step")
    documented = {
        row["Step"]: (int(row["Statements"]), int(row["Requests to PropelAuth"]))
        for row in table.rows
        if not row["Step"].endswith(KINDS[not ours])
    }
    assert counter.steps == documented
