"""The MCP project's conformance suite: its authorization and its server scenarios, all versions.

A version's run has to have run each scenario that the suite lists for it, and only the checks that
are named here, each with its reason, may have another verdict than success.
"""

import json
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.interop.proxy import authenticating_proxy
from tests.requirements import node_packages
from tests.settings import free_port

pytestmark = pytest.mark.interop

SUITE = "@modelcontextprotocol/conformance/dist/index.js"
VERSIONS = ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]

OWN_TOOL = "calls a tool of the suite's example server"
TOOLS_ONLY = "is about prompts, resources, completions or logging, which wivmcp doesn't offer"
NO_SESSION = "wants a session, and /mcp has none"
NO_SUBSCRIPTION = "wants notifications, and /mcp advertises none"
NO_HEADER_ARGUMENT = "wants a tool with x-mcp-header, and no tool of the catalog has it"

# "scenario" or "scenario: check" -> why it doesn't succeed.
EXPLAINED = {
    "completion-complete": TOOLS_ONLY,
    "logging-set-level": TOOLS_ONLY,
    "prompts-get-embedded-resource": TOOLS_ONLY,
    "prompts-get-simple": TOOLS_ONLY,
    "prompts-get-with-args": TOOLS_ONLY,
    "prompts-get-with-image": TOOLS_ONLY,
    "prompts-list": TOOLS_ONLY,
    "resources-list": TOOLS_ONLY,
    "resources-read-binary": TOOLS_ONLY,
    "resources-read-text": TOOLS_ONLY,
    "resources-subscribe": TOOLS_ONLY,
    "resources-templates-read": TOOLS_ONLY,
    "resources-unsubscribe": TOOLS_ONLY,
    "sep-2164-resource-not-found: sep-2164-data-uri": TOOLS_ONLY,
    "sep-2164-resource-not-found: sep-2164-error-code": TOOLS_ONLY,
    "tools-call-with-logging": TOOLS_ONLY,
    "input-required-result-non-tool-request": TOOLS_ONLY,
    "caching: sep-2549-prompts-list-caching-hints": TOOLS_ONLY,
    "caching: sep-2549-resources-list-caching-hints": TOOLS_ONLY,
    "caching: sep-2549-resources-read-caching-hints": TOOLS_ONLY,
    "caching: sep-2549-resources-templates-list-caching-hints": TOOLS_ONLY,
    "elicitation-sep1034-defaults": OWN_TOOL,
    "elicitation-sep1330-enums": OWN_TOOL,
    "input-required-result-basic-elicitation": OWN_TOOL,
    "input-required-result-basic-list-roots": OWN_TOOL,
    "input-required-result-basic-sampling": OWN_TOOL,
    "input-required-result-capability-check": OWN_TOOL,
    "input-required-result-ignore-extra-params": OWN_TOOL,
    "input-required-result-missing-input-response": OWN_TOOL,
    "input-required-result-multi-round": OWN_TOOL,
    "input-required-result-multiple-input-requests": OWN_TOOL,
    "input-required-result-request-state": OWN_TOOL,
    "input-required-result-result-type": OWN_TOOL,
    "input-required-result-tampered-state": OWN_TOOL,
    "json-schema-2020-12": OWN_TOOL,
    "tools-call-audio": OWN_TOOL,
    "tools-call-elicitation": OWN_TOOL,
    "tools-call-embedded-resource": OWN_TOOL,
    "tools-call-error": OWN_TOOL,
    "tools-call-image": OWN_TOOL,
    "tools-call-mixed-content": OWN_TOOL,
    "tools-call-sampling": OWN_TOOL,
    "tools-call-simple-text": OWN_TOOL,
    "tools-call-with-progress": OWN_TOOL,
    "server-stateless: sep-2575-http-server-no-independent-requests-on-stream": OWN_TOOL,
    "server-stateless: sep-2575-missing-capability-http-400": OWN_TOOL,
    "server-stateless: sep-2575-server-no-log-without-loglevel": OWN_TOOL,
    "server-stateless: sep-2575-server-rejects-undeclared-capability": OWN_TOOL,
    "server-stateless: sep-2575-server-honors-notification-filter": NO_SUBSCRIPTION,
    "server-stateless: sep-2575-server-sends-prompts-list-changed-on-subscription": NO_SUBSCRIPTION,
    "server-stateless: sep-2575-server-sends-subscription-ack": NO_SUBSCRIPTION,
    "server-stateless: sep-2575-server-sends-tools-list-changed-on-subscription": NO_SUBSCRIPTION,
    "server-stateless: sep-2575-server-tags-subscription-id": NO_SUBSCRIPTION,
    "server-sse-multiple-streams: server-sse-multiple-streams-session": NO_SESSION,
    "server-sse-polling": NO_SESSION,
    "http-custom-header-server-validation": NO_HEADER_ARGUMENT,
}
# Scenarios of no version, that of the tasks and that of the skills extension: we declare neither.
EXTENSIONS = ("tasks-", "sep-2640-")

