"""/token and /revoke: minting, refresh, replay, and what PropelAuth's trouble does to them."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import httpx2
import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from oauth_bridge import outbox
from oauth_bridge.models import (
    AccessToken,
    AuthorizationRequest,
    EndUserApiKey,
    Grant,
    RefreshToken,
    UpstreamDeletion,
)
from sandbox import fixtures

BOTH_KINDS = pytest.mark.parametrize("kind", ["api_key", "opaque"])


def deliver() -> None:
    """Once, after whatever the server's own deliveries are still at."""
    outbox.deliver_soon().result(30)


def live_keys() -> set[str]:
    keys = EndUserApiKey.objects.filter(revoked_at=None).exclude(api_key_id=None)
    return {str(key.api_key_id) for key in keys}


def upstream_keys(sandbox) -> set[str]:
    return {key["api_key_id"] for key in sandbox.api_keys()}


# The main road ---------------------------------------------------------------------------------


def test_an_api_key_token_is_a_propelauth_key_for_the_user_and_organization(
    client, browser, sandbox, settings
):
    settings.ACCESS_TOKEN_KIND = "api_key"
    tokens = client.sign_in(browser())
    assert tokens["token_type"] == "Bearer"
    assert tokens["scope"] == "wiv:read wiv:write"
    assert tokens["expires_in"] == 24 * 3600
    [key] = sandbox.api_keys()
    assert tokens["access_token"].startswith(key["api_key_id"])
    assert (key["user_id"], key["org_id"]) == (fixtures.ANA, fixtures.ACME)
    assert key["metadata"]["issuer"] == settings.PUBLIC_URL
    assert key["metadata"]["client"] == client.client_id
    assert key["expires_at_seconds"] > timezone.now().timestamp() + tokens["expires_in"]


def test_an_opaque_token_hides_the_key_behind_it(client, browser, sandbox, settings):
    settings.ACCESS_TOKEN_KIND = "opaque"
    tokens = client.sign_in(browser())
    assert tokens["access_token"].startswith("wivmcp_at_")
    assert tokens["expires_in"] == 3600
    assert len(sandbox.api_keys()) == 1
    assert EndUserApiKey.objects.get().encrypted_secret


def test_a_grant_that_may_only_read_never_gets_a_raw_key(new_client, browser, settings):
    settings.ACCESS_TOKEN_KIND = "api_key"
    tokens = new_client(scope="wiv:read").sign_in(browser())
    assert tokens["scope"] == "wiv:read"
    assert tokens["access_token"].startswith("wivmcp_at_")


@pytest.mark.requirement("RFC 6749 §5.1")
def test_a_token_response_is_never_stored_by_caches(client, browser):
    response = client.redeem(client.obtain_code(browser()))
    assert "no-store" in response.headers["cache-control"]
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["none", "client_secret_post", "client_secret_basic"])
def test_each_way_of_client_authentication_works(new_client, browser, method):
    client = new_client(auth_method=method)
    client.sign_in(browser())
    assert client.refresh().status_code == 200


@pytest.mark.requirement("OAuth 2.1 §4.1.3: redirect_uri is no longer part of the token request")
def test_a_code_can_be_redeemed_without_redirect_uri(client, browser):
    assert client.redeem(client.obtain_code(browser()), redirect_uri=None).status_code == 200


# Refusals --------------------------------------------------------------------------------------


@pytest.mark.requirement("RFC 7636 §4.6")
@pytest.mark.parametrize(
    ("verifier", "error"), [("wrong" * 10, "invalid_grant"), (None, "invalid_request")]
)
def test_a_wrong_or_missing_verifier_is_refused_and_leaves_the_code_good(
    client, browser, sandbox, verifier, error
):
    code = client.obtain_code(browser())
    refused = client.redeem(code, code_verifier=verifier)
    assert refused.status_code == 400
    assert refused.json()["error"] == error
    assert sandbox.api_keys() == []
    assert client.redeem(code).status_code == 200


