"""Does the authorization server's metadata keep RFC 8414 where test_discovery.py doesn't look?"""

import json
from urllib.parse import urlsplit

import httpx2
import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

METADATA = "/.well-known/oauth-authorization-server"
PUBLIC_URL = "https://mcp.example.com"
REQUIRED = {"issuer", "authorization_endpoint", "token_endpoint", "response_types_supported"}
LOOPBACK = "http://127.0.0.1:33418/"


@pytest.mark.requirement("RFC 8414 §2, §3.2")
def test_what_is_required_is_there_and_nothing_is_empty(http):
    answer = http.get(METADATA)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert set(document) >= REQUIRED
    assert document["response_types_supported"] == ["code"]
    assert document["scopes_supported"] == ["wiv:read", "wiv:write"]
    assert not [name for name, value in document.items() if value in ([], "", None)]


@pytest.mark.requirement("RFC 8414 §2: https, without query or fragment")
def test_the_issuer_and_every_endpoint_are_https_urls(http, settings):
    settings.PUBLIC_URL = PUBLIC_URL
    document = http.get(METADATA).json()
    assert document["issuer"] == PUBLIC_URL
    urls = [document["issuer"], *(v for k, v in document.items() if k.endswith("_endpoint"))]
    assert len(urls) == 5
    parts = [urlsplit(url) for url in urls]
    assert {(part.scheme, part.query, part.fragment) for part in parts} == {("https", "", "")}


@pytest.mark.requirement("RFC 8414 §2, RFC 7591 §5, RFC 7009 §2: TLS is required")
@pytest.mark.parametrize(
    ("url", "check"),
    [
        ("http://mcp.example.com", "E002"),
        ("https://mcp.example.com/path", "E001"),
        ("https://mcp.example.com?query", "E001"),
        ("ftp://mcp.example.com", "E001"),
    ],
)
def test_a_public_url_that_is_no_https_origin_doesnt_pass_the_checks(settings, url, check):
    settings.PUBLIC_URL = url
    with pytest.raises(SystemCheckError, match=rf"oauth_bridge\.{check}"):
        call_command("check")


# String operations (§4) --------------------------------------------------------------------------


def register(http: httpx2.Client, method: str, member: str = "redirect_uris") -> httpx2.Response:
    """`method` and `member` go into the JSON as they are, escapes included."""
    body = f'{{"{member}": ["{LOOPBACK}"], "token_endpoint_auth_method": "{method}"}}'
    headers = {"Content-Type": "application/json"}
    return http.post("/register", content=body.encode(), headers=headers)


@pytest.mark.requirement("RFC 8414 §4: JSON escapes are removed before strings are compared")
def test_an_escaped_string_is_the_string_it_stands_for(http):
    answer = register(http, r"n\u006fne", r"redirect\u005furis")
    assert answer.status_code == 201
    assert answer.json()["token_endpoint_auth_method"] == "none"


@pytest.mark.requirement("RFC 8414 §4: no Unicode normalization")
def test_strings_that_only_normalization_makes_equal_differ(http):
    fullwidth = "\uff4eone"
    assert register(http, fullwidth).json()["error"] == "invalid_client_metadata"
    assert register(http, "none", "\uff52edirect_uris").json()["error"] == "invalid_redirect_uri"


@pytest.mark.requirement("RFC 8414 §4: strings are equal code point by code point")
@pytest.mark.parametrize("method", ["None", "NONE", "none ", r"none\u200b"])
def test_strings_that_differ_in_one_code_point_differ(http, method):
    assert register(http, method).json()["error"] == "invalid_client_metadata"
    assert json.loads(f'"{method}"') != "none"
