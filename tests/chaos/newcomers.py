"""People who sign in for the first time, one after the other, while things fail.

A person reloads a page that says it's away or that never came, and starts again when told to. A
sign-in is lost when it ends otherwise, or doesn't end.
"""

import threading
import time

import httpx2

from sandbox import fixtures
from tests.chaos.tally import Tally
from tests.mcp_gateway.json_rpc import McpClient
from tests.oauth_client import OAuthClient
from tests.robot import PLAIN_HTTP, Robot
from tests.wiv_routes import SHIPPED

AWAY = (502, 503, 504)
# A person who can't get in for so long has been lost.
PATIENCE_SECONDS = 120.0
RELOAD_SECONDS = 1.0


class StartAgain(Exception):
    """A page told the person to, or the client's token request came to nothing."""


class Reloading(httpx2.HTTPTransport):
    """Again when the page is away; a token request only where it certainly wasn't sent."""

    def __init__(self) -> None:
        super().__init__(verify=PLAIN_HTTP, limits=httpx2.Limits(max_keepalive_connections=0))

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        deadline = time.monotonic() + PATIENCE_SECONDS / 2
        is_token = request.url.path == "/token"
        while True:
            try:
                answer = super().handle_request(request)
            except httpx2.ConnectError:
                pass
            except httpx2.TransportError:
                if is_token:
                    raise
            else:
                if is_token or answer.status_code not in AWAY or time.monotonic() > deadline:
                    return answer
                answer.read()
            if time.monotonic() > deadline:
                raise httpx2.ConnectError("away for too long")
            time.sleep(RELOAD_SECONDS)


class Newcomer(Robot):
    def __init__(self, transport: httpx2.BaseTransport) -> None:
        super().__init__(fixtures.ANA_EMAIL)
        self.http.close()
        self.http = httpx2.Client(transport=transport, timeout=60)

    def answer(self, page: httpx2.Response) -> httpx2.Response:
        if page.status_code == 400 and "connect again" in page.text:
            raise StartAgain
        if page.status_code in AWAY:
            raise StartAgain
        return super().answer(page)


class Newcomers:
    """Between `start` and `stop`; one sign-in at a time."""

    def __init__(self, url: str, pause_seconds: float = 0.2) -> None:
        self.url = url
        self.pause_seconds = pause_seconds
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        self._tally = Tally()

    def start(self) -> None:
        self._is_over.clear()
        self._tally = Tally()
        self._thread = threading.Thread(target=self._arrive)
        self._thread.start()

    def stop(self) -> Tally:
        """When the last one is in, or lost."""
        assert self._thread is not None
        self._is_over.set()
        self._thread.join(2 * PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "a sign-in hangs"
        return self._tally

    def _arrive(self) -> None:
        while not self._is_over.wait(self.pause_seconds):
            self._tally.sign_ins["tried"] += 1
            try:
                self._sign_in()
                self._tally.sign_ins["succeeded"] += 1
            except Exception as error:  # noqa: BLE001 (lost, whatever it was)
                self._tally.sign_ins["lost"] += 1
                self._tally.unclear.append(f"sign-in: {type(error).__name__}: {error}"[:600])

    def _sign_in(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        transport = Reloading()
        with httpx2.Client(transport=transport, base_url=self.url, timeout=60) as http:
            client = OAuthClient(self.url, resource=f"{self.url}/mcp", http=http)
            person = Newcomer(transport)
            while not self._is_in(client, person):
                if time.monotonic() > deadline:
                    raise TimeoutError("nobody lets this person in")
                self._tally.sign_ins["started again"] += 1
                time.sleep(RELOAD_SECONDS)
            assert len(McpClient(http, client.tokens["access_token"]).tool_names()) == SHIPPED
            person.http.close()

    def _is_in(self, client: OAuthClient, person: Robot) -> bool:
        try:
            answer = client.redeem(client.obtain_code(person))
        except (StartAgain, httpx2.TransportError):
            return False
        if answer.status_code != 200 and answer.status_code not in AWAY:
            # A code whose first answer was lost is used up: its client is told so.
            assert answer.json()["error"] == "invalid_grant", answer.text
        return answer.status_code == 200