@pytest.mark.requirement("OAuth 2.1 §4.1.3: a reused code revokes what came of it")
def test_a_code_used_twice_ends_the_tokens_of_the_first_use(client, browser, sandbox):
    code = client.obtain_code(browser())
    client.redeem(code)
    replayed = client.redeem(code)
    assert (replayed.status_code, replayed.json()["error"]) == (400, "invalid_grant")
    assert not AccessToken.objects.exists()
    assert client.refresh().json()["error"] == "invalid_grant"
    deliver()
    assert sandbox.api_keys() == []


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"code": "unknown"}, 400, "invalid_grant"),
        ({"code": None}, 400, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1:49152/other"}, 400, "invalid_grant"),
        ({"resource": "https://evil.example/mcp"}, 400, "invalid_target"),
        ({"grant_type": "client_credentials"}, 400, "unsupported_grant_type"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": None}, 400, "unsupported_grant_type"),
        ({"client_id": "unknown"}, 401, "invalid_client"),
        ({"client_id": None}, 401, "invalid_client"),
        ({"code": "x\x00y"}, 400, "invalid_request"),
    ],
)
def test_a_wrong_token_request_gets_the_rfcs_error(client, browser, changes, status, error):
    code = client.obtain_code(browser())
    answer = client.token_request(
        **{
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": client.redirect_uri,
            "code_verifier": client.verifier,
            **changes,
        }
    )
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert not AccessToken.objects.exists()


def test_a_code_isnt_good_for_another_client(new_client, browser):
    client = new_client()
    code = client.obtain_code(browser())
    other = new_client(verifier=client.verifier)
    other.register(client_name="Another")
    assert other.redeem(code).json()["error"] == "invalid_grant"


def test_a_code_expires(client, browser):
    code = client.obtain_code(browser())
    Grant.objects.update(expires=timezone.now())
    assert client.redeem(code).json()["error"] == "invalid_grant"


def test_a_confidential_client_needs_its_secret(new_client, browser):
    client = new_client(auth_method="client_secret_post")
    code = client.obtain_code(browser())
    client.client_secret = "wrong"
    refused = client.redeem(code)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    client.auth_method = "none"
    assert client.redeem(code).json()["error"] == "invalid_client"


def test_the_token_endpoint_takes_post_only(http):
    assert http.get("/token").status_code == 405
    assert http.get("/register").status_code == 405
    assert http.get("/revoke").status_code == 405


# Minting ---------------------------------------------------------------------------------------


def test_of_twelve_racing_redemptions_one_mints_a_key(client, browser, sandbox):
    code = client.obtain_code(browser())
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: client.redeem(code), range(12)))
    # A late one may find the code used, and end what the first was given (RFC 6749 §4.1.2).
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses in ([200] + [400] * 11, [400] * 12)
    refused = [answer.json()["error"] for answer in answers if answer.status_code == 400]
    assert set(refused) == {"invalid_grant"}
    creations = [
        received
        for received in sandbox.requests("propelauth")
        if received["path"].endswith("/end_user_api_keys")
    ]
    assert len(creations) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "drop"},
        {"kind": "rate_limit_json"},
        {"kind": "rate_limit_text"},
    ],
)
def test_a_short_trouble_at_propelauth_isnt_noticed(client, browser, sandbox, fault):
    code = client.obtain_code(browser())
    sandbox.fault("propelauth", "/api/backend/v1/end_user_api_keys", times=2, **fault)
    assert client.redeem(code).status_code == 200


@pytest.mark.parametrize("status", [500, 401])
def test_while_propelauth_stays_away_the_code_stays_good(client, browser, sandbox, status):
    code = client.obtain_code(browser())
    path = "/api/backend/v1/end_user_api_keys"
    sandbox.fault("propelauth", path, "status", status=status, times=None)
    away = client.redeem(code)
    assert away.status_code == 503
    assert int(away.headers["retry-after"]) > 0
    assert away.json()["error"] == "temporarily_unavailable"
    sandbox.clear_faults()
    assert client.redeem(code).status_code == 200
    deliver()
    assert upstream_keys(sandbox) == live_keys()


def test_a_key_propelauth_refuses_ends_the_grant(client, browser, sandbox):
    code = client.obtain_code(browser())
    sandbox.fault("propelauth", "/api/backend/v1/end_user_api_keys", "status", status=404)
    for _ in range(2):
        assert client.redeem(code).json()["error"] == "invalid_grant"


# Refresh ---------------------------------------------------------------------------------------


@pytest.mark.requirement("OAuth 2.1 §4.3.1: refresh tokens of public clients are rotated")
@BOTH_KINDS
def test_a_refresh_gives_a_new_pair_of_the_same_family(client, browser, settings, kind):
    settings.ACCESS_TOKEN_KIND = kind
    first = dict(client.sign_in(browser()))
    second = client.refresh().json()
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    assert second["scope"] == first["scope"]
    assert RefreshToken.objects.values("token_family").distinct().count() == 1


