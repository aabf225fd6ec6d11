"""What do ten million calls cost the admin? `python -m benchmarks.dashboard [--rows 10000000]`

A server of its own with that many rows in its call log, and one with 10,000, asked in turns over
HTTP. Both on PostgreSQL: POSTGRESQL_URL's, else a private one. Ten million rows need 10 GB of disk,
and eight minutes to be made on two cores.
"""

import argparse
import contextlib
import os
import platform
import statistics
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import httpx2
import psycopg
from psycopg import sql

from benchmarks.catalog_size import PASSWORD, Subject
from benchmarks.database_server import postgresql

ROOT = Path(__file__).resolve().parent.parent

SMALL = 10_000
LOG = "/admin/mcp_gateway/calllogentry/"
TABLE = "mcp_gateway_calllogentry"
ADMINISTRATOR = f"""
from django.contrib.auth import get_user_model
get_user_model().objects.create_superuser("admin", "admin@example.test", "{PASSWORD}")
"""

# Sessions of twenty calls within half an hour, over 90 days. Few people and tools make most of the
# calls; there are 25 people in an organization, and a third of all come by one shared client.
FILL = [
    "SELECT setseed(0.5)",
    """
    CREATE TEMP TABLE session AS
    SELECT now() - random() * interval '90 days' AS began,
        floor(power(random(), 2) * {people})::int AS person
    FROM generate_series(1, {sessions})
    """,
    """
    INSERT INTO mcp_gateway_calllogentry (
        kind, call_id, at, organization_id, subject, role, credential_kind, client_id, client_name,
        client_version, path, tool, catalog_version, writes, arguments, outcome, problem,
        upstream_status, sent, duration_ms, answer_bytes, tokens, sequence, previous_hash, hash
    )
    SELECT 'call', gen_random_uuid(), at, 'organization-' || person / 25, 'user-' || person,
        'Member', 'access_token',
        CASE person % 3 WHEN 0 THEN 'shared' ELSE 'client-' || person % 3 || '-' || person / 25 END,
        'Claude', 'claude-code 2.1', '/mcp', 'tool_' || floor(power(t, 2) * 26)::int, null, false,
        '{{"limit":50,"status":"failed"}}',
        CASE WHEN o < 0.93 THEN 'ok' WHEN o < 0.96 THEN 'failed' WHEN o < 0.985 THEN 'refused'
            WHEN o < 0.99 THEN 'unknown' ELSE 'cancelled' END,
        '', 200, 1, exp(4.6 + t * 1.5 + spread * 1.2)::int, 2000 + (8000 * t)::int,
        500 + (2000 * t)::int, row_number() OVER (), repeat('0', 64), repeat('0', 64)
    FROM (
        SELECT began + random() * interval '30 minutes' AS at, person, random() AS t,
            random() + random() + random() - 1.5 AS spread, random() AS o
        FROM session CROSS JOIN generate_series(1, 20) ORDER BY 1
    ) AS calls
    """,
    """
    INSERT INTO mcp_gateway_callchain
    SELECT DISTINCT organization_id, 1, repeat('0', 64), 1, repeat('0', 64)
    FROM mcp_gateway_calllogentry
    """,
]
# As call_log/counts.py adds them up; `{columns}` are those of its latencies.
COUNT = """
    INSERT INTO mcp_gateway_callcount (
        span, start, organization_id, by, value, calls, refused, failed, unknown, cancelled,
        answer_bytes, tokens, {columns}
    )
    SELECT {span}, date_trunc({span}, at, 'UTC'), organization_id, {by}, {value},
        count(*), count(*) FILTER (WHERE outcome = 'refused'),
        count(*) FILTER (WHERE outcome = 'failed'), count(*) FILTER (WHERE outcome = 'unknown'),
        count(*) FILTER (WHERE outcome = 'cancelled'), sum(answer_bytes), sum(tokens), {latencies}
    FROM (
        SELECT *, CASE WHEN outcome = 'refused' THEN -1 ELSE
            least(44, ceil(ln(greatest(duration_ms, 8) / 8::float) / ln(1.25::float)))
            END AS bucket
        FROM mcp_gateway_calllogentry
        WHERE at >= now() - {kept}::interval OFFSET 0
    ) AS calls
    GROUP BY 1, 2, 3, 4, 5
"""
LATENCY = "count(*) FILTER (WHERE bucket = {})"
SPANS = {"hour": "8 days", "day": "400 days"}
DIMENSIONS = {"": "''", "tool": "tool", "client_id": "client_id", "subject": "subject"}
BUCKETS = range(45)


