"""What do idle SSE streams cost one worker? `python -m benchmarks.idle_streams [--streams 2000]`

Each has a credential of its own, an access token or (`--keys`) an API key that its user brought; it
says hello, lists the tools, and then waits. Measured from outside: the memory of the server's
process before and after, the processor time of opening them and of an idle half minute, how long
200 other clients wait for their calls before and while those are open, and how long a stream stays
open that may not while all the others wait. On PostgreSQL: POSTGRESQL_URL's, else a private one.
"""

import argparse
import asyncio
import json
import os
import platform
import time
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import dj_database_url
import django
import httpx2
import psycopg
from django.conf import settings
from django.db import connections

from benchmarks.call_log import processor_seconds
from benchmarks.database_server import postgresql

if TYPE_CHECKING:
    from tests.e2e.deployment import Deployment

WARM_UP = 50
# Each active client makes so many calls a second, at moments of its own: people and their agents.
CALLS_PER_SECOND = 0.2
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "idle", "version": "1"},
}


@dataclass
class IdleClient:
    """One stream, read only as far as its answers."""

    http: httpx2.AsyncClient
    key: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    path: str = ""

    @classmethod
    async def open(cls, http: httpx2.AsyncClient, key: str) -> "IdleClient":
        address = urlsplit(str(http.base_url))
        reader, writer = await asyncio.open_connection(
            address.hostname, address.port, limit=1024 * 1024
        )
        head = f"GET /sse HTTP/1.1\r\nHost: {address.netloc}\r\nConnection: close\r\n"
        writer.write(f"{head}X-API-Key: {key}\r\n\r\n".encode())
        client = cls(http, key, reader, writer)
        client.path = await client.next_data()
        await client.ask("initialize", HELLO)
        await client.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        await client.ask("tools/list", {})
        return client

    async def next_data(self) -> str:
        while not (line := await self.reader.readline()).startswith(b"data: "):
            assert line, "the stream has ended"
        return line.decode().removeprefix("data: ").strip()

    async def post(self, message: dict[str, Any]) -> None:
        headers = {"X-API-Key": self.key}
        answer = await self.http.post(self.path, json=message, headers=headers)
        assert answer.status_code == 202, answer.text

    async def ask(self, method: str, params: dict[str, Any]) -> None:
        await self.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        assert "result" in json.loads(await self.next_data())

    async def read_to_the_end(self) -> None:
        while await self.reader.read(65536):
            pass