@BOTH_KINDS
def test_parallel_refreshes_all_succeed_each_with_a_pair_of_its_own(
    client, browser, sandbox, settings, kind
):
    """Gemini CLI sends one refresh token several times within milliseconds."""
    settings.ACCESS_TOKEN_KIND = kind
    refresh_token = client.sign_in(browser())["refresh_token"]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: client.refresh(refresh_token), range(6)))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len({answer.json()["access_token"] for answer in answers}) == 6
    assert len({answer.json()["refresh_token"] for answer in answers}) == 6
    assert len(sandbox.api_keys()) == (7 if kind == "api_key" else 1)


def test_a_refresh_token_used_again_after_the_grace_period_ends_the_family(
    client, browser, sandbox
):
    old = client.sign_in(browser())["refresh_token"]
    client.refresh()
    RefreshToken.objects.exclude(rotated_at=None).update(
        rotated_at=timezone.now() - timedelta(seconds=61)
    )
    assert client.refresh(old).json()["error"] == "invalid_grant"
    assert client.refresh().json()["error"] == "invalid_grant"
    assert not AccessToken.objects.exists()
    deliver()
    assert sandbox.api_keys() == []


def test_the_old_access_token_lives_through_the_grace_period_and_no_longer(
    client, browser, sandbox, settings
):
    settings.ACCESS_TOKEN_KIND = "api_key"
    client.sign_in(browser())
    old = AccessToken.objects.get()
    client.refresh()
    old.refresh_from_db()
    left = old.expires - timezone.now()
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)
    deletion = UpstreamDeletion.objects.get()
    assert deletion.api_key == old.api_key
    assert deletion.done_at is None
    UpstreamDeletion.objects.update(not_before=timezone.now())
    deliver()
    assert old.api_key.api_key_id not in upstream_keys(sandbox)


def test_an_opaque_family_keeps_one_key_and_extends_it(client, browser, sandbox, settings):
    settings.ACCESS_TOKEN_KIND = "opaque"
    client.sign_in(browser())
    [before] = sandbox.api_keys()
    EndUserApiKey.objects.update(expires=timezone.now() + timedelta(minutes=1))
    assert client.refresh().status_code == 200
    [after] = sandbox.api_keys()
    assert after["api_key_id"] == before["api_key_id"]
    assert after["expires_at_seconds"] >= before["expires_at_seconds"]
    assert EndUserApiKey.objects.get().expires > timezone.now() + timedelta(minutes=60)


def test_changing_the_token_kind_signs_nobody_out(client, browser, settings):
    settings.ACCESS_TOKEN_KIND = "api_key"
    client.sign_in(browser())
    settings.ACCESS_TOKEN_KIND = "opaque"
    assert client.refresh().json()["access_token"].startswith("wivmcp_at_")
    settings.ACCESS_TOKEN_KIND = "api_key"
    assert not client.refresh().json()["access_token"].startswith("wivmcp_at_")


def test_a_narrower_refresh_doesnt_narrow_the_next_one(client, browser):
    client.sign_in(browser())
    narrow = client.refresh(scope="wiv:read").json()
    assert narrow["scope"] == "wiv:read"
    assert narrow["access_token"].startswith("wivmcp_at_")
    assert client.refresh().json()["scope"] == "wiv:read wiv:write"


def test_a_refresh_cant_widen_the_scope(new_client, browser):
    client = new_client(scope="wiv:read")
    client.sign_in(browser())
    assert client.refresh(scope="wiv:read wiv:write").json()["error"] == "invalid_scope"


def test_a_family_ends_at_its_absolute_limit(client, browser):
    client.sign_in(browser())
    RefreshToken.objects.update(
        family_started=timezone.now() - settings.REFRESH_TOKEN_MAX_LIFETIME + timedelta(minutes=1)
    )
    client.refresh()
    newest = RefreshToken.objects.latest("pk")
    assert newest.expires <= timezone.now() + timedelta(minutes=1)


@pytest.mark.parametrize(
    "change",
    [
        ("POST", f"/user/{fixtures.ANA}/disable", {}),
        ("POST", "/org/remove_user", {"user_id": fixtures.ANA, "org_id": fixtures.ACME}),
        ("DELETE", f"/user/{fixtures.ANA}", {}),
    ],
    ids=["blocked", "removed from the organization", "deleted"],
)
def test_somebody_who_left_loses_access_at_the_next_refresh(client, browser, sandbox, change):
    client.sign_in(browser())
    method, path, body = change
    sandbox.backend(method, path, fixtures.BACKEND_API_KEY, json=body).raise_for_status()
    assert client.refresh().json()["error"] == "invalid_grant"
    assert not AccessToken.objects.exists()


