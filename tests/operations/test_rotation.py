"""Rotating secrets, by the steps of docs/operations.md, while somebody goes on using the server."""

import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx2
import psycopg
import pytest
from psycopg import sql

from oauth_bridge.models import User
from sandbox import fixtures
from tests.e2e.deployment import empty_database
from tests.mcp_gateway.json_rpc import McpClient
from tests.oauth_client import OAuthClient
from tests.operations.runbook import carry_out
from tests.operations.test_backup import Installation, installation
from tests.requirements import postgresql_url
from tests.robot import forms_of, signed_in

CALLS = 5  # of each phase, so that no phase goes by untried


class Caller:
    """Calls a tool again and again; a server that is being replaced is asked again."""

    def __init__(self, installed: Installation, client: OAuthClient) -> None:
        self.answered = 0
        self.failed: list[str] = []
        self._over = threading.Event()
        self._installed, self._client = installed, client
        self._thread = threading.Thread(target=self._call_on, daemon=True)

    def __enter__(self) -> "Caller":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join(60)

    def _call_on(self) -> None:
        while not self._over.wait(0.02):
            try:
                self._installed.spaces(self._client)
            except httpx2.TransportError:
                continue
            except (AssertionError, KeyError, TypeError, ValueError) as error:  # a bad answer
                self.failed.append(repr(error))
            else:
                self.answered += 1

    def goes_on(self) -> None:
        """Until it has called some times more."""
        wanted, deadline = self.answered + CALLS, time.monotonic() + 60
        while self.answered < wanted:
            assert not self.failed, self.failed
            assert time.monotonic() < deadline, "nothing is answered any more"
            time.sleep(0.02)


class Rollout:
    """One copy at a time: `deploy` replaces it."""

    def __init__(self, installed: Installation) -> None:
        self.installed = installed
        self._running = ExitStack()

    def deploy(self, **settings: str) -> None:
        self.end()
        self.installed.environment |= settings
        self._running.enter_context(self.installed.running())

    def end(self) -> None:
        self._running.close()


@contextmanager
def rollout(installed: Installation) -> Iterator[Rollout]:
    made = Rollout(installed)
    try:
        yield made
    finally:
        made.end()


# ENCRYPTION_KEYS ---------------------------------------------------------------------------------


@pytest.mark.timeout(400)
def test_encryption_keys_are_rotated_while_a_client_keeps_calling(tmp_path):
    old = "A" * 43 + "="
    database = f"sqlite:///{tmp_path / 'wivmcp.sqlite3'}"
    with installation(tmp_path, database) as installed, rollout(installed) as copy:
        new = carry_out("a new encryption key", installed.environment).strip()
        copy.deploy(ENCRYPTION_KEYS=old)
        client = installed.sign_in()
        with Caller(installed, client) as caller:
            for keys in (f"{old},{new}", f"{new},{old}"):
                copy.deploy(ENCRYPTION_KEYS=keys)
                caller.goes_on()
            output = carry_out("encrypt with the newest key", installed.environment)
            assert re.search(r"^API keys: [1-9]\d* encrypted", output, re.MULTILINE)
            copy.deploy(ENCRYPTION_KEYS=new)
            caller.goes_on()
        assert caller.failed == []
        assert client.refresh().status_code == 200
        client.http.close()


# SECRET_KEY --------------------------------------------------------------------------------------


def test_a_session_outlives_its_secret_key_by_the_fallback(server, browser, settings):
    robot = browser()
    assert is_signed_in(signed_in(robot, server))
    first = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "second-" + "y" * 50, [first]
    assert is_signed_in(robot.get(f"{server}/connect"))
    # It was signed anew just now, so the fallback may go.
    settings.SECRET_KEY_FALLBACKS = []
    assert is_signed_in(robot.get(f"{server}/connect"))


def test_without_the_fallback_people_sign_in_again(server, browser, settings):
    robot = browser()
    signed_in(robot, server)
    settings.SECRET_KEY = "second-" + "y" * 50
    assert not is_signed_in(robot.get(f"{server}/connect"))


def test_copies_with_either_order_of_the_keys_know_each_others_sessions(server, browser, settings):
    """While a deployment swaps them, people reach now the one, now the other."""
    first, second = settings.SECRET_KEY, "second-" + "y" * 50
    robot = browser()
    signed_in(robot, server)
    for key, fallback in [(second, first), (first, second), (second, first)]:
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = key, [fallback]
        assert is_signed_in(robot.get(f"{server}/connect"))


def test_tokens_dont_depend_on_the_secret_key(client, browser, http, settings):
    token = client.sign_in(browser())["access_token"]
    settings.SECRET_KEY = "second-" + "y" * 50
    assert McpClient(http, token).request("tools/list").status_code == 200
    assert client.refresh().status_code == 200


def is_signed_in(page: httpx2.Response) -> bool:
    assert page.status_code == 200
    return fixtures.ANA_EMAIL in page.text


# Passwords ---------------------------------------------------------------------------------------


def test_a_new_password_of_staff_ends_their_other_sessions(server, browser):
    User.objects.create_superuser("admin", "admin@wiv.test", "correct horse")
    here, elsewhere = browser(), browser()
    for robot in (here, elsewhere):
        [form] = forms_of(robot.get(f"{server}/admin/login/"))
        robot.submit(form, username="admin", password="correct horse")
        assert robot.get(f"{server}/admin/").status_code == 200
    page = here.get(f"{server}/admin/password_change/")
    form = next(form for form in forms_of(page) if "old_password" in form.fields)
    new = {"new_password1": "battery staple", "new_password2": "battery staple"}
    here.submit(form, old_password="correct horse", **new)
    assert here.get(f"{server}/admin/").status_code == 200
    assert elsewhere.get(f"{server}/admin/").status_code == 302


@pytest.fixture
def role() -> Iterator[tuple[str, Callable[[str], None]]]:
    """A role that owns a database of its own: its URL without a password, and what sets that."""
    server, name = postgresql_url(), f"wivmcp_role_{uuid.uuid4().hex[:8]}"
    identifier = sql.Identifier(name)
    with psycopg.connect(server, autocommit=True) as admin:

        def alter(password: str) -> None:
            statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
            admin.execute(statement.format(identifier, sql.Literal(password)))

        admin.execute(sql.SQL("CREATE ROLE {}").format(identifier))
        try:
            with empty_database(server) as database:
                url = httpx2.URL(database)
                owned = sql.SQL("ALTER DATABASE {} OWNER TO {}")
                admin.execute(owned.format(sql.Identifier(url.path[1:]), identifier))
                yield f"postgresql://{name}@{url.host}:{url.port}{url.path}", alter
        finally:
            admin.execute(sql.SQL("DROP ROLE {}").format(identifier))


@pytest.mark.postgresql
@pytest.mark.timeout(400)
def test_the_databases_password_is_changed_while_a_client_keeps_calling(
    tmp_path, role, monkeypatch
):
    url, alter = role
    alter("first")
    monkeypatch.setenv("PGPASSWORD", "first")
    with installation(tmp_path, url) as installed, rollout(installed) as copy:
        copy.deploy()
        client = installed.sign_in()
        with Caller(installed, client) as caller:
            caller.goes_on()
            alter("second")
            caller.goes_on()
            copy.deploy(PGPASSWORD="second")
            caller.goes_on()
        assert caller.failed == []
        client.http.close()
