"""The compose files: what they start, in which order, and with which settings."""

import re

import pytest
import yaml

from sandbox import fixtures
from tests.docs.test_settings_doc import VARIABLES
from tests.packaging.scripts import ROOT

# https://github.com/compose-spec/compose-spec/blob/main/05-services.md, as far as we use it.
SERVICE_KEYS = {
    *("build", "image", "command", "environment", "env_file", "ports", "volumes", "healthcheck"),
    *("depends_on", "restart", "network_mode", "read_only", "tmpfs", "cap_drop", "security_opt"),
}
PROCESS = {"HOST", "PORT", "WEB_CONCURRENCY", "SHUTDOWN_SECONDS", "MIGRATE_ON_START"}


def load(name):
    return yaml.safe_load((ROOT / name).read_text())


@pytest.fixture
def compose():
    return load("compose.yaml")


@pytest.fixture
def stand_ins():
    return load("compose.sandbox.yaml")


@pytest.mark.parametrize("name", ["compose.yaml", "compose.sandbox.yaml"])
def test_the_file_has_what_compose_knows_and_nothing_else(name):
    file = load(name)
    assert {key for key in file if not key.startswith("x-")} <= {"services", "volumes"}
    for service in file["services"].values():
        assert service.keys() <= SERVICE_KEYS
        for port in service.get("ports", []):
            assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port), "reached from this machine only"
        for volume in service.get("volumes", []):
            source, target, *_ = volume.split(":")
            assert target.startswith("/")
            assert source in file.get("volumes", {}) or (ROOT / source).exists()


def test_the_server_starts_after_the_release_step_and_that_after_the_database(compose):
    services = compose["services"]
    assert services.keys() == {"database", "release", "wivmcp"}
    assert services["release"]["command"] == ["script/release"]
    assert services["release"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert services["wivmcp"]["depends_on"] == {
        "release": {"condition": "service_completed_successfully"}
    }
    assert services["database"]["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]


def test_the_containers_can_write_nowhere_and_gain_nothing(compose):
    for name in ("release", "wivmcp"):
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_only_settings_are_set(compose, stand_ins):
    for file in (compose, stand_ins):
        for name in ("release", "wivmcp"):
            assert file["services"][name]["environment"].keys() <= VARIABLES.keys() | PROCESS


def test_the_database_is_the_one_that_is_started(compose):
    database = compose["services"]["database"]["environment"]
    url = compose["services"]["wivmcp"]["environment"]["DATABASE_URL"]
    user, password, name = (database[f"POSTGRES_{key}"] for key in ("USER", "PASSWORD", "DB"))
    assert url == f"postgresql://{user}:{password}@database:5432/{name}"


def test_the_published_port_is_the_images(compose):
    [port] = compose["services"]["wivmcp"]["ports"]
    image = (ROOT / "Dockerfile").read_text()
    assert f"PORT={port.rpartition(':')[2]} " in image
    example = (ROOT / ".env.example").read_text()
    assert f"PUBLIC_URL=http://localhost:{port.split(':')[1]}\n" in example


def test_the_stand_ins_are_those_that_are_started(stand_ins):
    environment = stand_ins["services"]["wivmcp"]["environment"]
    sandbox = stand_ins["services"]["sandbox"]
    assert fixtures.environment("http://localhost:8001").items() <= environment.items()
    required = {name for name, variable in VARIABLES.items() if variable.is_required}
    assert required <= environment.keys()
    assert "--port=8001" in sandbox["command"]
    assert f"--redirect-uri={environment['PUBLIC_URL']}/oauth/callback" in sandbox["command"]
    # One URL for wivmcp and the browser: within wivmcp's network, and published from there.
    assert sandbox["network_mode"] == "service:wivmcp"
    assert stand_ins["services"]["wivmcp"]["ports"] == ["127.0.0.1:8001:8001"]
    assert "./sandbox:/app/sandbox:ro" in sandbox["volumes"]
