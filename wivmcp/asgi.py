"""The one ASGI application: the MCP endpoints, and Django for everything else.

python -m wivmcp
"""

import os
from typing import cast

from django.core.asgi import get_asgi_application

from wivmcp import garbage

garbage.wait_until_started()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wivmcp.settings")
_django = get_asgi_application()  # before anything that touches models

from starlette.types import ASGIApp  # noqa: E402

from connect.watching import GatewayWatch  # noqa: E402
from mcp_gateway.asgi import McpGateway  # noqa: E402
from telemetry.edge import Edge  # noqa: E402
from wivmcp.intake import Intake  # noqa: E402
from wivmcp.observation import start_observing  # noqa: E402

start_observing()
gateway = McpGateway(
    Intake(cast(ASGIApp, _django)), observer=GatewayWatch(), on_started=garbage.spare_what_stays
)
application = Edge(gateway)
