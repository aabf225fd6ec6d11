"""WivClient against a real HTTP server that answers whatever a test wants."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler

import pytest

from mcp_gateway.errors import (
    WivAnswerNotJson,
    WivAnswerTooLarge,
    WivConnectionLost,
    WivRefused,
    WivTimeout,
    WivUnreachable,
)
from mcp_gateway.http_rule import WivRequest
from mcp_gateway.upstream_http import HttpClient
from mcp_gateway.wiv import Terms, WivClient, WivResponse
from oauth_bridge.credentials import Secret
from tests.recorder import Recorder, running_recorder

pytestmark = pytest.mark.anyio

API_KEY = Secret("0123456789abcdef" * 6)
GET = WivRequest("GET", "/spaces?limit=5")
ONE_SECOND = Terms("/spaces", timedelta(seconds=1))


@pytest.fixture
def wiv() -> Iterator[Recorder]:
    with running_recorder() as recorder:
        yield recorder


async def send(
    wiv: Recorder | str, request: WivRequest = GET, credential: Secret = API_KEY
) -> WivResponse:
    url = wiv if isinstance(wiv, str) else wiv.url
    http = HttpClient(user_agent="wivmcp/test", max_body_bytes=100_000)
    async with WivClient(url, http) as client:
        return await client.send(request, credential, ONE_SECOND)


async def test_an_answer_is_its_value_and_its_compact_text(wiv):
    wiv.body = '{"data": [1, "ä"]}'.encode()
    assert await send(wiv) == WivResponse(200, {"data": [1, "ä"]}, '{"data":[1,"ä"]}')


async def test_the_request_says_who_asks_and_carries_an_id(wiv):
    await send(wiv)
    [(method, path, headers, body)] = wiv.received
    assert (method, path, body) == ("GET", "/spaces?limit=5", b"")
    assert headers["accept"] == "application/json"
    assert headers["user-agent"] == "wivmcp/test"
    assert len(headers["x-request-id"]) == 32
    assert "content-type" not in headers


async def test_a_body_is_sent_as_json(wiv):
    await send(wiv, WivRequest("POST", "/run", {"payload": {"a": float("nan")}}, has_body=True))
    [(_, _, headers, body)] = wiv.received
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {"payload": {"a": None}}


@pytest.mark.parametrize(
    ("credential", "header", "value"),
    [
        ("aaa.bbb.ccc", "authorization", "Bearer aaa.bbb.ccc"),
        ("aaa.bbb", "x-api-key", "aaa.bbb"),
        ("aaa..ccc", "x-api-key", "aaa..ccc"),
        (API_KEY.reveal(), "x-api-key", API_KEY.reveal()),
    ],
)
async def test_a_jwt_is_a_bearer_token_and_all_else_an_api_key(wiv, credential, header, value):
    await send(wiv, credential=Secret(credential))
    [(_, _, headers, _)] = wiv.received
    assert headers[header] == value
    assert len({"authorization", "x-api-key"} & set(headers)) == 1


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, "Wiv answered 400: Bad thing. Correct the arguments"),
        (401, "Ask the user to reconnect"),
        (403, "role"),
        (404, "Look the id up"),
        (409, "Read the state first"),
        (418, "Don't repeat the call unchanged"),
        (429, "Wait before calling again"),
        (500, "Try again later"),
        (503, "Try again later"),
    ],
)
async def test_a_refusal_tells_the_status_the_reason_and_what_to_do(wiv, status, told):
    wiv.status, wiv.body = status, b'{"error": "Bad thing"}'
    with pytest.raises(WivRefused) as refused:
        await send(wiv)
    assert refused.value.status == status
    assert "Bad thing" in refused.value.for_model
    assert told in refused.value.for_model
    assert "Bad thing" not in str(refused.value)  # the log's side
    assert refused.value.may_have_happened == (status >= 500)


async def test_retry_after_is_passed_on(wiv):
    wiv.status, wiv.headers = 429, {"Retry-After": "17"}
    with pytest.raises(WivRefused, match="429") as refused:
        await send(wiv)
    assert "Wait 17 s" in refused.value.for_model


async def test_wivs_text_is_trimmed_and_holds_no_control_characters(wiv):
    wiv.status, wiv.body = 400, json.dumps({"error": "a\x1b[31m\n\nb" + "x" * 5000}).encode()
    with pytest.raises(WivRefused) as refused:
        await send(wiv)
    assert "a [31m b" in refused.value.for_model
    assert len(refused.value.for_model) < 700


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_an_echoed_credential_is_removed(wiv, status):
    wiv.status, wiv.body = status, json.dumps({"error": f"key {API_KEY.reveal()}"}).encode()
    try:
        told = (await send(wiv)).text
    except WivRefused as refused:
        told = refused.for_model
    assert API_KEY.reveal() not in told
    assert "[credential]" in told


async def test_a_redirect_is_not_followed(wiv):
    wiv.status, wiv.headers = 302, {"Location": "/elsewhere"}
    with pytest.raises(WivRefused):
        await send(wiv)
    assert len(wiv.received) == 1


@pytest.mark.parametrize("body", [b"<html>", b'{"data": [', b"\xff\xfe", b"[" * 5000, b"9" * 5000])
async def test_an_answer_that_is_not_json_is_not_passed_on(wiv, body):
    wiv.body = body
    with pytest.raises(WivAnswerNotJson) as error:
        await send(wiv)
    assert "html" not in error.value.for_model


async def test_an_error_page_is_not_shown_to_the_model(wiv):
    wiv.status, wiv.body = 502, b"<html>secret internals</html>"
    with pytest.raises(WivRefused) as refused:
        await send(wiv)
    assert refused.value.for_model.startswith("Wiv answered 502. ")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"a": NaN, "b": -Infinity, "c": 1e999}', '{"a":null,"b":null,"c":null}'),
        (b'{"a": "\\ud800x"}', '{"a":"?x"}'),
        (b'\xef\xbb\xbf{"a": 1}', '{"a":1}'),
        (b'[{"a": 1}]', '[{"a":1}]'),
        (b"", ""),
    ],
)
async def test_oddities_of_real_backends_are_made_harmless(wiv, body, text):
    wiv.body = body
    assert (await send(wiv)).text == text


async def test_an_answer_is_read_only_as_far_as_the_limit(wiv):
    wiv.body = b'"' + b"x" * 200_000 + b'"'
    with pytest.raises(WivAnswerTooLarge, match="smaller page"):
        await send(wiv)


async def test_a_wiv_that_hangs_is_given_up_after_the_time_limit(wiv):
    let_go = threading.Event()
    wiv.behaviour = lambda handler: let_go.wait(10) and None
    started = time.monotonic()
    with pytest.raises(WivTimeout) as error:
        await send(wiv)
    let_go.set()
    assert 0.9 < time.monotonic() - started < 5
    assert error.value.may_have_happened


async def test_a_wiv_that_drips_is_given_up_after_the_time_limit(wiv):
    let_go = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not let_go.wait(0.2):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    wiv.behaviour = drip
    with pytest.raises(WivTimeout):
        await send(wiv)
    let_go.set()


async def test_a_connection_that_breaks_leaves_the_outcome_open(wiv):
    wiv.behaviour = lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)
    with pytest.raises(WivConnectionLost) as error:
        await send(wiv)
    assert error.value.may_have_happened
    assert len(wiv.received) == 1  # nothing was retried


async def test_a_wiv_that_is_not_there_has_done_nothing():
    with pytest.raises(WivUnreachable) as error:
        await send("http://127.0.0.1:1")
    assert not error.value.may_have_happened