Verdicts = list[tuple[str, str, str]]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_authorization_server_conforms(server, run_node, new_client, tmp_path, version):
    port = str(free_port())
    client = new_client(redirect_uri=f"http://127.0.0.1:{port}/callback")
    client.register()
    options = ["--url", server, "--client-id", client.client_id, "--resource", f"{server}/mcp"]
    options += ["--port", port, "--spec-version", version, "--output-dir", str(tmp_path)]
    with run_node(SUITE, "authorization", *options) as program:
        assert program.finish() == 0, program.output
    verdicts = read_verdicts(tmp_path)
    assert {scenario for scenario, *_ in verdicts} == scenarios("authorization", version)
    assert unexplained(verdicts, {}) == set()
    assert program.opened == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_the_server_conforms(server, run_node, make_key, tmp_path, version):
    with authenticating_proxy(server, make_key()) as url:
        options = ["--url", f"{url}/mcp", "--suite", "all", "--spec-version", version]
        with run_node(SUITE, "server", *options, "--output-dir", str(tmp_path)) as program:
            program.finish()
    verdicts = read_verdicts(tmp_path)
    assert {scenario for scenario, *_ in verdicts} == scenarios("server", version)
    assert unexplained(verdicts, EXPLAINED) == set()


def test_only_extensions_have_scenarios_that_no_version_runs():
    run = set().union(*(scenarios("server", version) for version in VERSIONS))
    assert {entry.partition(":")[0] for entry in EXPLAINED} <= run
    left = scenarios("server") - run
    assert left == scenarios("server", "extension")
    assert all(scenario.startswith(EXTENSIONS) for scenario in left)


def scenarios(side: str, version: str = "") -> set[str]:
    return {name for name, versions in listed(side) if version in versions}


@cache
def listed(side: str) -> list[tuple[str, str]]:
    """The suite's own list: [("ping", "2025-06-18,2025-11-25"), ...]"""
    packages = node_packages()
    command: list[str | Path] = [packages / ".bin" / "node", packages / SUITE, "list", f"--{side}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return re.findall(r"^  - (\S+) \[(.+)\]$", done.stdout, flags=re.MULTILINE)


def read_verdicts(results: Path) -> Verdicts:
    """[("ping", "wire-schema-valid", "SUCCESS"), ...]"""
    # server-ping-2026-01-01T00-00-00-000Z
    name = re.compile(r"(?:authorization-)?server-(.+)-\d{4}-\d\d-\d\dT.+")
    return [
        (scenario[1], check["id"], check["status"])
        for folder in results.iterdir()
        if (scenario := name.fullmatch(folder.name))
        for check in json.loads((folder / "checks.json").read_text())
    ]


def unexplained(verdicts: Verdicts, explained: Mapping[str, str]) -> set[str]:
    """Checks that don't succeed though they should, and those that do though we say otherwise."""
    reported, failed = set(), set()
    for scenario, check, status in verdicts:
        name = scenario if scenario in explained else f"{scenario}: {check}"
        reported.add(name)
        if status not in ("SUCCESS", "INFO"):
            failed.add(name)
    return failed ^ (explained.keys() & reported)
