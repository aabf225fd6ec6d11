"""What a server answers while something it needs is away, and that it recovers by itself.

docs/operations.md, "When something fails", has a row for each.
"""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from sandbox import fixtures
from tests.chaos.site import Site, site
from tests.e2e.deployment import Deployment, deployed, empty_database
from tests.mcp_gateway.json_rpc import MODERN_META, McpClient, modern_headers
from tests.mcp_gateway.test_tools import wait_until
from tests.oauth_client import OAuthClient
from tests.requirements import postgresql_url
from tests.robot import Robot
from tests.wiv_routes import SHIPPED

pytestmark = pytest.mark.timeout(300)
ERAS = ("2025-11-25", "2026-07-28")


class Caller:
    """One client that has signed in, on connections of its own."""

    def __init__(self, url: str) -> None:
        self.http = httpx2.Client(base_url=url, timeout=60)
        self.oauth = OAuthClient(url, resource=f"{url}/mcp", http=self.http)
        robot = Robot(fixtures.ANA_EMAIL)
        self.oauth.sign_in(robot)
        robot.close()

    @property
    def mcp(self) -> McpClient:
        return McpClient(self.http, self.oauth.tokens["access_token"])

    def call(self, tool: str = "wiv_list_workflows", era: str = ERAS[1], **arguments: Any) -> Any:
        params: dict[str, Any] = {"name": tool, "arguments": arguments}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        if era == ERAS[0]:
            return self.mcp.post(json=body)
        params["_meta"] = MODERN_META
        return self.mcp.post(json=body, headers=modern_headers("tools/call", tool))

    def write(self) -> Any:
        event = {"number": "1"}
        return self.call(
            "wiv_start_execution", workflow_id=fixtures.MONTHLY_REPORT, trigger_event=event
        )

    def close(self) -> None:
        self.http.close()


@contextmanager
def caller_of(url: str) -> Iterator[Caller]:
    with closing(Caller(url)) as caller:
        yield caller


def assert_comes_back(answer: httpx2.Response) -> None:
    """503 with Retry-After: nobody is signed out, and programs know what to do."""
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0


def assert_reads_or_comes_back(answer: httpx2.Response) -> None:
    if answer.status_code != 200:
        assert_comes_back(answer)


# The database is away ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stoppable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    postgresql_url()  # skips where there is none; the one that is stopped is another
    log: Path = tmp_path_factory.mktemp("outages") / "server.log"
    with site(log, {"ACCESS_TOKEN_KIND": "opaque"}, workers=1) as running:
        yield running


@pytest.fixture
def without_database(stoppable: Site) -> Iterator[Callable[[], None]]:
    """Away until it's called, or the test is over."""
    stoppable.cluster.stop("fast")
    is_back = False

    def resume() -> None:
        nonlocal is_back
        if not is_back:
            stoppable.cluster.resume()
            is_back = True

    # The first who notice wait for a restart that is over soon.
    first = httpx2.get(f"{worker_of(stoppable)}/readyz", timeout=30)
    assert first.status_code == 503
    yield resume
    resume()
    wait_until(lambda: is_ready(worker_of(stoppable)), seconds=60)


@pytest.fixture
def caller(stoppable: Site) -> Iterator[Caller]:
    with caller_of(stoppable.url) as caller:
        yield caller


def worker_of(stoppable: Site) -> str:
    return f"http://127.0.0.1:{stoppable.balancer.ports[0]}"


@pytest.mark.postgresql
@pytest.mark.parametrize("era", ERAS)
def test_calls_without_the_database_are_told_to_come_back(caller, without_database, era):
    began = time.monotonic()
    for _ in range(20):
        answer = caller.call(era=era)
        assert_comes_back(answer)
        assert answer.json()["error"]["message"] == "Credentials can't be checked at the moment"
    # Had each waited for the pool's patience it would be 200 s.
    assert time.monotonic() - began < 100
    without_database()
    wait_until(lambda: caller.call(era=era).status_code == 200, seconds=60)