def pages(call_id: str) -> dict[str, str]:
    now = datetime.now(UTC)
    week = {
        "at__gte": (now - timedelta(days=14)).isoformat(),
        "at__lt": (now - timedelta(days=7)).isoformat(),
    }
    return {
        "dashboard, 24 hours": "/admin/?period=24h",
        "dashboard, 30 days": "/admin/?period=30d",
        "dashboard, 90 days": "/admin/?period=90d",
        "30 days of one organization": "/admin/?period=30d&organization=organization-0",
        "log": log(),
        "a tool's week": log(tool__exact="tool_20", **week),
        "a tool's week, second page": log(tool__exact="tool_20", p="2", **week),
        "an organization's errors": log(organization_id__exact="organization-0", outcome="errors"),
        "a user": log(subject__exact="user-20"),
        "errors": log(outcome="errors"),
        "errors, second page": log(outcome="errors", p="2"),
        "search: a request id": log(q=call_id),
        "search: a user": log(q="user-20"),
        "search: a tool": log(q="tool_1"),
        "search: nothing": log(q="nobody"),
    }


def log(**query: str) -> str:
    return f"{LOG}?{urlencode(query)}"


def fill(database: str, rows: int) -> str:
    """A request id that is there. Indexes are built afterwards, which takes a fifth of the time."""
    with psycopg.connect(database, autocommit=True) as connection:
        for setting in ("work_mem", "maintenance_work_mem"):
            connection.execute(f"SET {setting} = '1GB'")
        with without_indexes(connection):
            for statement in FILL:
                parts = {"people": max(25, rows // 2000), "sessions": rows // 20}
                connection.execute(statement.format(**parts))
        count(connection)
        connection.execute("VACUUM ANALYZE")
        found = connection.execute(f"SELECT call_id FROM {TABLE} OFFSET {rows // 2} LIMIT 1")
        row = found.fetchone()
        assert row is not None
        return str(row[0])


@contextlib.contextmanager
def without_indexes(connection: psycopg.Connection) -> Iterator[None]:
    find = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s"
    indexes = connection.execute(find, [TABLE]).fetchall()
    for name, _ in indexes:
        connection.execute(f'ALTER TABLE {TABLE} DROP CONSTRAINT IF EXISTS "{name}"')
        connection.execute(f'DROP INDEX IF EXISTS "{name}"')
    yield
    for _, definition in indexes:
        connection.execute(definition)


def count(connection: psycopg.Connection) -> None:
    columns = ", ".join(f"latency_{bucket}" for bucket in BUCKETS)
    latencies = ", ".join(LATENCY.format(bucket) for bucket in BUCKETS)
    for span, kept in SPANS.items():
        for by, value in DIMENSIONS.items():
            texts = {"span": sql.Literal(span), "by": sql.Literal(by), "kept": sql.Literal(kept)}
            names = {"value": value, "columns": columns, "latencies": latencies}
            parts = texts | {name: sql.SQL(text) for name, text in names.items()}
            connection.execute(sql.SQL(COUNT).format(**parts))


@contextlib.contextmanager
def subject(rows: int, server: str, folder: Path) -> Iterator[tuple[Subject, dict[str, str]]]:
    from tests.e2e.deployment import deployed, empty_database

    os.environ.update({"SECRET_KEY": "x" * 60, "ENCRYPTION_KEYS": "A" * 43 + "="})
    with (
        empty_database(server) as database,
        deployed(folder, database) as deployment,
        httpx2.Client(timeout=120) as http,
    ):
        asked = pages(fill(database, rows))
        deployment.manage("shell", "-c", ADMINISTRATOR)
        administrator = Subject(rows, deployment.url, "", http)
        administrator.sign_in()
        yield administrator, asked


def ask(asked: Subject, path: str) -> int:
    page = asked.http.get(asked.url + path).raise_for_status()
    assert "board-title" in page.text or "changelist" in page.text, path
    return len(page.content)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    with postgresql() as server, TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        subjects = []
        for rows in (SMALL, options.rows):
            own = Path(folder) / str(rows)
            own.mkdir()
            subjects.append(stack.enter_context(subject(rows, server, own)))
        for number in range(options.rounds + 2):
            for administrator, asked in subjects:
                for name, path in asked.items():
                    administrator.measure(name, lambda: ask(administrator, path))  # noqa: B023
            if number == 1:  # the first rounds warm up
                for administrator, _ in subjects:
                    administrator.took.clear()
        report([administrator for administrator, _ in subjects], options.rounds)


def report(subjects: list[Subject], rounds: int) -> None:
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"median of {rounds} rounds, the slowest, and the median's ratio to {SMALL:,} rows\n")
    print(f"{'':30}" + "".join(f"{f'{each.size:,} rows':>32}" for each in subjects))
    for name, took in subjects[0].took.items():
        first = statistics.median(took)
        cells = [cell(each.took[name], first) for each in subjects]
        print(f"{name:30}" + "".join(f"{cell:>32}" for cell in cells))


def cell(took: list[float], first: float) -> str:
    median = statistics.median(took)
    return f"{median * 1000:.0f} ms, {max(took) * 1000:.0f} ms ({median / first:.1f}x)"


if __name__ == "__main__":
    main()
