"""PropelAuth's backend API: end-user API keys, users, organizations, access tokens."""

import time

import jwt
import pytest

from sandbox import fixtures
from tests.sandbox.conftest import Sandbox


@pytest.mark.requirement("PropelAuth end-user API keys: create")
def test_a_created_key_has_an_id_of_32_and_a_secret_of_96_hex_digits(sandbox: Sandbox):
    key = sandbox.create_key(user_id=fixtures.ANA, org_id=fixtures.ACME)
    assert int(key["api_key_id"], 16)
    assert len(key["api_key_id"]) == 32
    assert len(key["api_key_token"]) == 96
    assert key["api_key_token"].startswith(key["api_key_id"])


@pytest.mark.requirement("PropelAuth end-user API keys: validate")
def test_a_key_with_user_and_organization_tells_the_users_role_there(sandbox: Sandbox):
    key = sandbox.create_key(
        user_id=fixtures.ANA, org_id=fixtures.ACME, metadata={"issuer": "test"}
    )
    answer = sandbox.validate(key["api_key_token"]).json()
    assert answer["user"]["email"] == fixtures.ANA_EMAIL
    assert answer["org"]["org_name"] == "Acme Corp"
    assert answer["user_in_org"]["user_role"] == "Admin"
    assert answer["metadata"] == {"issuer": "test"}
    assert (answer["user_id"], answer["org_id"]) == (fixtures.ANA, fixtures.ACME)


@pytest.mark.parametrize(
    ("owner", "present"),
    [
        ({"user_id": fixtures.ANA}, {"user"}),
        ({"org_id": fixtures.ACME}, {"org"}),
        ({}, set()),
    ],
)
@pytest.mark.requirement("PropelAuth end-user API keys: validate")
def test_personal_organization_and_generic_keys_tell_less(
    sandbox: Sandbox, owner: dict[str, str], present: set[str]
):
    answer = sandbox.validate(sandbox.create_key(**owner)["api_key_token"]).json()
    assert {part for part in ("user", "org", "user_in_org") if answer[part]} == present


def test_an_unknown_key_is_a_field_error_and_not_401(sandbox: Sandbox):
    refusal = sandbox.validate("0" * 96)
    assert refusal.status_code == 400
    assert refusal.json() == {"api_key_token": ["Invalid API key"]}


def test_a_wrong_backend_key_is_401_everywhere(sandbox: Sandbox):
    headers = {"authorization": "Bearer wrong"}
    for path in ("/end_user_api_keys", f"/user/{fixtures.ANA}", f"/org/{fixtures.ACME}"):
        assert sandbox.get(f"/api/backend/v1{path}", headers=headers).status_code == 401


@pytest.mark.requirement("PropelAuth end-user API keys: archived")
def test_an_expired_key_is_archived_and_no_longer_valid(sandbox: Sandbox):
    expires_at = int(time.time()) + 100
    key = sandbox.create_key(org_id=fixtures.ACME, expires_at_seconds=expires_at)
    sandbox.control("clock", advance_seconds=101)
    assert sandbox.validate(key["api_key_token"]).status_code == 400
    assert sandbox.backend("GET", "/end_user_api_keys").json()["total_api_keys"] == 0
    archived = sandbox.backend("GET", "/end_user_api_keys/archived").json()["api_keys"]
    assert [one["api_key_id"] for one in archived] == [key["api_key_id"]]
    assert sandbox.live_keys() == []


@pytest.mark.requirement("PropelAuth end-user API keys: update")
def test_a_patch_changes_expiry_and_metadata(sandbox: Sandbox):
    now = int(time.time())
    key = sandbox.create_key(org_id=fixtures.ACME, expires_at_seconds=now + 100)
    path = f"/end_user_api_keys/{key['api_key_id']}"
    change = {"expires_at_seconds": now + 900, "metadata": {"family": "f"}}
    assert sandbox.backend("PATCH", path, json=change).json() == {}
    fetched = sandbox.backend("GET", path).json()
    assert fetched["expires_at_seconds"] == now + 900
    assert fetched["metadata"] == {"family": "f"}
    sandbox.backend("PATCH", path, json={"set_to_never_expire": True})
    assert sandbox.backend("GET", path).json()["expires_at_seconds"] is None


@pytest.mark.requirement("PropelAuth end-user API keys: delete")
def test_a_deleted_key_is_gone(sandbox: Sandbox):
    key = sandbox.create_key(org_id=fixtures.ACME)
    path = f"/end_user_api_keys/{key['api_key_id']}"
    assert sandbox.backend("DELETE", path).json() == {}
    assert sandbox.backend("DELETE", path).status_code == 404
    assert sandbox.backend("GET", path).status_code == 404
    assert sandbox.validate(key["api_key_token"]).status_code == 400


def test_keys_are_listed_by_owner_and_kind_in_pages(sandbox: Sandbox):
    for _ in range(11):
        sandbox.create_key(user_id=fixtures.ANA, org_id=fixtures.ACME)
    sandbox.create_key(user_id=fixtures.MAX)
    first = sandbox.backend("GET", "/end_user_api_keys").json()
    assert (first["total_api_keys"], len(first["api_keys"])) == (12, 10)
    assert first["has_more_results"] is True
    second = sandbox.backend("GET", "/end_user_api_keys", params={"page_number": 1}).json()
    assert (second["current_page"], len(second["api_keys"])) == (1, 2)
    for query in ({"user_email": fixtures.MAX_EMAIL}, {"api_key_type": "PERSONAL"}):
        listed = sandbox.backend("GET", "/end_user_api_keys", params=query).json()["api_keys"]
        assert [key["user_id"] for key in listed] == [fixtures.MAX]


