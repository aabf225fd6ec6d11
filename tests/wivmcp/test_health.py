import os
from pathlib import Path

import httpx2
import pytest

from mcp_gateway.models import Tool
from tests.e2e.deployment import serving
from tests.settings import free_port
from tests.stand_ins import wait_until_answers


def test_a_healthy_server_is_alive_and_ready(http):
    assert http.get("/healthz").json() == {"status": "ok"}
    ready = http.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ok",
        "checks": {"database": "ok", "migrations": "ok", "catalog": "ok"},
    }


def test_balancers_may_ask_with_a_host_of_their_own(http):
    assert http.get("/healthz", headers={"Host": "10.0.0.7:8000"}).status_code == 200


def test_a_server_without_a_catalog_isnt_ready(http):
    Tool.objects.all().delete()
    ready = http.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"]["catalog"] == "empty"
    assert http.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("database", "check", "state"),
    [("new.sqlite3", "migrations", "pending"), ("missing/db.sqlite3", "database", "unavailable")],
)
def test_a_server_whose_database_isnt_ready_says_so_and_stays_alive(
    tmp_path: Path, database: str, check: str, state: str
):
    port = free_port()
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "wivmcp.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / database}",
    }
    with (
        (tmp_path / "log").open("wb") as log,
        serving(port, 1, environment, log) as process,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}") as http,
    ):
        wait_until_answers(f"http://127.0.0.1:{port}/healthz", process)
        ready = http.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["checks"][check] == state
