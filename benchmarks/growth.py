"""What does a request cost as the work grows? `python -m benchmarks.growth [QUESTION ...]`

One worker of the gateway on PostgreSQL for each size, asked in turns, round after round; the figure
to compare is the CPU time of its processes, as a multiple of the first size's in the same round.
The load and the upstream aren't counted. Linux only.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import uvloop

from benchmarks.catalog_size import GROW
from benchmarks.database_server import postgresql
from benchmarks.peers import load, subjects
from benchmarks.peers.machine import OtherWork, description
from benchmarks.peers.results import Sample
from benchmarks.peers.subjects import POSTGRESQL, Site, Subject
from benchmarks.peers.upstream import ROWS
from benchmarks.peers.work import CALL, LIST, MODERN, Work

WARM_UP = 2
# Some of these ask with many connections for one person.
NO_LIMITS = {"CONCURRENT_REQUESTS": "0", "TOOLS_PER_PAGE": "2000"}
Environment = dict[str, str]


@dataclass(frozen=True, slots=True)
class Size:
    """`fill` puts it into the database; `meanwhile` happens again and again under load."""

    name: str
    workers: int = 1
    connections: int = 16
    rows: int = ROWS
    fill: Callable[[Environment], None] = lambda environment: None
    meanwhile: Callable[[Environment], None] | None = None


@dataclass(frozen=True, slots=True)
class Question:
    method: str
    sizes: Sequence[Size]


def more_tools(number: int, environment: Environment) -> None:
    from tests.e2e.deployment import run_manage

    run_manage(environment, "shell", "-c", GROW.format(size=number, password="benchmark only"))


def more_tokens(number: int, environment: Environment) -> None:
    """Of one person for one client."""
    from tests.e2e.deployment import run_manage

    run_manage(environment, "shell", "-c", ONE_TOKEN)
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(COPIES_OF_IT, [number])
        connection.execute("ANALYZE oauth_bridge_accesstoken")


def change_catalog(environment: Environment) -> None:
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("UPDATE mcp_gateway_catalogversion SET token = gen_random_uuid()")


# Run by `manage.py shell`.
ONE_TOKEN = """
from datetime import timedelta
from uuid import uuid4
from django.utils import timezone
from oauth_bridge.models import AccessToken, Application, EndUserApiKey, TokenKind, User
later = timezone.now() + timedelta(days=1)
user = User.objects.create(username=str(uuid4()), propelauth_user_id=uuid4())
client = Application.objects.create(
    name="other", client_type="public", authorization_grant_type="authorization-code"
)
key = EndUserApiKey.objects.create(user=user, organization_id="other", expires=later)
AccessToken.objects.create(
    user=user, application=client, api_key=key, token="other", kind=TokenKind.API_KEY,
    token_family=uuid4(), organization_id="other", scope="wiv:read", expires=later,
    resource=["https://other.example.test/mcp"],
)
"""
COPIES_OF_IT = """
    INSERT INTO oauth_bridge_accesstoken (token, token_checksum, user_id, application_id,
        api_key_id, kind, token_family, organization_id, role, scope, resource, expires, created,
        updated)
    SELECT token || number, encode(sha256((token || number)::bytea), 'hex'), user_id,
        application_id, api_key_id, kind, token_family, organization_id, role, scope, resource,
        expires, created, updated
    FROM oauth_bridge_accesstoken, generate_series(1, %s) AS number
    WHERE token = 'other'
