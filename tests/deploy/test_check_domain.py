"""The custom domain's check, as a command, against a name server on this machine."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from socketserver import BaseRequestHandler, UDPServer
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import pytest

from tests.deploy.conftest import ROOT

TARGET = "abc123.eu-west-1.awsapprunner.com"
ZONE = {
    "mcp.acme.test.": {"CNAME": f"{TARGET}."},
    "upper.acme.test.": {"CNAME": f"{TARGET.upper()}."},
    "elsewhere.acme.test.": {"CNAME": "parked.hoster.test."},
    "address.acme.test.": {"A": "192.0.2.7"},
    "both.acme.test.": {"A": "192.0.2.7", "AAAA": "2001:db8::7"},
    "text.acme.test.": {"TXT": '"hello"'},
}


class Zone(BaseRequestHandler):
    def handle(self) -> None:
        data, socket = self.request
        query = dns.message.from_wire(data)
        [question] = query.question
        name, kind = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
        answer = dns.message.make_response(query)
        if name not in ZONE:
            answer.set_rcode(dns.rcode.SERVFAIL if "broken" in name else dns.rcode.NXDOMAIN)
        elif kind in ZONE[name]:
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, ZONE[name][kind]))
        socket.sendto(answer.to_wire(), self.client_address)


@pytest.fixture(scope="module")
def nameserver() -> Iterator[str]:
    with UDPServer(("127.0.0.1", 0), Zone) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def check(nameserver: str) -> Any:
    def run(domain: str) -> subprocess.CompletedProcess[str]:
        arguments = [domain, TARGET, "--nameserver", nameserver]
        return subprocess.run(
            [sys.executable, "-m", "deploy.check_domain", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize("domain", ["mcp.acme.test", "upper.acme.test", "MCP.acme.test."])
def test_a_cname_to_the_service_is_right(check, domain):
    done = check(domain)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("domain", "complaint"),
    [
        ("address.acme.test", "has A records or is an alias: make it a CNAME"),
        ("both.acme.test", "has A and AAAA records or is an alias"),
        ("elsewhere.acme.test", "is a CNAME to parked.hoster.test"),
        ("text.acme.test", "has neither CNAME nor address"),
        ("absent.acme.test", "doesn't exist: add a CNAME"),
    ],
)
def test_anything_else_is_refused_with_what_to_do(check, domain, complaint):
    done = check(domain)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert TARGET in done.stderr or "parked" in done.stderr


def test_a_name_server_that_fails_proves_nothing(check):
    done = check("broken.acme.test")
    assert done.returncode == 2
    assert "couldn't be looked up" in done.stderr
