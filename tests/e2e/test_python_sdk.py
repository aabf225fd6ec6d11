"""From nothing to a successful call of every tool, with the official Python SDK."""

import asyncio
import json
from typing import Any

import pytest
from mcp import Client
from mcp.types import TextContent

from sandbox import fixtures
from tests.e2e.assistant import Memory, Person, connected, oauth
from tests.e2e.calls import CALLS, Call, calls_for, expected_request, find, resolve
from tests.wiv_routes import ROUTES

WAYS = [
    pytest.param("/mcp", "2026-07-28", id="mcp at 2026-07-28"),
    pytest.param("/mcp", "legacy", id="mcp at 2025-11-25"),
    pytest.param("/sse", "legacy", id="sse"),
]


def test_there_is_a_call_for_each_tool():
    assert {call.tool for call in CALLS} == set(ROUTES)


@pytest.mark.parametrize(("path", "mode"), WAYS)
def test_every_tool_works_after_signing_in_once(server, sandbox, browser, path, mode):
    async def work(email: str, organization: str, msp: bool) -> None:
        person = Person(browser(email, organization))
        auth = oauth(server + path, person, Memory())
        async with connected(server + path, mode=mode, auth=auth) as client:
            listed = await client.list_tools()
            assert {tool.name for tool in listed.tools} == set(ROUTES)
            await call_all(client, sandbox, msp=msp)
        assert person.opened == 1

    asyncio.run(work(fixtures.ANA_EMAIL, "", False))
    asyncio.run(work(fixtures.MAX_EMAIL, fixtures.MSP, True))


@pytest.mark.parametrize(("path", "mode"), WAYS)
def test_every_tool_works_with_a_pasted_api_key(server, sandbox, make_key, path, mode):
    async def work(key: str, msp: bool) -> None:
        async with connected(server + path, mode=mode, key=key) as client:
            await call_all(client, sandbox, msp=msp)

    asyncio.run(work(make_key(fixtures.ANA, fixtures.ACME), False))
    asyncio.run(work(make_key(fixtures.MAX, fixtures.MSP), True))


async def call_all(client: Client, sandbox, *, msp: bool) -> None:
    answers: dict[str, Any] = {}
    for call in calls_for(msp=msp):
        arguments = resolve(call.arguments, answers)
        sandbox.forget_requests()
        result = await client.call_tool(call.tool, arguments)
        [content] = result.content
        assert isinstance(content, TextContent)
        answer = json.loads(content.text)
        assert not result.is_error, f"{call.tool}: {answer}"
        answers[call.tool] = answer
        check(call, arguments, answer, sandbox.requests("wiv"))


def check(call: Call, arguments: dict[str, Any], answer: Any, received: list[dict[str, Any]]):
    [request] = received
    expected = expected_request(call, arguments)
    assert {name: request[name] for name in expected} == expected
    for path, value in call.expected.items():
        found = find(answer, path)
        assert value is ... or found == value, f"{call.tool}: {path} is {found!r}"
