"""Two hundred people sign in at once, and one of two workers is killed while they do.

What is sent again, and why that is fair: a balancer asks the other worker when one refuses the
connection, since that one got nothing; a person or client whose answer was lost repeats that one
request once, as somebody who reloads does; who is told to start again does. Nothing else is
repeated, so that any other trouble fails a test.
"""

import hashlib
import itertools
import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from subprocess import Popen
from threading import Lock
from typing import Any, BinaryIO

import httpx2
import psycopg
import pytest

from sandbox import fixtures
from tests.e2e.deployment import empty_database, prepared, run_manage, serving
from tests.mcp_gateway.json_rpc import McpClient
from tests.oauth_client import OAuthClient
from tests.requirements import postgresql_url
from tests.robot import PLAIN_HTTP, Robot
from tests.settings import free_port
from tests.stand_ins import Sandbox, wait_until_answers
from tests.wiv_routes import SHIPPED

pytestmark = pytest.mark.postgresql

SIGN_INS = 200
AT_ONCE = 30
KEYS = "/api/backend/v1/end_user_api_keys"
SETTINGS = {
    "REGISTRATIONS_PER_ADDRESS": "1000",
    # More than other tests give: the machine is busy, and PropelAuth isn't slow on purpose.
    "PROPELAUTH_TIMEOUT": "5",
    "KEY_MINTING_PATIENCE": "3",
}


class Balancer(httpx2.BaseTransport):
    """At `url`, in front of the workers at two ports, each in turn, but for one that just failed.

    Who else is asked is asked directly. One for everybody, so it isn't closed with a client.
    """

    def __init__(self, url: str, ports: list[int]) -> None:
        self.netloc = httpx2.URL(url).netloc
        self.ports = ports
        self.failed: int | None = None
        self.turns = itertools.count()
        # Well before uvicorn would close an idle one, at five seconds.
        limits = httpx2.Limits(max_keepalive_connections=3 * AT_ONCE, keepalive_expiry=2)
        self.http = httpx2.HTTPTransport(verify=PLAIN_HTTP, limits=limits)
        self.under_way: Counter[int] = Counter()
        self.lock = Lock()
        self.answers: list[tuple[str, int]] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.netloc != self.netloc:
            return self.http.handle_request(request)
        port = self.ports[next(self.turns) % 2]
        if port == self.failed:
            port = self.other_than(port)
        try:
            answer = self.ask(port, request)
        except httpx2.ConnectError:
            answer = self.ask(self.other_than(port), request)
        except httpx2.TransportError:
            self.failed = port
            raise
        self.answers.append((request.url.path, answer.status_code))
        return answer

    def other_than(self, port: int) -> int:
        return next(each for each in self.ports if each != port)

    def ask(self, port: int, request: httpx2.Request) -> httpx2.Response:
        forwarded = httpx2.Request(
            request.method,
            request.url.copy_with(port=port),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        with self.counted(port):
            answer = self.http.handle_request(forwarded)
            answer.read()  # the worker may die in the middle of it, too
        return answer

    @contextmanager
    def counted(self, port: int) -> Iterator[None]:
        """`under_way` has how many requests each worker is at."""
        with self.lock:
            self.under_way[port] += 1
        try:
            yield
        finally:
            with self.lock:
                self.under_way[port] -= 1


class OnceMore(httpx2.BaseTransport):
    """A request whose answer was lost is sent again; `lost` has which."""

    def __init__(self, balancer: Balancer, lost: list[str]) -> None:
        self.balancer = balancer
        self.lost = lost

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return self.balancer.handle_request(request)
        except httpx2.TransportError:
            self.lost.append(f"{request.method} {request.url.path}")
            return self.balancer.handle_request(request)


class StartAgain(Exception):
    """The page told the person to connect again."""


class Person(Robot):
    def __init__(self, email: str, transport: httpx2.BaseTransport) -> None:
        super().__init__(email)
        self.http.close()
        self.http = httpx2.Client(transport=transport, timeout=60)

    def answer(self, page: httpx2.Response) -> httpx2.Response:
        if page.status_code == 400 and "connect again" in page.text:
            raise StartAgain
        return super().answer(page)


@dataclass
class SignIn:
    """What happened to one; `started_again` says why, each time."""

    lost: list[str] = field(default_factory=list)
    started_again: list[str] = field(default_factory=list)
    access_token: str = ""
    tools: int = 0


@dataclass
class TwoWorkers:
    """Each a process with a port of its own; what they are called is the balancer's `url`."""

    url: str
    balancer: Balancer
    sandbox: Sandbox
    environment: dict[str, str]
    log: BinaryIO
    stack: ExitStack
    processes: dict[int, Popen[bytes]] = field(default_factory=dict)

    def start(self, *numbers: int) -> None:
        ports = self.balancer.ports
        for number in numbers:
            worker = serving(ports[number], 1, self.environment, self.log)
            self.processes[number] = self.stack.enter_context(worker)
        for number in numbers:
            wait_until_answers(f"http://127.0.0.1:{ports[number]}/readyz", self.processes[number])
        self.balancer.failed = None

    def kill(self, number: int) -> None:
        os.kill(self.processes[number].pid, signal.SIGKILL)
        self.processes[number].wait()

    def client(self, http: httpx2.Client) -> OAuthClient:
        return OAuthClient(self.url, resource=f"{self.url}/mcp", http=http)

    def query(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.environment["DATABASE_URL"]) as connection:
            return connection.execute(statement.encode(), parameters).fetchall()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoWorkers]:
    url = f"http://127.0.0.1:{free_port()}"
    balancer = Balancer(url, [free_port(), free_port()])
    log = tmp_path_factory.mktemp("two-workers") / "server.log"
    with ExitStack() as stack:
        stack.callback(balancer.http.close)
        database_url = stack.enter_context(empty_database(postgresql_url()))
        sandbox, environment = stack.enter_context(prepared(url, database_url, **SETTINGS))
        output = stack.enter_context(log.open("wb"))
        deployment = TwoWorkers(url, balancer, sandbox, environment, output, stack)
        deployment.start(0, 1)
        yield deployment


