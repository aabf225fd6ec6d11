"""Clients whose id is the URL of their own description (CIMD)."""

import datetime
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.cache import cache
from oauth2_provider import cimd

from oauth_bridge.client_documents import pinned_documents
from oauth_bridge.models import Application
from tests.robot import query_of

HOST = "client.example"
CODE_REDIRECT = "http://127.0.0.1:49152/callback"


@pytest.fixture(autouse=True)
def no_failures_remembered():
    cache.clear()


@pytest.fixture
def no_internet(monkeypatch):
    """As behind a firewall: no vendor's name resolves."""

    def fail(hostname: str, port: int) -> list[str]:
        raise cimd.CIMDError("no such host")

    monkeypatch.setattr(cimd, "_resolve_and_validate", fail)


@pytest.mark.requirement("MCP 2026-07-28: client_id_metadata_document_supported")
def test_support_is_advertised_together_with_public_clients(http):
    """claude.ai uses documents only when both are there."""
    document = http.get("/.well-known/oauth-authorization-server").json()
    assert document["client_id_metadata_document_supported"] is True
    assert "none" in document["token_endpoint_auth_methods_supported"]


@pytest.mark.parametrize("client_id", pinned_documents())
def test_a_known_client_works_even_when_its_document_cant_be_fetched(
    new_client, browser, no_internet, client_id
):
    redirect_uri = pinned_documents()[client_id]["redirect_uris"][0]
    client = new_client(client_id=client_id, redirect_uri=redirect_uri)
    page = browser().get(client.authorization_url())
    assert page.status_code == 200
    assert f'published by <span class="host">{client_id.split("/")[2]}</span>' in page.text
    assert client.redeem(client.obtain_code(browser())).status_code == 200
    assert Application.objects.get().token_endpoint_auth_method == "none"


@pytest.mark.requirement("RFC 8252 §7.3")
def test_a_loopback_uri_without_port_is_good_for_any_port(new_client, browser, no_internet):
    client_id = "https://claude.ai/oauth/claude-code-client-metadata"
    client = new_client(client_id=client_id, redirect_uri="http://localhost:41123/callback")
    assert client.obtain_code(browser())


def test_a_stranger_whose_document_cant_be_fetched_is_an_unknown_client(
    new_client, browser, no_internet
):
    client = new_client(client_id="https://stranger.example/client.json")
    assert browser().get(client.authorization_url()).status_code == 400
    assert not Application.objects.exists()


@pytest.mark.requirement("CIMD §6.5: server-side request forgery")
@pytest.mark.parametrize(
    "client_id",
    [
        "https://127.0.0.1/client.json",
        "https://localhost/client.json",
        "https://[::1]/client.json",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/client.json",
        "https://2130706433/client.json",
        "https://0x7f000001/client.json",
        "https://[::ffff:127.0.0.1]/client.json",
        "https://user@stranger.example/client.json",
        "https://stranger.example/client.json#x",
        "https://stranger.example/../client.json",
        "https://stranger.example:99999/client.json",
        "http://stranger.example/client.json",
    ],
)
def test_no_request_leaves_for_a_url_that_isnt_a_public_document(
    new_client, browser, monkeypatch, client_id
):
    connected: list[object] = []
    monkeypatch.setattr("oauth_bridge.public_fetch.first_answer", connected.append)
    client = new_client(client_id=client_id)
    assert browser().get(client.authorization_url()).status_code == 400
    assert connected == []


# A document on a real https server ---------------------------------------------------------------


class DocumentServer:
    """What `https://client.example/...` answers; `requests` counts how often it was asked."""

    def __init__(self, port: int) -> None:
        self.url = f"https://{HOST}:{port}/client.json"
        self.requests = 0
        self.status = 200
        self.headers = {"Content-Type": "application/json"}
        self.body = b""
        self.say({})

    def say(self, changes: dict[str, object]) -> None:
        document = {
            "client_id": self.url,
            "client_name": "Stranger",
            "redirect_uris": [CODE_REDIRECT],
        }
        self.body = json.dumps({**document, **changes}).encode()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("certificate") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def documents(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DocumentServer]:
    """`client.example`, which resolves to an https server here, for once held to be public."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.requests += 1
            self.send_response(served.status)
            for header, value in served.headers.items():
                self.send_header(header, value)
            self.end_headers()
            self.wfile.write(served.body)

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    served = DocumentServer(server.server_address[1])
    monkeypatch.setattr(cimd, "_resolve_and_validate", lambda hostname, port: ["127.0.0.1"])
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_a_stranger_is_taken_at_its_documents_word(new_client, browser, documents):
    client = new_client(client_id=documents.url)
    assert f"{HOST}" in browser().get(client.authorization_url()).text
    assert client.redeem(client.obtain_code(browser())).status_code == 200
    assert client.refresh().status_code == 200
    assert documents.requests == 1, "the document is kept between requests"


def test_what_a_document_offers_beyond_our_means_is_ignored(new_client, browser, documents):
    documents.say(
        {
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
            "client_name": "Str\u202eanger",
        }
    )
    client = new_client(client_id=documents.url)
    assert client.obtain_code(browser())
    assert Application.objects.get().name == "Stranger"


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "https://claude.ai/oauth/mcp-oauth-client-metadata"},
        {"redirect_uris": []},
        {"redirect_uris": [CODE_REDIRECT, "javascript:alert(1)"]},
        {"redirect_uris": ["http://evil.example/cb"]},
        {"redirect_uris": "http://127.0.0.1/"},
        {"redirect_uris": [CODE_REDIRECT] * 11},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"grant_types": ["client_credentials"]},
    ],
)
def test_a_document_we_cant_stand_by_is_refused(new_client, browser, documents, changes):
    documents.say(changes)
    client = new_client(client_id=documents.url)
    assert browser().get(client.authorization_url()).status_code == 400
    assert not Application.objects.exists()


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (302, {"Location": "https://127.0.0.1/"}, b""),
        (404, {}, b"{}"),
        (200, {"Content-Type": "text/html"}, b"{}"),
        (200, {}, b"[]"),
        (200, {}, b"{"),
        (200, {}, b'"' + b"x" * 20_000 + b'"'),
    ],
    ids=["redirect", "missing", "html", "list", "broken", "huge"],
)
def test_an_answer_that_is_no_document_is_refused_once_and_not_asked_for_again(
    new_client, browser, documents, status, headers, body
):
    documents.status, documents.body = status, body
    documents.headers |= headers
    client = new_client(client_id=documents.url)
    for _ in range(2):
        assert browser().get(client.authorization_url()).status_code == 400
    assert documents.requests == 1
    assert not Application.objects.exists()


def test_the_error_at_the_redirect_uri_of_a_stranger_stays_a_page(new_client, browser, documents):
    documents.say({"redirect_uris": ["https://phishing.example/cb"]})
    client = new_client(client_id=documents.url, redirect_uri="https://phishing.example/cb")
    answer = browser().get(client.authorization_url(response_type="token"))
    assert answer.status_code == 400
    assert query_of(answer.headers.get("location", "")) == {}
