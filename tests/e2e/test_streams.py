"""/sse with three workers on one PostgreSQL, behind a balancer without sticky sessions."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import psycopg
import pytest

from sandbox import fixtures
from tests.e2e.assistant import connected
from tests.e2e.deployment import empty_database, prepared, serving
from tests.mcp_gateway.event_stream import EventStream
from tests.mcp_gateway.json_rpc import McpClient
from tests.requirements import postgresql_url
from tests.round_robin import RoundRobin, round_robin
from tests.settings import free_port
from tests.stand_ins import Sandbox, wait_until_answers

pytestmark = [pytest.mark.postgresql, pytest.mark.timeout(300)]

# Calls each way: to the worker that has the stream, and to others. The long form has a thousand.
CALLS = int(os.environ.get("SSE_CALLS", "60"))
CLIENTS = 8
RUN = "wiv_start_execution"


@dataclass
class Worker:
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass
class Fleet:
    """Workers behind a proxy; each on a port of its own too, so that a test can choose one."""

    proxy: RoundRobin
    sandbox: Sandbox
    database_url: str
    start: Callable[[], Worker]
    workers: list[Worker]

    def make_key(self, user_id: str = fixtures.ANA, org_id: str = fixtures.ACME) -> str:
        body = {"user_id": user_id, "org_id": org_id}
        made = self.sandbox.backend(
            "POST", "/end_user_api_keys", fixtures.BACKEND_API_KEY, json=body
        )
        return str(made.raise_for_status().json()["api_key_token"])

    @contextmanager
    def open_stream(self, worker: Worker, key: str) -> Iterator[EventStream]:
        headers = {"Authorization": f"Bearer {key}"}
        with (
            httpx2.Client(base_url=worker.url, timeout=30) as http,
            http.stream("GET", "/sse", headers=headers) as response,
        ):
            assert response.status_code == 200, response.read()
            yield EventStream(http, key, response)

    def ask(self, sql: str, *parameters: Any) -> list[Any]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(sql, parameters).fetchall()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    with ExitStack() as stack:
        proxy = stack.enter_context(round_robin())
        database_url = stack.enter_context(empty_database(postgresql_url()))
        # The long form takes longer than a stream lives, and the Python SDK doesn't come back.
        sandbox, environment = stack.enter_context(
            prepared(proxy.url, database_url, SSE_STREAM_LIFETIME="0")
        )
        output = stack.enter_context((folder / "workers.log").open("wb"))

        def start() -> Worker:
            port = free_port()
            process = stack.enter_context(serving(port, 1, environment, output))
            worker = Worker(port, process)
            wait_until_answers(f"{worker.url}/readyz", process)
            return worker

        workers = [start() for _ in range(3)]
        proxy.workers[:] = [worker.port for worker in workers]
        yield Fleet(proxy, sandbox, database_url, start, workers)


@pytest.fixture
def by(fleet: Fleet) -> Iterator[Callable[[Worker, EventStream], McpClient]]:
    """`by(worker, stream)`: posts to the stream by way of a worker."""
    with ExitStack() as stack:

        def by(worker: Worker, stream: EventStream) -> McpClient:
            http = stack.enter_context(httpx2.Client(base_url=worker.url, timeout=30))
            return McpClient(http, stream.messages.credential, stream.messages.path)

        yield by


@contextmanager
def frozen(worker: Worker) -> Iterator[None]:
    worker.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        worker.process.send_signal(signal.SIGCONT)


def ping(number: int) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": "ping"}


def wait_until(is_so: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it isn't so in time"
        time.sleep(0.05)


# Through the balancer -------------------------------------------------------------------------


def test_every_call_is_answered_on_its_own_stream_wherever_its_post_lands(fleet):
    key = fleet.make_key()
    calls = CALLS * 4 // CLIENTS

    async def call(assistant: Any, client: int, number: int) -> None:
        event = {"client": client, "number": number}
        arguments = {"workflow_id": fixtures.MONTHLY_REPORT, "trigger_event": event}
        result = await assistant.call_tool(RUN, arguments)
        assert not result.is_error, result
        assert result.structured_content["data"]["payload"] == event

    async def work(client: int) -> None:
        """Half of its calls one by one, the rest at once."""
        async with connected(f"{fleet.proxy.url}/sse", mode="legacy", key=key) as assistant:
            for number in range(calls // 2):
                await call(assistant, client, number)
            rest = range(calls // 2, calls)
            await asyncio.gather(*(call(assistant, client, number) for number in rest))

    async def work_all() -> None:
        async with asyncio.TaskGroup() as group:
            for client in range(CLIENTS):
                group.create_task(work(client))

    asyncio.run(work_all())
    ways = fleet.proxy.ways()
    assert ways["here"] >= CALLS
    assert ways["elsewhere"] >= CALLS


@pytest.mark.parametrize("size", [10_000, 200_000])
def test_a_message_beyond_what_a_notification_carries_arrives_whole(fleet, by, size):
    owner, other, _ = fleet.workers
    with fleet.open_stream(owner, fleet.make_key()) as stream:
        stream.initialize()
        fleet.sandbox.forget_requests()
        event = {"text": "ä" * (size // 2)}
        arguments = {"workflow_id": fixtures.MONTHLY_REPORT, "trigger_event": event}
        params = {"name": RUN, "arguments": arguments}
        assert by(other, stream).request("tools/call", params).status_code == 202
        assert not stream.next_message()["result"].get("isError")
        [request] = fleet.sandbox.requests("wiv")
        assert request["body"] == {"payload": event}


def test_messages_keep_their_order_whichever_worker_takes_them(fleet, by):
    """The worker that has the stream hears of ten of them only when the eleventh is with it."""
    owner, *others = fleet.workers
    with fleet.open_stream(owner, fleet.make_key()) as stream:
        stream.initialize()
        ways = [by(worker, stream) for worker in others]
        for begin in (1, 101, 201):
            with frozen(owner):
                for number in range(begin, begin + 10):
                    assert ways[number % 2].post(json=ping(number)).status_code == 202
            assert stream.messages.post(json=ping(begin + 10)).status_code == 202
            answered = [stream.next_message()["id"] for _ in range(11)]
            assert answered == list(range(begin, begin + 11))


def test_a_message_on_its_way_shows_nothing_to_who_reads_the_database(fleet, by):
    owner, other, _ = fleet.workers
    key = fleet.make_key()
    with fleet.open_stream(owner, key) as stream:
        stream.initialize()
        params = {"name": "wiv_get_workflow", "arguments": {"workflow_id": "wf_hunter2"}}
        with frozen(owner):
            assert by(other, stream).request("tools/call", params).status_code == 202
            [(sealed,)] = fleet.ask("SELECT sealed FROM mcp_gateway_streammessage")
            rows = str(fleet.ask("SELECT * FROM mcp_gateway_openstream"))
        assert "Nothing has this id" in str(stream.next_message())
        assert "hunter2" not in sealed
        assert key not in sealed
        session = stream.messages.path.partition("session_id=")[2]
        assert session not in rows.replace("-", "")
        assert fleet.ask("SELECT * FROM mcp_gateway_streammessage") == []


# Who may post, and where to ---------------------------------------------------------------------


def test_a_stream_is_not_shared_with_another_caller_at_any_worker(fleet, by):
    owner, *_ = fleet.workers
    with fleet.open_stream(owner, fleet.make_key()) as stream:
        for other_key in (fleet.make_key(fixtures.MAX, fixtures.MSP), fleet.make_key(fixtures.GUS)):
            for worker in fleet.workers:
                way = by(worker, stream)
                way.credential = other_key
                answer = way.request("ping")
                assert (answer.status_code, answer.text) == (404, "Could not find session")
        assert stream.request("ping")["result"] == {}


def test_each_worker_authenticates_each_post(fleet, by):
    owner, *_ = fleet.workers
    with fleet.open_stream(owner, fleet.make_key()) as stream:
        for worker in fleet.workers:
            assert by(worker, stream).http.post(stream.messages.path, json={}).status_code == 401


def test_a_stream_that_has_ended_is_not_found_at_any_worker(fleet, by):
    owner, *_ = fleet.workers
    with fleet.open_stream(owner, fleet.make_key()) as stream:
        stream.initialize()
        ways = [by(worker, stream) for worker in fleet.workers]
        assert [way.request("ping").status_code for way in ways] == [202] * 3
    wait_until(lambda: all(way.request("ping").status_code == 404 for way in ways), 5)
    assert ways[0].request("ping").text == "Could not find session"


def test_nobody_opens_more_streams_by_asking_several_workers(fleet):
    key = fleet.make_key(fixtures.MAX, fixtures.MSP)
    with ExitStack() as stack:
        opened = [
            stack.enter_context(fleet.open_stream(fleet.workers[number % 3], key))
            for number in range(20)
        ]
        for worker in fleet.workers:
            refused = httpx2.get(f"{worker.url}/sse", headers={"X-API-Key": key})
            assert refused.status_code == 429
            assert refused.headers["retry-after"] == "10"
            assert "20 streams" in refused.json()["error"]["message"]
        assert [stream.request("ping")["result"] for stream in opened] == [{}] * 20
        with fleet.open_stream(fleet.workers[0], fleet.make_key()) as stream:  # somebody else's
            assert stream.request("ping")["result"] == {}


# What goes wrong --------------------------------------------------------------------------------


def listening(fleet: Fleet) -> list[int]:
    """The database's processes for connections that listen."""
    found = fleet.ask(
        "SELECT pid FROM pg_stat_activity"
        " WHERE application_name = 'wivmcp streams' AND datname = current_database()"
    )
    return [pid for (pid,) in found]


