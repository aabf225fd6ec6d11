"""Limits that hold across workers: counted in the database, by network."""

from datetime import timedelta

import httpx2
import pytest

from oauth_bridge import own_credentials
from oauth_bridge.cleanup import delete_old_rows
from oauth_bridge.models import AuthorizationRequest, RateCounter, SecurityEvent
from tests.mcp_gateway.json_rpc import McpClient
from tests.robot import Robot, form_to

BODY = {"redirect_uris": ["http://127.0.0.1:1/"], "token_endpoint_auth_method": "none"}


@pytest.fixture(autouse=True)
def limits(settings):
    settings.CREDENTIAL_REFUSALS_PER_MINUTE = 3
    settings.TRUSTED_PROXY_COUNT = 1


def try_keys(http, address: str, number: int, first: int = 0) -> list[int]:
    statuses = []
    for index in range(first, first + number):
        own_credentials.verdicts.clear()  # as if each came to a worker of its own
        client = McpClient(http, f"wrong-{index}", headers={"X-Forwarded-For": address})
        statuses.append(client.request("tools/list").status_code)
    return statuses


def test_who_guesses_keys_is_stopped_before_propelauth_hears_of_it(http, sandbox):
    assert try_keys(http, "203.0.113.9", 5) == [401, 401, 401, 429, 429]
    assert len(sandbox.requests("propelauth")) == 3
    assert try_keys(http, "203.0.113.10", 1) == [401]


def test_the_answer_says_when_to_try_again(http):
    try_keys(http, "203.0.113.9", 3)
    client = McpClient(http, "another", headers={"X-Forwarded-For": "203.0.113.9"})
    answer = client.request("tools/list")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "60"


def test_an_ipv6_host_doesnt_get_a_limit_for_each_of_its_addresses(http):
    addresses = [f"2001:db8:1:2::{host}" for host in range(4)]
    statuses = [try_keys(http, address, 1, host)[0] for host, address in enumerate(addresses)]
    assert statuses == [401, 401, 401, 429]
    assert try_keys(http, "2001:db8:1:3::1", 1) == [401]


def test_tokens_of_ours_and_keys_known_good_go_on_working(
    http, client, browser, make_key, settings
):
    """Somebody else at the same address must not be able to lock them out."""
    settings.CREDENTIAL_VERDICT_LIFETIME = timedelta(0)
    address = {"X-Forwarded-For": "203.0.113.9"}
    good, token = make_key(), client.sign_in(browser())["access_token"]
    assert McpClient(http, good, headers=address).request("tools/list").status_code == 200
    for index in range(4):
        McpClient(http, f"wrong-{index}", headers=address).request("tools/list")
    assert McpClient(http, good, headers=address).request("tools/list").status_code == 200
    assert McpClient(http, token, headers=address).request("tools/list").status_code == 200


def test_the_same_wrong_key_in_a_loop_is_one_refusal(http, sandbox):
    client = McpClient(http, "wrong", headers={"X-Forwarded-For": "203.0.113.9"})
    assert {client.request("tools/list").status_code for _ in range(6)} == {401}
    assert len(sandbox.requests("propelauth")) == 1


def test_a_key_tried_as_an_argument_counts_for_the_connection(http, client, browser):
    token = client.sign_in(browser())["access_token"]
    texts = [
        McpClient(http, token).refused("wiv_list_spaces", _wiv_api_key=f"wrong{index}")
        for index in range(4)
    ]
    assert ["isn't a valid" in text for text in texts] == [True, True, True, False]


def test_refusals_are_on_record_but_dont_fill_it(http, settings):
    settings.CREDENTIAL_REFUSALS_PER_MINUTE = 1000
    try_keys(http, "203.0.113.9", 25)
    events = SecurityEvent.objects.filter(event="credential_refused")
    assert events.count() == 20
    assert {event.address for event in events} == {"203.0.113.9"}


def test_registrations_are_counted_by_network(http, settings):
    settings.REGISTRATIONS_PER_ADDRESS = 2
    statuses = [
        http.post(
            "/register",
            json={**BODY, "client_name": str(host)},
            headers={"X-Forwarded-For": f"2001:db8:1:2::{host}"},
        ).status_code
        for host in range(3)
    ]
    assert statuses == [201, 201, 429]


def test_old_counters_go(http):
    try_keys(http, "203.0.113.9", 1)
    assert RateCounter.objects.exists()
    for counter in RateCounter.objects.all():
        RateCounter.objects.filter(pk=counter.pk).update(window=counter.window - timedelta(days=2))
    delete_old_rows()
    assert not RateCounter.objects.exists()


def begin_sign_in(robot: Robot, server: str, address: str) -> httpx2.Response:
    robot.http.headers["X-Forwarded-For"] = address
    return robot.submit(form_to(robot.get(f"{server}/connect"), "/connect/sign-in"))


def test_sign_ins_are_begun_so_often_from_one_network(server, client, browser, settings):
    """With a client or at /connect, in whatever browser: each is a row here."""
    settings.SIGN_INS_PER_ADDRESS = 2
    client.register()
    statuses = [
        begin_sign_in(browser(), server, f"2001:db8:1:2::{host}").status_code for host in range(3)
    ]
    assert statuses == [302, 302, 429]
    robot = browser()
    robot.http.headers["X-Forwarded-For"] = "2001:db8:1:2::9"
    answer = robot.answer(robot.get(client.authorization_url()))
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 3600
    assert "Too many sign-ins from your network" in answer.text
    assert AuthorizationRequest.objects.count() == 2
    assert begin_sign_in(browser(), server, "2001:db8:1:3::1").status_code == 302
