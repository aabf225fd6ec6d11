"""MCP: who reaches the endpoints, where the process listens, where clients may send people."""

import os
import subprocess
from pathlib import Path

import pytest

from mcp_gateway.resources import ENDPOINTS
from oauth_bridge.models import PrivateUseScheme

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.requirement("MCP 2026-07-28 Streamable HTTP, Security & Endpoint")
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_foreign_page_is_refused_at_every_mcp_endpoint(http, path, method):
    for origin in ("https://evil.example", "null"):
        assert http.request(method, path, headers={"Origin": origin}).status_code == 403


@pytest.mark.requirement("MCP 2026-07-28 Communication Security: redirect URIs")
def test_without_private_use_schemes_a_redirect_uri_is_https_or_loopback(client, browser):
    uri = "cursor://anysphere.cursor-mcp/oauth/callback"
    PrivateUseScheme.objects.get_or_create(scheme="cursor", application="Cursor")
    client.redirect_uri = uri
    assert client.register().status_code == 201
    assert browser().get(client.authorization_url()).status_code == 200
    PrivateUseScheme.objects.all().delete()
    assert browser().get(client.authorization_url()).status_code == 400
    assert client.register().json()["error"] == "invalid_redirect_uri"
    for uri in ("https://app.example/cb", "http://localhost:1/cb", "http://127.0.0.1:1/cb"):
        assert client.register(redirect_uris=[uri]).status_code == 201


@pytest.mark.requirement("MCP 2026-07-28 Streamable HTTP, Security & Endpoint")
@pytest.mark.parametrize(("host", "expected"), [("", "127.0.0.1"), ("0.0.0.0", "0.0.0.0")])
def test_the_server_listens_on_loopback_unless_told_otherwise(tmp_path, host, expected):
    """`script/serve` with a `python` that says what it was asked for."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOST": host}
    command = [ROOT / "script" / "serve"]
    arguments = subprocess.check_output(command, env=environment, text=True).split()
    assert arguments[arguments.index("--host") + 1] == expected
