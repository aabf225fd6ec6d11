import pytest


@pytest.mark.requirement("RFC 8414 §3.2")
@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/oauth-authorization-server/sse",
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/mcp",
        "/mcp/.well-known/openid-configuration",
    ],
)
def test_the_authorization_server_describes_itself_wherever_clients_look(http, server, path):
    answer = http.get(path)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    document = answer.json()
    assert document["issuer"] == server
    assert document["authorization_endpoint"] == f"{server}/authorize"
    assert document["token_endpoint"] == f"{server}/token"
    assert document["registration_endpoint"] == f"{server}/register"
    assert document["revocation_endpoint"] == f"{server}/revoke"
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["grant_types_supported"] == ["authorization_code", "refresh_token"]
    assert "none" in document["token_endpoint_auth_methods_supported"]
    assert document["authorization_response_iss_parameter_supported"] is True


@pytest.mark.requirement("RFC 9728 §3.3")
@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/.well-known/oauth-protected-resource", "/mcp"),
        ("/.well-known/oauth-protected-resource/mcp", "/mcp"),
        ("/.well-known/oauth-protected-resource/mcp/", "/mcp/"),
        ("/.well-known/oauth-protected-resource/sse", "/sse"),
        ("/mcp/.well-known/oauth-protected-resource", "/mcp"),
    ],
)
def test_each_resource_names_exactly_the_url_the_client_has(http, server, path, resource):
    document = http.get(path).json()
    assert document["resource"] == server + resource
    assert document["authorization_servers"] == [server]
    assert document["scopes_supported"] == ["wiv:read", "wiv:write"]


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-protected-resource/admin",
        "/.well-known/oauth-authorization-server/elsewhere",
        "/.well-known/anything",
    ],
)
def test_metadata_that_isnt_there_is_a_404_in_json(http, path):
    answer = http.get(path)
    assert answer.status_code == 404
    assert answer.json() == {"error": "not_found"}


@pytest.mark.requirement("RFC 8414 §3.3: the issuer never follows the request")
def test_the_host_header_changes_no_url(http, server):
    answer = http.get(
        "/.well-known/oauth-authorization-server", headers={"X-Forwarded-Host": "evil.example"}
    )
    assert "evil.example" not in answer.text
    refused = http.get("/.well-known/oauth-authorization-server", headers={"Host": "evil.example"})
    assert refused.status_code == 400


def test_endpoints_answer_a_preflight_of_an_allowed_origin_only(http):
    headers = {"Access-Control-Request-Method": "POST"}
    allowed = http.options("/token", headers={**headers, "Origin": "http://localhost:6274"})
    assert allowed.headers["access-control-allow-origin"] == "http://localhost:6274"
    other = http.options("/token", headers={**headers, "Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
