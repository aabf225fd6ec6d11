"""No secret is in a log or, in clear, in the database."""

import json
import sqlite3
from pathlib import Path

import httpx2
import pytest
from django.contrib.sessions.serializers import JSONSerializer
from django.core import signing

from sandbox import fixtures
from tests.e2e.deployment import Deployment, deployed
from tests.mcp_gateway.json_rpc import McpClient
from tests.oauth_client import OAuthClient
from tests.robot import Robot, form_to, signed_in

SECRET_KEY = "only-for-this-test-" + "y" * 50


@pytest.mark.parametrize(("kind", "log_format"), [("api_key", "json"), ("opaque", "text")])
def test_no_secret_is_in_the_log_or_in_clear_in_the_database(
    tmp_path: Path, kind: str, log_format: str
):
    database = tmp_path / "wivmcp.sqlite3"
    with deployed(
        tmp_path,
        f"sqlite:///{database}",
        ACCESS_TOKEN_KIND=kind,
        SECRET_KEY=SECRET_KEY,
        LOG_LEVEL="DEBUG",
        LOG_FORMAT=log_format,
    ) as deployment:
        secrets = use_everything(deployment)
    text = everything_stored(database) + (tmp_path / "server.log").read_text()
    assert fixtures.ANA_EMAIL in text, "the search has to look at real data"
    found = {name for name, value in secrets.items() if value in text}
    assert not found


def use_everything(deployment: Deployment) -> dict[str, str]:
    """Sign in, call, fail, refresh, make a key, revoke; every secret that took part, by name."""
    client = OAuthClient(
        deployment.url, resource=f"{deployment.url}/mcp", auth_method="client_secret_post"
    )
    robot = Robot(fixtures.ANA_EMAIL)
    code = client.obtain_code(robot)
    client.redeem(code)
    first = dict(client.tokens)
    with httpx2.Client(base_url=deployment.url) as http:
        gateway = McpClient(http, first["access_token"])
        gateway.call("wiv_list_workflows")
        made = make_connect_key(robot, deployment.url)
        gateway.call("wiv_list_spaces", _wiv_api_key=made)
        provoke_errors(deployment, gateway, http)
    client.refresh()
    second = dict(client.tokens)
    client.redeem(code)  # a replay, which revokes
    secrets = {
        "code": code,
        "client secret": client.client_secret,
        "client's verifier": client.verifier,
        "access token": first["access_token"],
        "refresh token": first["refresh_token"],
        "second access token": second["access_token"],
        "second refresh token": second["refresh_token"],
        "key made on /connect": made,
        **upstream_secrets(deployment),
    }
    robot.close()
    client.http.close()
    return secrets


def make_connect_key(robot: Robot, url: str) -> str:
    page = signed_in(robot, url)
    answer = robot.submit(form_to(page, "/connect/api-keys"))
    return str(answer.headers["location"].split("#api_key=")[1])


def provoke_errors(deployment: Deployment, gateway: McpClient, http: httpx2.Client) -> None:
    for kind in ("html", "broken_json", "drop"):
        # What finds nobody is tried three times.
        times = 3 if kind == "drop" else 1
        deployment.sandbox.fault("wiv", "/workflows", kind, times=times)
        gateway.refused("wiv_list_workflows")
    deployment.sandbox.fault("wiv", "/workflows", "status", status=401)
    gateway.refused("wiv_list_workflows")
    gateway.refused("wiv_get_workflow", workflow_id="../x")
    deployment.sandbox.fault("propelauth", "/api/*", "status", status=500, times=3)
    http.post("/token", data={"grant_type": "refresh_token", "refresh_token": "x"})


def upstream_secrets(deployment: Deployment) -> dict[str, str]:
    """What we sent to PropelAuth and Wiv: our verifiers, tokens, keys and credentials."""
    secrets = {
        "PropelAuth client secret": fixtures.CLIENT_SECRET,
        "introspection secret": fixtures.INTROSPECTION_CLIENT_SECRET,
        "backend API key": fixtures.BACKEND_API_KEY,
    }
    received = deployment.sandbox.requests("propelauth") + deployment.sandbox.requests("wiv")
    for number, request in enumerate(received):
        body = request["body"] if isinstance(request["body"], dict) else {}
        for name in ("code", "code_verifier", "token", "api_key_token"):
            if name in body:
                secrets[f"{name} of request {number}"] = body[name]
        if "x-api-key" in request["headers"]:
            secrets[f"key of request {number}"] = request["headers"]["x-api-key"]
    assert any("code_verifier" in name for name in secrets)
    return secrets


def everything_stored(database: Path) -> str:
    """The whole database as text, session rows decoded too."""
    connection = sqlite3.connect(database)
    dump = "\n".join(connection.iterdump())
    sessions = connection.execute("SELECT session_data FROM django_session").fetchall()
    connection.close()
    return dump + "\n".join(json.dumps(decoded(data)) for (data,) in sessions)


def decoded(session_data: str) -> object:
    return signing.loads(
        session_data,
        key=SECRET_KEY,
        salt="django.contrib.sessions.SessionStore",
        serializer=JSONSerializer,
    )
