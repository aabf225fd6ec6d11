"""Assistants built on the TypeScript SDKs: from the first 401 to a call after a refresh."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from mcp_gateway.streams import stream
from oauth_bridge.models import AccessToken
from tests.settings import free_port
from tests.wiv_routes import ROUTES

pytestmark = pytest.mark.interop

INSPECTOR = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
INSPECT = ("--transport", "http", "--method", "tools/list")


def expire_access_tokens() -> None:
    AccessToken.objects.update(expires=timezone.now())


@pytest.mark.parametrize(
    ("sdk", "version"), [("sdk", ""), ("client", ""), ("client", "2026-07-28")]
)
def test_a_typescript_sdk_signs_in_once_and_refreshes_by_itself(server, run_node, sdk, version):
    with run_node("typescript_sdk.mjs", sdk, f"{server}/mcp", version) as program:
        program.read_until(lambda line: line.startswith("Called: "))
        expire_access_tokens()
        program.write("")
        assert program.finish() == 0, program.output
    assert program.output.count("Called: ") == 2
    assert f"{len(ROUTES)} tools" in program.lines
    assert version in program.output
    assert program.opened == 1
    assert AccessToken.objects.count() == 2


@pytest.mark.parametrize("sdk", ["sdk", "client"])
def test_a_typescript_sdk_goes_on_after_its_stream_has_ended(
    server, run_node, sdk, settings, monkeypatch
):
    """Its EventSource opens another one, where nobody says `initialize` again."""
    settings.SSE_STREAM_LIFETIME = timedelta(seconds=4)
    monkeypatch.setattr(stream, "QUIET", 0.1)
    with run_node("typescript_sdk.mjs", sdk, f"{server}/sse") as program:
        program.read_until(lambda line: line.startswith("Called: "))
        settings.SSE_STREAM_LIFETIME = timedelta(0)
        program.read_until(lambda line: line == "Opened a stream")
        program.write("")
        assert program.finish() == 0, program.output
    assert program.output.count("Called: ") == 2
    assert program.lines.count("Opened a stream") == 2
    assert program.opened == 1


@pytest.mark.parametrize("header", ["Authorization: Bearer {}", "X-API-Key: {}"])
@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector_finds_no_fault_with_the_tools(server, run_node, make_key, era, header):
    key = header.format(make_key())
    options = (*INSPECT, "--strict", "--protocol-era", era, "--format", "json")
    with run_node(INSPECTOR, "--cli", f"{server}/mcp", *options, "--header", key) as program:
        assert program.finish() == 0, program.output
    [answer] = map(json.loads, program.lines)
    assert len(answer["result"]["tools"]) == len(ROUTES)


def test_the_inspector_signs_in_and_later_refreshes(server, run_node):
    callback = f"http://127.0.0.1:{free_port()}/oauth/callback"
    options = ("--cli", f"{server}/mcp", *INSPECT, "--callback-url", callback)
    # It asks for a terminal, unless it may open a browser.
    variables = {"MCP_AUTO_OPEN_ENABLED": "true", "MCP_INSPECTOR_SECRET_STORE": "file"}
    for opened in (1, 0):
        with run_node(INSPECTOR, *options, **variables) as program:
            assert program.finish() == 0, program.output
        assert program.opened == opened
        assert "wiv_list_workflows" in program.output
        expire_access_tokens()
    assert AccessToken.objects.count() == 2


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
def test_mcp_remote_connects_an_assistant_that_only_knows_stdio(server, run_node, path):
    arguments = (server + path, str(free_port()), "--allow-http", "--transport")
    transport = "sse-only" if path == "/sse" else "http-only"
    with run_node("mcp-remote/dist/proxy.js", *arguments, transport) as program:
        assert ask(program, 1, "initialize", INITIALIZE)["serverInfo"]
        program.write(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}))
        assert len(ask(program, 2, "tools/list")["tools"]) == len(ROUTES)
        expire_access_tokens()
        assert len(ask(program, 3, "tools/list")["tools"]) == len(ROUTES)
    assert program.opened == 1
    assert AccessToken.objects.count() == 2


INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "stdio", "version": "1"},
}


def ask(program, number, method, params=None):
    request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}
    program.write(json.dumps(request))
    answer = json.loads(program.read_until(lambda line: line.startswith("{") and '"id"' in line))
    assert answer["id"] == number
    return answer["result"]
