"""`manage.py check --deploy` names each setting that must not go live."""

import base64
from datetime import timedelta

import pytest
from django.core.checks import run_checks
from django.db import connection

SAFE = {
    "PUBLIC_URL": "https://mcp.example.test",
    "ALLOWED_HOSTS": ["mcp.example.test"],
    "TRUSTED_PROXY_COUNT": 1,
    "PROPELAUTH_AUTH_URL": "https://auth.example.test",
    "PROPELAUTH_BACKEND_URL": "https://auth.example.test",
    "WIV_API_URL": "https://api.example.test",
    "ENCRYPTION_KEYS": [base64.urlsafe_b64encode(bytes(range(32))).decode()],
    "ACCESS_TOKEN_KIND": "opaque",
    "ALLOWED_ORIGINS": [],
    "CALLS_PER_MINUTE": 240,
    "WRITES_PER_MINUTE": 30,
    "REPEATED_CALLS": 10,
    "CONCURRENT_REQUESTS": 32,
    "SIGN_INS_PER_ADDRESS": 300,
}
SQLITE = "oauth_bridge.W012"


def ours(*, deploy: bool = True) -> set[str]:
    # The toolkit's and Django's own look at cookies and the like, which follow PUBLIC_URL's scheme.
    found = run_checks(include_deployment_checks=deploy)
    ids = {each.id for each in found if each.id}
    return {id for id in ids if id.startswith(("oauth_bridge.", "mcp_gateway."))} - {SQLITE}


@pytest.fixture
def production(settings):
    """Settings as they should be where it counts."""
    for name, value in SAFE.items():
        setattr(settings, name, value)
    return settings


def test_nothing_is_said_of_settings_as_they_should_be(production):
    assert ours() == set()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PUBLIC_URL", "https://mcp.example.test/path", "oauth_bridge.E001"),
        ("PUBLIC_URL", "http://mcp.example.test", "oauth_bridge.E002"),
        ("PUBLIC_URL", "http://127.0.0.1:8000", "oauth_bridge.W001"),
        ("ENCRYPTION_KEYS", [], "oauth_bridge.E003"),
        ("ENCRYPTION_KEYS", ["A" * 43 + "="], "oauth_bridge.W008"),
        ("ACCESS_TOKEN_KIND", "jwt", "oauth_bridge.E004"),
        ("ACCESS_TOKEN_KIND", "api_key", "oauth_bridge.I001"),
        ("CREDENTIAL_VERDICT_LIFETIME", timedelta(minutes=2), "oauth_bridge.E005"),
        ("CREDENTIAL_VERDICT_LIFETIME", timedelta(seconds=-1), "oauth_bridge.E008"),
        ("REFRESH_TOKEN_GRACE", timedelta(minutes=6), "oauth_bridge.E006"),
        ("PROPELAUTH_AUTH_URL", "http://auth.example.test", "oauth_bridge.E007"),
        ("PROPELAUTH_BACKEND_URL", "http://auth.example.test", "oauth_bridge.E007"),
        ("AUTHORIZATION_CODE_LIFETIME", timedelta(0), "oauth_bridge.E008"),
        ("DATABASE_POOL_SIZE", 0, "oauth_bridge.E008"),
        ("TRUSTED_PROXY_COUNT", -1, "oauth_bridge.E008"),
        ("TRUSTED_PROXY_COUNT", 0, "oauth_bridge.W007"),
        ("AUTHORIZATION_CODE_LIFETIME", timedelta(minutes=11), "oauth_bridge.W002"),
        ("ACCESS_TOKEN_LIFETIME", timedelta(hours=25), "oauth_bridge.W003"),
        ("OPAQUE_TOKEN_LIFETIME", timedelta(hours=25), "oauth_bridge.W003"),
        ("REFRESH_TOKEN_MAX_LIFETIME", timedelta(days=400), "oauth_bridge.W004"),
        ("REFRESH_TOKEN_LIFETIME", timedelta(days=181), "oauth_bridge.W004"),
        ("SIGN_IN_LIFETIME", timedelta(minutes=11), "oauth_bridge.W005"),
        ("CONNECT_API_KEY_LIFETIME", timedelta(days=400), "oauth_bridge.W006"),
        ("SECURITY_EVENT_RETENTION", timedelta(days=7), "oauth_bridge.W009"),
        ("REGISTRATIONS_PER_ADDRESS", 10_000, "oauth_bridge.W010"),
        ("REGISTRATIONS_PER_VENDOR", 1_000_000, "oauth_bridge.W010"),
        ("CREDENTIAL_REFUSALS_PER_MINUTE", 10_000, "oauth_bridge.W010"),
        ("SIGN_INS_PER_ADDRESS", 100_000, "oauth_bridge.W010"),
        ("ADMIN_LOGINS_PER_ADDRESS", 1000, "oauth_bridge.W010"),
        ("ADMIN_LOGINS_PER_ACCOUNT", 10_000, "oauth_bridge.W010"),
        ("ALLOWED_HOSTS", ["mcp.example.test", "*"], "oauth_bridge.W011"),
        ("ALLOWED_HOSTS", [".example.test"], "oauth_bridge.W011"),
        ("WIV_API_URL", "http://api.example.test", "mcp_gateway.E001"),
        ("WIV_TIMEOUT", timedelta(seconds=120), "mcp_gateway.W001"),
        ("MCP_MAX_BODY_BYTES", 64 * 1024 * 1024, "mcp_gateway.W002"),
        ("MCP_TOOLS_LIST_TTL", timedelta(minutes=5), "mcp_gateway.W003"),
        ("ALLOWED_ORIGINS", ["http://app.example.test"], "mcp_gateway.W004"),
        ("CALL_LOG_REDACTED", ["("], "mcp_gateway.E006"),
        ("REPEATED_CALLS", -1, "mcp_gateway.E007"),
        ("CALL_LOG_REDACTED", [], "mcp_gateway.W005"),
        ("WRITES_PER_MINUTE", 0, "mcp_gateway.W006"),
    ],
)
def test_an_unsafe_setting_is_named(production, name, value, expected):
    setattr(production, name, value)
    assert ours() == {expected}
    is_for_deployments = expected.split(".")[1][0] in "WI" and expected != "mcp_gateway.W001"
    assert (ours(deploy=False) == set()) == is_for_deployments


def test_sqlite_is_named_and_postgresql_isnt():
    found = {each.id for each in run_checks(include_deployment_checks=True)}
    assert (SQLITE in found) == (connection.vendor == "sqlite")
