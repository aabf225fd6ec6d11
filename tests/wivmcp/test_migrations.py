"""Old and new code run side by side during a release, on the schema of the new one."""

import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from django.db import migrations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import NOT_PROVIDED

from sandbox import fixtures
from tests.e2e.deployment import ROOT, prepared, run_manage
from tests.mcp_gateway.json_rpc import McpClient
from tests.oauth_client import OAuthClient
from tests.requirements import missing
from tests.robot import Robot, form_to
from tests.settings import free_port
from tests.stand_ins import wait_until_answers
from tests.wiv_routes import SHIPPED

OURS = ("oauth_bridge", "mcp_gateway", "connect")
# Old code would miss what these take away.
TAKES_AWAY = (
    migrations.RemoveField,
    migrations.DeleteModel,
    migrations.RenameField,
    migrations.RenameModel,
    migrations.AlterModelTable,
)
# What was written before there was a release that anybody could have run beside it.
BEFORE_THE_FIRST_RELEASE = {
    "oauth_bridge": "0004_roles",
    "mcp_gateway": "0006_longest_call",
    "connect": "0001_attempts",
}


def is_bearable(operation: Operation) -> bool:
    """To code that doesn't know of it: nothing is gone, and rows can be written without it."""
    if isinstance(operation, TAKES_AWAY):
        return False
    if not isinstance(operation, migrations.AddField):
        return True
    field = operation.field
    return field.null or field.many_to_many or field.db_default is not NOT_PROVIDED


def new_operations() -> Iterator[tuple[str, Operation]]:
    loader = MigrationLoader(None)
    for (app, name), migration in loader.disk_migrations.items():
        if app in OURS and name > BEFORE_THE_FIRST_RELEASE[app]:
            for operation in migration.operations:
                yield f"{app}.{name}: {operation.describe()}", operation


def test_new_migrations_take_nothing_from_the_code_before_them():
    described = dict(new_operations())
    assert described
    assert [text for text, operation in described.items() if not is_bearable(operation)] == []


@pytest.mark.parametrize(
    ("operation", "bearable"),
    [
        (migrations.RemoveField("tool", "title"), False),
        (migrations.RenameField("tool", "title", "name"), False),
        (migrations.RunPython(lambda *_: None), True),
    ],
)
def test_the_rule_knows_what_old_code_would_miss(operation, bearable):
    assert is_bearable(operation) == bearable


# The version before ------------------------------------------------------------------------------


def git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    if done.returncode != 0:
        missing(f"git's history (git {arguments[0]}: {done.stderr.decode().strip()[:200]})")
    return done.stdout


def version_before() -> str:
    """The last tag; else the commit before the one with the newest migration."""
    tags = git("tag", "--merged", "HEAD", "--sort=-creatordate").decode().split()
    if tags:
        return tags[0]
    pattern = ":(glob)*/migrations/0*.py"
    if git("status", "--porcelain", "--", pattern).strip():
        return "HEAD"
    newest = git("log", "-1", "--diff-filter=A", "--format=%H", "--", pattern).decode().strip()
    return f"{newest}^"


@pytest.fixture
def old_tree(tmp_path: Path) -> Path:
    archive = git("archive", "--format=tar", version_before())
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(tmp_path / "old", filter="data")
    return tmp_path / "old"


@pytest.mark.timeout(300)
def test_the_version_before_works_on_the_new_schema(old_tree: Path, tmp_path: Path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with prepared(url, f"sqlite:///{tmp_path / 'db.sqlite3'}") as (_, environment):
        environment |= {
            "DJANGO_SUPERUSER_USERNAME": "admin",
            "DJANGO_SUPERUSER_EMAIL": "admin@wiv.test",
            "DJANGO_SUPERUSER_PASSWORD": "correct horse",
        }
        run_manage(environment, "createsuperuser", "--noinput")
        with old_server(old_tree, port, environment) as process:
            wait_until_answers(f"{url}/readyz", process, 120)
            use(url)
            look_at_admin(url)


@contextmanager
def old_server(
    tree: Path, port: int, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "uvicorn", "wivmcp.asgi:application", "--lifespan", "on"]
    process = subprocess.Popen([*command, "--port", str(port)], cwd=tree, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def use(url: str) -> None:
    """Sign in, list, read, write, refresh."""
    robot = Robot(fixtures.ANA_EMAIL)
    client = OAuthClient(url, resource=f"{url}/mcp")
    with httpx2.Client(base_url=url, timeout=60) as http:
        client.sign_in(robot)
        mcp = McpClient(http, client.tokens["access_token"])
        assert len(mcp.tool_names()) == SHIPPED
        assert not mcp.call("wiv_list_workflows").get("isError")
        written = mcp.call(
            "wiv_start_execution", workflow_id=fixtures.MONTHLY_REPORT, trigger_event={"n": 1}
        )
        assert not written.get("isError")
        assert client.refresh().status_code == 200
        refreshed = McpClient(http, client.tokens["access_token"])
        assert len(refreshed.tool_names()) == SHIPPED
    robot.close()
    client.http.close()


def look_at_admin(url: str) -> None:
    tools = f"{url}/admin/mcp_gateway/tool/"
    robot = Robot()
    login = robot.follow(robot.get(tools), stop_at="nowhere")
    form = form_to(login, "/admin/mcp_gateway/tool/")
    robot.submit(form, username="admin", password="correct horse")
    page = robot.get(tools)
    assert page.status_code == 200
    assert "wiv_list_workflows" in page.text
    robot.close()
