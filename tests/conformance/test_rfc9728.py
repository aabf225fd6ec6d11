"""Does each resource's metadata keep RFC 9728, beyond test_discovery.py and test_edge.py?"""

from urllib.parse import urlsplit

import pytest

from tests.robot import location_of, query_of

METADATA = "/.well-known/oauth-protected-resource"
PUBLIC_URL = "https://mcp.example.com"
BOTH = pytest.mark.parametrize("path", ["/mcp", "/sse"])


@pytest.mark.requirement("RFC 9728 §2, §2.1, §3.2")
@BOTH
def test_what_is_required_is_there_and_nothing_is_empty(http, server, path):
    answer = http.get(METADATA + path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document["resource"] == f"{server}{path}"
    assert document["resource_name"]
    assert document["scopes_supported"] == ["wiv:read", "wiv:write"]
    assert document["bearer_methods_supported"] == ["header"]
    assert not [name for name, value in document.items() if value in ([], "", None)]


@pytest.mark.requirement("RFC 9728 §1.2, §2: https, without query or fragment")
@BOTH
def test_a_resource_identifier_is_an_https_url(http, settings, path):
    settings.PUBLIC_URL = PUBLIC_URL
    document = http.get(METADATA + path).json()
    assert document["resource"] == PUBLIC_URL + path
    parts = urlsplit(document["resource"])
    assert (parts.scheme, parts.query, parts.fragment) == ("https", "", "")
    assert document["authorization_servers"] == [PUBLIC_URL]


@pytest.mark.requirement("RFC 9728 §3, §3.1: between the host and the path, without a double slash")
@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/sse", "/sse/"])
def test_the_challenge_points_to_where_the_document_must_be(http, server, path):
    challenge = http.get(path).headers["www-authenticate"]
    url = f"{server}{METADATA}{path}"
    assert f'resource_metadata="{url}"' in challenge
    assert http.get(url).json()["resource"] == f"{server}{path}"


@pytest.mark.requirement("RFC 9728 §6: no normalization, equality code point by code point")
@pytest.mark.parametrize("path", ["/MCP", "/%6Dcp", "/\uff4dcp", "/mcp\u200b", "/mcp//", "/./mcp"])
def test_a_resource_that_only_looks_like_ours_is_another(client, browser, path):
    client.register()
    url = client.authorization_url(resource=f"{client.issuer}{path}")
    assert query_of(location_of(browser().get(url)))["error"] == "invalid_target"
