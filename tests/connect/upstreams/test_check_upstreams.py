"""`manage.py check_upstreams` against the sandbox: all well, and each thing that can be wrong."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from io import StringIO
from threading import Thread
from typing import Any

import httpx2
import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command

from connect.upstreams.problems import PROBLEMS
from oauth_bridge.pkce import create_code_verifier, s256_code_challenge
from sandbox import fixtures
from tests.docs.markdown import ROOT, code, read, tables_with
from tests.robot import Robot
from tests.settings import free_port

METADATA = "/.well-known/oauth-authorization-server/oauth/2.1"
CALLBACK = f"{django_settings.PUBLIC_URL}/oauth/callback"


@dataclass
class Checked:
    status: int
    report: dict[str, Any]

    @property
    def ids(self) -> list[str]:
        return [finding["id"] for finding in self.report["findings"]]


def run(*arguments: str) -> tuple[int, str]:
    output = StringIO()
    try:
        call_command("check_upstreams", *arguments, stdout=output)
    except CommandError as error:
        return error.returncode, output.getvalue()
    return 0, output.getvalue()


def check(*arguments: str) -> Checked:
    status, output = run("--json", *arguments)
    return Checked(status, json.loads(output))


def spoil(sandbox, path: str, body: object, status: int = 200, side: str = "propelauth") -> None:
    kind = "wrong_json" if status == 200 else "status"
    sandbox.fault(side, path, kind, body=body, status=status, times=None)


def metadata(sandbox, **changed: object) -> dict[str, Any]:
    answer: dict[str, Any] = httpx2.get(sandbox.url + METADATA).json()
    return answer | changed


@pytest.fixture
def token(sandbox, monkeypatch):
    """PropelAuth's own access token for Ana, as a sign-in gets it; in PROPELAUTH_TOKEN."""
    access_token = sign_in_at_propelauth(sandbox.url)
    monkeypatch.setenv("PROPELAUTH_TOKEN", access_token)
    return access_token


def sign_in_at_propelauth(url: str) -> str:
    verifier, robot = create_code_verifier(), Robot(fixtures.ANA_EMAIL)
    asked = httpx2.URL(f"{url}/oauth/2.1/authorize").copy_merge_params(
        {
            "response_type": "code",
            "client_id": fixtures.CLIENT_ID,
            "redirect_uri": CALLBACK,
            "state": "s",
            "code_challenge": s256_code_challenge(verifier),
            "code_challenge_method": "S256",
            "resource": f"{django_settings.PUBLIC_URL}/mcp",
        }
    )
    code = robot.authorize(str(asked), stop_at=CALLBACK).params["code"]
    robot.close()
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": verifier,
    }
    credentials = (fixtures.CLIENT_ID, fixtures.CLIENT_SECRET)
    answer = httpx2.post(f"{url}/oauth/2.1/token", data=form, auth=credentials)
    return str(answer.raise_for_status().json()["access_token"])


# All well ----------------------------------------------------------------------------------------


def test_a_tenant_that_is_set_up_passes(sandbox, token, make_key, monkeypatch):
    monkeypatch.setenv("WIV_API_KEY", make_key())
    checked = check("--token-from-env", "PROPELAUTH_TOKEN")
    assert (checked.status, checked.ids, checked.report["skipped"]) == (0, [], {})
    assert len(checked.report["passed"]) == 8
    said = checked.report["passed"]["PropelAuth's word on a token"]
    assert "aud" in said
    assert "org_id" in said


def test_what_needs_a_credential_is_skipped_without_one(sandbox, monkeypatch):
    monkeypatch.delenv("WIV_API_KEY", raising=False)
    status, output = run()
    assert status == 0
    assert "skipped  PropelAuth's word on a token: --token-from-env isn't set" in output
    assert "skipped  Wiv's answer to a key: WIV_API_KEY isn't set" in output
    assert output.endswith("6 ok, 0 fails, 0 unknown, 0 warns, 2 skipped.\n")


def test_nothing_is_changed_at_either(sandbox, token, make_key, monkeypatch):
    monkeypatch.setenv("WIV_API_KEY", make_key())
    keys = sandbox.api_keys()
    sandbox.forget_requests()
    check("--token-from-env", "PROPELAUTH_TOKEN")
    assert sandbox.api_keys() == keys
    posted = {each["path"] for each in sandbox.requests("propelauth") if each["method"] != "GET"}
    assert posted == {"/oauth/2.1/token", "/oauth/2.1/introspect"}
    assert {each["method"] for each in sandbox.requests("wiv")} == {"GET"}


# Each thing that can be wrong --------------------------------------------------------------------


def test_mcp_that_is_switched_off_is_the_only_finding(sandbox):
    sandbox.control("mcp", enabled=False)
    checked = check()
    assert (checked.status, checked.ids) == (1, ["U011"])
    assert len([name for name in checked.report["skipped"] if "PropelAuth" in name]) == 4


