"""The sandbox in a process of its own, and small drivers for its two services."""

import base64
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from sandbox import fixtures

ROOT = Path(__file__).parents[2]
REDIRECT_URI = fixtures.REDIRECT_URIS[0]
RESOURCE = "http://127.0.0.1:8000/mcp"
CODE_VERIFIER = "a-verifier-of-at-least-43-characters-for-the-sandbox"
CODE_CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(CODE_VERIFIER.encode()).digest()).rstrip(b"=").decode()
)
CLIENT = (fixtures.CLIENT_ID, fixtures.CLIENT_SECRET)
INTROSPECTION = (fixtures.INTROSPECTION_CLIENT_ID, fixtures.INTROSPECTION_CLIENT_SECRET)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "requirement(clause): the clause that this test proves")


@contextmanager
def running_sandbox(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its base URL; it accepts connections once it has printed that."""
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--port", "0", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield process, line.removeprefix("Sandbox on ").strip()
        finally:
            process.kill()


class Sandbox(httpx2.Client):
    """Speaks to the sandbox as browser, as OAuth client, as PropelAuth's backend client."""

    def control(self, path: str, /, **body: Any) -> Any:
        response = self.post(f"/control/{path}", json=body)
        assert response.is_success, response.text
        return response.json()

    def fault(self, side: str, path: str, kind: str, **options: Any) -> None:
        self.control("faults", side=side, path=path, kind=kind, **options)

    def received(self, side: str | None = None) -> Any:
        query = {"side": side} if side else {}
        return self.get("/control/requests", params=query).json()["requests"]

    def live_keys(self) -> Any:
        return self.get("/control/api-keys").json()["api_keys"]

    def authorize(self, **changes: str | None) -> httpx2.Response:
        """The login page; None leaves a parameter out."""
        parameters = {
            "response_type": "code",
            "client_id": fixtures.CLIENT_ID,
            "redirect_uri": REDIRECT_URI,
            "state": "a-state",
            "code_challenge": CODE_CHALLENGE,
            "code_challenge_method": "S256",
            "resource": RESOURCE,
            "scope": "wiv:use",
        } | changes
        given = {name: value for name, value in parameters.items() if value is not None}
        return self.get("/oauth/2.1/authorize", params=given)

    def submit(self, page: httpx2.Response, **fields: str) -> httpx2.Response:
        """Fills in the page's form, hidden fields included."""
        action = re.search(r'<form method="post" action="([^"]+)"', page.text)
        transaction = re.search(r'name="transaction" value="([^"]+)"', page.text)
        assert action, page.text
        assert transaction
        return self.post(action[1], data={"transaction": transaction[1], **fields})

    def log_in(self, email: str, **changes: str | None) -> httpx2.Response:
        page = self.authorize(**changes)
        return self.submit(page, email=email, password=fixtures.PASSWORD)

    def redeem(self, code: str, **changes: str) -> httpx2.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": CODE_VERIFIER,
        } | changes
        return self.post("/oauth/2.1/token", data=form, auth=CLIENT)

    def access_token(self, email: str) -> str:
        token: str = self.redeem(code_of(self.log_in(email))).json()["access_token"]
        return token

    def introspect(self, token: str) -> Any:
        response = self.post("/oauth/2.1/introspect", data={"token": token}, auth=INTROSPECTION)
        assert response.status_code == 200, response.text
        return response.json()

    def backend(self, method: str, path: str, **options: Any) -> httpx2.Response:
        headers = {"authorization": f"Bearer {fixtures.BACKEND_API_KEY}"}
        return self.request(method, f"/api/backend/v1{path}", headers=headers, **options)

    def create_key(self, **fields: Any) -> Any:
        response = self.backend("POST", "/end_user_api_keys", json=fields)
        assert response.status_code == 200, response.text
        return response.json()

    def validate(self, api_key_token: str) -> httpx2.Response:
        body = {"api_key_token": api_key_token}
        return self.backend("POST", "/end_user_api_keys/validate", json=body)


class Wiv:
    """Wiv as one user of one organization sees it."""

    def __init__(self, sandbox: Sandbox, user_id: str | None, org_id: str | None) -> None:
        owner = {"user_id": user_id, "org_id": org_id}
        given = {name: value for name, value in owner.items() if value}
        self.sandbox = sandbox
        self.api_key = sandbox.create_key(**given)["api_key_token"]

    def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        headers = {"x-api-key": self.api_key}
        return self.sandbox.request(method, f"/wiv{path}", headers=headers, **options)

    def get(self, path: str, **query: Any) -> Any:
        response = self.request("GET", path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: Any = None, **query: Any) -> Any:
        response = self.request("POST", path, json=body, params=query)
        assert response.is_success, response.text
        return response.json()

    def refusal(self, method: str, path: str, **options: Any) -> tuple[int, str]:
        """(403, "Forbidden")"""
        response = self.request(method, path, **options)
        return response.status_code, response.json()["error"]


def redirected(response: httpx2.Response) -> dict[str, str]:
    """What a redirect tells the client."""
    assert response.status_code == 302, response.text
    query = parse_qs(urlsplit(response.headers["location"]).query)
    return {name: values[0] for name, values in query.items()}


def code_of(response: httpx2.Response) -> str:
    return redirected(response)["code"]


@pytest.fixture(scope="session")
def base_url() -> Iterator[str]:
    with running_sandbox() as (process, url):
        assert httpx2.get(f"{url}/control/health", timeout=10).json() == {"status": "ok"}
        yield url
        process.terminate()
        _, errors = process.communicate(timeout=10)
        assert errors == ""


@pytest.fixture(scope="session")
def connected(base_url: str) -> Iterator[Sandbox]:
    with Sandbox(base_url=base_url, timeout=10, trust_env=False) as client:
        yield client


@pytest.fixture
def sandbox(connected: Sandbox) -> Sandbox:
    connected.control("reset")
    return connected


@pytest.fixture
def ana(sandbox: Sandbox) -> Wiv:
    """Admin of Acme."""
    return Wiv(sandbox, fixtures.ANA, fixtures.ACME)


@pytest.fixture
def gus(sandbox: Sandbox) -> Wiv:
    """Guest of Acme."""
    return Wiv(sandbox, fixtures.GUS, fixtures.ACME)


@pytest.fixture
def msp(sandbox: Sandbox) -> Wiv:
    """Admin of the managed service provider."""
    return Wiv(sandbox, fixtures.MAX, fixtures.MSP)
