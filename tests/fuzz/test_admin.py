"""Whatever staff, or somebody in their place, send to the admin's forms, it is a page."""

import json
import re
from functools import cache
from typing import Any

import pytest
from django.contrib import admin as django_admin
from django.db.models import Field
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.browser import Browser, quoted
from tests.fuzz.examples import as_long_as_it_takes, few, fuzz
from tests.fuzz.target import Answer
from tests.fuzz.values import encoded, spoiled, texts, url_bytes, values
from tests.robot import forms_of

pytestmark = as_long_as_it_takes

TOOLS = "/admin/mcp_gateway/tool/"
LOOKUPS = ("exact", "isnull", "isempty", "gte", "lt", "in", "contains", "regex", "year", "date")
OWN = ("q", "o", "p", "all", "e", "_facets", "_popup", "_to_field", "days", "organization", "state")


@cache
def changelists() -> tuple[str, ...]:
    labels = (model._meta.label_lower.replace(".", "/") for model in django_admin.site._registry)
    return tuple(f"/admin/{label}/" for label in labels)


@cache
def filters() -> tuple[str, ...]:
    names: set[str] = set(OWN)
    for model in django_admin.site._registry:
        fields = [f for f in model._meta.get_fields() if isinstance(f, Field)]
        names |= {f"{field.name}__{lookup}" for field in fields for lookup in LOOKUPS}
        names |= {field.name for field in fields}
    return tuple(sorted(names))


def assert_a_page(answer: Answer) -> None:
    assert answer.status in (200, 302, 400, 403, 404, 405, 413), answer.status


# Lists --------------------------------------------------------------------------------------------


@fuzz
@given(data=st.data())
def test_a_list_takes_any_search_and_any_filter(admin: Browser, data):
    path = data.draw(st.sampled_from((*changelists(), "/admin/")))
    pairs = st.tuples(st.sampled_from(filters()) | st.sampled_from(OWN) | texts, texts)
    query = "&".join(f"{quoted(n)}={quoted(v)}" for n, v in data.draw(st.lists(pairs, max_size=3)))
    assert_a_page(admin.get(f"{path}?{query}".encode()))


@fuzz
@given(data=st.data(), odd=url_bytes, query=url_bytes)
def test_any_path_and_query_of_the_admin_is_answered(admin: Browser, data, odd, query):
    path = data.draw(st.sampled_from((*changelists(), "/admin/", "/admin/jsi18n/", "/admin/r/")))
    assert_a_page(admin.get(path.encode() + odd.replace(b"?", b"") + b"?" + query))
    assert_a_page(admin.get(path.encode() + b"1/change/?" + odd))


@fuzz
@given(data=st.data(), action=st.sampled_from(["switch_off", "export_selected", "", "x"]) | texts)
def test_a_list_takes_any_action(admin: Browser, data, action):
    path = data.draw(st.sampled_from(changelists()))
    chosen = data.draw(st.lists(texts, max_size=3))
    fields = [("action", action), *(("_selected_action", pk) for pk in chosen)]
    extra = data.draw(st.lists(st.tuples(texts, texts), max_size=2))
    assert_a_page(admin.post(path.encode(), [*fields, *extra]))


# A tool's own form --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tool_form(admin: Browser) -> dict[str, str]:
    """As the page has it, of an administrator's own tool."""
    page = admin.robot.get(f"{admin.target.deployment.url}{TOOLS}add/")
    [form] = [form for form in forms_of(page) if "name" in form.fields]
    return {
        **form.fields,
        "name": "fuzz_tool",
        "title": "Fuzz",
        "description": "A tool that is made and made again.",
        "category": "fuzz",
        "http_method": "GET",
        "path_template": "/fuzz/{id}",
        "required_scope": "wiv:read",
        "input_schema": '{"type": "object", "properties": {"id": {"type": "string"}}}',
    }


JSON_FIELDS = ("input_schema", "query_parameters", "parameters", "untrusted_fields", "projection")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 10},
        "list": {"type": "array", "items": {"$ref": "#/$defs/a"}, "minItems": 1},
        "one": {"anyOf": [{"type": "integer"}, {"enum": ["a", 1, None]}], "default": 1},
    },
    "required": ["id"],
    "$defs": {"a": {"type": "object", "additionalProperties": False}},
}


@fuzz
@given(data=st.data())
def test_a_tool_of_any_kind_is_saved_or_refused_on_its_fields(admin: Browser, tool_form, data):
    fields = dict(tool_form)
    fields["name"] = data.draw(st.just("fuzz_tool") | texts)
    schema = data.draw(spoiled(st.just(SCHEMA)))
    fields["input_schema"] = json.dumps(schema, ensure_ascii=data.draw(st.booleans()))
    for name in data.draw(st.lists(st.sampled_from([*fields, *JSON_FIELDS]), max_size=2)):
        odd = data.draw(texts | values.map(json.dumps))
        fields[name] = odd
    assert_a_page(admin.post(f"{TOOLS}add/".encode(), [*fields.items()]))


