"""What the call log keeps when its server is stopped, kindly or not."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

import httpx2
import pytest

from sandbox import fixtures
from tests.e2e.deployment import ROOT, Deployment, deployed
from tests.mcp_gateway.json_rpc import McpClient
from tests.mcp_gateway.test_tools import wait_until

WRITERS = 4


@pytest.fixture
def deployment(tmp_path: Path):
    with deployed(tmp_path, f"sqlite:///{tmp_path / 'db.sqlite3'}") as running:
        yield running


@pytest.fixture
def mcp(deployment: Deployment):
    made = deployment.sandbox.backend(
        "POST",
        "/end_user_api_keys",
        fixtures.BACKEND_API_KEY,
        json={"user_id": fixtures.ANA, "org_id": fixtures.ACME},
    )
    key = made.raise_for_status().json()["api_key_token"]
    with httpx2.Client(base_url=deployment.url, timeout=30) as http:
        yield McpClient(http, key)


def log_of(deployment: Deployment) -> list[dict[str, Any]]:
    return [json.loads(line) for line in deployment.manage("export_call_log").splitlines()]


def runs_received(deployment: Deployment) -> set[str]:
    """The request ids of the writes that reached Wiv, as the log spells them."""
    received = [each for each in deployment.sandbox.requests("wiv") if each["method"] == "POST"]
    return {
        value
        for each in received
        for name, value in each["headers"].items()
        if name.lower() == "x-request-id"
    }


def test_kill_9_under_load_loses_no_writes_record(deployment: Deployment, mcp: McpClient):
    is_over = Event()

    def write_on(number: int) -> None:
        count = 0
        while not is_over.is_set():
            count += 1
            event = {"writer": number, "count": count}
            with suppress(httpx2.HTTPError):
                mcp.call(
                    "wiv_start_execution",
                    workflow_id=fixtures.MONTHLY_REPORT,
                    trigger_event=event,
                )

    with ThreadPoolExecutor(WRITERS) as pool:
        writers = [pool.submit(write_on, number) for number in range(WRITERS)]
        try:
            wait_until(lambda: len(runs_received(deployment)) >= 20, seconds=30)
            os.kill(deployment.process.pid, signal.SIGKILL)
            deployment.process.wait(10)
        finally:
            is_over.set()
    for writer in writers:
        writer.result()
    reached = runs_received(deployment)
    intents = {entry["call_id"].replace("-", "") for entry in log_of(deployment)}
    assert len(reached) >= 20
    assert reached <= intents
    assert "entries, last" in deployment.manage("verify_call_log")


def test_a_stop_writes_down_what_has_ended(deployment: Deployment, mcp: McpClient):
    for limit in range(1, 31):
        mcp.call("wiv_list_workflows", limit=limit)
    deployment.process.send_signal(signal.SIGTERM)
    deployment.process.wait(30)
    assert len([entry for entry in log_of(deployment) if entry["outcome"] == "ok"]) == 30


def test_a_reader_who_has_seen_enough_is_no_error(deployment: Deployment, mcp: McpClient):
    """As `export_call_log | head`."""
    mcp.call("wiv_list_workflows", limit=1)
    command = [sys.executable, "manage.py", "export_call_log"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=deployment.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
