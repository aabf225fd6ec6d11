"""One deployment for all inputs, and somebody of each kind who sends them."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sandbox import fixtures
from tests.e2e.deployment import deployed, empty_database
from tests.fuzz.browser import Browser, at_the_admin, on_connect
from tests.fuzz.target import Target
from tests.oauth_client import OAuthClient
from tests.requirements import postgresql_url
from tests.robot import Robot

# Else most answers would be 429.
WITHOUT_LIMITS: dict[str, Any] = {
    "REGISTRATIONS_PER_ADDRESS": "1000000000",
    "CREDENTIAL_REFUSALS_PER_MINUTE": "1000000000",
    "SIGN_INS_PER_ADDRESS": "1000000000",
    "ADMIN_LOGINS_PER_ADDRESS": "1000000000",
    "ADMIN_LOGINS_PER_ACCOUNT": "1000000000",
}
SECRETS = (
    *("SECRET_KEY", "ENCRYPTION_KEYS", "PROPELAUTH_BACKEND_API_KEY", "PROPELAUTH_CLIENT_SECRET"),
    "PROPELAUTH_INTROSPECTION_CLIENT_SECRET",
)
TARGET = pytest.StashKey[Target]()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if TARGET in config.stash:
        terminalreporter.write_line(f"{config.stash[TARGET].inputs} hostile inputs")


@pytest.fixture(scope="session")
def target(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Target]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    with ExitStack() as stack:
        database = f"sqlite:///{folder / 'db.sqlite3'}"
        if "DATABASE_URL" in os.environ:
            database = stack.enter_context(empty_database(postgresql_url()))
        deployment = stack.enter_context(deployed(folder, database, workers=1, **WITHOUT_LIMITS))
        target = Target(deployment)
        target.secrets |= {name: deployment.environment[name] for name in SECRETS}
        request.config.stash[TARGET] = target
        yield target


@pytest.fixture(autouse=True)
def quiet_log(target: Target) -> Iterator[None]:
    """Nothing that is sent may end in an alarm, or in a secret, in the log."""
    start = target.deployment.log.stat().st_size
    yield
    target.check_log(start)


@pytest.fixture(scope="session")
def api_key(target: Target) -> str:
    made = target.deployment.sandbox.backend(
        "POST",
        "/end_user_api_keys",
        fixtures.BACKEND_API_KEY,
        json={"user_id": fixtures.ANA, "org_id": fixtures.ACME},
    )
    key = str(made.raise_for_status().json()["api_key_token"])
    target.secrets["API key"] = key
    return key


@pytest.fixture(scope="session")
def signed_in_client(target: Target) -> Iterator[OAuthClient]:
    """With tokens for every endpoint."""
    client, robot = OAuthClient(target.deployment.url), Robot(fixtures.ANA_EMAIL)
    client.sign_in(robot)
    target.secrets |= {name: client.tokens[name] for name in ("access_token", "refresh_token")}
    yield client
    client.http.close()
    robot.close()


@pytest.fixture(scope="session")
def connect_page(target: Target) -> Iterator[Browser]:
    with on_connect(target) as browser:
        yield browser


@pytest.fixture(scope="session")
def admin(target: Target, signed_in_client: OAuthClient) -> Iterator[Browser]:
    """A superuser; there are sign-ins, calls and revisions to look at."""
    with at_the_admin(target) as browser:
        yield browser
