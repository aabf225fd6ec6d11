"""Where the toolkit's own registration view would hand out, store or let through too much."""

import pytest

from oauth_bridge.models import AccessToken, Application
from tests.mcp_gateway.json_rpc import McpClient

BODY = {
    "client_name": "Editor",
    "redirect_uris": ["http://127.0.0.1:33418/"],
    "token_endpoint_auth_method": "client_secret_post",
}
MANAGEMENT = {"registration_access_token", "registration_client_uri"}


@pytest.mark.requirement("RFC 7592 §1: managing a registration is optional, and not offered")
def test_a_registration_hands_out_nothing_that_opens_an_endpoint(http):
    answer = http.post("/register", json=BODY).json()
    assert not MANAGEMENT & set(answer)
    assert not AccessToken.objects.exists()
    for value in answer.values():
        if isinstance(value, str) and value.isprintable() and " " not in value:
            assert McpClient(http, value).request("tools/list").status_code == 401
    assert http.get(f"/register/{answer['client_id']}").status_code == 404


@pytest.mark.requirement("RFC 7591 §2: client_name is optional; §3.2.2: errors are JSON")
@pytest.mark.parametrize("name", ["client_name", "software_id", "software_version"])
def test_null_is_as_good_as_nothing(http, name):
    answer = http.post("/register", json={**BODY, name: None})
    assert answer.status_code == 201
    assert not answer.json().get(name)


@pytest.mark.requirement("RFC 7591 §5: denial of service by registrations")
def test_a_client_registers_ten_redirect_uris_at_most(http):
    uris = [f"http://127.0.0.1:33418/{number}" for number in range(11)]
    assert http.post("/register", json={**BODY, "redirect_uris": uris[1:]}).status_code == 201
    answer = http.post("/register", json={**BODY, "redirect_uris": uris})
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_redirect_uri"


@pytest.mark.requirement("RFC 7591 §3.2.1: the answer of a client with a secret")
@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
def test_the_answer_has_what_a_client_with_a_secret_needs(http, method):
    answer = http.post("/register", json={**BODY, "token_endpoint_auth_method": method})
    assert "no-store" in answer.headers.get("cache-control", "")
    document = answer.json()
    assert document["token_endpoint_auth_method"] == method
    assert document.get("client_secret_expires_at") == 0
    assert document.get("client_id_issued_at", 0) > 0
    assert document.get("response_types") == ["code"]
    assert document.get("scope") == "wiv:read wiv:write"


@pytest.mark.requirement("RFC 7591 §5: denial of service by registrations")
def test_hashing_a_client_secret_takes_one_round(http):
    """It is random; Django's million rounds are for passwords, and anybody may register."""
    http.post("/register", json=BODY)
    stored = Application.objects.get().client_secret
    assert stored.split("$")[:2] == ["random_secret", "1"]


@pytest.mark.requirement("RFC 7591 §3.2.1: client_secret is for clients that have one")
def test_no_secret_is_made_for_a_public_client(http):
    http.post("/register", json={**BODY, "token_endpoint_auth_method": "none"})
    assert Application.objects.get().client_secret == ""
