"""FastMCP from PyPI, made from the REST API's OpenAPI document, as its documentation does it."""

import json
import os
from pathlib import Path

import httpx2
from fastmcp import FastMCP
from fastmcp.server.auth.providers.jwt import StaticTokenVerifier

TOKEN = os.environ["TOKEN"]

server = FastMCP.from_openapi(
    openapi_spec=json.loads(Path(os.environ["OPENAPI"]).read_text()),
    client=httpx2.AsyncClient(
        base_url=os.environ["UPSTREAM"], headers={"X-API-Key": TOKEN}, timeout=30
    ),
    name="wiv",
    auth=StaticTokenVerifier(tokens={TOKEN: {"client_id": "ana", "scopes": ["mcp"]}}),
)
app = server.http_app(path="/mcp", stateless_http=True, json_response=True)
