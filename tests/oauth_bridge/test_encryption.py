from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command

from oauth_bridge.models import EndUserApiKey
from tests.mcp_gateway.json_rpc import McpClient


@pytest.fixture
def opaque_token(client, browser, settings):
    settings.ACCESS_TOKEN_KIND = "opaque"
    return client.sign_in(browser())["access_token"]


def rotate() -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("rotate_encryption", stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_encryption_keys_are_rotated_without_signing_anybody_out(opaque_token, http, settings):
    old = settings.ENCRYPTION_KEYS
    new = [Fernet.generate_key().decode()]
    gateway = McpClient(http, opaque_token)
    settings.ENCRYPTION_KEYS = new + old
    assert gateway.request("tools/list").status_code == 200
    assert "API keys: 1 encrypted" in rotate()[0]
    settings.ENCRYPTION_KEYS = new
    assert gateway.call("wiv_list_spaces")["structuredContent"]["total"] > 0


def test_a_key_dropped_too_early_is_said_and_mended_by_the_next_refresh(
    opaque_token, client, http, settings
):
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert McpClient(http, opaque_token).request("tools/list").status_code == 401
    before = EndUserApiKey.objects.get().encrypted_secret
    assert "can't be read" in rotate()[1]
    assert EndUserApiKey.objects.get().encrypted_secret == before
    token = client.refresh().json()["access_token"]
    assert McpClient(http, token).call("wiv_list_spaces")["structuredContent"]["total"] > 0


def test_a_sign_in_under_way_when_its_key_is_dropped_ends_with_a_page(client, browser, settings):
    client.register()
    robot = browser()
    callback = robot.authorize(
        client.authorization_url(), stop_at=f"{client.issuer}/oauth/callback"
    )
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert robot.get(str(callback)).status_code == 400
