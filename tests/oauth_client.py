"""An OAuth client by the letter of the RFCs, for tests that look at single requests."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import httpx2

from tests.robot import PLAIN_HTTP, Robot, query_of

REDIRECT_URI = "http://127.0.0.1:49152/callback"


@dataclass
class OAuthClient:
    """One registered client; `tokens` is the last token response."""

    issuer: str
    resource: str | None = None
    scope: str | None = None
    redirect_uri: str = REDIRECT_URI
    auth_method: str = "none"
    client_id: str = ""
    client_secret: str = ""
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    tokens: dict[str, Any] = field(default_factory=dict)
    http: httpx2.Client = field(
        default_factory=lambda: httpx2.Client(verify=PLAIN_HTTP, timeout=30)
    )

    def register(self, **metadata: Any) -> httpx2.Response:
        body = {
            "client_name": "Test Client",
            "redirect_uris": [self.redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": self.auth_method,
            **metadata,
        }
        response = self.http.post(f"{self.issuer}/register", json=body)
        if response.status_code == 201:
            self.client_id = response.json()["client_id"]
            self.client_secret = response.json().get("client_secret", "")
        return response

    @property
    def code_challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def authorization_url(self, **changes: str | None) -> str:
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "state": self.state,
            "code_challenge": self.code_challenge,
            "code_challenge_method": "S256",
            "scope": self.scope,
            "resource": self.resource,
            **changes,
        }
        present = {name: value for name, value in parameters.items() if value is not None}
        return f"{self.issuer}/authorize?{urlencode(present)}"

    @property
    def basic(self) -> str:
        """RFC 6749 §2.3.1"""
        credentials = f"{quote(self.client_id, safe='')}:{quote(self.client_secret, safe='')}"
        return "Basic " + base64.b64encode(credentials.encode()).decode()

    def obtain_code(self, robot: Robot, **changes: str | None) -> str:
        if not self.client_id:
            self.register()
        arrived = robot.authorize(self.authorization_url(**changes), stop_at=self.redirect_uri)
        answer = query_of(arrived)
        assert answer.get("state") == self.state
        assert answer.get("iss") == self.issuer
        return answer["code"]

    def redeem(self, code: str, **changes: str | None) -> httpx2.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        return self.token_request(**{**form, **changes})

    def refresh(self, refresh_token: str | None = None, **changes: str | None) -> httpx2.Response:
        return self.token_request(
            grant_type="refresh_token",
            refresh_token=refresh_token or self.tokens["refresh_token"],
            **changes,
        )

    def revoke(self, token: str) -> httpx2.Response:
        form = {"token": token, "client_id": self.client_id}
        return self.http.post(f"{self.issuer}/revoke", data=form)

    def token_request(self, **form: str | None) -> httpx2.Response:
        form = {"client_id": self.client_id, "resource": self.resource, **form}
        if self.auth_method == "client_secret_post":
            form["client_secret"] = self.client_secret
        present = {name: value for name, value in form.items() if value is not None}
        headers = {"Authorization": self.basic} if self.auth_method == "client_secret_basic" else {}
        response = self.http.post(f"{self.issuer}/token", data=present, headers=headers)
        if response.status_code == 200:
            self.tokens = response.json()
        return response

    def sign_in(self, robot: Robot) -> dict[str, Any]:
        """From nothing to tokens."""
        response = self.redeem(self.obtain_code(robot))
        assert response.status_code == 200, response.text
        return self.tokens