@pytest.mark.postgresql
def test_a_refresh_without_the_database_can_be_repeated_later(caller, without_database):
    refresh_token = caller.oauth.tokens["refresh_token"]
    answer = caller.oauth.refresh(refresh_token)
    assert_comes_back(answer)
    assert answer.json()["error"] == "temporarily_unavailable"
    without_database()
    assert caller.oauth.refresh(refresh_token).status_code == 200
    assert caller.call().status_code == 200


@pytest.mark.postgresql
def test_a_refresh_waits_for_a_database_that_is_back_soon(caller, without_database):
    with ThreadPoolExecutor(1) as pool:
        answer: Future[httpx2.Response] = pool.submit(caller.oauth.refresh)
        time.sleep(3)  # it is the length of the outage that is meant
        assert not answer.done()
        without_database()
        assert answer.result().status_code == 200


@pytest.mark.postgresql
def test_pages_without_the_database_say_so(caller, without_database):
    for url in (caller.oauth.authorization_url(), "/oauth/callback?code=x&state=y"):
        page = caller.http.get(url)
        assert_comes_back(page)
        assert "reload this page" in page.text
    for answer in (caller.oauth.register(), caller.oauth.revoke("x")):
        assert_comes_back(answer)
        assert answer.json()["error"] == "temporarily_unavailable"


@pytest.mark.postgresql
def test_a_server_without_its_database_is_alive_and_not_ready(stoppable, without_database):
    worker = worker_of(stoppable)
    for path in ("/healthz", "/.well-known/oauth-authorization-server"):
        assert httpx2.get(f"{worker}{path}").status_code == 200
    began = time.monotonic()
    ready = httpx2.get(f"{worker}/readyz")
    assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "unavailable")
    # App Runner gives a health check two seconds; had it waited for the pool it would be ten.
    assert time.monotonic() - began < 8
    without_database()
    wait_until(lambda: is_ready(worker), seconds=60)


# It is there, but ... ---------------------------------------------------------------------------


@pytest.fixture
def on_postgresql(tmp_path: Path) -> Iterator[Deployment]:
    with (
        empty_database(postgresql_url()) as url,
        deployed(tmp_path, url, DATABASE_POOL_SIZE="2", ACCESS_TOKEN_KIND="opaque") as deployment,
    ):
        deployment.sandbox.reset()
        yield deployment


@pytest.mark.postgresql
def test_who_finds_all_connections_in_use_waits_for_so_long_and_no_longer(on_postgresql):
    with (
        caller_of(on_postgresql.url) as caller,
        psycopg.connect(on_postgresql.environment["DATABASE_URL"]) as connection,
        ThreadPoolExecutor(12) as pool,
    ):
        connection.execute("LOCK TABLE oauth_bridge_accesstoken IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        waiting = [pool.submit(caller.call) for _ in range(12)]
        for answer in waiting:
            assert_comes_back(answer.result())
        assert 5 < time.monotonic() - began < 60
        connection.rollback()
        wait_until(lambda: caller.call().status_code == 200, seconds=60)


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Deployment]:
    with deployed(tmp_path, f"sqlite:///{tmp_path / 'db.sqlite3'}") as deployment:
        deployment.sandbox.reset()
        yield deployment


