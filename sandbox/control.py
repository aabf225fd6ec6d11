"""How do tests steer the sandbox? Faults, the clock, modes, and what was received.

POST   /control/reset           everything back to the seed
GET    /control/requests        ?side=propelauth|wiv; DELETE forgets them
POST   /control/faults          GET lists them, DELETE clears them and lets go of held requests
POST   /control/mcp             {"enabled": false}
POST   /control/clock           {"advance_seconds": 60}
POST   /control/introspection   {"org_id": "auto"|"omit"|"picker", "exp": bool,
                                 "aud": "aud"|"resource"|"omit"}
POST   /control/redirect-uris   {"redirect_uris": [...]}
GET    /control/api-keys        every live key without its secret
GET    /control/health
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.state import Sandbox
from sandbox.traffic import FAULT_KINDS, Fault, Traffic

FAULT_FIELDS = {field.name for field in fields(Fault)} - {"id"}
MODES: dict[str, tuple[Any, ...]] = {
    "org_id": ("auto", "omit", "picker"),
    "exp": (True, False),
    "aud": ("aud", "resource", "omit"),
}

Handler = Callable[[Request], Awaitable[Response]]


class BadControl(Exception):
    pass


async def health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def reset(request: Request) -> Response:
    _sandbox(request).reset()
    _traffic(request).reset()
    return JSONResponse({"status": "ok"})


async def list_requests(request: Request) -> Response:
    side = request.query_params.get("side")
    received = [asdict(one) for one in _traffic(request).received if side in (None, one.side)]
    return JSONResponse({"requests": received})


async def clear_requests(request: Request) -> Response:
    _traffic(request).received.clear()
    return Response(status_code=204)


async def list_faults(request: Request) -> Response:
    return JSONResponse({"faults": _traffic(request).faults.documents()})


async def add_fault(request: Request) -> Response:
    body = await _body(request)
    _check_fields(body, FAULT_FIELDS)
    _check_choice(body, "side", ("propelauth", "wiv"))
    _check_choice(body, "kind", FAULT_KINDS)
    if body.get("method") is not None:
        body["method"] = str(body["method"]).upper()
    fault = Fault(**body)
    _traffic(request).faults.add(fault)
    return JSONResponse({"id": fault.id}, 201)


async def clear_faults(request: Request) -> Response:
    _traffic(request).faults.clear()
    return Response(status_code=204)


async def set_mcp(request: Request) -> Response:
    body = await _body(request)
    _check_choice(body, "enabled", (True, False))
    _sandbox(request).grants.mcp_enabled = body["enabled"]
    return JSONResponse({"enabled": body["enabled"]})


async def advance_clock(request: Request) -> Response:
    body, clock = await _body(request), _sandbox(request).clock
    seconds = body.get("advance_seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise BadControl("advance_seconds must be a number")
    clock.advance(seconds)
    return JSONResponse({"now": clock.now(), "advanced_seconds": clock.advanced_seconds})


async def set_introspection(request: Request) -> Response:
    body, mode = await _body(request), _sandbox(request).grants.introspection
    _check_fields(body, set(MODES))
    for name, value in body.items():
        _check_choice(body, name, MODES[name])
        setattr(mode, name, value)
    return JSONResponse(asdict(mode))


async def set_redirect_uris(request: Request) -> Response:
    redirect_uris = (await _body(request)).get("redirect_uris")
    is_list = isinstance(redirect_uris, list)
    if not is_list or not all(isinstance(uri, str) for uri in redirect_uris or []):
        raise BadControl("redirect_uris must be a list of URLs")
    _sandbox(request).grants.mcp_client.redirect_uris = list(redirect_uris or [])
    return JSONResponse({"redirect_uris": redirect_uris})


async def list_api_keys(request: Request) -> Response:
    sandbox = _sandbox(request)
    live = sandbox.api_keys.active(sandbox.clock.now())
    return JSONResponse({"api_keys": [key.document() for key in live]})


def _sandbox(request: Request) -> Sandbox:
    sandbox: Sandbox = request.app.state.sandbox
    return sandbox


def _traffic(request: Request) -> Traffic:
    traffic: Traffic = request.app.state.traffic
    return traffic


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise BadControl("The body must be a JSON object")
    return body


def _check_fields(body: dict[str, Any], known: set[str]) -> None:
    unknown = set(body) - known
    if unknown:
        raise BadControl(f"Unknown: {', '.join(sorted(unknown))}")


def _check_choice(body: dict[str, Any], name: str, choices: tuple[Any, ...]) -> None:
    if body.get(name) not in choices:
        raise BadControl(f"{name} must be one of: {', '.join(map(str, choices))}")


def _route(method: str, path: str, handler: Handler) -> Route:
    async def answering(request: Request) -> Response:
        try:
            return await handler(request)
        except BadControl as error:
            return JSONResponse({"error": str(error)}, 400)

    return Route(f"/control{path}", answering, methods=[method])


ROUTES = [
    _route("GET", "/health", health),
    _route("POST", "/reset", reset),
    _route("GET", "/requests", list_requests),
    _route("DELETE", "/requests", clear_requests),
    _route("GET", "/faults", list_faults),
    _route("POST", "/faults", add_fault),
    _route("DELETE", "/faults", clear_faults),
    _route("POST", "/mcp", set_mcp),
    _route("POST", "/clock", advance_clock),
    _route("POST", "/introspection", set_introspection),
    _route("POST", "/redirect-uris", set_redirect_uris),
    _route("GET", "/api-keys", list_api_keys),
]
