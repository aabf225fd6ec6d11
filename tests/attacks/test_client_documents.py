"""A client's id is a URL that we fetch: where can somebody make this server connect to?

Names resolve as a test says, and connecting to a public address reaches a real https server of the
test's own. Any other address is only written down: nothing may ever try to connect to it.
"""

import http.server
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import trustme
from django.core.cache import cache
from oauth2_provider.settings import oauth2_settings

from oauth_bridge.models import Application
from tests.settings import SANDBOX_PORT, SERVER_PORT

HOST = "client.example"
CLIENT_ID = f"https://{HOST}/client.json"
PUBLIC = "93.184.215.14"
OURS = {SANDBOX_PORT, SERVER_PORT}
INTERNAL = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "10.0.0.7",
    "172.16.0.7",
    "192.168.1.7",
    "100.64.0.7",
    "169.254.169.254",
    "169.254.170.2",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fc00::7",
    "fd00:ec2::254",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2001:db8::1",
    "224.0.0.1",
    "ff02::1",
    "::7f00:1",
]


@dataclass
class Network:
    """`names` gives each name its answers, look-up after look-up; the last one stays."""

    names: dict[str, list[list[str]]] = field(default_factory=dict)
    connected: list[str] = field(default_factory=list)
    answer: Callable[[Any], None] = lambda handler: None

    def resolve(self, host: str) -> list[str]:
        answers = self.names[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


def send(handler: Any, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def document(**more: Any) -> bytes:
    redirect_uris = ["http://127.0.0.1:49152/callback"]
    metadata = {"client_id": CLIENT_ID, "client_name": "Stranger", "redirect_uris": redirect_uris}
    return json.dumps(metadata | more).encode()


@pytest.fixture
def document_server(network: Network, tmp_path, monkeypatch) -> Iterator[int]:
    """Its port. It answers as `network.answer` says, with a certificate that is good for HOST."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            network.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *args: None  # type: ignore[method-assign]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def network() -> Network:
    return Network(
        names={HOST: [[PUBLIC]]},
        answer=lambda handler: send(handler, 200, document(), Content_Type="application/json"),
    )


@pytest.fixture(autouse=True)
def routed(network: Network, document_server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        if host not in network.names:
            return look_up(host, port, *args, **options)
        found = (look_up(ip, port, *args, **options) for ip in network.resolve(host))
        return [info for infos in found for info in infos]

    def connect_elsewhere(self: socket.socket, address: Any) -> None:
        if self.family not in (socket.AF_INET, socket.AF_INET6) or address[1] in OURS:
            return connect(self, address)
        network.connected.append(address[0])
        if address[0] != PUBLIC:
            raise OSError("unreachable")
        return connect(self, ("127.0.0.1", document_server))

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket.socket, "connect", connect_elsewhere)


@pytest.fixture
def ask(new_client, browser) -> Callable[..., int]:
    """What somebody is answered who comes with such a client: 200 is the consent page."""

    def status(client_id: str = CLIENT_ID) -> int:
        client = new_client(client_id=client_id)
        return int(browser().get(client.authorization_url()).status_code)

    return status


def test_a_document_on_a_public_host_is_fetched(ask, network):
    assert ask() == 200
    assert network.connected == [PUBLIC]


@pytest.mark.requirement("CIMD §6.5: server-side request forgery")
@pytest.mark.parametrize("address", INTERNAL)
def test_a_name_that_leads_inside_is_never_connected_to(ask, network, address):
    network.names[HOST] = [[address]]
    assert ask() == 400
    assert network.connected == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "169.254.169.254",
        "2852039166",
        "[fd00:ec2::254]",
        "10.0.0.7:8443",
        "0",
    ],
)
def test_no_spelling_of_an_inside_address_is_connected_to(ask, network, host):
    assert ask(f"https://{host}/latest/meta-data") == 400
    assert network.connected == []


def test_one_inside_address_among_public_ones_is_enough_to_refuse(ask, network):
    network.names[HOST] = [[PUBLIC, "10.0.0.7"]]
    assert ask() == 400
    assert network.connected == []


@pytest.mark.requirement("CIMD §6.5: DNS rebinding")
def test_a_name_that_changes_its_mind_gains_nothing(ask, network):
    """Public when it is checked, inside when it is connected to."""
    network.names[HOST] = [[PUBLIC], ["10.0.0.7"]]
    ask()
    assert network.connected == [PUBLIC]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_the_inside_is_not_followed(ask, network, status):
    network.answer = lambda handler: send(handler, status, b"", Location="https://10.0.0.7/")
    assert ask() == 400
    assert network.connected == [PUBLIC]


def test_a_huge_document_is_not_read(ask, network):
    body = document(client_uri="https://client.example/" + "x" * 20_000)
    network.answer = lambda handler: send(handler, 200, body, Content_Type="application/json")
    assert ask() == 400
    assert not Application.objects.exists()


def test_a_host_that_says_nothing_is_given_up(ask, network):
    """It would answer in the end, after twice our patience."""

    def hesitate(handler: Any) -> None:
        threading.Event().wait(2 * oauth2_settings.CIMD_FETCH_TIMEOUT_SECONDS)
        send(handler, 200, document(), Content_Type="application/json")

    network.answer = hesitate
    assert ask() == 400
    assert not Application.objects.exists()


def test_a_document_that_drips_is_given_up(ask, network):
    """Each byte comes in time, all of them don't."""
    limit = oauth2_settings.CIMD_FETCH_TIMEOUT_SECONDS
    body = document()

    def drip(handler: Any) -> None:
        send(handler, 200, b"", Content_Type="application/json")
        for byte in body:
            threading.Event().wait(1.3 * limit / len(body))
            handler.wfile.write(bytes([byte]))

    network.answer = drip
    assert ask() == 400
    assert not Application.objects.exists()


@pytest.mark.requirement("CIMD §3: no user information, no dot segments, no fragment, https only")
@pytest.mark.parametrize(
    "client_id",
    [
        f"https://user@{HOST}/client.json",
        f"https://user:pw@{HOST}/client.json",
        f"https://{HOST}/../client.json",
        f"https://{HOST}/a/./client.json",
        f"https://{HOST}/client.json#x",
        f"https://{HOST}",
        f"http://{HOST}/client.json",
        f"ftp://{HOST}/client.json",
    ],
)
def test_no_request_leaves_for_a_url_that_is_no_client_id(ask, network, client_id):
    assert ask(client_id) == 400
    assert network.connected == []
