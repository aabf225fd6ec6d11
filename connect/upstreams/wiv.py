"""Does Wiv's API answer where it is looked for, and does it tell keys apart? Nothing is written."""

import secrets

import httpx2
from django.conf import settings

from connect.upstreams import problems
from connect.upstreams.asking import Upstream, described
from connect.upstreams.record import Found, Record
from mcp_gateway.destinations import credential_header
from oauth_bridge.secret import Secret


def spaces(credential: Secret) -> httpx2.Response:
    wiv = Upstream(problems.WIV_SILENT, problems.WIV_CERTIFICATE, settings.WIV_TIMEOUT)
    headers = {"Accept": "application/json", **credential_header(credential)}
    return wiv.ask("GET", f"{settings.WIV_API_URL}/spaces?limit=1", headers=headers)


def check_address(record: Record) -> str:
    """A key that nobody made must be refused."""
    response = spaces(Secret(secrets.token_hex(48)))
    if response.is_success:
        raise Found(problems.WIV_TAKES_ANY_KEY, described(response))
    if response.status_code != 401:
        raise Found(problems.NOT_WIV, described(response))
    return "WIV_API_URL, where a made-up key is 401"


def check_key(key: Secret, record: Record) -> str:
    response = spaces(key)
    if response.status_code in (401, 403):
        raise Found(problems.WIV_KEY_REFUSED, described(response))
    if response.status_code != 200 or not is_json(response):
        raise Found(problems.NOT_WIV, described(response))
    return "GET /spaces with the key"


def is_json(response: httpx2.Response) -> bool:
    try:
        response.json()
    except ValueError:
        return False
    return True
