"""What becomes of the X-Request-ID that a caller sends."""

import pytest

from telemetry.requests import new_request

SAFE = ("0af7651916cd43dd8448eb211c80319c", "01J9Z3M4T5V6W7X8Y9Z0A1B2C3", "build-4711")
UNSAFE = (
    *("", "short", "with space 123", "a\nforged line", "k" * 41, "-begins-wrong"),
    *("sk_live.0123456789", "<script>alert", "Root=1-67891233-abcdef012345678912345678"),
)


@pytest.mark.parametrize("theirs", SAFE)
def test_a_callers_id_is_answered_where_it_is_a_short_token(http, theirs):
    answer = http.get("/healthz", headers={"X-Request-ID": theirs})
    assert answer.headers.get_list("x-request-id") == [theirs]


@pytest.mark.parametrize("theirs", [each for each in UNSAFE if each.isprintable()])
def test_anything_else_is_replaced_by_one_of_ours(http, theirs):
    answer = http.get("/healthz", headers={"X-Request-ID": theirs})
    [ours] = answer.headers.get_list("x-request-id")
    assert len(ours) == 32
    assert int(ours, 16)


@pytest.mark.parametrize("theirs", UNSAFE)
def test_what_is_no_token_is_never_taken(theirs):
    assert not new_request(theirs).is_theirs


def test_every_answer_has_an_id_refusals_too(http):
    for path in ("/mcp", "/connect", "/nothing/here", "/static/nothing"):
        assert len(http.get(path).headers["x-request-id"]) == 32


def test_two_calls_that_come_with_one_id_are_two_in_the_call_log(mcp, sandbox):
    body = {"name": "wiv_list_workflows", "arguments": {}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": body}
    for _ in range(2):
        mcp.post(json=message, headers={"X-Request-ID": SAFE[0]})
    ids = [request["headers"]["x-request-id"] for request in sandbox.requests("wiv")]
    assert len({*ids}) == 2
    assert SAFE[0] not in ids
