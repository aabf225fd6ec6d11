"""From which address does a request come?"""

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """The peer, or what the outermost trusted proxy saw (TRUSTED_PROXY_COUNT).

    Anybody can send X-Forwarded-For; only the rightmost entries are written by proxies of ours.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    hops = [hop.strip() for hop in forwarded if hop.strip()]
    hops.append(request.META.get("REMOTE_ADDR", ""))
    return _address(hops[-1 - min(settings.TRUSTED_PROXY_COUNT, len(hops) - 1)])


def _address(value: str) -> str | None:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        return None
