"""Where Wiv's routes are, and which of them need more than a valid key."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.state import Sandbox
from sandbox.wiv import cases, executions, generation, spaces, workflows
from sandbox.wiv.call import Handler, endpoint

_WORKFLOW = "/workflows/{workflow_id}"
_RUNS = "/monitoring/workflows/{workflow_id}/executions"


def _route(method: str, path: str, handler: Handler, *, writes: bool = False) -> Route:
    is_msp = path.startswith("/v2/cases/msp/")
    return Route(path, endpoint(handler, writes=writes, msp=is_msp), methods=[method])


ROUTES = [
    _route("GET", "/workflows", workflows.list_workflows),
    _route("GET", _WORKFLOW, workflows.get_workflow),
    _route("PUT", _WORKFLOW, workflows.update_workflow, writes=True),
    _route("GET", "/folders", workflows.list_folders),
    _route("GET", "/folders/{folder_id}", workflows.get_folder),
    _route("POST", _WORKFLOW + "/run", executions.start, writes=True),
    _route("POST", _WORKFLOW + "/executions/{execution_id}/stop", executions.stop, writes=True),
    _route("GET", "/monitoring/executions", executions.list_all),
    _route("GET", _RUNS, executions.list_of_workflow),
    _route("GET", _RUNS + "/{execution_id}/status", executions.status),
    _route("GET", "/v2/cases", cases.list_cases),
    _route("POST", "/v2/cases/search", cases.search_cases),
    _route("POST", "/v2/cases/summary", cases.summarize_cases),
    _route("GET", "/v2/cases/filters", cases.list_filters),
    _route("GET", "/v2/cases/filters/{filter_name}/values", cases.list_filter_values),
    _route("POST", "/v2/cases/query", cases.query_cases),
    _route("POST", "/v2/cases/msp/search", cases.search_msp_cases),
    _route("POST", "/v2/cases/msp/summary", cases.summarize_msp_cases),
    _route("GET", "/v2/cases/msp/filters/{filter_name}/values", cases.list_msp_filter_values),
    _route("GET", "/v2/cases/msp/types", cases.list_msp_case_types),
    _route("POST", "/v2/cases/msp/query", cases.query_msp_cases),
    _route("POST", "/ai/workflows/generate", generation.generate, writes=True),
    _route("GET", "/ai/workflows/generate/{generation_id}", generation.get_generated),
    _route("GET", "/spaces", spaces.list_spaces),
    _route("GET", "/spaces/{space_id}", spaces.get_space),
    _route("GET", "/spaces/{space_id}/resources", spaces.get_resources),
]


def application(sandbox: Sandbox) -> Starlette:
    app = Starlette(
        routes=ROUTES,
        exception_handlers={404: _not_found, 405: _not_allowed, 500: _internal_error},
    )
    app.state.sandbox = sandbox
    return app


async def _not_found(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "Not found"}, 404)


async def _not_allowed(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "Method not allowed"}, 405)


async def _internal_error(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "Internal server error"}, 500)
