"""MCP: what an authorization server does with a client's metadata document."""

from datetime import timedelta

import pytest
from django.utils import timezone

from oauth_bridge.models import Application
from tests.oauth_bridge.test_client_documents import (
    CODE_REDIRECT,
    HOST,
    certificate,
    documents,
    no_failures_remembered,
)

__all__ = ["certificate", "documents", "no_failures_remembered"]  # the fixtures


@pytest.mark.requirement("MCP 2026-07-28 Client ID Metadata Documents: cache headers")
@pytest.mark.parametrize(
    ("header", "kept_for"),
    [("max-age=7200", timedelta(hours=2)), ("public, max-age=900", timedelta(minutes=15))],
)
def test_a_document_is_kept_for_as_long_as_its_headers_say(
    new_client, browser, documents, header, kept_for
):
    documents.headers["Cache-Control"] = header
    client = new_client(client_id=documents.url)
    asked = timezone.now()
    for _ in range(2):
        assert browser().get(client.authorization_url()).status_code == 200
    assert documents.requests == 1
    kept = Application.objects.get().cimd_expires_at - asked
    assert kept_for <= kept < kept_for + timedelta(minutes=1)
    Application.objects.update(cimd_expires_at=timezone.now())
    assert browser().get(client.authorization_url()).status_code == 200
    assert documents.requests == 2


@pytest.mark.requirement("MCP 2026-07-28 Client ID Metadata Documents: redirect URIs")
@pytest.mark.parametrize(
    "redirect_uri", ["https://evil.example/cb", f"{CODE_REDIRECT}/", f"{CODE_REDIRECT}?x=1"]
)
def test_a_redirect_uri_that_isnt_in_the_document_is_refused(
    new_client, browser, documents, redirect_uri
):
    client = new_client(client_id=documents.url, redirect_uri=redirect_uri)
    answer = browser().get(client.authorization_url())
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.requirement("MCP 2026-07-28 Localhost Redirect URI Risks")
def test_a_document_that_leads_to_this_computer_only_comes_with_a_warning(
    new_client, browser, documents
):
    client = new_client(client_id=documents.url)
    page = browser().get(client.authorization_url()).text
    assert f'published by <span class="host">{HOST}</span>' in page
    assert '<span class="host">127.0.0.1:49152</span>' in page
    assert "program on this computer" in page
    documents.say({"redirect_uris": ["https://app.example/cb"]})
    Application.objects.update(cimd_expires_at=timezone.now())
    remote = new_client(client_id=documents.url, redirect_uri="https://app.example/cb")
    page = browser().get(remote.authorization_url()).text
    assert '<span class="host">app.example</span>' in page
    assert "program on this computer" not in page


@pytest.mark.requirement("MCP 2026-07-28 Client ID Metadata Documents: required fields")
@pytest.mark.parametrize("name", [None, "", 7])
def test_a_document_without_a_name_is_refused(new_client, browser, documents, name):
    documents.say({"client_name": name})
    client = new_client(client_id=documents.url)
    assert browser().get(client.authorization_url()).status_code == 400
    assert not Application.objects.exists()
