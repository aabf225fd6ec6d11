from datetime import timedelta

import pytest
from django.utils import timezone

from oauth_bridge.cleanup import delete_old_rows
from oauth_bridge.models import AccessToken, Application, Grant, RateCounter

LOOPBACK = "http://127.0.0.1:33418/"
BODY = {"client_name": "Editor", "redirect_uris": [LOOPBACK], "token_endpoint_auth_method": "none"}


@pytest.mark.requirement("RFC 7591 §3.2.1")
def test_a_public_client_gets_an_id_and_no_secret(http):
    answer = http.post("/register", json=BODY)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    document = answer.json()
    assert document["token_endpoint_auth_method"] == "none"
    assert document["redirect_uris"] == [LOOPBACK]
    assert document["grant_types"] == ["authorization_code", "refresh_token"]
    assert "client_secret" not in document
    assert "registration_access_token" not in document
    assert not AccessToken.objects.exists()


@pytest.mark.requirement("RFC 7591 §3.2.1: client_secret_expires_at is REQUIRED with a secret")
@pytest.mark.parametrize("method", ["client_secret_post", "client_secret_basic"])
def test_a_confidential_client_gets_a_secret_that_we_keep_hashed(http, method):
    document = http.post("/register", json={**BODY, "token_endpoint_auth_method": method}).json()
    assert document["token_endpoint_auth_method"] == method
    assert document["client_secret_expires_at"] == 0
    stored = Application.objects.get(client_id=document["client_id"])
    assert document["client_secret"] not in stored.client_secret


def test_grants_we_dont_have_are_left_out_and_not_refused(http):
    """VS Code lists every grant type it knows."""
    grant_types = [
        "authorization_code",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code",
    ]
    answer = http.post("/register", json={**BODY, "grant_types": grant_types})
    assert answer.status_code == 201
    assert answer.json()["grant_types"] == ["authorization_code", "refresh_token"]


def test_a_list_of_mixed_redirect_uris_is_taken_whole(http):
    uris = [
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "https://www.cursor.com/agents/mcp/oauth/callback",
        "http://localhost:8787/callback",
        "https://insiders.vscode.dev/redirect",
        "http://[::1]:5000/cb",
    ]
    assert (
        http.post("/register", json={**BODY, "redirect_uris": uris}).json()["redirect_uris"] == uris
    )


@pytest.mark.requirement("MCP 2026-07-28: redirect URIs MUST be loopback or https")
@pytest.mark.parametrize(
    "uri",
    [
        "http://evil.example/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "unknown://app/cb",
        "https://*.example.com/cb",
        "https://user@example.com/cb",
        "https://example.com/cb#fragment",
        "https:///nohost",
        "http://127.0.0.1:99999/cb",
        "https://exa mple.com/",
        "https://example.com/\n",
        "http://127.0.0.1.evil.example/",
        "",
        7,
        None,
    ],
)
def test_a_redirect_uri_that_could_lead_astray_is_refused(http, uri):
    answer = http.post("/register", json={**BODY, "redirect_uris": [LOOPBACK, uri]})
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_redirect_uri"
    assert not Application.objects.exists()


