"""Clients that check every answer of the authorization server against its specification."""

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.interop.program import Program, running
from tests.requirements import missing
from tests.wiv_routes import ROUTES

pytestmark = pytest.mark.interop


def test_oauth4webapi_accepts_every_answer(server, run_node):
    with run_node("strict_oauth.mjs", f"{server}/mcp") as program:
        assert program.finish() == 0, program.output
    assert program.opened == 1
    assert program.lines.count(f"{len(ROUTES)} tools") == 2
    assert "After the revocation: 401 invalid_token" in program.lines


@pytest.fixture
def run_authlab(browser, tmp_path) -> Callable[..., AbstractContextManager[Program]]:
    scanner = Path(sys.executable).parent / "mcp-authlab"
    if not scanner.exists():
        missing("mcp-authlab")
    person = browser()
    return lambda *arguments: running([scanner, *arguments], person, tmp_path)


def test_mcp_authlab_gives_its_best_grade(server, run_authlab, tmp_path):
    url, report = f"{server}/mcp", tmp_path / "report.json"
    login = ("login", url, "--thorough", "--foreign-resource", f"{server}/sse")
    with run_authlab(*login) as program:
        assert program.finish() == 0, program.output
    # For /mcp, and for /sse: whose token must not pass at /mcp.
    assert program.opened == 2
    scan = ("scan", url, "--fail-under", "A", "--format", "json", "--output", report)
    with run_authlab(*scan) as program:
        assert program.finish() == 0, program.output
    checks = json.loads(report.read_text())["results"]
    assert {check["id"]: check["status"] for check in checks if check["status"] != "pass"} == {
        "TLS-01": "warn",  # plain http, on loopback
        "SESS-01": "skip",  # there are no sessions
        "SESS-02": "skip",
    }