# Killed at a third of the way ------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_two_hundred_sign_ins_outlive_a_worker(deployment):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sign_ins = [pool.submit(sign_in, deployment, number) for number in range(SIGN_INS)]
        replace_a_worker_after(SIGN_INS // 3, sign_ins, deployment)
    done = [each.result() for each in sign_ins]
    assert [each.tools for each in done] == [SHIPPED] * SIGN_INS
    assert 0 < sum(len(each.lost) for each in done) <= AT_ONCE
    failures = {answer for answer in deployment.balancer.answers if answer[1] >= 500}
    assert failures <= {("/token", 503)}
    assert_only_these_have_keys(deployment, done)


def sign_in(deployment: TwoWorkers, number: int) -> SignIn:
    """From an unknown client to a list of tools; only a lost answer excuses starting again."""
    done = SignIn()
    transport = OnceMore(deployment.balancer, done.lost)
    # Max has to choose an organization, which is one more step to die in.
    person = Person([fixtures.ANA_EMAIL, fixtures.MAX_EMAIL][number % 2], transport)
    with httpx2.Client(transport=transport, base_url=deployment.url, timeout=60) as http:
        client = deployment.client(http)
        assert client.register(client_name=f"Assistant {number}").status_code == 201
        while problem := authorize(client, person):
            done.started_again.append(problem)
            assert len(done.started_again) <= len(done.lost), done
        done.access_token = client.tokens["access_token"]
        done.tools = len(McpClient(http, done.access_token).tool_names())
    person.close()
    return done


def authorize(client: OAuthClient, person: Person) -> str:
    """Why to start again; "" when the client has its tokens."""
    try:
        code = client.obtain_code(person)
    except StartAgain:
        return "the page says so"
    answer = client.redeem(code)
    return "" if answer.status_code == 200 else str(answer.json()["error"])


def replace_a_worker_after(
    count: int, sign_ins: list["Future[SignIn]"], deployment: TwoWorkers
) -> None:
    """Killed while it is busy, or nothing would be lost."""
    for _ in itertools.islice(as_completed(sign_ins), count):
        pass
    balancer = deployment.balancer
    while balancer.under_way[balancer.ports[0]] < AT_ONCE // 5:
        assert not all(each.done() for each in sign_ins)
    deployment.kill(0)
    deployment.start(0)


# Killed at the worst moments -------------------------------------------------------------------


@pytest.mark.parametrize("table", ["enduserapikey", "accesstoken"])
def test_a_worker_killed_with_a_new_key_in_its_hands_leaves_none_behind(deployment, table):
    """Just before it writes down which key it got, and just before it stores the pair."""
    deployment.sandbox.reset()
    person = Person(fixtures.ANA_EMAIL, deployment.balancer)
    with httpx2.Client(transport=deployment.balancer, timeout=60) as http:
        client = deployment.client(http)
        code = client.obtain_code(person)
        kill_where_it_writes(table, deployment, client, code)
        assert client.redeem(code).status_code == 503
        let_time_pass(deployment)
        assert client.redeem(code).status_code == 200
    person.close()
    deployment.start(0)
    assert len(creations(deployment)) == 2
    done = SignIn(access_token=client.tokens["access_token"])
    assert_only_these_have_keys(deployment, [done])


def kill_where_it_writes(
    table: str, deployment: TwoWorkers, client: OAuthClient, code: str
) -> None:
    """PropelAuth answers once the table is locked; the worker waits for the table, and dies."""
    doomed = replace(client, issuer=f"http://127.0.0.1:{deployment.balancer.ports[0]}")
    deployment.sandbox.fault("propelauth", KEYS, "hang")
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(deployment.environment["DATABASE_URL"]) as connection,
    ):
        redemption = pool.submit(doomed.redeem, code)
        while not creations(deployment):
            assert not redemption.done()
        connection.execute(f"LOCK TABLE oauth_bridge_{table} IN SHARE MODE".encode())
        deployment.sandbox.clear_faults()
        while not (waiting := deployment.query(WAITING_FOR_A_LOCK)):
            assert not redemption.done()
        deployment.kill(0)
        # Else PostgreSQL would still do what the dead worker had asked for.
        deployment.query("SELECT pg_terminate_backend(%s)", *waiting[0])
        with pytest.raises(httpx2.TransportError):
            redemption.result()