def test_the_control_route_lists_live_keys_without_their_secrets(sandbox: Sandbox):
    key = sandbox.create_key(user_id=fixtures.ANA, org_id=fixtures.ACME, metadata={"mint": "1"})
    assert sandbox.live_keys()[0]["metadata"] == {"mint": "1"}
    assert key["api_key_token"] not in sandbox.get("/control/api-keys").text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"user_id": fixtures.MAX, "org_id": fixtures.ACME}, "user_id"),
        ({"user_id": fixtures.BEA}, "user_id"),
        ({"user_id": ["not", "text"]}, "user_id"),
        ({"org_id": "unknown"}, "org_id"),
        ({"expires_at_seconds": 1}, "expires_at_seconds"),
        ({"expires_at_seconds": "soon"}, "expires_at_seconds"),
        ({"metadata": "text"}, "metadata"),
    ],
)
def test_a_key_that_makes_no_sense_is_a_field_error(
    sandbox: Sandbox, body: dict[str, object], field: str
):
    refusal = sandbox.backend("POST", "/end_user_api_keys", json=body)
    assert refusal.status_code == 400
    assert list(refusal.json()) == [field]


def test_a_key_dies_with_the_block_of_its_user(sandbox: Sandbox):
    key = sandbox.create_key(user_id=fixtures.ANA, org_id=fixtures.ACME)["api_key_token"]
    assert sandbox.backend("POST", f"/user/{fixtures.ANA}/disable").status_code == 200
    assert sandbox.validate(key).status_code == 400
    sandbox.backend("POST", f"/user/{fixtures.ANA}/enable")
    assert sandbox.validate(key).status_code == 200


def test_a_key_dies_when_its_user_leaves_the_organization(sandbox: Sandbox):
    key = sandbox.create_key(user_id=fixtures.ANA, org_id=fixtures.ACME)["api_key_token"]
    leaver = {"user_id": fixtures.ANA, "org_id": fixtures.ACME}
    assert sandbox.backend("POST", "/org/remove_user", json=leaver).status_code == 200
    assert sandbox.validate(key).status_code == 400
    assert sandbox.backend("POST", "/org/remove_user", json=leaver).status_code == 404


def test_usage_counts_validations_of_a_day(sandbox: Sandbox):
    key = sandbox.create_key(org_id=fixtures.ACME)
    sandbox.validate(key["api_key_token"])
    sandbox.validate(key["api_key_token"])
    today = time.strftime("%Y-%m-%d", time.gmtime())
    query = {"date": today, "api_key_id": key["api_key_id"]}
    usage = sandbox.backend("GET", "/end_user_api_keys/usage", params=query)
    assert usage.json() == {"count": 2}


@pytest.mark.requirement("PropelAuth users: fetch")
def test_a_user_has_organizations_only_when_they_are_asked_for(sandbox: Sandbox):
    path = f"/user/{fixtures.MAX}"
    assert "org_id_to_org_info" not in sandbox.backend("GET", path).json()
    user = sandbox.backend("GET", path, params={"include_orgs": "true"}).json()
    roles = {org_id: info["user_role"] for org_id, info in user["org_id_to_org_info"].items()}
    assert roles == {
        fixtures.MSP: "Admin",
        fixtures.NORTHWIND: "Editor",
        fixtures.CONTOSO: "Member",
    }


def test_users_are_found_by_email_and_by_organization(sandbox: Sandbox):
    by_email = sandbox.backend("GET", "/user/email", params={"email": fixtures.GUS_EMAIL})
    assert by_email.json()["user_id"] == fixtures.GUS
    members = sandbox.backend("GET", f"/user/org/{fixtures.ACME}").json()["users"]
    assert {user["email"]: user["role_in_org"] for user in members} == {
        fixtures.ANA_EMAIL: "Admin",
        fixtures.GUS_EMAIL: "Guest",
        fixtures.BEA_EMAIL: "Member",
    }


def test_unknown_users_and_organizations_are_404(sandbox: Sandbox):
    assert sandbox.backend("GET", f"/user/{fixtures.ACME}").status_code == 404
    assert sandbox.backend("GET", f"/org/{fixtures.ANA}").status_code == 404


def test_an_organization_is_described(sandbox: Sandbox):
    organization = sandbox.backend("GET", f"/org/{fixtures.MSP}").json()
    assert organization["name"] == "Orbit MSP"
    assert organization["url_safe_org_slug"] == "orbit-msp"


@pytest.mark.requirement("PropelAuth access tokens: create")
def test_an_access_token_is_a_jwt_that_the_published_key_verifies(sandbox: Sandbox):
    body = {
        "user_id": fixtures.ANA,
        "duration_in_minutes": 5,
        "active_org_id": fixtures.ACME,
    }
    token = sandbox.backend("POST", "/access_token", json=body).json()["access_token"]
    jwks = jwt.PyJWKSet.from_dict(sandbox.get("/.well-known/jwks.json").json())
    issuer = f"https://{sandbox.base_url.netloc.decode()}"
    claims = jwt.decode(token, jwks.keys[0].key, ["RS256"], issuer=issuer)
    assert claims["user_id"] == fixtures.ANA
    assert claims["org_member_info"]["org_id"] == fixtures.ACME
    assert claims["exp"] - claims["iat"] == 300


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"user_id": fixtures.ACME}, 403),
        ({"user_id": fixtures.BEA}, 403),
        ({"active_org_id": fixtures.NORTHWIND}, 400),
        ({"duration_in_minutes": 0}, 400),
    ],
)
def test_an_access_token_is_refused(sandbox: Sandbox, changes: dict[str, object], status: int):
    body = {"user_id": fixtures.ANA, "duration_in_minutes": 5} | changes
    assert sandbox.backend("POST", "/access_token", json=body).status_code == status
