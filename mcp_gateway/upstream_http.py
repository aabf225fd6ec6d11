"""How does one request travel to an upstream, and how does its answer come back whole?

aiohttp takes a fifth to an eighth of httpx2's processor time, which was the largest single cost of
a call (docs/decisions.md); nobody else here knows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Self

import aiohttp
from multidict import CIMultiDict
from yarl import URL

# Names, TCP and TLS together. Reading may take the tool's whole time limit.
CONNECT_TIMEOUT = timedelta(seconds=5)
IDLE_SECONDS = 30.0


class AnswerTooLong(Exception):
    """The body, unpacked, is longer than is read."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    method: str
    url: URL
    headers: CIMultiDict[str]
    content: bytes | None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """`headers` is read without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Sends each request once, follows no redirect, keeps no cookie; enter it to open its pool."""

    def __init__(self, *, user_agent: str, max_body_bytes: int) -> None:
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": user_agent,
        }
        self._max_body_bytes = max_body_bytes
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            # How many there are is bounded where calls wait for their turn: bulkheads.py.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS),
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT.total_seconds()),
            # One person's cookie may not go along with another's request.
            cookie_jar=aiohttp.DummyCookieJar(),
            # No proxy or netrc from the environment: it is read in settings only.
            trust_env=False,
        )
        # It would send GET, PUT and DELETE again on its own when a kept connection turns out dead,
        # and has no public switch. Which calls may be made twice is said by their tools alone.
        self._session._retry_connection = False
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    def complete(self, request: HttpRequest) -> CIMultiDict[str]:
        """All headers as they are sent."""
        headers = CIMultiDict(self._headers)
        headers.update(request.headers)
        headers["Host"] = request.url.host_port_subcomponent or ""
        if request.content is not None:
            headers["Content-Length"] = str(len(request.content))
        return headers

    async def exchange(self, request: HttpRequest) -> HttpAnswer:
        """Raises AnswerTooLong, aiohttp.ClientError, or an OSError."""
        if self._session is None:
            raise RuntimeError("The client isn't open")
        async with self._session.request(
            request.method,
            request.url,
            data=request.content,
            headers=self.complete(request),
            allow_redirects=False,
        ) as response:
            return HttpAnswer(response.status, response.headers, await self._read(response))

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """Piece by piece, so that neither a long answer nor one that unpacks to much is ever whole
        in memory; the connection is closed with what is left in it."""
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._max_body_bytes:
                response.close()
                raise AnswerTooLong
        return bytes(body)


def url_of(base_url: str, target: str) -> URL:
    """What is encoded stays as it is: an encoded slash is no slash. Raises aiohttp.InvalidURL."""
    return URL(base_of(base_url) + target, encoded=True)


@lru_cache
def base_of(base_url: str) -> str:
    """With its host's name as DNS has it. Raises aiohttp.InvalidURL."""
    try:
        url = URL(base_url)
    except ValueError as error:
        raise aiohttp.InvalidURL(base_url) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise aiohttp.InvalidURL(base_url)
    return str(url).removesuffix("/")