def test_what_was_saved_can_be_listed_shown_and_exported(admin: Browser):
    """Last, with all that came of it."""
    for path in (TOOLS, "/admin/", f"{TOOLS}export/", "/admin/mcp_gateway/toolrevision/"):
        assert admin.get(path.encode()).status == 200
    links = re.findall(rf"{TOOLS}\d+/", admin.get(TOOLS.encode()).text)
    assert links
    for link in sorted({*links})[:8]:
        for page in ("change/", "history/", "try/"):
            assert admin.get(f"{link}{page}".encode()).status == 200


# Trial, imports -----------------------------------------------------------------------------------


@fuzz
@given(data=st.data())
def test_a_trial_takes_any_argument(admin: Browser, data):
    links = trial_pages(admin)
    path, names = data.draw(st.sampled_from(links))
    fields = [(name, data.draw(texts | values.map(json.dumps))) for name in names[:3]]
    fields.append(("raw", data.draw(st.just("") | encoded(values).map(as_text))))
    kind = data.draw(st.sampled_from(["dry_run", "run"]))
    key = data.draw(texts)
    assert_a_page(admin.post(path.encode(), [*fields, (kind, "1"), ("api_key", key)]))


@cache
def trial_pages(admin: Browser) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(path, names of its fields)"""
    url = admin.target.deployment.url
    links = sorted({*re.findall(rf"{TOOLS}\d+/", admin.robot.get(url + TOOLS).text)})[:8]
    pages = [(f"{link}try/", admin.robot.get(f"{url}{link}try/").text) for link in links]
    return tuple((link, tuple(re.findall(r'name="(argument-\w+)"', page))) for link, page in pages)


def as_text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Fuzz", "version": "1"},
    "servers": [{"url": "https://api.example.test/v1"}],
    "paths": {
        "/things/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {}}],
            "get": {
                "operationId": "getThing",
                "summary": "A thing",
                "parameters": [
                    {"name": "q", "in": "query", "style": "form", "schema": {"type": "array"}},
                    {"$ref": "#/components/parameters/h"},
                ],
                "responses": {"200": {"description": "ok"}},
            },
            "post": {
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/T"}}}
                },
                "responses": {},
            },
        }
    },
    "components": {
        "parameters": {"h": {"name": "X-H", "in": "header", "schema": {"type": "string"}}},
        "schemas": {
            "T": {
                "type": "object",
                "properties": {"child": {"$ref": "#/components/schemas/T"}, "a": {"oneOf": [{}]}},
            }
        },
    },
}


@fuzz
@given(document=encoded(spoiled(st.just(OPENAPI)) | spoiled(st.just(OPENAPI)) | values))
def test_any_document_is_taken_or_refused(admin: Browser, document):
    path = f"{TOOLS}import-openapi/".encode()
    assert_a_page(admin.upload(path, "file", document))
    answer = admin.post(path, [("text", as_text(document))])
    assert_a_page(answer)
    location = answer.headers.get("location", "")
    if "import-openapi" in location:
        assert admin.get(location.encode()).status == 200
        assert_a_page(admin.post(location.encode(), [("all", "1"), ("pick", "x"), ("gone", "-1")]))


@pytest.fixture(scope="module")
def exported(admin: Browser) -> dict[str, Any]:
    """Two tools of the catalog, for a file that is short."""
    document: dict[str, Any] = admin.get(f"{TOOLS}export/".encode()).json()
    document["tools"] = document["tools"][:2]
    return document


@fuzz
@given(data=st.data())
def test_any_file_of_definitions_is_taken_or_refused(admin: Browser, exported, data):
    content = data.draw(encoded(spoiled(st.just(exported))))
    path = f"{TOOLS}import/".encode()
    answer = admin.upload(path, "file", content)
    assert_a_page(answer)
    if answer.status == 302:
        review = admin.get(f"{TOOLS}import/review/".encode())
        assert review.status == 200
        key = re.search(r'name="key" value="([^"]+)"', review.text)
        if key:
            assert_a_page(admin.post(f"{TOOLS}import/confirm/".encode(), [("key", key[1])]))


@few
@given(username=texts, password=texts, next_page=texts)
def test_a_login_takes_any_name(connect_page: Browser, username, password, next_page):
    fields = [("username", username), ("password", password), ("next", next_page)]
    assert connect_page.post(b"/admin/login/", fields).status == 200
