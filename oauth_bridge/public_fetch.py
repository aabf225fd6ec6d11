"""One GET of a URL that a stranger named, to a public host, within one deadline.

The toolkit checks the URL and every address of the host, and reads the answer. The request between
is ours: its own limit on time starts anew with each byte, so a server that drips could hold one of
a few places for hours.
"""

import asyncio
import ipaddress
import ssl
from dataclasses import dataclass

import anyio
import httpx2
from oauth2_provider import cimd
from oauth2_provider.cimd import CIMDError
from oauth2_provider.settings import oauth2_settings


@dataclass(frozen=True, slots=True)
class Answer:
    """As the toolkit reads it; `body` is one byte longer than is allowed when it was too long."""

    status: int
    headers: httpx2.Headers
    body: bytes

    def read(self, size: int) -> bytes:
        return self.body[:size]


def get(url: str) -> Answer:
    """Raises CIMDError."""
    parts = cimd._validate_client_id_url(url)
    port = parts.port or 443
    addresses = cimd._resolve_and_validate(parts.hostname, port)
    for address in addresses:
        require_public(address)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return asyncio.run(first_answer(addresses, parts.hostname, parts.netloc, port, path))


def require_public(address: str) -> None:
    """What the toolkit lets pass: multicast, and IPv4 addresses in the old IPv6 notation."""
    ip = ipaddress.ip_address(address)
    is_old_ipv4 = ip.version == 6 and int(ip) < 1 << 32
    if ip.is_multicast or (is_old_ipv4 and not ip.is_loopback):
        raise CIMDError(f"client_id host resolves to a non-public address ({address})")


async def first_answer(
    addresses: list[str], host: str, netloc: str, port: int, path: str
) -> Answer:
    """Connects to the addresses that were checked, while TLS and Host go by the name."""
    problem = "no time left"
    async with httpx2.AsyncClient(
        verify=ssl.create_default_context(), follow_redirects=False, trust_env=False
    ) as http:
        with anyio.move_on_after(oauth2_settings.CIMD_FETCH_TIMEOUT_SECONDS):
            for address in addresses:
                try:
                    return await ask(http, address, host, netloc, port, path)
                except (httpx2.HTTPError, ssl.SSLError, OSError) as error:
                    problem = type(error).__name__
    raise CIMDError(f"could not fetch client_id document: {problem}")


async def ask(
    http: httpx2.AsyncClient, address: str, host: str, netloc: str, port: int, path: str
) -> Answer:
    at = f"[{address}]" if ":" in address else address
    headers = {
        "Host": netloc,
        "Accept": "application/json, application/*+json",
        "Accept-Encoding": "identity",  # a compressed body could be any size
    }
    limit = oauth2_settings.CIMD_MAX_DOCUMENT_SIZE + 1
    async with http.stream(
        "GET",
        f"https://{at}:{port}{path}",
        headers=headers,
        extensions={"sni_hostname": host},
        timeout=None,  # the caller's deadline
    ) as response:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) >= limit:
                break
        return Answer(response.status_code, response.headers, bytes(body[:limit]))
