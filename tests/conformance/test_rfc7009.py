"""Does /revoke keep RFC 7009 where tests/oauth_bridge/test_tokens.py doesn't look?"""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.oauth_client import OAuthClient

PUBLIC_URL = "https://mcp.example.com"


@pytest.mark.requirement("RFC 7009 §2.1: a wrong hint doesn't hide the token")
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("access_token", "refresh_token"),
        ("refresh_token", "access_token"),
        ("access_token", "nonsense"),
        ("refresh_token", "nonsense"),
    ],
)
def test_a_token_is_found_whatever_the_hint_says(client, browser, name, hint):
    token = client.sign_in(browser())[name]
    form = {"token": token, "token_type_hint": hint, "client_id": client.client_id}
    assert client.http.post(f"{client.issuer}/revoke", data=form).status_code == 200
    assert client.refresh().json()["error"] == "invalid_grant"


@pytest.mark.requirement("RFC 7009 §5: hints can't be used for denial of service")
def test_a_hint_costs_no_look_up(client, browser, server):
    client.register()
    without = queries_of(client, None)
    assert without > 0
    assert queries_of(client, "access_token") == without
    assert queries_of(client, "nonsense") == without


def queries_of(client: OAuthClient, hint: str | None) -> int:
    form = {"token": "unknown", "client_id": client.client_id}
    form |= {"token_type_hint": hint} if hint else {}
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert Client(SERVER_NAME="127.0.0.1").post("/revoke", form).status_code == 200
    return len(captured)


@pytest.mark.requirement("RFC 7009 §2.1: token is REQUIRED")
def test_a_request_without_a_token_is_refused(client):
    client.register()
    answer = client.http.post(f"{client.issuer}/revoke", data={"client_id": client.client_id})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"] == "invalid_request"


@pytest.mark.requirement("RFC 7009 §5: tokens can't be guessed without a client's credentials")
@pytest.mark.parametrize("credentials", [{}, {"client_id": "unknown"}, {"client_secret": "wrong"}])
def test_only_a_client_that_is_who_it_says_is_heard(new_client, browser, credentials):
    client = new_client(auth_method="client_secret_post")
    token = client.sign_in(browser())["refresh_token"]
    if "client_secret" in credentials:
        credentials = {"client_id": client.client_id, **credentials}
    answer = client.http.post(f"{client.issuer}/revoke", data={"token": token, **credentials})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert client.refresh().status_code == 200


@pytest.mark.requirement("RFC 7009 §2: the published URL is https, also where http is answered")
def test_a_token_sent_over_http_is_revoked_but_no_http_url_is_published(
    http, client, browser, settings
):
    client.sign_in(browser())
    settings.PUBLIC_URL = PUBLIC_URL
    document = http.get("/.well-known/oauth-authorization-server").json()
    assert document["revocation_endpoint"] == f"{PUBLIC_URL}/revoke"
    assert client.issuer.startswith("http://")
    assert client.revoke(client.tokens["access_token"]).status_code == 200
    assert client.refresh().json()["error"] == "invalid_grant"
