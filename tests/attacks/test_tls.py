"""What a browser is told over real TLS, where cookies get their prefix and HSTS is sent."""

import contextlib
import http.cookies
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
import trustme

from sandbox import fixtures
from tests.e2e.deployment import ROOT, run_manage
from tests.mcp_gateway.json_rpc import McpClient
from tests.oauth_client import OAuthClient
from tests.robot import PLAIN_HTTP, Robot, form_to, forms_of, location_of, signed_in
from tests.settings import free_port
from tests.stand_ins import Sandbox, running_sandbox

SERVE = [sys.executable, "-m", "uvicorn", "wivmcp.asgi:application", "--lifespan", "on"]
SERVE += ["--no-proxy-headers", "--host", "localhost"]


@dataclass
class Site:
    """`address` is where it listens, `url` is its PUBLIC_URL."""

    url: str
    address: str
    tls: ssl.SSLContext
    sandbox: Sandbox
    environment: dict[str, str]
    cookies: list[http.cookies.Morsel[str]] = field(default_factory=list)

    def remember(self, response: httpx2.Response) -> None:
        if str(response.url).startswith(self.address):
            for header in response.headers.get_list("set-cookie"):
                self.cookies += http.cookies.SimpleCookie(header).values()


@contextlib.contextmanager
def site(directory: Path, *, tls: bool, **settings: str) -> Iterator[Site]:
    """The product in a process of its own, with https for its public scheme and no database yet."""
    port = free_port()
    url = f"https://localhost:{port}"
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with running_sandbox(free_port(), f"{url}/oauth/callback") as sandbox:
        environment = {
            **os.environ,
            **fixtures.environment(sandbox.url),
            "DJANGO_SETTINGS_MODULE": "wivmcp.settings",
            "DATABASE_URL": f"sqlite:///{directory}/site.sqlite3",
            "PUBLIC_URL": url,
            **settings,
        }
        certificate = certificate_options(authority, directory) if tls else []
        address = url if tls else f"http://localhost:{port}"
        with (directory / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [*SERVE, "--port", str(port), *certificate],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                wait_until_served(f"{address}/healthz", context, process)
                yield Site(url, address, context, sandbox, environment)
            finally:
                process.terminate()
                process.wait(20)


def certificate_options(authority: trustme.CA, directory: Path) -> list[str]:
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(str(directory / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(directory / "certificate.pem"))
    files = (directory / "key.pem", directory / "certificate.pem")
    return ["--ssl-keyfile", str(files[0]), "--ssl-certfile", str(files[1])]


def wait_until_served(url: str, tls: ssl.SSLContext, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(url, verify=tls, timeout=5).status_code == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"{url} doesn't answer")


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("tls"), tls=True) as secure:
        run_manage(secure.environment, "migrate", "--verbosity=0")
        run_manage(secure.environment, "sync_tools")
        yield secure


@pytest.fixture
def robot(secure: Site) -> Iterator[Robot]:
    robot = Robot(fixtures.ANA_EMAIL, tls=secure.tls)
    robot.http.event_hooks["response"].append(secure.remember)
    secure.cookies.clear()
    yield robot
    robot.close()


@pytest.fixture
def cookies(secure: Site, robot: Robot) -> list[http.cookies.Morsel[str]]:
    """Every cookie that a sign-in for a client and one at /connect set."""
    with httpx2.Client(verify=secure.tls) as http_client:
        client = OAuthClient(secure.url, resource=f"{secure.url}/mcp", http=http_client)
        client.obtain_code(robot)
    assert fixtures.ANA_EMAIL in signed_in(robot, secure.url).text
    return [cookie for cookie in secure.cookies if cookie.value]


def test_an_assistant_signs_in_and_calls_over_tls(secure, robot):
    """PropelAuth sends the browser back to https, and the cookies come along."""
    with httpx2.Client(base_url=secure.url, verify=secure.tls) as http_client:
        client = OAuthClient(secure.url, resource=f"{secure.url}/mcp", http=http_client)
        tokens = client.sign_in(robot)
        assert any(url.startswith(f"{secure.url}/oauth/callback?") for url in robot.visited)
        gateway = McpClient(http_client, tokens["access_token"])
        assert not gateway.call("wiv_list_spaces").get("isError")


@pytest.mark.requirement("RFC 6265bis §4.1.3.2: __Host- means Secure, Path=/ and no Domain")
def test_no_sibling_host_or_plain_http_can_plant_or_read_a_cookie(cookies):
    names = {cookie.key.removeprefix("__Host-").split("-")[0] for cookie in cookies}
    assert names == {"session", "csrf", "sign"}
    for cookie in cookies:
        assert cookie.key.startswith("__Host-")
        assert cookie["secure"] is True
        assert cookie["path"] == "/"
        assert cookie["domain"] == ""


@pytest.mark.requirement("RFC 6265 §5.2.6")
def test_no_script_can_read_a_cookie(cookies):
    assert not [cookie.key for cookie in cookies if cookie["httponly"] is not True]


@pytest.mark.requirement("RFC 6265bis §5.6.7")
def test_no_cookie_comes_along_with_another_sites_form(cookies):
    assert {cookie["samesite"] for cookie in cookies} == {"Lax"}


@pytest.mark.requirement("RFC 6797 §7.1")
def test_a_browser_never_comes_back_over_plain_http(secure, robot):
    for path in ("/connect", "/admin/login/", "/.well-known/oauth-authorization-server"):
        header = robot.get(secure.url + path).headers["strict-transport-security"]
        assert "max-age=31536000" in header
        assert "includeSubDomains" in header


@pytest.mark.requirement("RFC 9700 §4.7: a form posted from elsewhere, over https")
@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost", "null", None])
def test_over_tls_a_consent_form_needs_our_own_origin(secure, robot, origin):
    with httpx2.Client(verify=secure.tls) as http_client:
        client = OAuthClient(secure.url, http=http_client)
        client.register()
        [form] = forms_of(robot.get(client.authorization_url()))
    headers = {"Origin": origin} if origin else {}
    fields = {**form.fields, "decision": "allow"}
    answer = robot.http.post(form.action, data=fields, headers=headers)
    assert answer.status_code == 403
    assert location_of(robot.submit(form, decision="allow")).startswith(secure.sandbox.url)


# Behind a proxy ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("proxies", "believed"), [("0", False), ("1", True)])
def test_only_a_proxy_of_ours_says_that_a_request_was_https(tmp_path, proxies, believed):
    """Whoever is believed decides over HSTS and over how strict CSRF is."""
    with (
        site(tmp_path, tls=False, TRUSTED_PROXY_COUNT=proxies) as site_,
        httpx2.Client(verify=PLAIN_HTTP, headers={"X-Forwarded-Proto": "https"}) as http_client,
    ):
        answer = http_client.get(f"{site_.address}/connect")
        assert answer.status_code == 200
        assert ("strict-transport-security" in answer.headers) is believed
        assert form_to(answer, "/connect/sign-in")
