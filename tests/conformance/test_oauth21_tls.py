"""OAuth 2.1 §1.5, §7.1.3.2: no credential goes to a server whose certificate isn't right."""

import datetime
import http.server
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mcp_gateway.errors import WivUnreachable
from mcp_gateway.http_rule import WivRequest
from mcp_gateway.upstream_http import HttpClient
from mcp_gateway.wiv import Terms, WivClient
from oauth_bridge.errors import PropelAuthRefused, PropelAuthUnavailable
from oauth_bridge.propelauth import PropelAuthClient
from oauth_bridge.secret import Secret


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[Callable[[str], tuple[str, Path]]]:
    """An https server on 127.0.0.1 that says `{"active": false}`, with a certificate for a name."""
    servers: list[http.server.ThreadingHTTPServer] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"active": false}')

        def log_message(self, *args: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that doesn't trust the certificate hangs up."""

    def start(name: str) -> tuple[str, Path]:
        path = tmp_path / "server.pem"
        path.write_bytes(certificate(name))
        server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"https://127.0.0.1:{server.server_port}", path

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def certificate(name: str) -> bytes:
    """Key and certificate as PEM; its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    is_address = name[0].isdigit()
    alternative = x509.IPAddress(ipaddress.ip_address(name)) if is_address else x509.DNSName(name)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + built.public_bytes(serialization.Encoding.PEM)


def introspection_at(url: str, settings) -> None:
    settings.PROPELAUTH_AUTH_URL = url
    propelauth = PropelAuthClient()
    try:
        propelauth.introspect(Secret("a-token"))
    finally:
        propelauth.close()


@pytest.mark.requirement("OAuth 2.1 §1.5, §7.1.3.2: certificates are checked (RFC 9110 §4.3.4)")
@pytest.mark.parametrize(("name", "is_trusted"), [("127.0.0.1", False), ("another.example", True)])
def test_a_propelauth_whose_certificate_isnt_right_gets_no_token(
    tls_server, settings, monkeypatch, name, is_trusted
):
    url, path = tls_server(name)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(PropelAuthUnavailable) as error:
        introspection_at(url, settings)
    assert "CERTIFICATE_VERIFY_FAILED" in str(error.value.__cause__)


def test_a_propelauth_whose_certificate_is_right_is_asked(tls_server, settings, monkeypatch):
    url, path = tls_server("127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(PropelAuthRefused, match="not active"):
        introspection_at(url, settings)


@pytest.mark.anyio
@pytest.mark.requirement("OAuth 2.1 §1.5, §7.1.3.2: certificates are checked (RFC 9110 §4.3.4)")
async def test_a_wiv_whose_certificate_isnt_trusted_gets_no_key(tls_server):
    url, _ = tls_server("127.0.0.1")
    terms = Terms("/spaces", timedelta(seconds=5))
    async with WivClient(url, HttpClient(user_agent="wivmcp/test", max_body_bytes=1000)) as wiv:
        with pytest.raises(WivUnreachable) as error:
            await wiv.send(WivRequest("GET", "/spaces"), Secret("a-key"), terms)
    assert "CERTIFICATE_VERIFY_FAILED" in str(error.value.__cause__)