def memory_kb(pid: int) -> int:
    """What the process has for itself, and its share of what it shares."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


def make_keys(deployment: "Deployment", number: int) -> list[str]:
    from sandbox import fixtures

    owner = {"user_id": fixtures.ANA, "org_id": fixtures.ACME}
    made = (
        deployment.sandbox.backend(
            "POST", "/end_user_api_keys", fixtures.BACKEND_API_KEY, json=owner
        )
        for _ in range(number)
    )
    return [answer.raise_for_status().json()["api_key_token"] for answer in made]


def make_tokens(deployment: "Deployment", number: int) -> list[str]:
    """As if so many people had signed in; each for one client of theirs."""
    from django.utils import timezone

    from oauth_bridge.models import AccessToken, Application, EndUserApiKey, TokenKind, User

    application = Application.objects.create(
        name="idle", client_type="public", authorization_grant_type="authorization-code"
    )
    later = timezone.now() + timedelta(days=1)
    ids = [uuid4() for _ in range(number)]
    users = User.objects.bulk_create(User(username=str(i), propelauth_user_id=i) for i in ids)
    keys = EndUserApiKey.objects.bulk_create(
        EndUserApiKey(user=user, organization_id="idle", expires=later) for user in users
    )
    tokens = [token_hex(48) for _ in ids]
    AccessToken.objects.bulk_create(
        AccessToken(
            user=key.user,
            application=application,
            api_key=key,
            token=token,
            kind=TokenKind.API_KEY,
            token_family=uuid4(),
            organization_id=key.organization_id,
            scope="wiv:read",
            resource=[f"{deployment.url}/sse"],
            expires=later,
        )
        for key, token in zip(keys, tokens, strict=True)
    )
    return tokens


def shut_out(database_url: str, credential: str) -> None:
    """Whichever of the two it is."""
    checksum = sha256(credential.encode()).hexdigest()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO oauth_bridge_denial (kind, value, reason, created)"
            " VALUES ('api_key', %s, 'benchmark', now())",
            [checksum],
        )
        connection.execute(
            "UPDATE oauth_bridge_user SET is_active = false WHERE id IN"
            " (SELECT user_id FROM oauth_bridge_accesstoken WHERE token_checksum = %s)",
            [checksum],
        )


async def latency(clients: list[IdleClient], seconds: float) -> float:
    """The 95th percentile from POST to the answer on the stream, in ms."""
    took = []

    async def work(number: int, client: IdleClient) -> None:
        await asyncio.sleep(number / len(clients) / CALLS_PER_SECOND)
        for _ in range(round(seconds * CALLS_PER_SECOND)):
            began = time.perf_counter()
            await client.ask("tools/call", {"name": "wiv_list_workflows", "arguments": {}})
            took.append(time.perf_counter() - began)
            await asyncio.sleep(max(0, 1 / CALLS_PER_SECOND - took[-1]))

    async with asyncio.TaskGroup() as group:
        for number, client in enumerate(clients):
            group.create_task(work(number, client))
    return quantiles(took, n=20)[-1] * 1000


async def measure(
    deployment: "Deployment", credentials: list[str], active_keys: list[str], seconds: float
) -> dict[str, float]:
    pid, streams = deployment.process.pid, len(credentials) - WARM_UP
    limits = httpx2.Limits(max_connections=None, keepalive_expiry=60)
    async with httpx2.AsyncClient(base_url=deployment.url, timeout=60, limits=limits) as http:
        active = [await IdleClient.open(http, key) for key in active_keys]
        await latency(active, 10)
        alone = await latency(active, seconds)
        clients = [await IdleClient.open(http, key) for key in credentials[:WARM_UP]]
        await asyncio.sleep(2)
        memory, used = memory_kb(pid), processor_seconds(pid)
        clients += [await IdleClient.open(http, key) for key in credentials[WARM_UP:]]
        opened = processor_seconds(pid) - used
        await asyncio.sleep(5)
        memory, used = memory_kb(pid) - memory, processor_seconds(pid)
        await asyncio.sleep(seconds)
        idle = processor_seconds(pid) - used
        beside = await latency(active, seconds)
        began = time.perf_counter()
        shut_out(deployment.environment["DATABASE_URL"], credentials[-1])
        await clients[-1].read_to_the_end()
        ended = time.perf_counter() - began
        for client in clients + active:
            client.writer.close()
    return {
        "memory of a stream, KB": memory / streams,
        "memory of all, MB": memory / 1024,
        "opening one, with hello and tools/list, ms of processor time": opened / streams * 1000,
        "all of them idle, share of a core in %": idle / seconds * 100,
        f"p95 of a call by {len(active)} active clients, no others there, ms": alone,
        f"p95 of a call by {len(active)} active clients, beside the idle, ms": beside,
        "until the stream of one that is shut out ends, s": ended,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=2000)
    parser.add_argument("--active", type=int, default=200)
    parser.add_argument("--keys", action="store_true", help="brought API keys, no access tokens")
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ.update({"SECRET_KEY": "x" * 60, "ENCRYPTION_KEYS": "A" * 43 + "="})
    from tests.e2e.deployment import deployed, empty_database

    streams = str(WARM_UP + options.streams + options.active)
    limits = {
        "SSE_STREAMS_PER_USER": streams,
        "SSE_STREAMS_PER_WORKER": streams,
        "SSE_STREAM_LIFETIME": "0",
    }
    with (
        postgresql() as server,
        empty_database(server) as database,
        TemporaryDirectory() as folder,
        deployed(Path(folder), database, workers=1, **limits) as deployment,
    ):
        settings.DATABASES["default"] = dj_database_url.parse(database)
        django.setup()
        make = make_keys if options.keys else make_tokens
        credentials = make(deployment, WARM_UP + options.streams)
        # Wiv knows only keys that are real.
        active = make_keys(deployment, options.active)
        connections.close_all()
        measured = asyncio.run(measure(deployment, credentials, active, options.seconds))
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    kind = "API keys" if options.keys else "access tokens"
    print(f"{options.streams} streams with {kind} on one worker, {options.seconds:g} s idle\n")
    for what, figure in measured.items():
        print(f"{what:64}{figure:8.1f}")


if __name__ == "__main__":
    main()