def wait_until_replaced(fleet: Fleet, before: set[int]) -> None:
    wait_until(lambda: len({*listening(fleet)} - before) == 3, 10)


def test_a_listening_connection_that_is_lost_is_opened_again(fleet, by):
    owner, other, _ = fleet.workers

    with fleet.open_stream(owner, fleet.make_key()) as stream:
        stream.initialize()
        for number in range(1, 4):
            before = set(listening(fleet))
            assert len(before) == 3
            fleet.ask("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", [*before])
            # At the same moment: what is notified now, nobody hears.
            assert by(other, stream).post(json=ping(number)).status_code == 202
            assert stream.next_message()["id"] == number
            wait_until_replaced(fleet, before)


def test_all_connections_to_the_database_are_lost_and_no_message_comes_twice(fleet, by):
    owner, other, _ = fleet.workers
    with fleet.open_stream(owner, fleet.make_key()) as stream:
        stream.initialize()
        fleet.ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for number in range(1, 4):
            assert by(other, stream).post(json=ping(number)).status_code == 202
        assert [stream.next_message()["id"] for _ in range(3)] == [1, 2, 3]
        assert by(owner, stream).post(json=ping(4)).status_code == 202
        assert stream.next_message()["id"] == 4


def test_a_worker_that_is_killed_takes_its_streams_along_and_clients_open_others(fleet, by):
    doomed = fleet.start()
    key = fleet.make_key()
    with fleet.open_stream(doomed, key) as stream:
        stream.initialize()
        way = by(fleet.workers[0], stream)
        assert way.post(json=ping(1)).status_code == 202
        assert stream.next_message()["id"] == 1
        doomed.process.kill()
        with pytest.raises(httpx2.TransportError):
            stream.read_to_the_end()
        # It isn't known at once that nobody reads the rows any more.
        wait_until(lambda: way.post(json=ping(2)).status_code == 404, 15)
    with fleet.open_stream(fleet.workers[1], key) as stream:
        assert stream.request("ping")["result"] == {}


