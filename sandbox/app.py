"""How do the parts make one application? PropelAuth at the root, Wiv under /wiv, and control."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.routing import Mount

from sandbox import control, fixtures
from sandbox.propelauth import routes as propelauth
from sandbox.state import Sandbox
from sandbox.traffic import Traffic
from sandbox.wiv import routes as wiv


def application(redirect_uris: Sequence[str] = fixtures.REDIRECT_URIS) -> Traffic:
    sandbox = Sandbox(redirect_uris)
    app = Starlette(
        routes=[
            *control.ROUTES,
            Mount("/wiv", wiv.application(sandbox)),
            *propelauth.ROUTES,
        ]
    )
    app.state.sandbox = sandbox
    app.state.traffic = Traffic(app)
    traffic: Traffic = app.state.traffic
    return traffic