@contextmanager
def read_only(deployment: Deployment) -> Iterator[None]:
    """As PostgreSQL is where its disk is full for others than its log, or after a failover."""
    with psycopg.connect(deployment.environment["DATABASE_URL"], autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        connection.execute(REPLACE_CONNECTIONS)
        yield
        connection.execute("SET default_transaction_read_only = off")
        connection.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        connection.execute(REPLACE_CONNECTIONS)


REPLACE_CONNECTIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@contextmanager
def full_disk(deployment: Deployment) -> Iterator[None]:
    """No file of the server may grow beyond a few bytes."""
    pid = deployment.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (16, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@pytest.mark.postgresql
def test_where_nothing_can_be_written_reads_go_on_and_writes_say_so(on_postgresql):
    with caller_of(on_postgresql.url) as caller:
        refresh_token = caller.oauth.tokens["refresh_token"]
        with read_only(on_postgresql):
            assert len(caller.mcp.tool_names()) == SHIPPED
            assert not is_error(caller.call())
            refused = caller.write()
            assert is_error(refused)
            assert "wasn't made" in refused.text
            assert_comes_back(caller.oauth.refresh(refresh_token))
            assert httpx2.get(f"{on_postgresql.url}/readyz").status_code == 200
        assert not writes_received(on_postgresql)
        assert caller.oauth.refresh(refresh_token).status_code == 200
        assert not is_error(caller.write())


def test_a_full_disk_under_sqlite_is_told_as_an_outage_and_ends_by_itself(on_sqlite):
    """A connection that is opened then can't even read: SQLite needs room for its log's index."""
    with caller_of(on_sqlite.url) as caller:
        refresh_token = caller.oauth.tokens["refresh_token"]
        with full_disk(on_sqlite):
            assert_reads_or_comes_back(caller.mcp.request("tools/list"))
            refused = caller.write()
            assert refused.status_code == 503 or "wasn't made" in refused.text
            assert_comes_back(caller.oauth.refresh(refresh_token))
            assert httpx2.get(f"{on_sqlite.url}/healthz").status_code == 200
        assert not writes_received(on_sqlite)
        assert caller.oauth.refresh(refresh_token).status_code == 200
        assert not is_error(caller.write())


def writes_received(deployment: Deployment) -> list[Any]:
    return [each for each in deployment.sandbox.requests("wiv") if each["method"] == "POST"]


def is_error(answer: httpx2.Response) -> bool:
    assert answer.status_code == 200, answer.text
    return bool(answer.json()["result"].get("isError"))


# PropelAuth or Wiv is away ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["status", "drop"])
def test_without_propelauth_and_wiv_calls_say_so_and_go_on_later(on_sqlite, kind):
    with caller_of(on_sqlite.url) as caller:
        on_sqlite.sandbox.fault("wiv", "*", kind, status=503, times=None)
        on_sqlite.sandbox.fault("propelauth", "*", kind, status=503, times=None)
        assert len(caller.mcp.tool_names()) == SHIPPED
        assert is_error(caller.call())
        assert is_error(caller.write())
        assert httpx2.get(f"{on_sqlite.url}/readyz").status_code == 200
        on_sqlite.sandbox.clear_faults()
        wait_until(lambda: not is_error(caller.call()), seconds=60)


# Told to end ------------------------------------------------------------------------------------


@pytest.fixture
def on_its_own(on_sqlite: Deployment, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """script/serve in the place of the server that was there."""
    on_sqlite.process.terminate()
    on_sqlite.process.wait(20)
    url = httpx2.URL(on_sqlite.url)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**on_sqlite.environment, "PORT": str(url.port), "PATH": path}
    with (tmp_path / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            ["script/serve"], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            wait_until(lambda: is_ready(on_sqlite.url), seconds=60)
            yield process
        finally:
            process.kill()
            process.wait()


def is_ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/readyz").status_code == 200
    except httpx2.TransportError:
        return False


def test_sigterm_finishes_the_calls_under_way_and_takes_no_more(on_sqlite, on_its_own):
    url = httpx2.URL(on_sqlite.url)
    with caller_of(on_sqlite.url) as caller, ThreadPoolExecutor(1) as pool:
        on_sqlite.sandbox.forget_requests()
        on_sqlite.sandbox.fault("wiv", "*", "hang")
        under_way = pool.submit(caller.write)
        wait_until(lambda: on_sqlite.sandbox.requests("wiv"), seconds=10)
        idle = socket.create_connection((url.host, url.port))
        on_its_own.send_signal(signal.SIGTERM)
        wait_until(lambda: not takes_connections(url), seconds=10)
        assert not under_way.done()
        idle.settimeout(10)
        assert idle.recv(1) == b""
        idle.close()
        on_sqlite.sandbox.clear_faults()
        assert not is_error(under_way.result())
    assert on_its_own.wait(20) == 0
    log = [json.loads(line) for line in on_sqlite.manage("export_call_log").splitlines()]
    assert [entry["outcome"] for entry in log if entry["kind"] == "call"] == ["ok"]


def takes_connections(url: httpx2.URL) -> bool:
    try:
        socket.create_connection((url.host, url.port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True
