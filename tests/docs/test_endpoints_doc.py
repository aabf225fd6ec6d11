"""The documents' tables of paths against the code's: Django's resolver, ENDPOINTS, health."""

import ast
from collections.abc import Iterator
from uuid import UUID

import pytest
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve

from mcp_gateway.resources import ENDPOINTS
from tests.docs.markdown import code, read, tables_with

DOCUMENTS = ("docs/oauth.md", "docs/architecture.md", "docs/operations.md")
SAMPLES = {"{pk}": str(UUID(int=1)), "{suffix}": "mcp", "{anything}": "anything"}


def documented() -> dict[str, str]:
    """Path -> methods."""
    rows = [
        row for name in DOCUMENTS for table in tables_with(read(name), "Path") for row in table.rows
    ]
    paths = [code(row["Path"]) for row in rows]
    assert len(paths) == len(set(paths)), "a path is documented twice"
    return {code(row["Path"]): row["Methods"] for row in rows}


def product_routes() -> set[str]:
    return {route for route in routes(get_resolver()) if not route.startswith("admin/")}


def routes(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    """Each pattern's route, as ResolverMatch.route has it."""
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield route
        else:
            yield from routes(entry, route)


def health_paths() -> set[str]:
    """What HealthMiddleware compares the request's path with."""
    return {
        str(node.comparators[0].value)
        for node in ast.walk(ast.parse(read("wivmcp/health.py")))
        if isinstance(node, ast.Compare)
        and ast.unparse(node.left) == "request.path"
        and isinstance(node.comparators[0], ast.Constant)
    }


def find_route(path: str) -> str | None:
    """The pattern that answers a documented path."""
    for name, sample in SAMPLES.items():
        path = path.replace(name, sample)
    assert "{" not in path, f"{path}: give its variable a sample"
    try:
        return resolve(path).route
    except Resolver404:
        return None


@pytest.mark.parametrize("path", documented())
def test_a_documented_path_is_served(path):
    assert path in ENDPOINTS or path in health_paths() or find_route(path) is not None


def test_every_url_pattern_is_documented():
    assert product_routes() <= {find_route(path) for path in documented()}


def test_a_documented_path_is_answered_by_its_own_pattern():
    """Not by the one for everything unknown below /.well-known/."""
    [unknown] = [route for route in product_routes() if "[\\s\\S]" in route]
    answered = {path for path in documented() if find_route(path) == unknown}
    assert answered == {"/.well-known/{anything}"}


def test_every_mcp_endpoint_is_documented_with_its_method():
    paths = documented()
    assert {path: paths.get(path) for path in ENDPOINTS} == {
        path: endpoint.method for path, endpoint in ENDPOINTS.items()
    }


def test_the_health_paths_are_documented():
    assert health_paths()
    assert health_paths() <= set(documented())
