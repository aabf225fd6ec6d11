"""PropelAuth's own Python SDK talks to the sandbox and notices nothing.

Its base URL is a constant, so a transport takes each request to the sandbox instead.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import propelauth_py
import pytest
from propelauth_py import errors

from sandbox import fixtures
from tests.sandbox.conftest import Sandbox

pytestmark = pytest.mark.requirement("propelauth_py 4.4 against the sandbox")

Sdk = Any


class ToTheSandbox(httpx.AsyncHTTPTransport):
    def __init__(self, base_url: httpx.URL) -> None:
        super().__init__(verify=False)
        self.base_url = base_url

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == "propelauth-api.com"
        place = {"scheme": "http", "host": self.base_url.host, "port": self.base_url.port}
        request.url = request.url.copy_with(**place)
        return await super().handle_async_request(request)


@pytest.fixture
def sdk(sandbox: Sandbox) -> Callable[[Callable[[Sdk], Awaitable[Any]]], Any]:
    """Runs a coroutine function with an SDK client of its own."""
    base_url = httpx.URL(str(sandbox.base_url))
    headers = {"authorization": f"Bearer {fixtures.BACKEND_API_KEY}"}
    pem = sandbox.get("/api/v1/token_verification_metadata", headers=headers).json()
    metadata = propelauth_py.TokenVerificationMetadata(
        verifier_key=pem["verifier_key_pem"], issuer=f"https://{base_url.netloc.decode()}"
    )

    async def run(story: Callable[[Sdk], Awaitable[Any]], backend_key: str) -> Any:
        async with httpx.AsyncClient(transport=ToTheSandbox(base_url)) as client:
            auth = propelauth_py.init_base_async_auth(str(base_url), backend_key, metadata, client)
            return await story(auth)

    def running(
        story: Callable[[Sdk], Awaitable[Any]], backend_key: str = fixtures.BACKEND_API_KEY
    ) -> Any:
        return asyncio.run(run(story, backend_key))

    return running


def test_the_sdk_creates_validates_updates_and_deletes_a_key(sdk: Any, sandbox: Sandbox):
    async def story(auth: Sdk) -> None:
        soon = int(time.time()) + 600
        key = await auth.create_api_key(fixtures.ACME, fixtures.ANA, soon, {"mint": "1"}, "Test")
        validation = await auth.validate_api_key(key.api_key_token)
        assert validation.user.user_id == fixtures.ANA
        assert validation.org.org_name == "Acme Corp"
        assert validation.user_in_org.user_is_at_least_role("Editor")
        assert (await auth.validate_org_api_key(key.api_key_token)).metadata == {"mint": "1"}
        assert await auth.update_api_key(key.api_key_id, set_to_never_expire=True)
        fetched = await auth.fetch_api_key(key.api_key_id)
        assert (fetched.expires_at_seconds, fetched.display_name) == (None, "Test")
        assert await auth.delete_api_key(key.api_key_id)
        with pytest.raises(errors.EndUserApiKeyNotFoundException):
            await auth.fetch_api_key(key.api_key_id)
        with pytest.raises(errors.EndUserApiKeyException) as refusal:
            await auth.validate_api_key(key.api_key_token)
        assert "api_key_token" in refusal.value.field_to_errors

    sdk(story)
    assert sandbox.live_keys() == []
    assert sandbox.received()[1]["headers"]["x-propelauth-url"]


def test_the_sdk_tells_a_personal_key_from_an_organizations(sdk: Any):
    async def story(auth: Sdk) -> None:
        personal = await auth.create_api_key(user_id=fixtures.ANA)
        assert (await auth.validate_personal_api_key(personal.api_key_token)).user.email
        with pytest.raises(errors.EndUserApiKeyException):
            await auth.validate_org_api_key(personal.api_key_token)

    sdk(story)


def test_the_sdk_pages_through_live_and_archived_keys(sdk: Any, sandbox: Sandbox):
    async def story(auth: Sdk) -> None:
        soon = int(time.time()) + 600
        for _ in range(3):
            await auth.create_api_key(org_id=fixtures.ACME, expires_at_seconds=soon)
        page = await auth.fetch_current_api_keys(org_id=fixtures.ACME, page_size=2)
        assert (len(page.api_keys), page.total_api_keys) == (2, 3)
        assert page.has_more_results
        sandbox.control("clock", advance_seconds=601)
        archived = await auth.fetch_archived_api_keys(org_id=fixtures.ACME)
        assert archived.total_api_keys == 3

    sdk(story)


def test_the_sdk_reads_users_and_organizations(sdk: Any):
    async def story(auth: Sdk) -> None:
        user = await auth.fetch_user_metadata_by_user_id(fixtures.MAX, include_orgs=True)
        assert user.org_id_to_org_info[fixtures.MSP].user_assigned_role == "Admin"
        assert len(user.org_id_to_org_info) == 3
        by_email = await auth.fetch_user_metadata_by_email(fixtures.NORA_EMAIL)
        assert (by_email.user_id, by_email.org_id_to_org_info) == (fixtures.NORA, None)
        assert (await auth.fetch_org(fixtures.MSP)).name == "Orbit MSP"
        members = await auth.fetch_users_in_org(fixtures.ACME)
        assert members.total_users == 3
        assert await auth.fetch_user_metadata_by_user_id(fixtures.ACME) is None

    sdk(story)


def test_the_sdk_blocks_a_user_and_removes_a_member(sdk: Any):
    async def story(auth: Sdk) -> None:
        assert await auth.disable_user(fixtures.ANA)
        assert not (await auth.fetch_user_metadata_by_user_id(fixtures.ANA)).enabled
        assert await auth.enable_user(fixtures.ANA)
        assert await auth.remove_user_from_org(fixtures.ANA, fixtures.ACME)
        user = await auth.fetch_user_metadata_by_user_id(fixtures.ANA, include_orgs=True)
        assert user.org_id_to_org_info == {}

    sdk(story)


def test_the_sdk_verifies_an_access_token_with_its_active_organization(sdk: Any):
    async def story(auth: Sdk) -> None:
        created = await auth.create_access_token(fixtures.ANA, 5, fixtures.ACME)
        user = auth.validate_access_token_and_get_user(f"Bearer {created.access_token}")
        assert user.user_id == fixtures.ANA
        assert user.active_org_id == fixtures.ACME
        assert user.get_active_org().user_is_role("Admin")
        assert user.login_method.login_method == "generated_from_backend_api"
        with pytest.raises(errors.UserNotFoundException):
            await auth.create_access_token(fixtures.BEA, 5)

    sdk(story)


def test_the_sdk_understands_both_kinds_of_429(sdk: Any, sandbox: Sandbox):
    async def story(auth: Sdk) -> None:
        with pytest.raises(errors.EndUserApiKeyRateLimitedException) as by_key:
            await auth.validate_api_key("0" * 96)
        assert by_key.value.wait_seconds == 4.2
        with pytest.raises(errors.RateLimitedException):
            await auth.validate_api_key("0" * 96)

    sandbox.fault("propelauth", "/api/*", "rate_limit_json")
    sandbox.fault("propelauth", "/api/*", "rate_limit_text")
    sdk(story)


def test_the_sdk_hears_that_its_backend_key_is_wrong(sdk: Any):
    async def story(auth: Sdk) -> None:
        with pytest.raises(ValueError, match="integration_api_key is incorrect"):
            await auth.fetch_user_metadata_by_user_id(fixtures.ANA)

    sdk(story, backend_key="wrong")
