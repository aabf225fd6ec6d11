"""Does any value of any parameter that docs/openapi.yaml knows end in a 5xx?

Schemathesis seldom tries just these. PostgreSQL can't store a NUL, nor be asked about one.
"""

from collections.abc import Iterator
from itertools import product
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.docs.test_openapi_doc import DESCRIPTION, METHODS, Operation
from tests.oauth_client import OAuthClient
from tests.robot import signed_in

ODD_VALUES = ("%00", "a%00b", "%ED%A0%80", "%FF", "%0D%0A", "%EF%BF%BF", "%25", "", "x" * 5000)
ODD_BASICS = (b"x", b"\xff", b"Zm9v", b"OmE=", b"AGE6YgA=", b"/////w==", b"JTAwOiUwMA==")
# Their values are headers, or the request is for a stream.
APART = {"/mcp", "/mcp/", "/sse", "/sse/", "/messages", "/messages/"}


def operations() -> Iterator[tuple[str, str]]:
    for path, item in DESCRIPTION["paths"].items():
        for method in METHODS:
            if method in item and path not in APART and places_of(path, method):
                yield method.upper(), path


def places_of(path: str, method: str) -> list[tuple[str, str]]:
    """[("query", "state"), ("path", "pk"), ("form", "code"), ...]"""
    item = DESCRIPTION["paths"][path]
    parameters = [*item.get("parameters", []), *item[method].get("parameters", [])]
    places = [(each["in"], each["name"]) for each in map(resolved, parameters)]
    return places + [("form", name) for name in form_of(item[method])]


def form_of(operation: Operation) -> Operation:
    content = operation.get("requestBody", {}).get("content", {})
    form = content.get("application/x-www-form-urlencoded", {}).get("schema", {})
    fields: Operation = resolved(form).get("properties", {})
    return fields


def resolved(node: Operation) -> Operation:
    if "$ref" not in node:
        return node
    found = DESCRIPTION
    for name in node["$ref"].split("/")[1:]:
        found = found[name]
    return found


def valid_values(client: OAuthClient) -> dict[str, str]:
    values = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uri,
        "code_challenge": client.code_challenge,
        "code_challenge_method": "S256",
        "grant_type": "authorization_code",
        "code": "a-code-that-nobody-has",
        "code_verifier": client.verifier,
        "decision": "allow",
        "pk": str(uuid4()),
    }
    return {name: quote(value, safe="") for name, value in values.items()}


@pytest.mark.parametrize(("method", "path"), [*operations()])
def test_no_value_ends_in_a_server_error(server, client, browser, method, path):
    client.register()
    robot = browser()
    signed_in(robot, server)
    headers = {
        "X-CSRFToken": robot.http.cookies["csrf"],
        "Content-Type": "application/x-www-form-urlencoded",
    }
    for url, body in odd_requests(method, path, valid_values(client)):
        answer = robot.http.request(method, f"{server}{url}", content=body, headers=headers)
        assert answer.status_code < 500, (url, body)


def odd_requests(method: str, path: str, valid: dict[str, str]) -> Iterator[tuple[str, str | None]]:
    """URL and body; one value is odd in each, the others are good ones."""
    places = places_of(path, method.lower())
    for (_, name), odd in product(places, ODD_VALUES):
        values = {**valid, name: odd}
        query, form = (
            "&".join(
                f"{each}={values[each]}" for at, each in places if at == kind and each in values
            )
            for kind in ("query", "form")
        )
        yield f"{path.format_map(values)}?{query}", form if method == "POST" else None


@pytest.mark.parametrize("path", ["/token", "/revoke"])
@pytest.mark.parametrize("credentials", ODD_BASICS, ids=repr)
def test_no_client_credentials_end_in_a_server_error(http, path, credentials):
    form = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x"}
    answer = http.post(path, data=form, headers={"Authorization": b"Basic " + credentials})
    assert answer.status_code == 401
