"""Backup and restore, by the commands of docs/operations.md."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from oauth_bridge.minting import OPAQUE_PREFIX
from sandbox import fixtures
from tests.e2e.deployment import empty_database, prepared, serving
from tests.mcp_gateway.json_rpc import McpClient
from tests.oauth_client import OAuthClient
from tests.operations.runbook import carry_out
from tests.requirements import postgresql_url
from tests.robot import Robot
from tests.settings import free_port
from tests.stand_ins import wait_until_answers

AFTER = "after a restore"


@dataclass
class Installation:
    folder: Path
    port: int
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        with (
            (self.folder / "server.log").open("ab") as log,
            serving(self.port, 1, self.environment, log) as process,
        ):
            wait_until_answers(f"{self.url}/readyz", process)
            yield process

    def sign_in(self) -> OAuthClient:
        client, robot = OAuthClient(self.url, resource=f"{self.url}/mcp"), Robot(fixtures.ANA_EMAIL)
        client.sign_in(robot)
        robot.close()
        return client

    def spaces(self, client: OAuthClient) -> int:
        """How many a tool call answers."""
        with httpx2.Client(base_url=self.url, timeout=60) as http:
            mcp = McpClient(http, client.tokens["access_token"])
            return int(mcp.call("wiv_list_spaces")["structuredContent"]["total"])

    def status_for(self, client: OAuthClient) -> int:
        with httpx2.Client(base_url=self.url, timeout=60) as http:
            mcp = McpClient(http, client.tokens["access_token"])
            return mcp.request("tools/list").status_code


@contextmanager
def installation(folder: Path, database_url: str) -> Iterator[Installation]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with prepared(url, database_url, ACCESS_TOKEN_KIND="opaque") as (_, environment):
        backup = {"BACKUP": str(folder / "wivmcp.backup")}
        yield Installation(folder, port, environment | backup)


@pytest.mark.timeout(300)
def test_what_was_backed_up_on_sqlite_works_after_the_restore(tmp_path):
    database = f"sqlite:///{tmp_path / 'wivmcp.sqlite3'}"
    with installation(tmp_path, database) as installed:
        with installed.running():
            early = installed.sign_in()
            carry_out("backup of SQLite", installed.environment, tmp_path)
            late = installed.sign_in()
        carry_out("restore to SQLite", installed.environment, tmp_path)
        is_as_it_was(installed, early, late)


@pytest.mark.postgresql
@pytest.mark.timeout(300)
def test_what_was_backed_up_on_postgresql_works_after_the_restore(tmp_path):
    server = postgresql_url()
    with empty_database(server) as first, installation(tmp_path, first) as installed:
        with installed.running():
            early = installed.sign_in()
            carry_out("backup of PostgreSQL", installed.environment)
            late = installed.sign_in()
        with empty_database(server) as second:
            installed.environment["DATABASE_URL"] = second
            carry_out("restore to PostgreSQL", installed.environment)
            is_as_it_was(installed, early, late)


def is_as_it_was(installed: Installation, early: OAuthClient, late: OAuthClient) -> None:
    """Who signed in after the backup isn't known, and the key made for them is gone."""
    output = carry_out(AFTER, installed.environment)
    assert "1 strays, 1 deleted" in output
    with installed.running():
        assert early.tokens["access_token"].startswith(OPAQUE_PREFIX)
        assert installed.spaces(early) > 0
        assert early.refresh().status_code == 200
        assert installed.spaces(early) > 0
        assert installed.status_for(late) == 401
        assert late.refresh().json()["error"] in ("invalid_grant", "invalid_client")
    for client in (early, late):
        client.http.close()
