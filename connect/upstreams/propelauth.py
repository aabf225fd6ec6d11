"""Would a sign-in work at the tenant? Its MCP feature, our credentials, the callback, its keys.

Nothing is changed there. Credentials are sent where the server itself sends them, each also with a
wrong secret: only where the two are answered differently does the answer prove anything.
"""

import secrets
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx2
from django.conf import settings

from connect.upstreams import problems
from connect.upstreams.asking import (
    Upstream,
    described,
    json_object,
    known_error,
    oauth_error,
)
from connect.upstreams.record import Finding, Found, Record
from oauth_bridge.pkce import create_code_verifier, s256_code_challenge
from oauth_bridge.propelauth import BACKEND, callback_url, propelauth, upstream_resource
from oauth_bridge.secret import Secret

METADATA = "/.well-known/oauth-authorization-server/oauth/2.1"
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "introspection_endpoint")
# Of introspection, as RFC 7662 §2.2 and tenants name them; others aren't repeated.
FIELDS = (
    *("active", "sub", "username", "email", "org_id", "client_id"),
    *("scope", "aud", "resource", "iss", "iat", "exp"),
)


def tenant() -> Upstream:
    return Upstream(
        problems.PROPELAUTH_SILENT,
        problems.PROPELAUTH_CERTIFICATE,
        settings.PROPELAUTH_TIMEOUT,
    )


def url(path: str) -> str:
    return f"{settings.PROPELAUTH_AUTH_URL}{path}"


# Metadata ----------------------------------------------------------------------------------------


def check_metadata(record: Record) -> str:
    response = tenant().ask("GET", url(METADATA))
    if response.status_code == 404:
        raise Found(problems.MCP_OFF, described(response))
    metadata = json_object(response)
    lacking = [name for name in ENDPOINTS if not isinstance(metadata.get(name), str)]
    if "S256" not in listed(metadata.get("code_challenge_methods_supported")):
        lacking.append("S256")
    if response.status_code != 200 or lacking:
        seen = f"{described(response)} without {', '.join(lacking) or 'status 200'}"
        raise Found(problems.NOT_THE_METADATA, seen)
    check_names(metadata, record)
    return "the MCP feature is on"


def check_names(metadata: dict[str, str], record: Record) -> None:
    """Tenants call their issuer by the auth URL, or by that and /oauth/2.1."""
    ours = settings.PROPELAUTH_AUTH_URL
    others = [
        name
        for name, path in zip(ENDPOINTS, ("authorize", "token", "introspect"), strict=True)
        if metadata[name] != f"{ours}/oauth/2.1/{path}"
    ]
    if str(metadata.get("issuer")).rstrip("/") not in (ours, f"{ours}/oauth/2.1"):
        others.insert(0, "issuer")
    if others:
        seen = f"{', '.join(others)}: not below PROPELAUTH_AUTH_URL"
        record.findings.append(Finding(problems.ANOTHER_ISSUER, seen))


# The callback ------------------------------------------------------------------------------------


def check_callback(record: Record) -> str:
    """Beside ours, one is asked for that nobody can have allowed."""
    ours, another = asked_to_authorize(callback_url()), asked_to_authorize(wrong_callback())
    if error := refusal_in(ours):
        raise Found(problems.AUTHORIZATION_REFUSED, f"to the callback: {error}")
    if ours.status_code >= 400:
        raise Found(problems.CALLBACK_REFUSED, described(ours))
    if outcome(ours) == outcome(another):
        seen = f"{described(ours)}, and the same for a callback that nobody allowed"
        raise Found(problems.CALLBACK_UNSEEN, seen)
    return callback_url()


def wrong_callback() -> str:
    return f"{callback_url()}/{secrets.token_hex(8)}"


def asked_to_authorize(redirect_uri: str) -> httpx2.Response:
    challenge = s256_code_challenge(create_code_verifier())
    state = secrets.token_urlsafe(32)
    asked = propelauth().authorization_url(state=state, code_challenge=challenge)
    there = httpx2.URL(asked).copy_set_param("redirect_uri", redirect_uri)
    return tenant().ask("GET", str(there))


def refusal_in(response: httpx2.Response) -> str:
    """The error that PropelAuth sends to the callback (RFC 6749 §4.1.2.1), if it does."""
    location = response.headers.get("location", "")
    if not response.is_redirect or not location.startswith(callback_url()):
        return ""
    [error, *_] = parse_qs(urlsplit(location).query).get("error", [""])
    return known_error(error) or "an error of its own"


def outcome(response: httpx2.Response) -> tuple[int, str]:
    """Where a redirect leads to counts, but not its query, which differs each time."""
    return response.status_code, urlsplit(response.headers.get("location", "")).path


# Credentials -------------------------------------------------------------------------------------


def check_client(record: Record) -> str:
    """A code that nobody was given is `invalid_grant`, once the client has proved who it is."""
    prove(
        redeemed_nothing,
        settings.PROPELAUTH_CLIENT_SECRET,
        problems.CLIENT_REFUSED,
        lambda response: oauth_error(response) == "invalid_grant",
    )
    return "PROPELAUTH_CLIENT_ID and its secret"


