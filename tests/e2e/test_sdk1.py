"""Clients on the Python SDK 1.x, which most installed assistants still are."""

import json
import os
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sandbox import fixtures
from tests.e2e.calls import calls_for, expected_request, find, resolve
from tests.requirements import sdk1_python
from tests.wiv_routes import ROUTES

ROOT = Path(__file__).resolve().parents[2]


def run_assistant(job: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [sdk1_python(), "-m", "tests.e2e.sdk1_assistant"],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=90,
        env={"PATH": os.environ["PATH"]},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("path", ["/mcp", "/sse"])
@pytest.mark.parametrize("credential", ["oauth", "pasted key"])
def test_every_tool_works_from_sdk_1(server, sandbox, make_key, path, credential):
    for msp in (False, True):
        email, organization = (fixtures.ANA_EMAIL, fixtures.ACME)
        owner = fixtures.ANA
        if msp:
            email, organization, owner = fixtures.MAX_EMAIL, fixtures.MSP, fixtures.MAX
        calls = list(calls_for(msp=msp))
        key = make_key(owner, organization) if credential == "pasted key" else ""
        sandbox.forget_requests()
        done = run_assistant(
            {
                "url": server + path,
                "email": email,
                "organization": organization,
                "key": key,
                "calls": [
                    {name: asdict(call)[name] for name in ("tool", "arguments")} for call in calls
                ],
            }
        )
        assert set(done["tools"]) == set(ROUTES)
        received = sandbox.requests("wiv")
        assert len(received) == len(calls)
        for call, request in zip(calls, received, strict=True):
            arguments = resolve(call.arguments, done["answers"])
            expected = expected_request(call, arguments)
            assert {name: request[name] for name in expected} == expected
            for where, value in call.expected.items():
                found = find(done["answers"][call.tool], where)
                assert value is ... or found == value
