"""Where the toolkit's own validator and views would take, tell or give too much of a token."""

import sqlite3
from contextlib import closing

import pytest
from django.db import connection, transaction

from oauth_bridge.models import AccessToken
from tests.mcp_gateway.json_rpc import McpClient


@pytest.mark.requirement("OAuth 2.1 §4: each token here stands for a person")
def test_a_token_of_nobody_opens_nothing(client, browser, http):
    gateway = McpClient(http, client.sign_in(browser())["access_token"])
    assert gateway.request("tools/list").status_code == 200
    AccessToken.objects.update(user=None)
    assert gateway.request("tools/list").status_code == 401


@pytest.mark.requirement("RFC 8707 §2: no audience isn't every audience, nor is a prefix")
@pytest.mark.parametrize("audience", [[], ["{server}"], ["{server}/"]])
def test_a_token_for_everything_opens_nothing(client, browser, http, server, audience):
    token = client.sign_in(browser())["access_token"]
    AccessToken.objects.update(resource=[each.format(server=server) for each in audience])
    assert McpClient(http, token).request("tools/list").status_code == 401


@pytest.mark.requirement("RFC 8707 §2.2: no more than was authorized")
@pytest.mark.parametrize("resource", ["https://evil.example/mcp", "{server}/admin"])
def test_a_code_for_no_named_resource_gains_no_other_one(new_client, browser, server, resource):
    client = new_client(resource=None)
    code = client.obtain_code(browser())
    answer = client.redeem(code, resource=resource.format(server=server))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")
    assert not AccessToken.objects.exists()


@pytest.mark.requirement("RFC 7662 §4: introspection isn't for any client that asks")
@pytest.mark.parametrize("path", ["/introspect", "/introspect/"])
def test_no_client_is_told_about_anothers_token(new_client, browser, http, path):
    token = new_client().sign_in(browser())["access_token"]
    curious = new_client(auth_method="client_secret_basic")
    curious.register(client_name="Curious")
    headers = {"Authorization": curious.basic}
    assert http.post(path, data={"token": token}, headers=headers).status_code == 404
    assert http.get(path, params={"token": token}, headers=headers).status_code == 404
    metadata = http.get("/.well-known/oauth-authorization-server").json()
    assert "introspection_endpoint" not in metadata


@pytest.mark.requirement("OAuth 2.1 §4.1.3, RFC 8252 §7.3")
def test_a_code_needs_no_redirect_uri_whatever_the_port_was(client, browser):
    client.register()
    client.redirect_uri = "http://127.0.0.1:50001/callback"  # another port than registered
    code = client.obtain_code(browser())
    assert client.redeem(code, redirect_uri=None).status_code == 200


@pytest.mark.requirement("OAuth 2.1 §4.1.2: a code is a credential")
@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "wrong" * 10},
        {"code_verifier": None},
        {"redirect_uri": "http://127.0.0.1:49152/other"},
        {"resource": "https://evil.example/mcp"},
        {"grant_type": "password"},
        {"client_id": "unknown"},
    ],
)
def test_an_error_never_repeats_the_code_and_leaves_it_good(client, browser, changes):
    code = client.obtain_code(browser())
    refused = client.redeem(code, **changes)
    assert refused.status_code in (400, 401)
    assert code not in refused.text
    assert "no-store" in refused.headers["cache-control"]
    assert client.redeem(code).status_code == 200


@pytest.mark.requirement("SQLite, Transactions §2.3: BEGIN IMMEDIATE")
def test_a_transaction_that_only_reads_so_far_holds_the_write_lock(transactional_db):
    """Else two that read first and write then fail with "database is locked", one of them."""
    if connection.vendor != "sqlite":
        pytest.skip("locks of SQLite")
    with (
        transaction.atomic(),
        closing(sqlite3.connect(connection.settings_dict["NAME"], timeout=0)) as other,
    ):
        assert not AccessToken.objects.exists()
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")


def test_no_request_is_one_transaction():
    """What a replayed code ends stays ended, and nobody waits over HTTP with locks in hand."""
    assert connection.settings_dict["ATOMIC_REQUESTS"] is False
