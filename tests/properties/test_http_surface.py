"""Does any request end in a 5xx, or otherwise than docs/openapi.yaml says?

Schemathesis makes requests up from the description: what it allows and what it doesn't. Each run
sends the same ones; SCHEMATHESIS_EXAMPLES=200 sends more.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox import fixtures
from tests.docs.markdown import read
from tests.oauth_client import REDIRECT_URI, OAuthClient
from tests.robot import Robot, signed_in

EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "5")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
OPTIONS = (
    "--phases=examples,coverage,fuzzing",
    f"--max-examples={EXAMPLES}",
    "--seed=1",
    "--generation-deterministic",
    "--max-redirects=0",
    "--request-timeout=20",
    "--warnings=off",
    "--no-color",
)
EXAMPLE_PK = "00000000-0000-4000-8000-000000000001"
# GET /sse never ends, and signing out would leave the rest of a run outside.
SIGNED_IN = (
    *("askForConsent", "consent", "showOrganizations", "chooseOrganization", "redeem", "revoke"),
    *("send", "sendToSlash", "probe", "endSession", "sendToStream", "sendToSession"),
    *("sendToSessionWithoutSlash", "makeApiKey", "revokeApiKey"),
)


@pytest.fixture(autouse=True)
def without_limits(settings):
    """Else most answers would be 429."""
    settings.REGISTRATIONS_PER_ADDRESS = settings.CREDENTIAL_REFUSALS_PER_MINUTE = 10**9


def assert_conforms(description: Path, server: str, *options: str) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(description), *OPTIONS]
    result = subprocess.run(
        [*command, f"--url={server}", f"--checks={','.join(CHECKS)}", *options],
        cwd=description.parent,  # where it would leave its own files
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def description_with(folder: Path, constants: Mapping[str, str]) -> Path:
    """A copy in which these examples are the only valid values."""
    text = read("docs/openapi.yaml")
    for example, value in constants.items():
        assert f"example: {example}" in text
        text = text.replace(f"example: {example}", f'const: "{value}"')
    path = folder / "openapi.yaml"
    path.write_text(text)
    return path


def test_strangers_are_answered_as_described(server, tmp_path):
    assert_conforms(description_with(tmp_path, {}), server)


def test_a_client_and_a_browser_that_are_signed_in_are_answered_as_described(
    server, new_client, browser, tmp_path
):
    client = new_client(resource=None)  # for both endpoints
    client.sign_in(browser())
    robot = browser(fixtures.MAX_EMAIL, fixtures.NORTHWIND)
    signed_in(robot, server)
    constants = {
        "registered-client": client.client_id,
        f'"{REDIRECT_URI}"': REDIRECT_URI,
        EXAMPLE_PK: pk_of_chooser(robot, client),
    }
    assert_conforms(
        description_with(tmp_path, constants),
        server,
        f"--header=Authorization: Bearer {client.tokens['access_token']}",
        *headers_of(robot),
        *(f"--include-operation-id={operation}" for operation in SIGNED_IN),
    )


def pk_of_chooser(robot: Robot, client: OAuthClient) -> str:
    """The sign-in that waits until somebody with several organizations has chosen one."""
    page = robot.get(client.authorization_url())
    while "/oauth/organization/" not in str(page.url):
        page = robot.follow(robot.answer(page), stop_at=REDIRECT_URI)
    return page.url.path.rpartition("/")[2]


def headers_of(robot: Robot) -> list[str]:
    """What the browser would send with a form of ours."""
    cookies = {cookie.name: str(cookie.value) for cookie in robot.http.cookies.jar}
    pairs = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return [f"--header=Cookie: {pairs}", f"--header=X-CSRFToken: {cookies['csrf']}"]
