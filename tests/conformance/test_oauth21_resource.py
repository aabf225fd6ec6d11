"""OAuth 2.1 §5: how /mcp takes bearer tokens, and the form of its challenges."""

import re

import pytest

from tests.mcp_gateway.json_rpc import ACCEPT, TOOLS_LIST, McpClient

# §5.3.1 allows %x21 / %x23-5B / %x5D-7E in scope and error_uri, and the space beside in the others.
CHALLENGE = re.compile(r'Bearer ((?:[a-z_]+="[\x20-\x21\x23-\x5b\x5d-\x7e]+"(?:, |$))+)')
WRITING = {"name": "wiv_start_execution", "arguments": {"workflow_id": "wf_7f3a"}}


@pytest.mark.requirement("OAuth 2.1 §5.1: tokens in the query are ignored")
def test_a_token_in_the_query_changes_nothing_for_one_in_the_header(client, browser, http):
    headers = ACCEPT | {"Authorization": f"Bearer {client.sign_in(browser())['access_token']}"}
    answer = http.post("/mcp", params={"access_token": "x"}, headers=headers, json=TOOLS_LIST)
    assert answer.status_code == 200


@pytest.mark.requirement("OAuth 2.1 §5.1.1: the scheme is case-insensitive")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer "])
def test_the_scheme_may_be_spelled_in_any_case(client, browser, http, scheme):
    headers = ACCEPT | {"Authorization": f"{scheme} {client.sign_in(browser())['access_token']}"}
    assert http.post("/mcp", headers=headers, json=TOOLS_LIST).status_code == 200


@pytest.mark.requirement("OAuth 2.1 §5.3.1: form of the challenge")
@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (401, {}),
        (401, {"Authorization": "Bearer nobody-knows-this"}),
        (401, {"Authorization": 'Bearer a"b\\c'}),
        (400, {"Authorization": "Bearer one", "X-API-Key": "two"}),
    ],
)
@pytest.mark.parametrize("path", ["/mcp", "/sse"])
def test_a_refusal_has_one_well_formed_challenge(http, status, headers, path):
    answer = http.post(path, headers=headers, json=TOOLS_LIST)
    assert answer.status_code == status
    assert_well_formed(answer.headers.get_list("www-authenticate"))


@pytest.mark.requirement("OAuth 2.1 §5.3.1: form of the challenge")
def test_a_call_beyond_the_scope_has_one_well_formed_challenge(new_client, browser, http):
    token = new_client(scope="wiv:read").sign_in(browser())["access_token"]
    answer = McpClient(http, token).request("tools/call", WRITING)
    assert answer.status_code == 403
    assert_well_formed(answer.headers.get_list("www-authenticate"))


def assert_well_formed(challenges: list[str]) -> None:
    """One challenge of the scheme Bearer; each attribute once, of the characters allowed."""
    [challenge] = challenges
    assert CHALLENGE.fullmatch(challenge), challenge
    names = re.findall(r'([a-z_]+)="', challenge)
    assert len(names) == len(set(names))
    assert "resource_metadata" in names
    assert not {"realm", "error_uri"} & set(names)
