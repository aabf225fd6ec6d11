"""The authorization endpoint and its hosted pages: login, then perhaps the organization picker.

A request that can't be trusted (unknown client, unregistered redirect URI, missing parameter)
gets an error page; any other refusal goes back to the client's redirect URI.
"""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sandbox import fixtures
from sandbox.propelauth import pages
from sandbox.propelauth.dialect import sandbox_of
from sandbox.propelauth.directory import User
from sandbox.propelauth.grants import AuthorizationRequest, SignIn
from sandbox.state import Sandbox

REQUIRED = ("redirect_uri", "client_id", "response_type", "state", "code_challenge", "resource")


async def authorize(request: Request) -> Response:
    sandbox, query = sandbox_of(request), dict(request.query_params)
    grants = sandbox.grants
    client = grants.clients.get(query.get("client_id", ""))
    redirect_uri = query.get("redirect_uri", "")
    if client is None:
        return _unknown_client(query, sandbox)
    if redirect_uri not in client.redirect_uris:
        return pages.error("invalid_request", "This redirect_uri isn't registered.")
    missing = [name for name in REQUIRED if not query.get(name)]
    if missing:
        return pages.error("invalid_request", f"Missing: {', '.join(missing)}.")
    refusal = _refusal(query)
    if refusal:
        return _back(redirect_uri, query["state"], error=refusal[0], error_description=refusal[1])
    sign_in = grants.begin_sign_in(_authorization_request(query), sandbox.clock.now())
    return pages.login(sign_in, client.name)


async def login(request: Request) -> Response:
    sandbox, form = sandbox_of(request), await form_of(request)
    sign_in = _sign_in_of(form, sandbox)
    if sign_in is None:
        return pages.over()
    client_name = sandbox.grants.clients[sign_in.request.client_id].name
    if form.get("action") == "cancel":
        return _cancelled(sign_in, sandbox)
    email = form.get("email", "")
    user = sandbox.directory.find_user_by_email(email)
    if user is None or form.get("password") != fixtures.PASSWORD:
        return pages.login(sign_in, client_name, email, "Wrong e-mail or password.", 401)
    if not user.enabled:
        return pages.login(sign_in, client_name, email, "This account is blocked.", 403)
    sign_in.user_id = user.user_id
    return _after_login(sign_in, user, sandbox)


async def choose_organization(request: Request) -> Response:
    sandbox, form = sandbox_of(request), await form_of(request)
    sign_in = _sign_in_of(form, sandbox)
    user = sandbox.directory.users.get(sign_in.user_id or "") if sign_in else None
    if sign_in is None or user is None:
        return pages.over()
    if form.get("action") == "cancel":
        return _cancelled(sign_in, sandbox)
    if form.get("org_id") not in user.roles:
        return pages.organizations(sign_in, _organization_names(user, sandbox), "Choose one.", 400)
    return _finished(sign_in, form["org_id"], sandbox)


async def form_of(request: Request) -> dict[str, str]:
    """The form's fields; empty when the body isn't a form. Of a repeated field the last counts."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    content = (await request.body()).decode("utf-8", "replace")
    return dict(parse_qsl(content, keep_blank_values=True))


def _unknown_client(query: dict[str, str], sandbox: Sandbox) -> Response:
    """PropelAuth was seen to report this to an allowed redirect URI; to no other, of course."""
    redirect_uri = query.get("redirect_uri", "")
    if query.get("client_id") and redirect_uri in sandbox.grants.mcp_client.redirect_uris:
        return _back(redirect_uri, query.get("state", ""), error="invalid_client")
    return pages.error("invalid_client", "There's no such client.")


def _refusal(query: dict[str, str]) -> tuple[str, str] | None:
    if query["response_type"] != "code":
        return "unsupported_response_type", "Only response_type=code is supported"
    if query.get("code_challenge_method") != "S256":
        return "invalid_request", "Only code_challenge_method=S256 is supported"
    resource = urlsplit(query["resource"])
    if resource.scheme not in ("http", "https") or not resource.netloc or resource.fragment:
        return "invalid_target", "resource must be an absolute URL without a fragment"
    unknown = set(query.get("scope", "").split()) - set(fixtures.SCOPES)
    if unknown:
        return "invalid_scope", f"Unknown scope: {' '.join(sorted(unknown))}"
    return None


def _authorization_request(query: dict[str, str]) -> AuthorizationRequest:
    return AuthorizationRequest(
        client_id=query["client_id"],
        redirect_uri=query["redirect_uri"],
        state=query["state"],
        code_challenge=query["code_challenge"],
        resource=query["resource"],
        scope=query.get("scope", ""),
    )


def _sign_in_of(form: dict[str, str], sandbox: Sandbox) -> SignIn | None:
    return sandbox.grants.find_sign_in(form.get("transaction", ""), sandbox.clock.now())


def _after_login(sign_in: SignIn, user: User, sandbox: Sandbox) -> Response:
    """The picker is for users who have a choice; whoever has none comes without organization."""
    if sandbox.grants.introspection.org_id != "picker":
        return _finished(sign_in, None, sandbox)
    if len(user.roles) > 1:
        return pages.organizations(sign_in, _organization_names(user, sandbox))
    return _finished(sign_in, next(iter(user.roles), None), sandbox)


def _organization_names(user: User, sandbox: Sandbox) -> dict[str, str]:
    return {org_id: sandbox.directory.organizations[org_id].name for org_id in user.roles}


def _finished(sign_in: SignIn, org_id: str | None, sandbox: Sandbox) -> Response:
    code = sandbox.grants.issue_code(sign_in, org_id, sandbox.clock.now())
    return _back(sign_in.request.redirect_uri, sign_in.request.state, code=code)


def _cancelled(sign_in: SignIn, sandbox: Sandbox) -> Response:
    del sandbox.grants.sign_ins[sign_in.transaction]
    return _back(
        sign_in.request.redirect_uri,
        sign_in.request.state,
        error="access_denied",
        error_description="The user cancelled the sign-in",
    )


def _back(redirect_uri: str, state: str, **answer: str) -> Response:
    parts = urlsplit(redirect_uri)
    query = [*parse_qsl(parts.query), *answer.items(), ("state", state)]
    return RedirectResponse(urlunsplit(parts._replace(query=urlencode(query))), 302)
