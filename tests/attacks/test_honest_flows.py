"""What has to go on working when a single defence is missing.

`script/mutate` runs these too, so that no attack counts as noticed because everything failed.
"""

import pytest

from sandbox import fixtures
from tests.mcp_gateway.json_rpc import McpClient
from tests.robot import form_to, query_of, signed_in


@pytest.mark.parametrize("scope", ["wiv:read", None])
def test_an_assistant_signs_in_calls_refreshes_and_signs_out(new_client, browser, http, scope):
    client = new_client(scope=scope)
    client.register()
    arrived = browser().authorize(client.authorization_url(), stop_at=client.redirect_uri)
    assert client.redeem(query_of(arrived)["code"]).status_code == 200
    assert client.refresh().status_code == 200
    gateway = McpClient(http, client.tokens["access_token"])
    assert not gateway.call("wiv_list_spaces").get("isError")
    assert client.revoke(client.tokens["refresh_token"]).status_code == 200


def test_somebody_with_several_organizations_signs_in(new_client, browser):
    client = new_client(auth_method="client_secret_basic")
    client.register()
    robot = browser(fixtures.MAX_EMAIL, organization=fixtures.CONTOSO)
    arrived = robot.authorize(client.authorization_url(), stop_at=client.redirect_uri)
    assert client.redeem(query_of(arrived)["code"]).status_code == 200


def test_a_key_is_made_on_the_connect_page_and_works(browser, server, http):
    robot = browser()
    answer = robot.submit(form_to(signed_in(robot, server), "/connect/api-keys"))
    key = answer.headers["location"].split("#api_key=")[1]
    assert not McpClient(http, key).call("wiv_list_spaces").get("isError")