def redeemed_nothing(client_secret: str) -> httpx2.Response:
    form = {
        "grant_type": "authorization_code",
        "code": secrets.token_hex(48),
        "redirect_uri": callback_url(),
        "client_id": settings.PROPELAUTH_CLIENT_ID,
        "code_verifier": create_code_verifier(),
        "resource": upstream_resource(),
    }
    credentials = httpx2.BasicAuth(settings.PROPELAUTH_CLIENT_ID, client_secret)
    return tenant().ask("POST", url("/oauth/2.1/token"), data=form, auth=credentials)


def check_introspection(record: Record) -> str:
    prove(
        lambda secret: introspected(Secret(secrets.token_hex(48)), secret),
        settings.PROPELAUTH_INTROSPECTION_CLIENT_SECRET,
        problems.INTROSPECTION_REFUSED,
        lambda response: json_object(response).get("active") is False,
    )
    return "PROPELAUTH_INTROSPECTION_CLIENT_ID and its secret"


def introspected(token: Secret, secret: str) -> httpx2.Response:
    form = {"token": token.reveal(), "token_type_hint": "access_token"}
    credentials = httpx2.BasicAuth(settings.PROPELAUTH_INTROSPECTION_CLIENT_ID, secret)
    return tenant().ask("POST", url("/oauth/2.1/introspect"), data=form, auth=credentials)


def prove(
    ask: Callable[[str], httpx2.Response],
    secret: str,
    refused: problems.Problem,
    is_good: Callable[[httpx2.Response], bool],
) -> None:
    """Raises Found unless PropelAuth takes the secret and no other."""
    answer = ask(secret)
    if is_client_refused(answer):
        raise Found(refused, described(answer))
    if not is_good(answer):
        raise Found(problems.PROPELAUTH_UNCLEAR, described(answer))
    if not is_client_refused(ask(secrets.token_hex(48))):
        raise Found(problems.SECRET_UNPROVEN, described(answer))


def is_client_refused(response: httpx2.Response) -> bool:
    """RFC 6749 §5.2: 401 for one that used the Authorization header; some answer 400."""
    errors = ("invalid_client", "unauthorized_client")
    return response.status_code in (401, 403) or oauth_error(response) in errors


# A token -----------------------------------------------------------------------------------------


def check_token(token: Secret, record: Record) -> str:
    answer = introspected(token, settings.PROPELAUTH_INTROSPECTION_CLIENT_SECRET)
    facts = json_object(answer)
    if facts.get("active") is not True:
        raise Found(problems.TOKEN_INACTIVE, described(answer))
    check_subject(facts.get("sub"))
    audience = listed(facts.get("aud") or facts.get("resource"))
    if not audience:
        record.findings.append(Finding(problems.NO_AUDIENCE, "neither aud nor resource"))
    elif upstream_resource() not in audience:
        raise Found(problems.ANOTHER_AUDIENCE, f"not for {upstream_resource()}")
    if not facts.get("org_id"):
        record.findings.append(Finding(problems.NO_ORGANIZATION, "no org_id"))
    return f"introspection gives {', '.join(name for name in FIELDS if name in facts)}"


def listed(value: object) -> list[Any]:
    if isinstance(value, str):
        return [value]
    return value if isinstance(value, list) else []


def check_subject(subject: object) -> None:
    try:
        user_id = str(uuid.UUID(str(subject)))
    except ValueError:
        raise Found(problems.NO_USER_ID, "sub isn't a user id") from None
    response = backend(f"/user/{quote(user_id)}?include_orgs=true")
    if response.status_code == 404:
        raise Found(problems.NO_USER_ID, "no user has the id that sub is")
    if "org_id_to_org_info" not in json_object(response):
        raise Found(problems.PROPELAUTH_UNCLEAR, f"{described(response)} without organizations")


# The backend API ---------------------------------------------------------------------------------


def check_backend(record: Record) -> str:
    response = backend("/end_user_api_keys?page_size=1&page_number=0")
    if response.status_code in (404, 426):
        raise Found(problems.NO_API_KEYS, described(response))
    if not isinstance(json_object(response).get("api_keys"), list):
        raise Found(problems.PROPELAUTH_UNCLEAR, described(response))
    return "PROPELAUTH_BACKEND_API_KEY"


def backend(path: str) -> httpx2.Response:
    headers = {
        "Authorization": f"Bearer {settings.PROPELAUTH_BACKEND_API_KEY}",
        "X-Propelauth-url": httpx2.URL(settings.PROPELAUTH_AUTH_URL).netloc.decode(),
    }
    there = f"{settings.PROPELAUTH_BACKEND_URL}{BACKEND}{path}"
    response = tenant().ask("GET", there, headers=headers)
    if response.status_code == 401:
        raise Found(problems.BACKEND_KEY_REFUSED, described(response))
    return response