@pytest.mark.parametrize("kind", ["html", "broken_json"])
def test_what_answers_there_isnt_propelauth(sandbox, kind):
    sandbox.fault("propelauth", METADATA, kind)
    assert check().ids == ["U012"]


@pytest.mark.parametrize(
    ("changed", "lacking"),
    [
        ({"code_challenge_methods_supported": 256}, "S256"),
        ({"introspection_endpoint": None}, "introspection_endpoint"),
    ],
)
def test_metadata_without_what_a_sign_in_needs_fails(sandbox, changed, lacking):
    spoil(sandbox, METADATA, metadata(sandbox, **changed))
    checked = check()
    assert (checked.status, checked.ids) == (1, ["U012"])
    assert checked.report["findings"][0]["seen"] == f"GET {METADATA}: 200 without {lacking}"


@pytest.mark.parametrize("name", ["issuer", "token_endpoint"])
def test_another_name_in_the_metadata_is_a_warning(sandbox, name):
    spoil(sandbox, METADATA, metadata(sandbox, **{name: "https://auth.other.example"}))
    checked = check()
    assert (checked.status, checked.ids) == (0, ["U013"])
    assert checked.report["findings"][0]["seen"].startswith(f"{name}: ")


def test_both_issuers_that_tenants_have_are_right(sandbox):
    spoil(sandbox, METADATA, metadata(sandbox, issuer=f"{sandbox.url}/oauth/2.1"))
    assert check().ids == []


def test_a_callback_that_isnt_allowed_fails(sandbox):
    sandbox.control("redirect-uris", redirect_uris=["https://other.example/oauth/callback"])
    checked = check()
    assert (checked.status, checked.ids) == (1, ["U014"])


def test_a_tenant_that_shows_every_callback_the_same_page_proves_nothing(sandbox):
    sandbox.fault("propelauth", "/oauth/2.1/authorize", "html", status=200, times=None)
    checked = check()
    assert (checked.status, checked.ids) == (2, ["U015"])


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("PROPELAUTH_CLIENT_ID", "f" * 32, "invalid_client"),
        ("PROPELAUTH_SCOPE", "no:such", "invalid_scope"),
    ],
)
def test_an_error_that_is_sent_to_the_callback_is_named(sandbox, settings, name, value, error):
    setattr(settings, name, value)
    checked = check()
    assert checked.status == 1
    [finding] = [each for each in checked.report["findings"] if each["id"] == "U016"]
    assert finding["seen"] == f"to the callback: {error}"


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("PROPELAUTH_CLIENT_SECRET", "U017"),
        ("PROPELAUTH_INTROSPECTION_CLIENT_ID", "U018"),
        ("PROPELAUTH_INTROSPECTION_CLIENT_SECRET", "U018"),
        ("PROPELAUTH_BACKEND_API_KEY", "U031"),
    ],
)
def test_a_wrong_credential_is_found_and_never_shown(sandbox, settings, token, name, finding):
    setattr(settings, name, "wrong" + "0" * 91)
    for arguments in [(), ("--json",)]:
        status, output = run(*arguments)
        assert status == 1
        assert finding in output
        assert "wrong0" not in output


def test_the_clients_credentials_arent_those_of_introspection(sandbox, settings):
    settings.PROPELAUTH_INTROSPECTION_CLIENT_ID = settings.PROPELAUTH_CLIENT_ID
    settings.PROPELAUTH_INTROSPECTION_CLIENT_SECRET = settings.PROPELAUTH_CLIENT_SECRET
    assert check().ids == ["U018"]


def test_a_client_that_is_refused_with_400_is_refused_too(sandbox):
    spoil(sandbox, "/oauth/2.1/token", {"error": "invalid_client"}, status=400)
    assert check().ids == ["U017"]


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/oauth/2.1/token", 400, {"error": "invalid_grant"}),
        ("/oauth/2.1/introspect", 200, {"active": False}),
    ],
)
def test_an_answer_that_any_secret_gets_proves_nothing(sandbox, path, status, body):
    spoil(sandbox, path, body, status)
    checked = check()
    assert (checked.status, checked.ids) == (2, ["U019"])


@pytest.mark.parametrize("path", ["/oauth/2.1/token", "/oauth/2.1/introspect"])
def test_an_answer_of_another_kind_is_told_as_such(sandbox, path):
    spoil(sandbox, path, {"error": fixtures.CLIENT_SECRET}, status=400)
    status, output = run()
    assert status == 2
    assert (
        f"U003  PropelAuth's answer isn't understood\n           seen  POST {path}: 400\n" in output
    )
    assert fixtures.CLIENT_SECRET not in output


def test_a_token_that_isnt_active_fails(sandbox, monkeypatch):
    monkeypatch.setenv("PROPELAUTH_TOKEN", "e" * 96)
    checked = check("--token-from-env", "PROPELAUTH_TOKEN")
    assert (checked.status, checked.ids) == (1, ["U021"])
    assert "e" * 96 not in str(checked.report)


