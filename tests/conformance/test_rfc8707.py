"""Is `resource` taken, refused and sent as RFC 8707 has it, beyond test_authorization.py?"""

from urllib.parse import urlsplit

import pytest

from tests.mcp_gateway.json_rpc import McpClient
from tests.robot import location_of, query_of

# `{server}` is filled in by the test.
UNACCEPTABLE = (
    "/mcp",
    "mcp",
    "//127.0.0.1/mcp",
    "{server}/mcp#fragment",
    "{server}/mcp#",
    "{server}/mcp?query",
    "{server}",
    "{server}/admin",
    "urn:example:mcp",
    "not a URI",
)


@pytest.mark.requirement("RFC 8707 §2: an absolute URI without a fragment, else invalid_target")
@pytest.mark.parametrize("resource", UNACCEPTABLE)
def test_a_resource_that_is_none_of_ours_is_refused_at_authorize(client, browser, resource):
    client.register()
    resource = resource.format(server=client.issuer)
    answer = browser().get(client.authorization_url(resource=resource))
    assert query_of(location_of(answer))["error"] == "invalid_target"


@pytest.mark.requirement("RFC 8707 §2: an absolute URI without a fragment, else invalid_target")
def test_a_resource_that_is_none_of_ours_is_refused_at_token(client, browser):
    code = client.obtain_code(browser())
    for resource in UNACCEPTABLE:
        answer = client.redeem(code, resource=resource.format(server=client.issuer))
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target"), resource
    assert client.redeem(code).status_code == 200


@pytest.mark.requirement("RFC 8707 §2.2: a token for a part of the grant, a refresh for all of it")
def test_a_token_asked_for_one_of_two_resources_is_good_there_only(new_client, browser, http):
    client = new_client(resource=None)
    mcp, sse = f"{client.issuer}/mcp", f"{client.issuer}/sse"
    client.redeem(client.obtain_code(browser()), resource=mcp)
    first = client.tokens["access_token"]
    assert McpClient(http, first).request("tools/list").status_code == 200
    assert McpClient(http, first, "/messages/").request("ping").status_code == 401
    assert client.refresh(resource=sse).status_code == 200
    second = client.tokens["access_token"]
    assert McpClient(http, second).request("tools/list").status_code == 401


@pytest.mark.requirement("RFC 8707 §2: an absolute URI without a fragment")
def test_the_resource_we_ask_propelauth_for_is_an_absolute_uri(client, browser, sandbox):
    client.obtain_code(browser())
    [asked] = [
        received["query"]["resource"]
        for received in sandbox.requests("propelauth")
        if received["path"] == "/oauth/2.1/authorize" and received["method"] == "GET"
    ]
    [resource] = asked
    parts = urlsplit(resource)
    assert parts.scheme == "http"  # the test's own server
    assert parts.netloc
    assert not {"#", "?"} & set(resource)
