"""The OAuth endpoints that servers call: metadata, token, introspection, registration.

RFC 6749 errors, PKCE with S256 (RFC 7636), `resource` (RFC 8707), RFC 7662 and RFC 7591.
"""

import base64
import binascii
import hashlib
import json
import secrets
from hmac import compare_digest
from urllib.parse import unquote_plus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox import fixtures
from sandbox.propelauth.authorize import form_of
from sandbox.propelauth.dialect import Handler, sandbox_of
from sandbox.propelauth.directory import Document, User
from sandbox.propelauth.grants import Client, Code, Grants, Token
from sandbox.state import Sandbox

AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")
NO_STORE = {"cache-control": "no-store"}


class OAuthError(Exception):
    """{"error": ..., "error_description": ...}; 401 for a client that can't prove itself."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.body = {"error": error, "error_description": description}
        self.status = status

    def response(self) -> Response:
        headers = dict(NO_STORE)
        if self.status == 401:
            headers["www-authenticate"] = 'Basic realm="PropelAuth sandbox"'
        return JSONResponse(self.body, self.status, headers)


def oauth(handler: Handler) -> Handler:
    async def answering(request: Request) -> Response:
        try:
            return await handler(request)
        except OAuthError as error:
            return error.response()

    return answering


async def metadata(request: Request) -> Response:
    base_url = str(request.base_url).rstrip("/")
    return JSONResponse(
        {
            "issuer": base_url,
            "authorization_endpoint": f"{base_url}/oauth/2.1/authorize",
            "token_endpoint": f"{base_url}/oauth/2.1/token",
            "introspection_endpoint": f"{base_url}/oauth/2.1/introspect",
            "registration_endpoint": f"{base_url}/oauth/2.1/register",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
            "scopes_supported": list(fixtures.SCOPES),
        }
    )


async def token(request: Request) -> Response:
    sandbox, form = sandbox_of(request), await form_of(request)
    client = _authenticated_client(request, form, sandbox.grants)
    now = sandbox.clock.now()
    if form.get("grant_type") == "authorization_code":
        issued = sandbox.grants.issue_token(_redeemed_code(form, client, sandbox), now)
    elif form.get("grant_type") == "refresh_token":
        issued = _refreshed(form, client, sandbox)
    else:
        raise OAuthError("unsupported_grant_type", "authorization_code or refresh_token, please")
    return JSONResponse(_token_response(issued), headers=NO_STORE)


async def introspect(request: Request) -> Response:
    """Answers with credentials of its own; those of the OAuth client are a 401 here."""
    credentials = (fixtures.INTROSPECTION_CLIENT_ID, fixtures.INTROSPECTION_CLIENT_SECRET)
    if _basic_credentials(request) != credentials:
        raise OAuthError("invalid_client", "Introspection has credentials of its own", 401)
    form = await form_of(request)
    if not form.get("token"):
        raise OAuthError("invalid_request", "Missing: token")
    return JSONResponse(_introspection(form["token"], sandbox_of(request)), headers=NO_STORE)


async def register(request: Request) -> Response:
    body = await _registration(request)
    method = body.get("token_endpoint_auth_method", "client_secret_basic")
    if method not in AUTH_METHODS:
        raise OAuthError("invalid_client_metadata", "Unknown token_endpoint_auth_method")
    secret = secrets.token_hex(48)
    client = Client(
        client_id=secret[:32],
        client_secret=None if method == "none" else secret,
        redirect_uris=body["redirect_uris"],
        name=str(body.get("client_name", "An application")),
    )
    sandbox = sandbox_of(request)
    sandbox.grants.clients[client.client_id] = client
    return JSONResponse(_registered(client, method, int(sandbox.clock.now())), 201, NO_STORE)


def _authenticated_client(request: Request, form: dict[str, str], grants: Grants) -> Client:
    basic = _basic_credentials(request)
    if basic and "client_secret" in form:
        raise OAuthError("invalid_request", "More than one client authentication")
    client_id, secret = basic or (form.get("client_id", ""), form.get("client_secret"))
    if basic and form.get("client_id", client_id) != client_id:
        raise OAuthError("invalid_request", "client_id differs from the authenticated client")
    client = grants.clients.get(client_id)
    if client is None or not _same(client.client_secret, secret):
        raise OAuthError("invalid_client", "Unknown client or wrong secret", 401)
    return client


def _same(secret: str | None, given: str | None) -> bool:
    return compare_digest((secret or "").encode(), (given or "").encode())


def _basic_credentials(request: Request) -> tuple[str, str] | None:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote_plus(name), unquote_plus(secret)


def _redeemed_code(form: dict[str, str], client: Client, sandbox: Sandbox) -> Code:
    code = sandbox.grants.redeem_code(form.get("code", ""), sandbox.clock.now())
    if code is None or code.request.client_id != client.client_id:
        raise OAuthError("invalid_grant", "The code is unknown, used or expired")
    if form.get("redirect_uri") != code.request.redirect_uri:
        raise OAuthError("invalid_grant", "redirect_uri differs from the authorization request")
    if not _proves(form.get("code_verifier", ""), code.request.code_challenge):
        raise OAuthError("invalid_grant", "code_verifier doesn't match the code_challenge")
    if form.get("resource", code.request.resource) != code.request.resource:
        raise OAuthError("invalid_target", "resource differs from the authorization request")
    _check_user(code.user_id, sandbox)
    return code


def _proves(code_verifier: str, code_challenge: str) -> bool:
    digest = hashlib.sha256(code_verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == code_challenge


def _refreshed(form: dict[str, str], client: Client, sandbox: Sandbox) -> Token:
    now, refresh_token = sandbox.clock.now(), form.get("refresh_token", "")
    old = sandbox.grants.find_refreshable(refresh_token, client.client_id, now)
    if old is None:
        raise OAuthError("invalid_grant", "The refresh token is unknown, used or expired")
    _check_user(old.user_id, sandbox)
    return sandbox.grants.rotate(old, now)


def _check_user(user_id: str, sandbox: Sandbox) -> None:
    user = sandbox.directory.users.get(user_id)
    if user is None or not user.enabled:
        raise OAuthError("invalid_grant", "The user is blocked or deleted")


def _token_response(issued: Token) -> Document:
    response: Document = {
        "access_token": issued.access_token,
        "refresh_token": issued.refresh_token,
        "token_type": "Bearer",
        "expires_in": fixtures.ACCESS_TOKEN_LIFE_SECONDS,
    }
    return response | ({"scope": issued.scope} if issued.scope else {})


def _introspection(access_token: str, sandbox: Sandbox) -> Document:
    """RFC 7662 section 2.2, with what `IntrospectionMode` says about the doubtful members."""
    issued = sandbox.grants.access_tokens.get(access_token)
    user = sandbox.directory.users.get(issued.user_id) if issued else None
    is_over = issued is None or issued.expires_at <= sandbox.clock.now()
    if issued is None or user is None or is_over or not user.enabled:
        return {"active": False}
    mode = sandbox.grants.introspection
    answer: Document = {
        "active": True,
        "sub": user.user_id,
        "client_id": issued.client_id,
        "username": user.email,
        "email": user.email,
        "scope": issued.scope,
        "iat": issued.issued_at,
    }
    if mode.exp:
        answer["exp"] = issued.expires_at
    if mode.aud != "omit":
        answer[mode.aud] = issued.resource
    org_id = _introspected_org_id(mode.org_id, issued, user)
    return answer | ({"org_id": org_id} if org_id else {})


def _introspected_org_id(mode: str, issued: Token, user: User) -> str | None:
    if mode == "picker":
        return issued.org_id
    return next(iter(user.roles)) if mode == "auto" and len(user.roles) == 1 else None


async def _registration(request: Request) -> Document:
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise OAuthError("invalid_client_metadata", "The body must be JSON") from None
    if not isinstance(body, dict):
        raise OAuthError("invalid_client_metadata", "The body must be a JSON object")
    redirect_uris = body.get("redirect_uris")
    is_list = isinstance(redirect_uris, list) and bool(redirect_uris)
    if not is_list or not all(isinstance(uri, str) and "://" in uri for uri in redirect_uris or []):
        raise OAuthError("invalid_redirect_uri", "redirect_uris must be a list of URLs")
    return body


def _registered(client: Client, method: str, issued_at: int) -> Document:
    registered: Document = {
        "client_id": client.client_id,
        "client_id_issued_at": issued_at,
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
    }
    if client.client_secret is None:
        return registered
    return registered | {"client_secret": client.client_secret, "client_secret_expires_at": 0}
