"""Headers and texts that lie: forwarding, Host, line breaks, frames, floods."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from django.db import connection

from oauth_bridge.models import Application, User
from sandbox import fixtures
from tests.e2e.deployment import serving
from tests.mcp_gateway.json_rpc import McpClient
from tests.robot import PLAIN_HTTP, form_to, forms_of, location_of, signed_in
from tests.settings import free_port
from tests.stand_ins import wait_until_answers

BODY = {"redirect_uris": ["http://127.0.0.1:33418/"], "token_endpoint_auth_method": "none"}
BREAKS = ["\r\n", "\n", "\r", "\x00", "\x1b[2K", "\x85", "\x0b"]

# Floods -----------------------------------------------------------------------------------------


def registered(http: httpx2.Client, number: int, **headers: str) -> int:
    body = {**BODY, "client_name": f"Client {number}"}
    return http.post("/register", json=body, headers=headers).status_code


@pytest.fixture
def another_worker(server: str, tmp_path: Path) -> Iterator[httpx2.Client]:
    """A second process of the product on the same database, with a limit of three."""
    name = connection.settings_dict["NAME"]
    url = os.environ.get("DATABASE_URL")
    database = str(httpx2.URL(url).copy_with(path=f"/{name}")) if url else f"sqlite:///{name}"
    own = {"DATABASE_URL": database, "REGISTRATIONS_PER_ADDRESS": "3", "TRUSTED_PROXY_COUNT": "1"}
    environment = {**os.environ, **own, "DJANGO_SETTINGS_MODULE": "wivmcp.settings"}
    port = free_port()
    log = tmp_path / "worker.log"
    with log.open("wb") as output, serving(port, 1, environment, output) as process:
        wait_until_answers(f"http://127.0.0.1:{port}/healthz", process)
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", verify=PLAIN_HTTP) as worker:
            yield worker


@pytest.mark.requirement("RFC 7591 §5: denial of service by registrations")
def test_another_worker_is_no_way_round_the_limit(http, another_worker, settings):
    settings.REGISTRATIONS_PER_ADDRESS = 3
    settings.TRUSTED_PROXY_COUNT = 1
    flooder = {"X-Forwarded-For": "198.51.100.77"}
    workers = [http, another_worker] * 3
    answers = [registered(worker, n, **flooder) for n, worker in enumerate(workers)]
    assert 429 in answers


# A window of time may begin in the middle of a test, hence more than limit + 1 requests.
INVENTED = [
    ("X-Forwarded-For", "6.6.6.{0}, 203.0.113.9"),
    ("Forwarded", "for=6.6.6.{0}"),
    ("X-Real-IP", "6.6.6.{0}"),
    ("Client-IP", "6.6.6.{0}"),
]


@pytest.mark.requirement("RFC 7239 §8.1: forwarding headers are the sender's word")
@pytest.mark.parametrize("proxies", [0, 1])
@pytest.mark.parametrize(("header", "value"), INVENTED)
def test_an_invented_address_lifts_no_limit(http, settings, proxies, header, value):
    """With one proxy in front, the last entry is the proxy's and the same each time."""
    settings.TRUSTED_PROXY_COUNT = proxies
    settings.REGISTRATIONS_PER_ADDRESS = 2
    answers = [registered(http, n, **{header: value.format(n)}) for n in range(5)]
    assert 429 in answers


@pytest.mark.requirement("RFC 9110 §5.3: a repeated header is one list")
def test_a_second_forwarding_header_of_ones_own_lifts_no_limit(http, settings):
    settings.TRUSTED_PROXY_COUNT = 1
    settings.REGISTRATIONS_PER_ADDRESS = 1
    answers = []
    for number in range(3):
        body = {**BODY, "client_name": f"Client {number}"}
        headers = [
            ("X-Forwarded-For", f"6.6.6.{number}"),
            ("X-Forwarded-For", "203.0.113.9"),
        ]
        answers.append(http.post("/register", json=body, headers=headers).status_code)
    assert 429 in answers


@pytest.mark.requirement("RFC 6750 §5.2: guessing")
@pytest.mark.parametrize("proxies", [0, 1])
@pytest.mark.parametrize(("header", "value"), INVENTED)
def test_keys_arent_guessed_for_long(http, settings, sandbox, proxies, header, value):
    settings.TRUSTED_PROXY_COUNT = proxies
    settings.CREDENTIAL_REFUSALS_PER_MINUTE = 2
    answers = []
    for number in range(5):
        headers = {header: value.format(number), "X-API-Key": f"{number:096x}"}
        answers.append(http.post("/mcp", headers=headers).status_code)
    assert set(answers) == {401, 429}


# Host -------------------------------------------------------------------------------------------

POISONS: list[dict[str, str]] = [
    {"X-Forwarded-Host": "evil.example"},
    {"X-Forwarded-Proto": "https"},
    {"X-Forwarded-Port": "6666", "X-Forwarded-Prefix": "/evil.example"},
    {"Forwarded": "host=evil.example;proto=https"},
    {"X-Original-URL": "https://evil.example/", "X-Rewrite-URL": "/evil.example"},
    {"Host": "127.0.0.1:6666"},  # the host is ours, the port is the proxy's
]
POISONED = re.compile("evil|6666|https://127")


@pytest.mark.requirement("RFC 8414 §3.3, RFC 9728 §3.3: nothing follows the request's Host")
@pytest.mark.parametrize("poison", POISONS)
def test_metadata_and_challenges_never_follow_the_request(http, poison):
    for path in (
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource/sse",
        "/connect",
    ):
        answer = http.get(path, headers=poison)
        assert answer.status_code == 200
        assert not POISONED.search(answer.text)
    challenge = http.post("/mcp", headers=poison).headers["www-authenticate"]
    assert not POISONED.search(challenge)


