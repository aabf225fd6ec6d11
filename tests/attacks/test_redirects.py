"""Where may a browser be sent? Redirect URIs that only look registered, and our own pages."""

import re

import httpx2
import pytest

from oauth_bridge.models import AccessToken, Application, AuthorizationRequest
from tests.robot import form_to, forms_of, location_of

REGISTERED = "https://client.example/callback"
LOOKALIKES = [
    "https://client.example@evil.example/callback",
    "https://client.example:pw@evil.example/callback",
    "https://evil.example/callback",
    "https://client.example.evil.example/callback",
    "https://client.example:8443/callback",
    "https://client.example:443/callback",
    "http://client.example/callback",
    "https://client.example/callback/",
    "https://client.example/Callback",
    "https://client.example/callback/../evil",
    "https://client.example/evil/../callback",
    "https://client.example//callback",
    "https://client.example/callback%2f..%2fevil",
    "https://client.example/%63allback",
    "https://client.example/callback#fragment",
    "https://client.example/callback#",
    "https://client.example/callback?next=https://evil.example",
    "https://client.example/callback;a=b",
    "https://client.example\\@evil.example/callback",
    "https://client.example\\callback",
    "https://evil.example\\.client.example/callback",
    "https://cli\u0435nt.example/callback",  # a Cyrillic letter
    "https://xn--clint-zva.example/callback",
    "https://client\u3002example/callback",
    "https://client%2eexample/callback",
    "https://client.example\t/callback",
    "https://client.example/callback\r\nSet-Cookie: a=b",
    " https://client.example/callback",
    "//client.example/callback",
    "/callback",
    "javascript:alert(1)//https://client.example/callback",
    "data:text/html,https://client.example/callback",
]


@pytest.mark.requirement("RFC 9700 §4.1.3: exact string matching")
@pytest.mark.parametrize("lookalike", LOOKALIKES)
def test_a_redirect_uri_that_only_looks_registered_gets_a_page(new_client, victim, lookalike):
    client = new_client(redirect_uri=REGISTERED)
    assert client.register().status_code == 201
    answer = victim.get(client.authorization_url(redirect_uri=lookalike))
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "<form" not in answer.text


@pytest.mark.requirement(
    "RFC 3986 §6.2.2.1: a host's case has no meaning, so it leads nowhere else"
)
def test_another_spelling_of_the_host_arrives_at_the_same_host(new_client, victim):
    client = new_client(redirect_uri=REGISTERED)
    client.register()
    [form] = forms_of(
        victim.get(client.authorization_url(redirect_uri=REGISTERED.replace("client", "CLIENT")))
    )
    page = victim.submit(form, decision="deny")
    [link] = re.findall(r'href="(https://[^"]+)"', page.text)
    assert httpx2.URL(link).host == "client.example"


@pytest.mark.requirement("RFC 6749 §3.1: parameters MUST NOT be included more than once")
@pytest.mark.parametrize("first", [True, False])
def test_a_second_redirect_uri_smuggles_nothing_in(new_client, victim, first):
    client = new_client(redirect_uri=REGISTERED)
    client.register()
    evil = "redirect_uri=https%3A%2F%2Fevil.example%2Fcallback"
    url = client.authorization_url()
    smuggled = url.replace("?", f"?{evil}&") if first else f"{url}&{evil}"
    answer = victim.get(smuggled)
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize("lookalike", LOOKALIKES)
def test_a_lookalike_doesnt_pass_with_the_consent_form_either(new_client, victim, lookalike):
    client = new_client(redirect_uri=REGISTERED)
    client.register()
    [form] = forms_of(victim.get(client.authorization_url()))
    form.action = client.authorization_url(redirect_uri=lookalike)
    for decision in ("allow", "deny"):
        answer = victim.submit(form, decision=decision)
        assert answer.status_code == 400
        assert "location" not in answer.headers
    assert not AuthorizationRequest.objects.exists()


