"""The process: options, a busy port, a quick and quiet end, and what it tells its environment."""

import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import httpx2
import pytest

from sandbox import fixtures
from tests.sandbox.conftest import ROOT, Sandbox, running_sandbox


def test_a_busy_port_is_one_line_and_an_exit_code(sandbox: Sandbox):
    port = str(sandbox.base_url.port)
    command = [sys.executable, "-m", "sandbox", "--port", port]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10)
    assert ended.returncode == 1
    assert ended.stderr == f"sandbox: can't listen on 127.0.0.1:{port}: Address already in use\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_even_with_a_held_request(number: signal.Signals):
    with (
        running_sandbox("--redirect-uri", "https://mcp.test/cb") as (process, url),
        Sandbox(base_url=url, timeout=10, trust_env=False) as client,
        ThreadPoolExecutor() as pool,
    ):
        assert client.authorize(redirect_uri="https://mcp.test/cb").status_code == 200
        assert client.authorize().status_code == 400
        client.fault("propelauth", "/held", "hang")
        held = pool.submit(client.get, "/held")
        while client.received()[-1]["path"] != "/held":
            assert not held.done()
        process.send_signal(number)
        _, errors = process.communicate(timeout=5)
        assert held.result(timeout=5).status_code == 404
        assert (process.returncode, errors) == (0, "")


def test_the_environment_leads_to_both_services(sandbox: Sandbox):
    environment = fixtures.environment(str(sandbox.base_url).rstrip("/"))
    assert httpx2.URL(environment["WIV_API_URL"]).path == "/wiv"
    assert sandbox.get(f"{environment['WIV_API_URL']}/spaces").status_code == 401
    headers = {"authorization": f"Bearer {environment['PROPELAUTH_BACKEND_API_KEY']}"}
    user = f"{environment['PROPELAUTH_BACKEND_URL']}/api/backend/v1/user/{fixtures.ANA}"
    assert sandbox.get(user, headers=headers).status_code == 200
    for name in ("PROPELAUTH_CLIENT", "PROPELAUTH_INTROSPECTION_CLIENT"):
        secret = environment[f"{name}_SECRET"]
        assert re.fullmatch(r"[0-9a-f]{96}", secret)
        assert secret.startswith(environment[f"{name}_ID"])


def test_ids_are_uuids_that_propelauths_sdks_accept():
    ids = [fixtures.ANA, fixtures.MAX, fixtures.NORA, fixtures.GUS, fixtures.BEA]
    for identifier in [*ids, *fixtures.TENANT_IDS]:
        assert str(UUID(identifier, version=4)) == identifier
