"""The backend API beside the API keys: users, organizations, access tokens.

Also `/api/v1/token_verification_metadata` and the JWKS, by which the access tokens are verified.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.propelauth import api_keys
from sandbox.propelauth.dialect import (
    BadFields,
    Forbidden,
    Handler,
    backend,
    body_of,
    found,
    is_whole_number,
    paged,
    sandbox_of,
)
from sandbox.propelauth.directory import ROLES, User, organization_document
from sandbox.propelauth.jwts import access_token_claims


async def user_by_id(request: Request) -> Response:
    return _user_response(request, _user_of(request))


async def user_by_email(request: Request) -> Response:
    email = request.query_params.get("email", "")
    return _user_response(request, found(sandbox_of(request).directory.find_user_by_email(email)))


async def disable_user(request: Request) -> Response:
    _user_of(request).enabled = False
    return JSONResponse({})


async def enable_user(request: Request) -> Response:
    _user_of(request).enabled = True
    return JSONResponse({})


async def delete_user(request: Request) -> Response:
    del sandbox_of(request).directory.users[_user_of(request).user_id]
    return JSONResponse({})


async def users_in_org(request: Request) -> Response:
    """The members of an organization, each with `role_in_org`; `role` picks some."""
    directory = sandbox_of(request).directory
    org_id = request.path_params["org_id"]
    found(directory.organizations.get(org_id))
    role = request.query_params.get("role")
    users = [
        directory.user_document(user, include_orgs=_include_orgs(request))
        | {"role_in_org": user.roles[org_id]}
        for user in directory.members(org_id)
        if role in (None, user.roles[org_id])
    ]
    return paged(request, users, items="users", total="total_users")


async def organization(request: Request) -> Response:
    org_id = request.path_params["org_id"]
    organizations = sandbox_of(request).directory.organizations
    return JSONResponse(organization_document(found(organizations.get(org_id))))


async def add_user_to_org(request: Request) -> Response:
    return await _set_role(request)


async def change_role(request: Request) -> Response:
    return await _set_role(request)


async def remove_user_from_org(request: Request) -> Response:
    body = await body_of(request, ("user_id", "org_id"))
    user = found(sandbox_of(request).directory.users.get(body.get("user_id", "")))
    found(user.roles.pop(body.get("org_id", ""), None))
    return JSONResponse({})


async def create_access_token(request: Request) -> Response:
    """403 for a user that doesn't exist or is blocked, 400 for an org that isn't the user's."""
    sandbox = sandbox_of(request)
    body = await body_of(request, ("user_id", "duration_in_minutes", "active_org_id"))
    minutes = body.get("duration_in_minutes")
    if not is_whole_number(minutes) or not minutes or minutes < 1:
        raise BadFields(duration_in_minutes="Must be a whole number of at least 1")
    user = sandbox.directory.users.get(body.get("user_id", ""))
    if user is None or not user.enabled:
        raise Forbidden
    active_org_id = body.get("active_org_id")
    if active_org_id and active_org_id not in user.roles:
        raise BadFields(active_org_id="The user isn't a member of the organization")
    issued_at = int(sandbox.clock.now())
    claims = access_token_claims(sandbox.directory, user, active_org_id)
    life = {"iss": _issuer(request), "iat": issued_at, "exp": issued_at + 60 * minutes}
    return JSONResponse({"access_token": sandbox.signer.sign(claims | life)})


async def token_verification_metadata(request: Request) -> Response:
    return JSONResponse({"verifier_key_pem": sandbox_of(request).signer.verifier_key_pem()})


async def jwks(request: Request) -> Response:
    return JSONResponse(sandbox_of(request).signer.jwks())


def _user_of(request: Request) -> User:
    return found(sandbox_of(request).directory.users.get(request.path_params["user_id"]))


def _include_orgs(request: Request) -> bool:
    return request.query_params.get("include_orgs", "").lower() == "true"


def _user_response(request: Request, user: User) -> Response:
    directory = sandbox_of(request).directory
    return JSONResponse(directory.user_document(user, include_orgs=_include_orgs(request)))


async def _set_role(request: Request) -> Response:
    directory = sandbox_of(request).directory
    body = await body_of(request, ("user_id", "org_id", "role", "additional_roles"))
    user = found(directory.users.get(body.get("user_id", "")))
    org_id = found(directory.organizations.get(body.get("org_id", ""))).org_id
    if body.get("role") not in ROLES:
        raise BadFields(role=f"Must be one of {', '.join(ROLES)}")
    user.roles[org_id] = body["role"]
    return JSONResponse({})


def _issuer(request: Request) -> str:
    """The SDKs name the tenant in a header, since they call a host that all tenants share."""
    host = request.headers.get("x-propelauth-url") or request.headers["host"]
    return f"https://{host}"


def _route(method: str, path: str, handler: Handler) -> Route:
    return Route(f"/api/backend/v1{path}", backend(handler), methods=[method])


ROUTES = [
    _route("POST", "/end_user_api_keys", api_keys.create),
    _route("POST", "/end_user_api_keys/validate", api_keys.validate),
    _route("GET", "/end_user_api_keys", api_keys.list_active),
    _route("GET", "/end_user_api_keys/archived", api_keys.list_archived),
    _route("GET", "/end_user_api_keys/usage", api_keys.usage),
    _route("GET", "/end_user_api_keys/{api_key_id}", api_keys.fetch),
    _route("PATCH", "/end_user_api_keys/{api_key_id}", api_keys.patch),
    _route("DELETE", "/end_user_api_keys/{api_key_id}", api_keys.delete),
    _route("GET", "/user/email", user_by_email),
    _route("GET", "/user/org/{org_id}", users_in_org),
    _route("GET", "/user/{user_id}", user_by_id),
    _route("DELETE", "/user/{user_id}", delete_user),
    _route("POST", "/user/{user_id}/disable", disable_user),
    _route("POST", "/user/{user_id}/enable", enable_user),
    _route("POST", "/org/add_user", add_user_to_org),
    _route("POST", "/org/change_role", change_role),
    _route("POST", "/org/remove_user", remove_user_from_org),
    _route("GET", "/org/{org_id}", organization),
    _route("POST", "/access_token", create_access_token),
    Route("/api/v1/token_verification_metadata", backend(token_verification_metadata)),
    Route("/.well-known/jwks.json", jwks),
]
