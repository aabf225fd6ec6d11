"""Long parts of an answer take the place of marks in what the SDK makes."""

import json
import subprocess
import sys

import anyio

from mcp_gateway.splicing import splices, splicing

START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"1")],
}


def answer(text: str, json_text: str, make) -> tuple[dict[bytes, bytes], bytes]:
    """Headers and body of what `make(mark, object mark)` becomes."""
    sent = []

    async def send(message):
        sent.append(message)

    async def handle() -> None:
        with splicing(send) as send_filled:
            parts = splices()
            assert parts is not None
            body = make(parts.text(text), parts.object(json_text.encode()))
            await send_filled(START)
            await send_filled({"type": "http.response.body", "body": body})

    anyio.run(handle)
    assert splices() is None
    start, body = sent
    return dict(start["headers"]), body["body"]


def test_a_text_and_an_object_take_their_places_and_the_length_is_right():
    text = 'ä "quoted"\n\u2028'
    headers, body = answer(
        text,
        '{"rows":[1,null]}',
        lambda mark, obj: json.dumps({"text": mark, "o": obj}, separators=(",", ":")).encode(),
    )
    assert json.loads(body) == {"text": text, "o": {"rows": [1, None]}}
    assert headers[b"content-length"] == str(len(body)).encode()


def test_an_error_in_place_of_the_result_stays_as_it_is():
    _, body = answer("text", "{}", lambda mark, obj: b'{"error":{"code":-32603}}')
    assert body == b'{"error":{"code":-32603}}'


def test_marks_cant_be_foreseen():
    code = "from mcp_gateway.splicing import SECRET; print(SECRET)"
    seen = {subprocess.check_output([sys.executable, "-c", code], text=True) for _ in range(2)}
    assert len(seen) == 2
    assert all(len(each.strip()) == 32 for each in seen)
