"""From which address does a request come?"""

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    return address_of(
        request.META.get("HTTP_X_FORWARDED_FOR", ""), request.META.get("REMOTE_ADDR", "")
    )


def address_of(forwarded_for: str, peer: str) -> str | None:
    """The peer, or what the outermost trusted proxy saw (TRUSTED_PROXY_COUNT).

    Anybody can send X-Forwarded-For; only the rightmost entries are written by proxies of ours.
    """
    hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
    hops.append(peer)
    return _address(hops[-1 - min(settings.TRUSTED_PROXY_COUNT, len(hops) - 1)])


def _address(value: str) -> str | None:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        return None


def network_of(address: str | None) -> str:
    """Whom a limit by address counts as one: an IPv6 host has a /64 of addresses to choose from."""
    if address is None:
        return "unknown"
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4:
        return address
    return str(parsed.ipv4_mapped or ipaddress.ip_network((int(parsed), 64), strict=False))
