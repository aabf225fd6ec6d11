"""What attackers and their victims share."""

from collections.abc import Callable

import httpx2
import pytest

from sandbox import fixtures
from tests.mcp_gateway.json_rpc import McpClient
from tests.oauth_client import OAuthClient
from tests.robot import Robot

Browser = Callable[..., Robot]


@pytest.fixture
def present(http: httpx2.Client) -> Callable[..., httpx2.Response]:
    """The answer to `tools/list` with a credential."""

    def ask(credential: str, path: str = "/mcp") -> httpx2.Response:
        return McpClient(http, credential, path).request("tools/list")

    return ask


@pytest.fixture
def victim(browser: Browser) -> Robot:
    return browser(fixtures.ANA_EMAIL)


@pytest.fixture
def attacker(browser: Browser) -> Robot:
    """Somebody with an account of their own, in another organization."""
    return browser(fixtures.MAX_EMAIL, organization=fixtures.CONTOSO)


@pytest.fixture
def callback_of() -> Callable[[Robot, OAuthClient], str]:
    """The URL at which PropelAuth sends a browser back to us, not yet visited."""

    def stop_before(robot: Robot, client: OAuthClient) -> str:
        if not client.client_id:
            client.register()
        callback = f"{client.issuer}/oauth/callback"
        return str(robot.authorize(client.authorization_url(), stop_at=callback))

    return stop_before
