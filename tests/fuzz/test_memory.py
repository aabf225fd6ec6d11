"""Nothing that is sent stays: the process is as large after many hostile requests as after some."""

import json
import os
from collections.abc import Iterator
from typing import Any

from tests.fuzz.examples import CHOSEN, as_long_as_it_takes
from tests.fuzz.target import Header, Target

pytestmark = as_long_as_it_takes

ROUNDS = 40 if CHOSEN else 4
REQUESTS = 150
MEBIBYTE = 1024 * 1024
JSON: list[Header] = [(b"Content-Type", b"application/json"), (b"Accept", b"*/*")]


def unheard_of() -> str:
    """As no request before."""
    return os.urandom(12).hex()


def hostile_requests(api_key: str) -> Iterator[tuple[bytes, bytes, list[Header], bytes]]:
    """Each with names and values of its own, where something could be kept by name."""
    mine = [*JSON, (b"Authorization", b"Bearer " + api_key.encode())]
    for name in (unheard_of() for _ in range(REQUESTS // 6)):
        call: dict[str, Any] = {"name": name, "arguments": {name: "x" * 20_000}}
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": name * 500, "method": "tools/call"}
        message["params"] = call
        agent = [*mine, (b"User-Agent", name.encode() * 100)]
        yield b"POST", b"/mcp", agent, json.dumps(message).encode()
        message = {"jsonrpc": "2.0", "id": 10**300, "method": name}
        message["params"] = {name: [name] * 500}
        yield b"POST", b"/mcp", mine, json.dumps(message).encode()
        stranger = [*JSON, (b"Authorization", b"Bearer " + name.encode())]
        yield b"POST", f"/mcp/x/{name}".encode(), stranger, b"{" * 50_000
        query = f"/authorize?client_id={name}&state={'s' * 1500}&{name}=1".encode()
        yield b"GET", query, [(b"Cookie", b"session=" + name.encode())], b""
        form = f"grant_type=refresh_token&refresh_token={name}&client_id={name}".encode()
        yield b"POST", b"/token", [(b"Content-Type", b"application/x-www-form-urlencoded")], form
        yield b"GET", f"/.well-known/{name}/{'p' * 1500}".encode(), [], b""


def test_the_process_doesnt_grow_with_what_is_sent(target: Target, api_key: str):
    def send_all() -> None:
        for method, path, headers, body in hostile_requests(api_key):
            target.send(method, path, headers, body)

    for _ in range(ROUNDS):  # until everything is loaded, and what is kept of late is full
        send_all()
    before = target.resident_bytes()
    for _ in range(ROUNDS):
        send_all()
    grown = target.resident_bytes() - before
    assert grown < 16 * MEBIBYTE, f"{grown / MEBIBYTE:.1f} MiB"