@pytest.mark.requirement("RFC 7591 §3.2.2")
@pytest.mark.parametrize(
    "changes",
    [
        {"grant_types": ["client_credentials"]},
        {"grant_types": []},
        {"grant_types": "authorization_code"},
        {"response_types": ["token"]},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": ["none"]},
        {"client_name": 7},
    ],
)
def test_metadata_we_cant_serve_is_refused(http, changes):
    answer = http.post("/register", json={**BODY, **changes})
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_client_metadata"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"[" * 10_000, b'{"a":"' + b"x" * 20_000]
)
def test_a_body_that_is_no_small_json_object_is_refused(http, body):
    answer = http.post("/register", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_client_metadata"


def test_a_client_name_loses_what_nobody_can_see(http):
    name = "Good\x00\u202e\u200bClient\r\n" + "x" * 300
    document = http.post("/register", json={**BODY, "client_name": name}).json()
    assert document["client_name"].startswith("GoodClient")
    assert len(document["client_name"]) <= 120
    assert http.post("/register", json={**BODY, "client_name": None}).status_code == 201


# Growth ------------------------------------------------------------------------------------------


def test_a_public_client_that_says_the_same_again_is_the_same_client(http):
    first, second = (http.post("/register", json=BODY).json() for _ in range(2))
    assert first == second
    assert Application.objects.count() == 1
    other = http.post("/register", json={**BODY, "client_name": "Another"}).json()
    assert other["client_id"] != first["client_id"]


def test_clients_with_a_secret_are_never_the_same(http):
    body = {**BODY, "token_endpoint_auth_method": "client_secret_post"}
    first, second = (http.post("/register", json=body).json() for _ in range(2))
    assert first["client_id"] != second["client_id"]


def test_registering_again_doesnt_lift_a_block(http, client, browser):
    client.register()
    Application.objects.update(blocked_at=timezone.now())
    blocked = client.client_id
    client.register()
    assert client.client_id == blocked
    assert browser().get(client.authorization_url()).status_code == 400


@pytest.mark.requirement("RFC 7591 §5: denial of service by registrations")
def test_one_address_can_register_so_much_an_hour(http, settings):
    settings.REGISTRATIONS_PER_ADDRESS = 2
    names = ["a", "b", "c"]
    answers = [http.post("/register", json={**BODY, "client_name": name}) for name in names]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert http.post("/register", json={**BODY, "client_name": "a"}).status_code == 201
    RateCounter.objects.update(window=timezone.now() - timedelta(minutes=61))
    assert http.post("/register", json={**BODY, "client_name": "c"}).status_code == 201


def test_a_vendors_cloud_has_a_limit_of_its_own(http, settings):
    """Its users come from the same few addresses."""
    settings.REGISTRATIONS_PER_ADDRESS = 0
    settings.REGISTRATIONS_PER_VENDOR = 1
    uris = ["https://claude.ai/api/mcp/auth_callback"]
    assert http.post("/register", json=BODY).status_code == 429
    assert http.post("/register", json={**BODY, "redirect_uris": uris}).status_code == 201
    mixed = {**BODY, "client_name": "x", "redirect_uris": [*uris, LOOPBACK]}
    assert http.post("/register", json=mixed).status_code == 429


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "6.6.6.6", "127.0.0.1"),
        (1, "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (2, "6.6.6.6, 203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (1, "2001:db8::1", "2001:db8::1"),
        (1, "not an address", None),
        (1, None, "127.0.0.1"),
    ],
)
def test_only_trusted_proxies_say_where_a_request_comes_from(
    http, settings, proxies, forwarded, address
):
    settings.TRUSTED_PROXY_COUNT = proxies
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    http.post("/register", json=BODY, headers=headers)
    assert Application.objects.get().registered_from == address


def months_pass() -> None:
    Application.objects.update(last_registered_at=timezone.now() - timedelta(days=100))


def test_a_client_nobody_signed_in_with_is_deleted_after_a_while(client):
    client.register()
    delete_old_rows()
    assert Application.objects.exists()
    months_pass()
    delete_old_rows()
    assert not Application.objects.exists()


def test_a_client_somebody_is_signed_in_with_is_never_deleted(client, browser):
    client.sign_in(browser())
    months_pass()
    delete_old_rows()
    assert client.refresh().status_code == 200
    client.revoke(client.tokens["refresh_token"])
    Grant.objects.all().delete()
    delete_old_rows()
    assert not Application.objects.exists()


def test_a_client_an_admin_made_or_blocked_is_never_deleted(client):
    client.register()
    months_pass()
    Application.objects.update(blocked_at=timezone.now())
    delete_old_rows()
    Application.objects.update(blocked_at=None, registration_source="manual")
    delete_old_rows()
    assert Application.objects.exists()
