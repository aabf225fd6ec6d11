"""PostgreSQL and two workers, one of which dies in the middle of a sign-in."""

import asyncio
import os
import re
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import psycopg
import pytest
from psycopg import sql

from tests.e2e.assistant import connected
from tests.e2e.deployment import Deployment, deployed
from tests.e2e.test_python_sdk import WAYS, call_all
from tests.mcp_gateway.json_rpc import McpClient
from tests.oauth_client import OAuthClient
from tests.requirements import postgresql_url
from tests.robot import Robot, form_to, forms_of, location_of, query_of
from tests.wiv_routes import SHIPPED

T = TypeVar("T")

pytestmark = pytest.mark.postgresql


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    server = postgresql_url()
    name = f"wivmcp_e2e_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield str(httpx2.URL(server).copy_with(path=f"/{name}"))
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="module", params=["api_key", "opaque"])
def deployment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, database_url: str
) -> Iterator[Deployment]:
    directory: Path = tmp_path_factory.mktemp("deployment")
    with deployed(
        directory, database_url, workers=2, ACCESS_TOKEN_KIND=request.param
    ) as deployment:
        deployment.sandbox.reset()
        yield deployment


def kill_worker(deployment: Deployment, number: int) -> None:
    """Once both run: uvicorn takes a moment to replace one that was killed before."""
    deadline = time.monotonic() + 30
    while len(workers := deployment.workers()) < 2:
        assert time.monotonic() < deadline, "there are no two workers"
        time.sleep(0.1)
    os.kill(workers[number], signal.SIGKILL)


@pytest.fixture
def deployed_client(deployment: Deployment) -> Iterator[OAuthClient]:
    client = OAuthClient(deployment.url, resource=f"{deployment.url}/mcp")
    yield client
    client.http.close()


def persistently(request: Callable[..., T], *arguments: Any) -> T:
    """As a browser does: once more when the connection turns out to be dead."""
    for _ in range(20):
        try:
            return request(*arguments)
        except httpx2.TransportError:
            continue
    return request(*arguments)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("moment", ["before the callback", "before the token request"])
def test_a_worker_killed_during_a_sign_in_loses_nothing(
    deployment, deployed_client, browser, number, moment
):
    client = deployed_client
    client.register()
    robot = browser()
    callback = str(
        robot.authorize(client.authorization_url(), stop_at=f"{deployment.url}/oauth/callback")
    )
    if moment == "before the callback":
        kill_worker(deployment, number)
    answer = persistently(robot.get, callback)
    code = query_of(location_of(answer))["code"]
    if moment == "before the token request":
        kill_worker(deployment, number)
    assert persistently(client.redeem, code).status_code == 200
    with httpx2.Client(base_url=deployment.url) as http:
        answer = persistently(McpClient(http, client.tokens["access_token"]).request, "tools/list")
        assert len(answer.json()["result"]["tools"]) == SHIPPED


def test_a_tool_switched_off_is_gone_from_every_worker_within_a_second(
    deployment, deployed_client, browser
):
    token = persistently(deployed_client.sign_in, browser())["access_token"]
    switch = admin_list(deployment, browser())

    def listed() -> list[str]:
        """On a connection of its own, so that either worker may get it."""
        with httpx2.Client(base_url=deployment.url) as http:
            return persistently(McpClient(http, token).tool_names)

    assert "wiv_list_spaces" in listed()
    for state in ("off", "on"):
        switch(state)
        deadline = time.monotonic() + 1
        while any(("wiv_list_spaces" in listed()) != (state == "on") for _ in range(8)):
            assert time.monotonic() < deadline, "a worker hasn't noticed after a second"


def admin_list(deployment: Deployment, robot: Robot) -> Callable[[str], None]:
    """Signed in at /admin, with a hand on the switch of wiv_list_spaces."""
    deployment.environment |= {
        "DJANGO_SUPERUSER_USERNAME": f"admin-{uuid.uuid4().hex[:8]}",
        "DJANGO_SUPERUSER_EMAIL": "admin@wiv.test",
        "DJANGO_SUPERUSER_PASSWORD": "correct horse",
    }
    deployment.manage("createsuperuser", "--noinput")
    tools = f"{deployment.url}/admin/mcp_gateway/tool/"
    login = robot.follow(persistently(robot.get, tools), stop_at="nowhere")
    robot.submit(
        form_to(login, "/admin/mcp_gateway/tool/"),
        username=deployment.environment["DJANGO_SUPERUSER_USERNAME"],
        password="correct horse",
    )

    def switch(state: str) -> None:
        page = robot.get(tools)
        action = re.search(
            rf'formaction="([^"]*/switch/{state}/[^"]*)"[^>]*wiv_list_spaces"', page.text
        )
        assert action, page.text
        form = next(form for form in forms_of(page) if "csrfmiddlewaretoken" in form.fields)
        form.action = deployment.url + unescape(action[1])
        assert robot.submit(form).status_code == 302

    return switch


@pytest.mark.parametrize(("path", "mode"), WAYS)
def test_every_tool_works_with_two_workers(deployment, deployed_client, browser, path, mode):
    deployment.sandbox.reset()
    deployed_client.resource = deployment.url + path
    token = persistently(deployed_client.sign_in, browser())["access_token"]

    async def work() -> None:
        async with connected(deployment.url + path, mode=mode, key=token) as assistant:
            await call_all(assistant, deployment.sandbox, msp=False)

    asyncio.run(work())


def test_a_propelauth_that_hangs_doesnt_take_the_database_along(tmp_path, database_url, browser):
    """Two connections, four sign-ins that wait: whoever needs the database still gets it."""
    with deployed(
        tmp_path, database_url, DATABASE_POOL_SIZE="2", PROPELAUTH_TIMEOUT="20"
    ) as deployment:
        deployment.sandbox.reset()
        clients = [OAuthClient(deployment.url) for _ in range(4)]
        codes = [client.obtain_code(browser()) for client in clients]
        deployment.sandbox.forget_requests()
        deployment.sandbox.fault("propelauth", "/api/*", "hang", times=None)
        with ThreadPoolExecutor(4) as pool:
            waiting = [
                pool.submit(client.redeem, code)
                for client, code in zip(clients, codes, strict=True)
            ]
            while len(deployment.sandbox.requests("propelauth")) < 4:
                assert not any(future.done() for future in waiting)
            assert httpx2.get(f"{deployment.url}/readyz", timeout=30).status_code == 200
            assert not any(future.done() for future in waiting)
            deployment.sandbox.clear_faults()
            assert [future.result().status_code for future in waiting] == [200] * 4
        for client in clients:
            client.http.close()
