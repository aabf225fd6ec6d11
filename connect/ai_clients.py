"""What an AI client's configuration looks like. Pure: values in, text out."""

import json


def mcp_servers_json(url: str) -> str:
    """The `mcpServers` form that Cursor, Claude Code, Gemini CLI and others read. No secret."""
    return json.dumps({"mcpServers": {"wiv": {"url": url}}}, indent=2)


def mcp_servers_json_with_key(url: str) -> str:
    """The same for clients without OAuth; the key comes from the environment, not from the file."""
    server = {"url": url, "headers": {"Authorization": "Bearer ${env:WIV_API_KEY}"}}
    return json.dumps({"mcpServers": {"wiv": server}}, indent=2)