def test_a_worker_that_is_told_to_end_answers_what_is_under_way(fleet, by):
    leaving = fleet.start()
    with fleet.open_stream(leaving, fleet.make_key()) as stream:
        stream.initialize()
        fleet.sandbox.forget_requests()
        fleet.sandbox.fault("wiv", "/spaces", "delay", delay_seconds=1)
        params = {"name": "wiv_list_spaces", "arguments": {}}
        assert by(fleet.workers[0], stream).request("tools/call", params).status_code == 202
        wait_until(lambda: bool(fleet.sandbox.requests("wiv")), 10)
        leaving.process.terminate()
        assert "FinOps" in str(stream.next_message())
        stream.read_to_the_end()  # clean: a connection that is cut off raises
    assert leaving.process.wait(20) in (0, -signal.SIGTERM)
    fleet.sandbox.clear_faults()
    assert len(fleet.ask("SELECT * FROM mcp_gateway_streamworker")) <= 4


def test_what_a_dead_worker_left_is_deleted_by_others(fleet, by):
    known = [worker for (worker,) in fleet.ask("SELECT id FROM mcp_gateway_streamworker")]
    doomed = fleet.start()
    with (
        contextlib.suppress(httpx2.TransportError),
        fleet.open_stream(doomed, fleet.make_key()) as stream,
    ):
        doomed.process.send_signal(signal.SIGSTOP)
        assert by(fleet.workers[0], stream).post(json=ping(1)).status_code == 202
        doomed.process.kill()
        stream.read_to_the_end()
    left = (
        "SELECT m.id FROM mcp_gateway_streammessage AS m JOIN mcp_gateway_openstream AS s"
        " ON s.id = m.stream_id WHERE NOT s.worker_id = ANY(%s)"
    )
    assert len(fleet.ask(left, known)) == 1
    # As a minute later.
    its = "UPDATE mcp_gateway_streamworker SET seen_at = now() - interval '61 seconds'"
    assert len(fleet.ask(f"{its} WHERE NOT id = ANY(%s) RETURNING id", known)) == 1
    wait_until(lambda: not fleet.ask(left, known), 10)