"""

QUESTIONS = {
    "tools": Question(
        CALL, [Size("the shipped tools"), Size("1,000 tools", fill=partial(more_tools, 1000))]
    ),
    "tokens": Question(
        CALL,
        [
            Size("10 tokens", fill=partial(more_tokens, 10)),
            Size("1,000,000 tokens", fill=partial(more_tokens, 1_000_000)),
        ],
    ),
    "workers": Question(CALL, [Size("1 worker"), Size("2 workers", workers=2)]),
    "connections": Question(
        LIST,
        [Size(f"{number:,} connections", connections=number) for number in (1, 16, 200, 1000)],
    ),
    "answers": Question(
        CALL,
        [Size(f"{rows:,} rows", rows=rows) for rows in (3, ROWS, 300, 3000, 13_000)],
    ),
    "changes": Question(
        CALL,
        [
            Size("the catalog stays"),
            Size("it changes twice a second", meanwhile=change_catalog),
        ],
    ),
}


@dataclass(slots=True)
class Measured:
    """One size's server, and what it took round by round."""

    size: Size
    subject: Subject
    environment: Environment
    samples: list[Sample]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("questions", nargs="*", choices=[*QUESTIONS, []], metavar="QUESTION")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2, help="of one load (%(default)s)")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ.update({"SECRET_KEY": "x" * 60, "ENCRYPTION_KEYS": "A" * 43 + "="})
    other_work = OtherWork()
    with postgresql() as server:
        for name in options.questions or QUESTIONS:
            tell(name, answer(QUESTIONS[name], server, options))
    print(f"{description()}; {options.rounds} rounds of {options.seconds:g} s")
    print(f"other processes kept the cores {other_work.share():.0%} busy")


def answer(question: Question, server: str, options: argparse.Namespace) -> list[Measured]:
    work = Work(question.method, MODERN)
    with TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        measured = []
        for number, size in enumerate(question.sizes):
            own = Path(folder) / str(number)
            own.mkdir()
            site = stack.enter_context(subjects.site(own, server, size.rows))
            measured.append(stack.enter_context(prepared(size, site)))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            for number in range(options.rounds + 1):
                for each in measured:
                    seconds = options.seconds * (1 if number else WARM_UP)
                    sample = measure(each, work, runner, seconds)
                    if number:
                        each.samples.append(sample)
    return measured


@contextlib.contextmanager
def prepared(size: Size, site: Site) -> Iterator[Measured]:
    environment: Environment = {}

    def fill(of_server: Environment) -> None:
        environment.update(of_server)
        size.fill(of_server)

    start = subjects.gateway(
        POSTGRESQL, "opaque", site, name=size.name, workers=size.workers, fill=fill, **NO_LIMITS
    )
    with start as subject:
        yield Measured(size, subject, environment, [])


def measure(each: Measured, work: Work, runner: asyncio.Runner, seconds: float) -> Sample:
    subject, size = each.subject, each.size
    expected = runner.run(load.ask_once(subject.url, subject.token, work))
    assert expected.status == 200, expected.body
    before = subject.processes.settled_cpu_seconds()
    with again_and_again(size.meanwhile, each.environment):
        done = runner.run(
            load.run(subject.url, subject.token, work, expected.body, seconds, size.connections)
        )
    used = subject.processes.settled_cpu_seconds() - before
    return Sample.of(done, used, expected.size, subject.processes.memory_bytes())


@contextlib.contextmanager
def again_and_again(
    what: Callable[[Environment], None] | None, environment: Environment
) -> Iterator[None]:
    """Twice a second."""
    if what is None:
        yield
        return
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(0.5):
            what(environment)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def tell(name: str, measured: list[Measured]) -> None:
    print(f"### {name}\n")
    print("| | CPU ms | x | requests/s | p50 ms | p99 ms | bytes | MB | errors |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    first = measured[0].samples
    for each in measured:
        ratios = (a.cpu_ms / b.cpu_ms for a, b in zip(each.samples, first, strict=True))
        cells = [
            each.size.name,
            f"{median(each, 'cpu_ms'):.2f}",
            f"{statistics.median(ratios):.2f}",
            f"{median(each, 'rps'):,.0f}",
            f"{median(each, 'p50_ms'):.1f}",
            f"{median(each, 'p99_ms'):.1f}",
            f"{median(each, 'bytes'):,.0f}",
            f"{median(each, 'memory_mb'):.0f}",
            str(sum(sample.errors for sample in each.samples)),
        ]
        print(f"| {' | '.join(cells)} |")
    print(flush=True)


def median(each: Measured, figure: str) -> float:
    values: list[float] = [getattr(sample, figure) for sample in each.samples]
    return statistics.median(values)


if __name__ == "__main__":
    main()
