"""An open stream of HTTP+SSE, and the messages on it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from tests.mcp_gateway.json_rpc import McpClient

INITIALIZE = {
    "protocolVersion": "2024-11-05",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


def lines_of(response: httpx2.Response) -> Iterator[str]:
    """Which end with a line feed here, and with nothing else that Unicode takes for an end."""
    rest = ""
    for text in response.iter_text():
        *lines, rest = (rest + text).split("\n")
        yield from (line.removesuffix("\r") for line in lines)


class EventStream:
    """An open GET /sse; `messages` posts to it."""

    def __init__(self, http: httpx2.Client, credential: str, response: httpx2.Response) -> None:
        self._lines = lines_of(response)
        self.retry_ms = 0
        event, path = self.next_event()
        assert event == "endpoint"
        self.messages = McpClient(http, credential, path=path)

    def read_to_the_end(self) -> None:
        for _ in self._lines:
            pass

    def next_event(self) -> tuple[str, str]:
        """(event, data)"""
        fields: dict[str, str] = {}
        while "data" not in fields:  # comments end with an empty line too
            while line := next(self._lines):
                name, _, value = line.partition(": ")
                fields[name] = value
        self.retry_ms = int(fields.get("retry", self.retry_ms))
        return fields.get("event", ""), fields["data"]

    def next_comment(self) -> str:
        return next(line for line in self._lines if line.startswith(":"))

    def next_message(self) -> dict[str, Any]:
        event, data = self.next_event()
        assert event == "message"
        message: dict[str, Any] = json.loads(data)
        return message

    def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        assert self.messages.request(method, params).status_code == 202
        return self.next_message()

    def initialize(self) -> dict[str, Any]:
        answer = self.request("initialize", INITIALIZE)
        notification = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert self.messages.post(json=notification).status_code == 202
        result: dict[str, Any] = answer["result"]
        return result


OpenStream = Callable[[str], Any]


@pytest.fixture
def open_stream(http: httpx2.Client) -> OpenStream:
    @contextmanager
    def open_(credential: str) -> Iterator[EventStream]:
        headers = {"Authorization": f"Bearer {credential}"}
        with http.stream("GET", "/sse", headers=headers) as response:
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            yield EventStream(http, credential, response)

    return open_