def test_what_introspection_leaves_out_is_a_warning(sandbox, token):
    sandbox.control("introspection", org_id="omit", aud="omit")
    checked = check("--token-from-env", "PROPELAUTH_TOKEN")
    assert (checked.status, set(checked.ids)) == (0, {"U024", "U025"})


@pytest.mark.parametrize("sub", ["ana@acme.test", None, fixtures.ACME])
def test_a_subject_that_is_no_user_fails(sandbox, token, sub):
    spoil_introspection_of_a_token(sandbox, sub=sub)
    checked = check("--token-from-env", "PROPELAUTH_TOKEN")
    assert (checked.status, checked.ids) == (1, ["U022"])


@pytest.mark.parametrize("aud", ["https://other.example/mcp", ["https://other.example/mcp"]])
def test_a_token_for_another_resource_fails(sandbox, token, aud):
    spoil_introspection_of_a_token(sandbox, aud=aud)
    checked = check("--token-from-env", "PROPELAUTH_TOKEN")
    assert (checked.status, checked.ids) == (1, ["U023"])


def spoil_introspection_of_a_token(sandbox, **changed: object) -> None:
    """The first two requests prove the credentials; the third is about the token."""
    facts = {"active": True, "sub": fixtures.ANA, "org_id": fixtures.ACME}
    path = "/oauth/2.1/introspect"
    sandbox.fault("propelauth", path, "wrong_json", body={"active": False})
    sandbox.fault("propelauth", path, "status", status=401, body={"error": "invalid_client"})
    sandbox.fault("propelauth", path, "wrong_json", body={**facts, **changed})


@pytest.mark.parametrize("status", [404, 426])
def test_a_tenant_without_organization_keys_fails(sandbox, status):
    sandbox.fault("propelauth", "/api/backend/v1/end_user_api_keys", "status", status=status)
    checked = check()
    assert (checked.status, checked.ids) == (1, ["U032"])


@pytest.mark.parametrize("kind", ["drop", "rate_limit_text", "rate_limit_json"])
def test_a_propelauth_that_doesnt_answer_ends_with_2(sandbox, kind):
    sandbox.fault("propelauth", "*", kind, times=None)
    checked = check()
    assert checked.status == 2
    assert set(checked.ids) == {"U001"}


def test_what_fails_counts_more_than_what_doesnt_answer(sandbox, settings):
    settings.PROPELAUTH_CLIENT_SECRET = "0" * 96
    sandbox.fault("wiv", "*", "status", status=503, times=None)
    checked = check()
    assert (checked.status, set(checked.ids)) == (1, {"U017", "U041"})


@pytest.mark.parametrize(
    ("name", "finding"), [("PROPELAUTH_AUTH_URL", "U002"), ("WIV_API_URL", "U042")]
)
def test_a_host_whose_tls_doesnt_hold_fails(sandbox, settings, name, finding):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=answer_in_the_clear, args=(listener,), daemon=True).start()
        setattr(settings, name, f"https://127.0.0.1:{listener.getsockname()[1]}")
        checked = check()
    assert checked.status == 1
    assert finding in checked.ids


def answer_in_the_clear(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def test_a_wiv_that_isnt_there_ends_with_2(sandbox, settings):
    settings.WIV_API_URL = f"http://127.0.0.1:{free_port()}"
    checked = check()
    assert (checked.status, checked.ids) == (2, ["U041"])


def test_another_path_than_wivs_fails(sandbox, settings):
    settings.WIV_API_URL += "/v9"
    checked = check()
    assert (checked.status, checked.ids) == (1, ["U043"])


def test_a_page_that_takes_any_key_isnt_wiv(sandbox):
    sandbox.fault("wiv", "*", "html", status=200, times=None)
    checked = check()
    assert (checked.status, checked.ids) == (1, ["U044"])


def test_a_key_that_wiv_refuses_fails_and_is_never_shown(sandbox, monkeypatch):
    monkeypatch.setenv("SOMEBODYS_KEY", "0" * 96)
    checked = check("--api-key-env", "SOMEBODYS_KEY")
    assert (checked.status, checked.ids) == (1, ["U045"])
    assert "0" * 96 not in str(checked.report)


# The command -------------------------------------------------------------------------------------


def test_a_token_variable_that_isnt_set_ends_with_2(sandbox):
    assert run("--token-from-env", "NOT_SET") == (2, "")


def test_it_needs_no_database(sandbox):
    environment = {**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    ended = subprocess.run(
        [sys.executable, "manage.py", "check_upstreams"],
        cwd=ROOT,
        env={**environment, "DJANGO_SETTINGS_MODULE": "wivmcp.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_ids_are_unique_and_documented():
    [table] = tables_with(read("docs/operations.md"), "Upstream finding")
    documented = {code(row["Upstream finding"]): row["Means"] for row in table.rows}
    assert documented == {problem.id: problem.title for problem in PROBLEMS}
    assert len({problem.id for problem in PROBLEMS}) == len(PROBLEMS)
    severities = {code(row["Upstream finding"]): row["Is"] for row in table.rows}
    assert severities == {problem.id: problem.severity for problem in PROBLEMS}