@pytest.mark.requirement("RFC 6749 §4.1.3")
@pytest.mark.parametrize(
    "other", ["http://127.0.0.1:49152/other", "http://127.0.0.1@evil.example/callback", "x"]
)
def test_a_code_is_redeemed_with_its_own_redirect_uri_only(client, victim, other):
    code = client.obtain_code(victim)
    assert client.redeem(code, redirect_uri=other).status_code == 400
    assert not AccessToken.objects.exists()


@pytest.mark.requirement("RFC 9700 §4.1.3; MCP: redirect URIs MUST be loopback or https")
@pytest.mark.parametrize(
    "uri",
    [
        "HTTP://evil.example/",
        "http://localhost.evil.example/",
        "http://localhost@evil.example/",
        "http://127.1/cb",
        "http://2130706433/cb",
        "http://0.0.0.0/cb",
        "http://[::ffff:127.0.0.1]/cb",
        "https://evil.example\\@client.example/",
        "https://evil.example/\u202e",
        "https://cli\u0435nt.example/callback",
        "https://client.example/\tcallback",
        "https://client.example/cb https://evil.example/cb",
        "vbscript:x",
        "blob:https://client.example/x",
        "//evil.example/cb",
        "https:evil.example/cb",
        "https:///evil.example",
    ],
)
def test_a_misleading_redirect_uri_cant_be_registered(http, uri):
    body = {"redirect_uris": [uri], "token_endpoint_auth_method": "none"}
    answer = http.post("/register", json=body)
    assert answer.status_code == 400
    assert not Application.objects.exists()


# Our own pages as open redirectors --------------------------------------------------------------

EVIL_TARGETS = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example",
    "javascript:alert(1)",
]


@pytest.mark.requirement("RFC 9700 §4.11")
@pytest.mark.parametrize("target", EVIL_TARGETS)
def test_signing_in_to_the_admin_leads_nowhere_else(server, browser, target, django_user_model):
    django_user_model.objects.create_superuser("admin", "admin@wiv.test", "correct horse")
    robot = browser()
    page = robot.get(f"{server}/admin/login/", params={"next": target})
    [form] = forms_of(page)
    form.fields["next"] = target
    answer = robot.submit(form, username="admin", password="correct horse")
    assert answer.status_code == 302
    assert location_of(answer) == f"{server}/admin/"


@pytest.mark.requirement("RFC 9700 §4.11")
@pytest.mark.parametrize("target", EVIL_TARGETS)
def test_the_connect_page_leads_nowhere_else(server, victim, target):
    query = dict.fromkeys(("next", "redirect_uri", "return_to", "url"), target)
    page = victim.get(f"{server}/connect", params=query)
    form = form_to(page, "/connect/sign-in")
    callback = f"{server}/oauth/callback"
    response = victim.follow(victim.submit(form, **query), stop_at=callback)
    while not location_of(response).startswith(callback):
        response = victim.follow(victim.answer(response), stop_at=callback)
    arrived = victim.get(location_of(response))
    assert location_of(arrived) == f"{server}/connect"
    page = victim.get(f"{server}/connect", params=query)
    left = victim.submit(form_to(page, "/connect/sign-out"), **query)
    assert location_of(left) == f"{server}/connect"


@pytest.mark.parametrize("path", ["//evil.example", "//evil.example/connect", "/\\evil.example"])
def test_an_odd_path_redirects_nobody(http, path):
    answer = http.get(f"{http.base_url}".rstrip("/") + path)
    assert answer.status_code == 404
    assert "location" not in answer.headers


@pytest.mark.requirement("RFC 9700 §4.11.2")
@pytest.mark.parametrize(
    "changes",
    [
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
        {"resource": "https://evil.example/"},
        {"prompt": "none"},
    ],
)
def test_no_error_carries_somebody_to_a_host_that_was_just_registered(new_client, victim, changes):
    client = new_client(redirect_uri="https://phishing.example/claude.ai")
    client.register()
    answer = victim.get(client.authorization_url(**changes))
    assert answer.status_code == 400
    assert "location" not in answer.headers
