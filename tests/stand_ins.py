"""The sandbox as tests use it: a process of its own, and its control route."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx2


class Sandbox:
    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx2.Client(base_url=url, timeout=10)

    def reset(self) -> None:
        self.http.post("/control/reset").raise_for_status()

    def fault(self, side: str, path: str, kind: str, **options: Any) -> None:
        body = {"side": side, "method": "*", "path": path, "kind": kind, **options}
        self.http.post("/control/faults", json=body).raise_for_status()

    def clear_faults(self) -> None:
        self.http.delete("/control/faults").raise_for_status()

    def requests(self, side: str) -> list[dict[str, Any]]:
        answer = self.http.get("/control/requests", params={"side": side})
        received: list[dict[str, Any]] = answer.raise_for_status().json()["requests"]
        return received

    def forget_requests(self) -> None:
        self.http.delete("/control/requests").raise_for_status()

    def api_keys(self) -> list[dict[str, Any]]:
        answer = self.http.get("/control/api-keys").raise_for_status().json()
        keys: list[dict[str, Any]] = answer["api_keys"]
        return keys

    def control(self, path: str, **body: Any) -> None:
        self.http.post(f"/control/{path}", json=body).raise_for_status()

    def backend(self, method: str, path: str, key: str, **options: Any) -> httpx2.Response:
        """As PropelAuth's dashboard would: block a user, remove a member, make a key."""
        headers = {"Authorization": f"Bearer {key}"}
        return self.http.request(method, f"/api/backend/v1{path}", headers=headers, **options)


@contextlib.contextmanager
def running_sandbox(port: int, redirect_uri: str) -> Iterator[Sandbox]:
    command = [sys.executable, "-m", "sandbox", "--port", str(port), "--redirect-uri", redirect_uri]
    process = subprocess.Popen(command)
    try:
        sandbox = Sandbox(f"http://127.0.0.1:{port}")
        wait_until_answers(f"{sandbox.url}/control/health", process)
        yield sandbox
        sandbox.http.close()
    finally:
        process.terminate()
        process.wait(10)


def wait_until_answers(
    url: str, process: subprocess.Popen[Any] | None = None, seconds: float = 120
) -> None:
    """Poll until 200. Raises when the process ended or so many seconds have passed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{url}: the process ended with {process.returncode}")
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(url, timeout=5).status_code == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{url} doesn't answer")
