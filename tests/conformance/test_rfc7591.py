"""Does /register keep RFC 7591 where tests/oauth_bridge/test_registration.py doesn't look?"""

import pytest
from django.utils.html import escape

BODY = {
    "client_name": "Editor",
    "redirect_uris": ["http://127.0.0.1:33418/"],
    "token_endpoint_auth_method": "none",
}
PAGES = ("client_uri", "logo_uri", "tos_uri", "policy_uri")


@pytest.mark.requirement("RFC 7591 §2: metadata that isn't understood is ignored")
def test_metadata_nobody_here_understands_changes_nothing(http):
    plain = http.post("/register", json=BODY)
    unknown = {"example": "x", "client_name#ja": "エディタ", "software_statement": "a.b.c"}
    answer = http.post("/register", json={**BODY, **unknown})
    assert answer.status_code == 201
    assert answer.json() == plain.json()


@pytest.mark.requirement("RFC 7591 §5: redirection URIs are registered")
@pytest.mark.parametrize("value", [None, [], "http://127.0.0.1:33418/", {}])
def test_a_client_without_redirect_uris_is_refused(http, value):
    answer = http.post("/register", json={**BODY, "redirect_uris": value})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"] == "invalid_redirect_uri"


@pytest.mark.requirement("RFC 7591 §2: grant_types and response_types are the endpoints' values")
def test_what_is_registered_is_what_the_endpoints_take(client, browser):
    registered = client.register().json()
    [response_type] = registered["response_types"]
    code = client.obtain_code(browser(), response_type=response_type)
    first, second = registered["grant_types"]
    assert client.redeem(code, grant_type=first).status_code == 200
    refresh_token = client.tokens["refresh_token"]
    answer = client.token_request(grant_type=second, refresh_token=refresh_token)
    assert answer.status_code == 200


@pytest.mark.requirement("RFC 7591 §3.2.1: a secret is unique for its client_id")
def test_two_clients_never_share_a_secret(http):
    said = {name: value for name, value in BODY.items() if name != "token_endpoint_auth_method"}
    first, second = (http.post("/register", json=said).json() for _ in range(2))
    assert first["token_endpoint_auth_method"] == "client_secret_basic"
    assert first["client_id"] != second["client_id"]
    assert first["client_secret"] != second["client_secret"]


@pytest.mark.requirement("RFC 7591 §2.2: a name without a language tag is used as is")
def test_a_name_is_shown_as_it_was_registered(client, browser):
    name = "Cafe\u0301 東京 مرحبا & <Söhne>"  # a decomposed é stays decomposed
    assert client.register(client_name=name).json()["client_name"] == name
    assert escape(name) in browser().get(client.authorization_url()).text


@pytest.mark.requirement("RFC 7591 §5: all client metadata is self-asserted")
def test_the_consent_page_vouches_for_nothing_a_client_says_of_itself(new_client, browser):
    client = new_client(redirect_uri="https://stranger.example/cb")
    client.register(client_name="Claude", software_id="claude", client_uri="https://claude.ai/")
    page = browser().get(client.authorization_url()).text
    assert "We can't verify that" in page
    assert '<span class="host">stranger.example</span>' in page
    assert "claude.ai" not in page


@pytest.mark.requirement("RFC 7591 §5: the whole request is looked at")
def test_another_clients_software_id_doesnt_make_one_that_client(http):
    software = {"software_id": "4NRB1-0XZABZI9E6-5SM3R", "software_version": "1"}
    known = http.post("/register", json={**BODY, **software}).json()
    claim = {**BODY, **software, "redirect_uris": ["https://stranger.example/cb"]}
    assert http.post("/register", json=claim).json()["client_id"] != known["client_id"]


@pytest.mark.requirement("RFC 7591 §5: users are protected from what a client's URLs lead to")
def test_no_page_or_picture_of_a_strangers_choice_reaches_the_consent_page(client, browser):
    chosen = dict.fromkeys(PAGES, "https://stranger.example/drive-by")
    registered = client.register(**chosen).json()
    assert not set(PAGES) & set(registered)
    assert "stranger.example" not in browser().get(client.authorization_url()).text


@pytest.mark.requirement("RFC 7591 §2: never both jwks and jwks_uri in a response")
@pytest.mark.parametrize(
    "keys", [{"jwks": {"keys": []}}, {"jwks_uri": "https://client.example/keys.json"}]
)
def test_keys_are_not_kept_and_so_not_returned(http, keys):
    answer = http.post("/register", json={**BODY, **keys})
    assert answer.status_code == 201
    assert not {"jwks", "jwks_uri"} & set(answer.json())


@pytest.mark.requirement("RFC 7591 §3.2.1: all registered metadata is returned")
@pytest.mark.parametrize("name", ["software_id", "software_version"])
def test_everything_registered_is_returned(http, name):
    answer = http.post("/register", json={**BODY, name: "9"}).json()
    assert answer[name] == "9"
    assert answer["grant_types"] == ["authorization_code", "refresh_token"]