@pytest.mark.parametrize("poison", POISONS[:-1])
def test_redirects_never_follow_the_request(client, victim, sandbox, poison):
    victim.http.headers.update(poison)
    client.sign_in(victim)
    assert not any(POISONED.search(url) for url in victim.visited)
    sent = [received["query"] for received in sandbox.requests("propelauth")]
    assert not POISONED.search(str(sent))


@pytest.mark.parametrize("path", ["/", "/connect", "/authorize", "/admin/login/", "/mcp", "/sse"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1@evil.example", "127.0.0.1/evil"])
def test_a_foreign_host_is_served_nothing(http, path, host):
    answer = http.get(path, headers={"Host": host})
    assert answer.status_code in (400, 421)
    assert "evil" not in str(answer.headers)


# Line breaks ------------------------------------------------------------------------------------


@pytest.mark.requirement("CWE-113: response splitting")
@pytest.mark.parametrize("line_break", BREAKS)
def test_a_state_with_a_line_break_never_comes_back(client, victim, line_break):
    client.register()
    state = f"a{line_break}Set-Cookie: session=planted"
    for changes in ({}, {"response_type": "token"}):
        answer = victim.get(client.authorization_url(state=state, **changes))
        assert answer.status_code == 400
        assert "location" not in answer.headers
        assert "planted" not in str(answer.headers)


@pytest.mark.requirement("CWE-117: log injection")
@pytest.mark.parametrize("line_break", BREAKS)
def test_a_client_name_keeps_no_line_break(http, line_break):
    name = f"Good{line_break}2026-01-01 INFO all is well"
    answer = http.post("/register", json={**BODY, "client_name": name})
    assert Application.objects.get().name == answer.json()["client_name"]
    assert not [c for c in Application.objects.get().name if not c.isprintable()]


@pytest.mark.requirement("CWE-117: log injection")
@pytest.mark.parametrize("line_break", BREAKS)
def test_no_request_writes_a_line_of_its_own_into_the_log(
    http, client, victim, make_key, sandbox, caplog, line_break
):
    forged = f"x{line_break}2026-01-01 00:00:00,000 INFO forged line"
    client.register(client_name=forged)
    in_url = quote(forged)
    http.get(f"/{in_url}")
    http.get(f"/oauth/callback?state={in_url}&code={in_url}&error={in_url}")
    http.get(f"/.well-known/{in_url}")
    victim.get(client.authorization_url(state=forged))
    victim.get(client.authorization_url(response_type=forged))
    victim.get(f"{client.authorization_url()}&{in_url}={in_url}&{in_url}=2")
    http.post("/token", data={"grant_type": forged, "code": forged, "client_id": forged})
    http.post("/revoke", data={"token": forged, "client_id": client.client_id})
    gateway = McpClient(http, make_key())
    gateway.request("tools/call", {"name": forged, "arguments": {}})
    gateway.request(forged)
    sandbox.fault("wiv", "*", "status", status=400, body={"error": forged})
    gateway.refused("wiv_list_spaces")
    gateway.refused("wiv_get_workflow", workflow_id=forged)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) > 3, "the log has to be looked at"
    assert not [message for message in messages if line_break in message]


# Frames -----------------------------------------------------------------------------------------


@pytest.mark.requirement("RFC 9700 §4.16: clickjacking")
def test_no_page_can_be_framed(client, victim, browser, server, callback_of):
    client.register()
    pages = [victim.get(f"{server}{path}") for path in ("/connect", "/admin/login/", "/nowhere")]
    pages.append(victim.get(client.authorization_url()))
    pages.append(victim.get(client.authorization_url(client_id="unknown")))
    pages.append(victim.get(f"{server}/oauth/callback?state=x"))
    pages.append(signed_in(victim, server))
    several = browser(fixtures.MAX_EMAIL)
    pages.append(several.get(location_of(several.get(callback_of(several, client)))))
    for page in pages:
        assert page.headers["x-frame-options"] == "DENY", page.url
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"], page.url


def test_the_page_of_the_mcp_endpoint_cant_be_framed(http):
    page = http.get("/mcp", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


@pytest.mark.requirement("CWE-79")
@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x onerror=a()>', "{{7*7}}"]
)
def test_a_client_name_is_text_wherever_it_is_shown(client, victim, browser, server, name):
    client.register(client_name=name)
    User.objects.create_superuser("admin", "admin@wiv.test", "correct horse")
    staff = browser()
    [form] = forms_of(staff.get(f"{server}/admin/login/"))
    staff.submit(form, username="admin", password="correct horse")
    pages = [
        victim.get(client.authorization_url()),
        staff.get(f"{server}/admin/oauth_bridge/application/"),
        staff.get(f"{server}/admin/oauth_bridge/securityevent/"),
    ]
    for page in pages:
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert ">49<" not in page.text


# Forms ------------------------------------------------------------------------------------------


@pytest.mark.requirement("CWE-352: cross-site request forgery")
@pytest.mark.parametrize("path", ["/connect/api-keys", "/connect/sign-in", "/connect/sign-out"])
def test_a_form_of_another_site_does_nothing(server, victim, sandbox, path):
    """The victim's cookies come along; the form's own token doesn't."""
    page = signed_in(victim, server)
    forms: dict[str, Any] = {"name": "forged"}
    assert victim.http.post(server + path, data=forms).status_code == 403
    headers = {"Origin": "https://evil.example"}
    fields = form_to(page, "/connect/api-keys").fields
    assert victim.http.post(server + path, data=fields, headers=headers).status_code == 403
    assert fixtures.ANA_EMAIL in victim.get(f"{server}/connect").text
    assert sandbox.api_keys() == []
