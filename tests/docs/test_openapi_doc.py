"""docs/openapi.yaml against the code and docs/oauth.md: paths, methods, statuses, limits.

That the answers themselves are as described is in tests/properties/test_http_surface.py.
"""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis

from mcp_gateway.resources import ENDPOINTS
from oauth_bridge.parameters import MAX_PARAMETER_LENGTH
from oauth_bridge.redirect_uris import MAX_URI_LENGTH
from oauth_bridge.registration import MAX_NAME_LENGTH, MAX_REDIRECT_URIS
from tests.docs.markdown import ROOT, read, tables_with
from tests.docs.test_endpoints_doc import (
    SAMPLES,
    documented,
    find_route,
    health_paths,
    product_routes,
)

Operation = dict[str, Any]
DESCRIPTION = schemathesis.openapi.from_path(ROOT / "docs/openapi.yaml").raw_schema
METHODS = ("get", "post", "put", "patch", "delete")
# Said of no operation in docs/oauth.md, since it's true of all.
EVERYWHERE = {405}


def operations() -> Iterator[tuple[str, str, Operation]]:
    for path, item in DESCRIPTION["paths"].items():
        yield from ((path, name.upper(), item[name]) for name in METHODS if name in item)


def statuses(operation: Operation) -> set[int]:
    return {int(status) for status in operation["responses"]}


def served_methods() -> dict[str, set[str]]:
    """Path -> the methods that aren't always refused."""
    served: dict[str, set[str]] = {}
    for path, method, operation in operations():
        if min(statuses(operation)) < 400 or path == "/.well-known/{anything}":
            served.setdefault(path, set()).add(method)
    return served


def operation(method: str, path: str) -> Operation:
    [found] = [each[2] for each in operations() if each[:2] == (path, method)]
    return found


def schema(name: str) -> dict[str, Any]:
    properties: dict[str, Any] = DESCRIPTION["components"]["schemas"][name]["properties"]
    return properties


def test_every_url_pattern_is_described_and_nothing_else():
    paths = served_methods().keys() - ENDPOINTS.keys() - health_paths()
    assert {find_route(path) for path in paths} == product_routes()


def test_what_is_described_is_documented_with_the_same_methods():
    # The documents name only one of the two at which a pattern with (mcp|sse) is served.
    described = served_methods()
    below_sse = {path for path in described if path.startswith("/sse/.well-known/")}
    assert {path: set(methods.split(", ")) for path, methods in documented().items()} == {
        path: methods for path, methods in described.items() if path not in below_sse
    }
    assert all(described[path] == described[path.replace("sse", "mcp", 1)] for path in below_sse)


def test_the_mcp_endpoints_are_described_with_their_one_method():
    served = served_methods()
    assert {path: served.get(path) for path in ENDPOINTS} == {
        path: {endpoint.method} for path, endpoint in ENDPOINTS.items()
    }


@pytest.mark.requirement("RFC 9110 §15.5.6")
@pytest.mark.parametrize(
    "path", sorted({path for path, _, each in operations() if 405 in statuses(each)} - {*ENDPOINTS})
)
def test_another_method_is_told_those_described(http, path):
    http.get("/connect")  # for the cookie: a form is refused before its method is
    answer = http.patch(filled_in(path), headers={"X-CSRFToken": http.cookies["csrf"]})
    assert answer.status_code == 405
    allowed = set(answer.headers["allow"].split(", ")) - {"HEAD", "OPTIONS"}
    assert allowed == served_methods()[path]


def filled_in(path: str) -> str:
    for name, sample in SAMPLES.items():
        path = path.replace(name, sample)
    return path


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/oauth/callback"), ("POST", "/token"), ("POST", "/register")]
)
def test_an_endpoints_refusals_are_those_of_its_table(method, path):
    refusals = {status for status in statuses(operation(method, path)) if status >= 400}
    assert refusals - EVERYWHERE == documented_statuses(f"{method} {path}")


@pytest.mark.parametrize("path", ENDPOINTS)
def test_the_mcp_endpoints_refusals_have_those_of_their_table(path):
    described = statuses(operation(ENDPOINTS[path].method, path))
    assert documented_statuses("At the MCP endpoints") <= described


def documented_statuses(section: str) -> set[int]:
    [table] = [
        table for table in tables_with(read("docs/oauth.md"), "Status") if table.section == section
    ]
    return {int(row["Status"]) for row in table.rows}


def test_the_limits_are_those_of_the_code():
    metadata = schema("ClientMetadata")
    assert metadata["redirect_uris"]["maxItems"] == MAX_REDIRECT_URIS
    assert metadata["redirect_uris"]["items"]["maxLength"] == MAX_URI_LENGTH
    assert schema("RegisteredClient")["client_name"]["maxLength"] == MAX_NAME_LENGTH
    for name in ("TokenRequest", "RevocationRequest"):
        limits = {value["maxLength"] for value in schema(name).values() if "maxLength" in value}
        assert limits == {MAX_PARAMETER_LENGTH}


def test_the_version_is_the_products():
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    assert DESCRIPTION["info"]["version"] == version