def test_a_refresh_while_propelauth_is_away_can_be_tried_again(client, browser, sandbox, settings):
    settings.ACCESS_TOKEN_KIND = "api_key"
    refresh_token = client.sign_in(browser())["refresh_token"]
    sandbox.fault("propelauth", "/api/*", "status", status=500, times=None)
    assert client.refresh(refresh_token).status_code == 503
    sandbox.clear_faults()
    assert client.refresh(refresh_token).status_code == 200


@pytest.mark.parametrize("path", ["/api/*", "/api/backend/v1/end_user_api_keys/*"])
def test_opaque_tokens_are_refreshed_while_propelauth_is_away(
    client, browser, sandbox, settings, path
):
    """Whether it's away as a whole, or goes between its two questions."""
    settings.ACCESS_TOKEN_KIND = "opaque"
    client.sign_in(browser())
    sandbox.fault("propelauth", path, "status", status=500, times=None)
    first = client.refresh()
    assert first.status_code == 200
    assert 3590 < first.json()["expires_in"] <= 3600
    assert client.refresh().status_code == 200
    assert set(AccessToken.objects.values_list("role", flat=True)) == {"Admin"}


def test_a_refresh_without_propelauth_ends_before_what_was_last_confirmed(
    client, browser, sandbox, settings
):
    settings.ACCESS_TOKEN_KIND = "opaque"
    refresh_token = client.sign_in(browser())["refresh_token"]
    sandbox.fault("propelauth", "/api/*", "status", status=500, times=None)
    EndUserApiKey.objects.update(expires=timezone.now() + timedelta(minutes=25))
    assert 19 * 60 <= client.refresh().json()["expires_in"] <= 20 * 60
    EndUserApiKey.objects.update(expires=timezone.now() + timedelta(minutes=5))
    assert client.refresh(refresh_token).status_code == 503
    sandbox.clear_faults()
    assert client.refresh(refresh_token).json()["expires_in"] > 3590


@pytest.mark.parametrize("tolerance", [timedelta(), timedelta(hours=4)])
def test_the_key_behind_an_opaque_token_outlives_it_by_the_tolerance(
    client, browser, settings, tolerance
):
    settings.ACCESS_TOKEN_KIND = "opaque"
    settings.OUTAGE_TOLERANCE = tolerance
    client.sign_in(browser())
    client.refresh()
    token = AccessToken.objects.latest("pk")
    reserve = token.api_key.expires - token.expires
    assert abs(reserve - tolerance - timedelta(minutes=5)) < timedelta(seconds=15)


# Revocation ------------------------------------------------------------------------------------


@pytest.mark.requirement("RFC 7009 §2.1")
@BOTH_KINDS
@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
def test_revoking_either_token_ends_both_and_deletes_the_key(
    client, browser, sandbox, settings, kind, name
):
    settings.ACCESS_TOKEN_KIND = kind
    tokens = dict(client.sign_in(browser()))
    assert client.revoke(tokens[name]).status_code == 200
    assert client.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert not AccessToken.objects.exists()
    deliver()
    assert sandbox.api_keys() == []


@pytest.mark.requirement("RFC 7009 §2.2")
def test_revoking_an_unknown_token_is_a_success(client):
    client.register()
    assert client.revoke("unknown").status_code == 200


@pytest.mark.requirement("RFC 7009 §2.1: only the client a token was issued to may revoke it")
def test_a_client_cant_revoke_anothers_token(new_client, browser):
    victim, attacker = new_client(), new_client()
    tokens = victim.sign_in(browser())
    attacker.register(client_name="Another")
    refused = attacker.revoke(tokens["access_token"])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert victim.refresh().status_code == 200


def test_a_deletion_is_repeated_until_propelauth_takes_it(client, browser, sandbox):
    tokens = client.sign_in(browser())
    sandbox.fault("propelauth", "/api/*", "status", status=500, times=None)
    client.revoke(tokens["access_token"])
    deliver()
    assert UpstreamDeletion.objects.get().done_at is None
    sandbox.clear_faults()
    UpstreamDeletion.objects.update(not_before=timezone.now())
    assert outbox.deliver_due() == 1
    assert sandbox.api_keys() == []


