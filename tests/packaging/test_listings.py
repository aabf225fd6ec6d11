"""server.json and the plugins, held against what /connect tells the same clients.

The schema is what the MCP registry's of 2025-12-11 demands of a server without packages, read in
its documentation; the registry itself forbids headers with a value, and so do we any header.
"""

import json
import re
import tomllib
from typing import Any

import jsonschema_rs
import pytest

from connect import ai_clients
from connect.ai_clients import Auth
from mcp_gateway.resources import ENDPOINTS
from tests.connect.client_formats import be, only
from tests.packaging.scripts import ROOT

HOST = "mcp.wiv.example"
# Where each client looks for the server, how it writes what its user fills in, and who asks for it.
PLUGINS = {
    "claude-code": ("plugins/claude-code/.mcp.json", "${user_config.host}"),
    "cursor": ("plugins/cursor/mcp.json", "${env:WIV_MCP_HOST}"),
    "vs-code": ("plugins/vs-code/mcp.json", "${input:wiv-mcp-host}"),
}
MANIFESTS = (
    "plugins/claude-code/.claude-plugin/plugin.json",
    "plugins/cursor/.cursor-plugin/plugin.json",
)
MARKETPLACE = ".claude-plugin/marketplace.json"
FILES = ["server.json", MARKETPLACE, *MANIFESTS, *(path for path, _ in PLUGINS.values())]

TEXT = {"type": "string", "minLength": 1, "maxLength": 100}
VARIABLE = only(description=TEXT, isRequired=be(True), placeholder=be("mcp.example.com"))


def remote(kind: str, path: str) -> dict[str, Any]:
    url = "https://{host}" + path
    return only(type=be(kind), url=be(url), variables=only(host=VARIABLE))


SERVER = only(
    **{
        "$schema": be(
            "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
        )
    },
    name={"type": "string", "pattern": r"^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$", "maxLength": 200},
    title=TEXT,
    description=TEXT,
    version={"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
    websiteUrl=be("https://wiv.ai"),
    remotes={
        "type": "array",
        "prefixItems": [remote("streamable-http", "/mcp"), remote("sse", "/sse")],
        "minItems": 2,
        "maxItems": 2,
    },
)
# In a manifest every member but the name is optional; ours say the same of themselves.
ABOUT = {
    "name": be("wiv"),
    "version": {"type": "string"},
    "description": TEXT,
    "author": only(name=be("Wiv")),
    "license": be("MIT"),
}
ASKED = only(type=be("string"), title=TEXT, description=TEXT, required=be(True))
CLAUDE_CODE = only(**ABOUT, userConfig=only(host=ASKED))
CURSOR = only(**ABOUT, displayName=be("Wiv"), mcpServers=be("mcp.json"))


def load(path: str) -> Any:
    return json.loads((ROOT / path).read_text(encoding="utf-8"))


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def snippet(slug: str) -> Any:
    """What /connect shows for somebody who signs in."""
    client = ai_clients.find(slug, f"https://{HOST}/mcp")
    assert client
    [setup] = [setup for setup in client.setups if setup.auth is Auth.OAUTH]
    assert setup.snippet
    return json.loads(setup.snippet.text)


def test_the_registry_could_take_server_json():
    jsonschema_rs.Draft202012Validator(SERVER).validate(load("server.json"))


def test_server_json_lists_each_endpoint_that_a_client_is_told_of():
    urls = {remote["url"] for remote in load("server.json")["remotes"]}
    told = {path for path in ENDPOINTS if not path.startswith("/messages") and path[-1] != "/"}
    assert {url.removeprefix("https://{host}") for url in urls} == told


@pytest.mark.parametrize("slug", PLUGINS)
def test_a_plugin_adds_the_server_as_the_connect_page_does(slug):
    path, host = PLUGINS[slug]
    text = (ROOT / path).read_text()
    assert text.count(host) == 1
    added = json.loads(text.replace(host, HOST))
    added.pop("inputs", None)
    assert added == snippet(slug)


@pytest.mark.parametrize(
    ("path", "schema"), list(zip(MANIFESTS, (CLAUDE_CODE, CURSOR), strict=True))
)
def test_a_plugins_manifest_is_one_that_its_client_reads(path, schema):
    jsonschema_rs.Draft202012Validator(schema).validate(load(path))


def test_whoever_adds_a_plugin_is_asked_for_what_its_url_leaves_open():
    [asked] = load("plugins/vs-code/mcp.json")["inputs"]
    assert set(asked) == {"type", "id", "description"}
    assert asked["type"] == "promptString"
    assert PLUGINS["vs-code"][1] == f"${{input:{asked['id']}}}"
    [name] = load(MANIFESTS[0])["userConfig"]
    assert PLUGINS["claude-code"][1] == f"${{user_config.{name}}}"
    assert "`WIV_MCP_HOST`" in (ROOT / "docs/plugins.md").read_text()


def test_the_marketplace_leads_to_the_plugin():
    [entry] = load(MARKETPLACE)["plugins"]
    plugin = (ROOT / entry["source"]).resolve()
    assert plugin.is_relative_to(ROOT)
    manifest = json.loads((plugin / ".claude-plugin" / "plugin.json").read_text())
    assert (entry["name"], entry["description"]) == (manifest["name"], manifest["description"])


def test_versions_and_licences_are_the_projects():
    listed = [load(path) for path in ("server.json", *MANIFESTS)]
    assert {each["version"] for each in listed} == {project()["version"]}
    assert {each["license"] for each in listed[1:]} == {project()["license"]}
    [path] = project()["license-files"]
    assert (ROOT / path).read_text().startswith(f"{project()['license']} License\n")


@pytest.mark.parametrize("path", FILES)
def test_no_file_for_others_has_a_place_for_a_key(path):
    """Keys belong to people; a plugin signs in."""
    assert not re.search(
        r"header|authorization|bearer|key|secret|token", (ROOT / path).read_text(), re.I
    )


def test_every_file_of_a_plugin_is_looked_at():
    there = {str(path.relative_to(ROOT)) for path in ROOT.glob("plugins/**/*") if path.is_file()}
    assert there == {path for path in FILES if path.startswith("plugins/")}
