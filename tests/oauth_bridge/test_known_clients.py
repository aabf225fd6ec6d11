"""What today's AI clients send to /register, and where they want their users back."""

from typing import Any

import pytest

CODE = {"grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"]}
NATIVE = {**CODE, "token_endpoint_auth_method": "none", "application_type": "native"}
PLAIN = {**CODE, "token_endpoint_auth_method": "none"}

CLIENTS: dict[str, dict[str, Any]] = {
    "Cursor": {
        **PLAIN,
        "application_type": "web",
        "redirect_uris": [
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "https://www.cursor.com/agents/mcp/oauth/callback",
            "http://localhost:8787/callback",
        ],
    },
    "Claude": {
        **PLAIN,
        "redirect_uris": [
            "https://claude.ai/api/mcp/auth_callback",
            "https://claude.com/api/mcp/auth_callback",
        ],
    },
    "Claude Code (wiv)": {**NATIVE, "redirect_uris": ["http://localhost:41123/callback"]},
    "ChatGPT": {
        **PLAIN,
        "redirect_uris": ["https://chatgpt.com/connector_platform_oauth_redirect"],
    },
    "Codex": {**NATIVE, "redirect_uris": ["http://127.0.0.1:41124/callback/xyz123"]},
    "Visual Studio Code": {
        **NATIVE,
        "grant_types": [
            "authorization_code",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "redirect_uris": [
            "https://insiders.vscode.dev/redirect",
            "https://vscode.dev/redirect",
            "http://127.0.0.1/",
            "http://127.0.0.1:33418/",
        ],
    },
    "Gemini CLI MCP Client": {
        **PLAIN,
        "redirect_uris": ["http://localhost:41125/oauth/callback"],
        "scope": "wiv:read wiv:write",
    },
    "GitHub Copilot CLI": {**PLAIN, "redirect_uris": ["http://127.0.0.1:41126/"]},
    "OpenCode": {**PLAIN, "redirect_uris": ["http://127.0.0.1:19876/mcp/oauth/callback"]},
    "MCP CLI Proxy": {**NATIVE, "redirect_uris": ["http://localhost:41127/oauth/callback"]},
    "MCP Inspector": {**NATIVE, "redirect_uris": ["http://localhost:6274/oauth/callback"]},
    "mcporter (wiv)": {**PLAIN, "redirect_uris": ["http://127.0.0.1:41128/callback"]},
    "Windsurf": {
        **PLAIN,
        "redirect_uris": [
            "windsurf://codeium.windsurf/oauth/callback",
            "http://localhost:41129/callback",
        ],
    },
    "Cline": {
        **PLAIN,
        "redirect_uris": ["vscode://saoudrizwan.claude-dev/mcp-auth/callback/0a1b"],
    },
    "Perplexity": {
        **PLAIN,
        "redirect_uris": ["https://www.perplexity.ai/rest/connections/oauth_callback"],
    },
    "Mistral": {
        **PLAIN,
        "redirect_uris": ["https://callback.mistral.ai/v1/integrations_auth/oauth2_callback"],
    },
    "Grok": {
        **PLAIN,
        "redirect_uris": [
            "https://grok.com/connectors-oauth-exchange-code/",
            "https://console.x.ai/connectors-oauth-exchange-code/",
        ],
    },
    "n8n": {**PLAIN, "redirect_uris": ["https://n8n.example/rest/oauth2-credential/callback"]},
}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_known_client_registers_and_reaches_the_consent_page(new_client, browser, name):
    client = new_client()
    answer = client.register(client_name=name, **CLIENTS[name])
    assert answer.status_code == 201, answer.text
    assert answer.json()["redirect_uris"] == CLIENTS[name]["redirect_uris"]
    assert "client_secret" not in answer.json()
    for client.redirect_uri in CLIENTS[name]["redirect_uris"]:
        page = browser().get(client.authorization_url())
        assert page.status_code == 200, page.text
        assert name in page.text


@pytest.mark.parametrize("name", ["Cursor", "Claude", "Visual Studio Code", "Windsurf"])
def test_a_known_client_gets_its_code(new_client, browser, name):
    client = new_client(redirect_uri=CLIENTS[name]["redirect_uris"][0])
    client.register(client_name=name, **CLIENTS[name])
    assert client.redeem(client.obtain_code(browser())).status_code == 200


def test_a_state_as_long_and_odd_as_vs_codes_comes_back_unchanged(new_client, browser):
    uris = CLIENTS["Visual Studio Code"]["redirect_uris"]
    state = "vscode%3A%2F%2Fms.mcp%2Fauth%3Fnonce%3D" + "aB%253D" * 50
    client = new_client(redirect_uri=uris[1], state=state)
    client.register(client_name="Visual Studio Code", **CLIENTS["Visual Studio Code"])
    assert client.obtain_code(browser())


@pytest.mark.requirement("RFC 3986 §6.2.3")
def test_a_loopback_uri_may_leave_out_its_slash(new_client, browser):
    client = new_client(redirect_uri="http://127.0.0.1:41130")
    client.register(redirect_uris=["http://127.0.0.1"])
    assert client.redeem(client.obtain_code(browser())).status_code == 200


def test_gemini_without_redirect_uris_is_told_what_is_missing(http):
    """What Gemini CLI sends after it lost a refresh token."""
    body = {"client_name": "Gemini CLI (Stored OAuth)", "redirect_uris": [], "grant_types": []}
    answer = http.post("/register", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"] in ("invalid_redirect_uri", "invalid_client_metadata")
