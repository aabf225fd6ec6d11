"""An AI assistant on the Python SDK 1.x, run by that SDK's own Python.

Reads {"url", "email", "organization", "key", "calls": [{"tool", "arguments"}]} from standard input
and writes {"tools": [...], "answers": {tool: answer}} to standard output.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack

import httpx

sys.modules["httpx2"] = httpx  # the robot's; SDK 1.x comes with the older of the two

from mcp import ClientSession  # noqa: E402
from mcp.client.auth import OAuthClientProvider  # noqa: E402
from mcp.client.sse import sse_client  # noqa: E402
from mcp.client.streamable_http import streamablehttp_client  # noqa: E402
from mcp.shared.auth import OAuthClientMetadata  # noqa: E402
from pydantic import AnyUrl  # noqa: E402

from tests.e2e.calls import resolve  # noqa: E402
from tests.robot import Robot, query_of  # noqa: E402

REDIRECT_URI = "http://127.0.0.1:49154/callback"


class Memory:
    tokens = None
    client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


class Person:
    def __init__(self, robot):
        self.robot = robot
        self.arrived = ""

    async def open_browser(self, url):
        self.arrived = str(self.robot.authorize(url, stop_at=REDIRECT_URI))

    async def callback(self):
        answer = query_of(self.arrived)
        return answer["code"], answer.get("state")


def oauth(url, person):
    metadata = OAuthClientMetadata(
        client_name="Python SDK 1",
        redirect_uris=[AnyUrl(REDIRECT_URI)],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
    )
    return OAuthClientProvider(url, metadata, Memory(), person.open_browser, person.callback)


async def work(job):
    url = job["url"]
    headers = {"Authorization": f"Bearer {job['key']}"} if job.get("key") else {}
    person = Person(Robot(job["email"], organization=job["organization"]))
    auth = None if headers else oauth(url, person)
    connect = sse_client if url.endswith("/sse") else streamablehttp_client
    async with AsyncExitStack() as stack:
        streams = await stack.enter_async_context(connect(url, headers=headers, auth=auth))
        session = await stack.enter_async_context(ClientSession(streams[0], streams[1]))
        await session.initialize()
        listed = await session.list_tools()
        answers = {}
        for call in job["calls"]:
            arguments = resolve(call["arguments"], answers)
            result = await session.call_tool(call["tool"], arguments)
            text = result.content[0].text
            if result.isError:
                raise RuntimeError(f"{call['tool']}: {text}")
            answers[call["tool"]] = json.loads(text)
    person.robot.close()
    return {"tools": [tool.name for tool in listed.tools], "answers": answers}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(work(json.load(sys.stdin)))))