def test_two_workers_never_deliver_one_deletion_twice(client, browser, sandbox):
    tokens = client.sign_in(browser())
    deliver()
    key = EndUserApiKey.objects.get()
    UpstreamDeletion.objects.create(api_key=key, not_before=timezone.now())
    with ThreadPoolExecutor(4) as pool:
        delivered = list(pool.map(lambda _: _deliver_and_close(), range(4)))
    assert sum(delivered) == 1
    assert tokens


def _deliver_and_close() -> int:
    from django.db import connection

    try:
        return outbox.deliver_due()
    finally:
        connection.close()


def test_nothing_secret_is_in_a_token_row(client, browser):
    tokens = client.sign_in(browser())
    rows = json.dumps(
        [
            list(model.objects.values())
            for model in (AccessToken, RefreshToken, Grant, EndUserApiKey)
        ],
        default=str,
    )
    assert tokens["access_token"] not in rows
    assert tokens["refresh_token"] not in rows


# Lost keys and old rows --------------------------------------------------------------------------


def age(model, **fields) -> None:
    model.objects.update(**{name: timezone.now() - by for name, by in fields.items()})


def test_a_key_whose_answer_was_lost_is_found_and_deleted(client, browser, sandbox):
    """PropelAuth made it, and its answer came too late for us."""
    code = client.obtain_code(browser())
    path = "/api/backend/v1/end_user_api_keys"
    sandbox.fault("propelauth", path, "delay", delay_seconds=2.5, times=1)
    assert client.redeem(code).status_code in (200, 503)
    age(EndUserApiKey, created=timedelta(minutes=1))
    deliver()
    assert upstream_keys(sandbox) == live_keys()
    assert not EndUserApiKey.objects.filter(uncertain=True).exists()


def test_a_worker_that_died_while_minting_leaves_no_key_behind(client, browser, sandbox):
    client.sign_in(browser())
    # As the row is between PropelAuth's answer and our commit.
    AccessToken.objects.all().delete()
    EndUserApiKey.objects.update(api_key_id=None, checksum=None, uncertain=True)
    age(EndUserApiKey, created=timedelta(minutes=1))
    deliver()
    assert sandbox.api_keys() == []


def test_old_rows_go_and_live_ones_stay(client, browser):
    client.sign_in(browser())
    call_command("run_due", stdout=StringIO())
    models = (AccessToken, RefreshToken, Grant, EndUserApiKey, AuthorizationRequest)
    assert all(model.objects.exists() for model in models)
    for model in models:
        age(model, expires=timedelta(days=2))
    call_command("run_due", stdout=StringIO())
    assert not any(model.objects.exists() for model in models)


@pytest.mark.parametrize("path", ["/token", "/revoke", "/register"])
def test_an_oversized_request_is_refused_in_the_protocols_form(http, path):
    answer = http.post(
        path,
        content=b"a=" + b"x" * 100_000,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 413
    assert answer.json()["error"] == "invalid_request"


@pytest.mark.parametrize("path", ["/token", "/revoke"])
def test_control_characters_in_client_credentials_are_refused(http, path):
    """PostgreSQL can't store a NUL, nor be asked about one."""
    form = {"grant_type": "authorization_code", "token": "x", "code": "x", "client_id": "a\x00b"}
    assert http.post(path, data=form).status_code == 400
    basic = httpx2.BasicAuth("a\x00b", "c\x00d")
    answer = http.post(path, data={**form, "client_id": "a"}, auth=basic)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_extending_a_key_is_tried_again_too(client, browser, sandbox, settings):
    settings.ACCESS_TOKEN_KIND = "opaque"
    client.sign_in(browser())
    path = "/api/backend/v1/end_user_api_keys/*"
    sandbox.fault("propelauth", path, "status", status=500, times=2)
    assert client.refresh().status_code == 200


@pytest.mark.parametrize("answer", [{"active": True, "aud": None}, {"active": True, "sub": 7}])
def test_an_introspection_of_odd_types_is_a_page_or_a_sign_in(client, browser, sandbox, answer):
    client.register()
    robot = browser()
    callback = robot.authorize(
        client.authorization_url(), stop_at=f"{client.issuer}/oauth/callback"
    )
    body = {"sub": fixtures.ANA, **answer}
    sandbox.fault("propelauth", "/oauth/2.1/introspect", "wrong_json", body=body)
    assert robot.get(str(callback)).status_code in (302, 503)
