"""Every test drives real servers over HTTP: wivmcp in a thread of this process, so that a test can
look into its database and move its clock, and the sandbox in a process of its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

import httpx2
import pytest
import uvicorn
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import OperationalError, connection
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker

from connect import sightings
from mcp_gateway import catalog
from mcp_gateway.models import CatalogVersion, Tool
from oauth_bridge import outbox, own_credentials
from oauth_bridge.propelauth import propelauth
from sandbox import fixtures
from tests.oauth_client import OAuthClient
from tests.robot import PLAIN_HTTP, Robot
from tests.settings import SANDBOX_PORT, SERVER_PORT
from tests.stand_ins import Sandbox, running_sandbox, wait_until_answers

SCHEMES = import_module("oauth_bridge.migrations.0002_private_use_schemes")
# Filled by migrations, and never changed by the product.
LASTING_TABLES = {"django_migrations", "django_content_type", "auth_permission"}


def pytest_configure() -> None:
    """Django's own way to empty the database makes all permissions anew, for 80 ms a test."""
    TransactionTestCase._fixture_teardown = lambda self: empty_tables()  # type: ignore[attr-defined]


def empty_tables() -> None:
    """Only those that have rows: emptying one costs PostgreSQL more than asking."""
    quote = connection.ops.quote_name
    probes = (f"SELECT '{each}' WHERE EXISTS (SELECT 1 FROM {quote(each)})" for each in tables())
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(probes))
        filled = [row[0] for row in cursor.fetchall()]
    if filled:
        flush(filled)
    SCHEMES.allow_known_applications(apps, None)


def flush(filled: list[str]) -> None:
    """Again when it deadlocks with the server, where a stream's look-up may still be under way."""
    statements = connection.ops.sql_flush(no_style(), filled, allow_cascade=True)
    for _ in range(5):
        with suppress(OperationalError):
            connection.ops.execute_sql_flush(statements)
            return
    connection.ops.execute_sql_flush(statements)


@cache
def tables() -> list[str]:
    names = connection.introspection.django_table_names(only_existing=True)
    return sorted({*names} - LASTING_TABLES)


@pytest.fixture(scope="session")
def sandbox_process() -> Iterator[Sandbox]:
    with running_sandbox(SANDBOX_PORT, f"{settings.PUBLIC_URL}/oauth/callback") as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def server_thread(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    from wivmcp.asgi import application

    config = uvicorn.Config(
        application,
        port=SERVER_PORT,
        http="wivmcp.connection:Connection",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # as in wivmcp/__main__.py
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    with django_db_blocker.unblock():
        thread.start()
        wait_until_answers(f"{settings.PUBLIC_URL}/healthz")
        yield
        server.should_exit = True
        thread.join(15)
        propelauth().close()


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Sandbox:
    sandbox_process.reset()
    return sandbox_process


@pytest.fixture
def server(
    transactional_db: None,
    server_thread: None,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """The URL of a wivmcp with a fresh database and catalog, and a fresh sandbox behind it.

    It asks for the catalog's version at each request, and writes down at once what was seen of an
    attempt to connect, so that no test waits for time to pass.
    """
    monkeypatch.setattr(catalog, "LIFETIME", 0.0)
    monkeypatch.setattr(sightings, "BATCH_SECONDS", 0.0)
    fill_catalog()
    own_credentials.verdicts.clear()
    yield settings.PUBLIC_URL
    outbox.deliver_soon().result(timeout=30)
    sightings.recorder.drain()
    drain_call_log()


def drain_call_log() -> None:
    """Calls that ended are in the log when this returns."""
    from wivmcp.asgi import gateway

    assert gateway.run is not None
    gateway.run.call_log.drain()


def fill_catalog() -> None:
    """As `sync_tools` does it, which takes 65 ms; `bulk_create` skips what `save` does."""
    Tool.objects.bulk_create(shipped_tools())
    CatalogVersion.change()


@cache
def shipped_tools() -> list[Tool]:
    call_command("sync_tools", verbosity=0)
    tools = list(Tool.objects.all())
    Tool.objects.all().delete()
    return tools


@pytest.fixture
def http(server: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server, verify=PLAIN_HTTP, timeout=30) as client:
        yield client


@pytest.fixture
def browser() -> Iterator[Callable[..., Robot]]:
    robots: list[Robot] = []

    def open_browser(email: str = fixtures.ANA_EMAIL, organization: str = "") -> Robot:
        robots.append(Robot(email, organization=organization))
        return robots[-1]

    yield open_browser
    for robot in robots:
        robot.close()


@pytest.fixture
def new_client(server: str) -> Iterator[Callable[..., OAuthClient]]:
    clients: list[OAuthClient] = []

    def make_client(**fields: Any) -> OAuthClient:
        clients.append(OAuthClient(server, **{"resource": f"{server}/mcp", **fields}))
        return clients[-1]

    yield make_client
    for made in clients:
        made.http.close()


@pytest.fixture
def client(new_client: Callable[..., OAuthClient]) -> OAuthClient:
    """A public client for /mcp, not yet registered."""
    return new_client()


@pytest.fixture
def make_key(sandbox: Sandbox) -> Callable[..., str]:
    """A Wiv API key as its owner would make it in Wiv's own settings."""

    def make(user_id: str | None = fixtures.ANA, org_id: str | None = fixtures.ACME) -> str:
        body = {"user_id": user_id, "org_id": org_id}
        present = {name: value for name, value in body.items() if value is not None}
        answer = sandbox.backend(
            "POST", "/end_user_api_keys", fixtures.BACKEND_API_KEY, json=present
        )
        return str(answer.raise_for_status().json()["api_key_token"])

    return make