WAITING_FOR_A_LOCK = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


# Raced ----------------------------------------------------------------------------------------


def test_of_twelve_redemptions_racing_over_two_workers_one_mints_a_key(deployment):
    deployment.sandbox.reset()
    person = Person(fixtures.ANA_EMAIL, deployment.balancer)
    with httpx2.Client(transport=deployment.balancer, timeout=60) as http:
        client = deployment.client(http)
        code = client.obtain_code(person)
        # Long enough for the other eleven to arrive meanwhile.
        deployment.sandbox.fault("propelauth", KEYS, "delay", delay_seconds=0.5)
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: client.redeem(code), range(12)))
    person.close()
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 11
    assert len(creations(deployment)) == 1


def creations(deployment: TwoWorkers) -> list[dict[str, Any]]:
    received = deployment.sandbox.requests("propelauth")
    return [each for each in received if (each["method"], each["path"]) == ("POST", KEYS)]


# Afterwards -----------------------------------------------------------------------------------


def assert_only_these_have_keys(deployment: TwoWorkers, done: list[SignIn]) -> None:
    """Once all that was due is done, PropelAuth has the keys people hold, and no other."""
    let_time_pass(deployment)
    run_manage(deployment.environment, "run_due")
    strays = run_manage(deployment.environment, "reconcile_api_keys")
    assert strays == "0 strays, 0 deleted\n"
    upstream = sorted(key["api_key_id"] for key in deployment.sandbox.api_keys())
    assert upstream == keys_behind(deployment, done)
    assert len(upstream) == len(done)


def let_time_pass(deployment: TwoWorkers) -> None:
    """An hour, for whatever waits for its moment."""
    for table, column in [
        ("grant", "claimed_at"),
        ("enduserapikey", "created"),
        ("upstreamdeletion", "not_before"),
        ("upstreamdeletion", "leased_until"),
    ]:
        past = f"{column} = {column} - interval '1 hour'"
        deployment.query(f"UPDATE oauth_bridge_{table} SET {past} RETURNING id")


def keys_behind(deployment: TwoWorkers, done: list[SignIn]) -> list[str]:
    checksums = [hashlib.sha256(each.access_token.encode()).hexdigest() for each in done]
    rows = deployment.query(
        """
        SELECT api_key.api_key_id
        FROM oauth_bridge_accesstoken token
        JOIN oauth_bridge_enduserapikey api_key ON api_key.id = token.api_key_id
        WHERE api_key.revoked_at IS NULL AND token.token_checksum = ANY(%s)
        """,
        checksums,
    )
    return sorted(row[0] for row in rows)
