"""Importing an OpenAPI document in the admin: upload, pick, and follow a newer version."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from mcp_gateway.models import OpenApiDocument, Source, Tool, ToolRevision, Upstream
from mcp_gateway.seed import read_definitions, synchronize
from tests.mcp_gateway.test_admin import csrf_token, signed_in

pytestmark = pytest.mark.django_db

UPLOAD = "/admin/mcp_gateway/tool/import-openapi/"


@pytest.fixture
def administrator() -> Client:
    return signed_in(is_superuser=True)


def operation(name: str, **more: object) -> dict[str, object]:
    return {"operationId": name, "summary": name.title(), "responses": {"200": {}}} | more


def document(**paths: Any) -> str:
    """pets={"get": ...}  ->  the document with /pets"""
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "Pet Store", "version": "1"},
            "paths": {f"/{path}": item for path, item in paths.items()},
        }
    )


PETS = document(
    pets={"get": operation("listPets"), "post": operation("addPet")},
    photos={"put": operation("putPhoto", requestBody={"content": {"image/png": {}}})},
)


def give(browser: Client, text: str, **fields: object):
    token = csrf_token(browser.get(UPLOAD).content.decode())
    return browser.post(UPLOAD, {"csrfmiddlewaretoken": token, "text": text, **fields})


def page_of(browser: Client, url: str) -> str:
    return browser.get(url).content.decode()


def pick(browser: Client, url: str, **fields: object):
    token = csrf_token(page_of(browser, url))
    return browser.post(url, {"csrfmiddlewaretoken": token, **fields})


def imported(browser: Client, text: str = PETS, **fields: object):
    return pick(browser, give(browser, text)["Location"], **fields or {"all": "1"})


def test_the_operations_are_listed_with_their_requests_and_reasons(administrator):
    page = page_of(administrator, give(administrator, PETS)["Location"])
    assert "GET /pets" in page
    assert "list_pets" in page
    assert "PUT /photos: Its body is image/png, not JSON." in page
    assert not Tool.objects.exists()


def test_what_is_picked_becomes_tools_that_are_switched_off(administrator):
    assert imported(administrator, pick="1").status_code == 302
    tool = Tool.objects.get()
    assert (tool.name, tool.enabled, tool.source) == ("add_pet", False, Source.ADMIN)
    assert tool.origin["operation"] == "POST /pets"
    assert LogEntry.objects.get().change_message == "Imported from Pet Store."
    revision = ToolRevision.objects.get()
    assert (revision.cause, str(revision.user)) == ("import", "staff")


def test_every_new_one_is_one_click(administrator):
    imported(administrator)
    assert [*Tool.objects.values_list("name", flat=True)] == ["add_pet", "list_pets"]


def test_a_file_may_be_uploaded_as_yaml_and_an_upstream_chosen(administrator):
    upstream = Upstream.objects.create(name="p", title="P", base_url="https://p.test")
    text = "openapi: 3.0.3\ninfo: {title: T, version: '1'}\nservers: [{url: /v2}]\npaths:\n"
    text += "  /pets:\n    get: {responses: {}}\n" + "#" * 200_000
    file = SimpleUploadedFile("pets.yaml", text.encode())
    pick(administrator, give(administrator, "", file=file, upstream=upstream.pk)["Location"], all=1)
    tool = Tool.objects.get()
    assert (tool.upstream, tool.path_template) == (upstream, "/v2/pets")


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "one of the two"), ("{", "isn&#x27;t JSON"), ('{"swagger": "2.0"}', "Swagger 2.0")],
)
def test_a_document_that_can_not_be_read_is_answered_on_the_form(administrator, text, words):
    assert words in give(administrator, text).content.decode()
    assert not OpenApiDocument.objects.exists()


def test_a_file_that_is_no_text_is_answered_on_the_form(administrator):
    file = SimpleUploadedFile("pets.json", b"\xff\xfe\x00")
    assert "UTF-8" in give(administrator, "", file=file).content.decode()


# Names that are taken --------------------------------------------------------------------------


@pytest.fixture
def other() -> Tool:
    return Tool.objects.create(
        name="list_pets", title="Ours", description="d", category="c", path_template="/x",
        input_schema={"type": "object"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "titles"),
    [
        ({}, ["Ours"]),
        ({"decision-0": "skip"}, ["Ours"]),
        ({"pick": "0"}, ["Ours"]),
        ({"decision-0": "rename", "name-0": "pets_list"}, ["Ours", "Listpets"]),
        ({"decision-0": "update"}, ["Listpets"]),
    ],
)
def test_a_name_that_is_taken_is_skipped_renamed_or_updated(administrator, other, fields, titles):
    page = page_of(administrator, give(administrator, PETS)["Location"])
    assert 'value="list_pets_2"' in page
    imported(administrator, pick=fields.pop("pick", "9"), **fields)
    assert [*Tool.objects.order_by("pk").values_list("title", flat=True)] == titles
    other.refresh_from_db()
    assert other.enabled  # an update switches nothing


def test_a_shipped_tool_can_not_be_updated(administrator):
    synchronize(read_definitions())
    text = document(cases={"get": operation("wiv_list_cases")})
    location = give(administrator, text)["Location"]
    assert 'value="update"' not in page_of(administrator, location)
    pick(administrator, location, **{"decision-0": "update"})
    assert Tool.objects.get(name="wiv_list_cases").title == "List cases"


def test_when_one_pick_can_not_be_saved_none_is(administrator, other):
    location = give(administrator, PETS)["Location"]
    fields = {"pick": "1", "decision-0": "rename", "name-0": "has space"}
    page = pick(administrator, location, **fields).content.decode()
    assert "Nothing was imported" in page
    assert "Use letters, digits" in page
    assert 'value="has space"' in page
    assert Tool.objects.count() == 1
    assert pick(administrator, location, pick="1").status_code == 302
    assert Tool.objects.count() == 2


# A newer document ------------------------------------------------------------------------------

NEWER = document(
    pets={"get": operation("listPets", summary="Every pet")},
    toys={"get": operation("listToys")},
)


@pytest.fixture
def followed(administrator) -> str:
    """The page of a newer document, whose older one was imported."""
    imported(administrator)
    location: str = give(administrator, NEWER)["Location"]
    return location


def test_the_drift_is_shown(administrator, followed):
    page = page_of(administrator, followed)
    assert "New operations (1)" in page
    assert "Changed since the last import (1)" in page
    assert "Every pet" in page.split("<ins>", 1)[1]
    assert "Gone from the document (1)" in page
    assert "Switch off add_pet (POST /pets)" in page


def test_only_what_is_picked_of_the_drift_is_done(administrator, followed):
    pick(administrator, followed, pick="9")
    assert [*Tool.objects.values_list("title", flat=True)] == ["Addpet", "Listpets"]


def test_picked_drift_is_applied_and_gone_operations_are_switched_off(administrator, followed):
    Tool.objects.update(enabled=True)
    Tool.objects.filter(name="list_pets").update(name="our_pets")
    gone = Tool.objects.get(name="add_pet")
    pick(administrator, followed, pick=["0", "1"], gone=gone.pk)
    rows = {tool.name: (tool.title, tool.enabled) for tool in Tool.objects.all()}
    assert rows == {
        "our_pets": ("Every pet", True),
        "add_pet": ("Addpet", False),
        "list_toys": ("Listtoys", False),
    }


def test_the_same_document_again_changes_nothing(administrator):
    imported(administrator)
    location = give(administrator, PETS)["Location"]
    page = page_of(administrator, location)
    assert "As they were imported: list_pets, add_pet." in page
    pick(administrator, location, all="1", pick=["0", "1"])
    assert Tool.objects.count() == 2
    assert ToolRevision.objects.count() == 2


def test_only_tools_of_this_document_can_be_switched_off(administrator, followed):
    stranger = Tool.objects.create(
        name="stranger", title="t", description="d", category="c", path_template="/x",
        input_schema={"type": "object"},
    )  # fmt: skip
    pick(administrator, followed, gone=stranger.pk)
    stranger.refresh_from_db()
    assert stranger.enabled


# Who, and for how long -------------------------------------------------------------------------


def test_a_document_is_forgotten_after_an_hour_and_after_the_import(administrator):
    location = give(administrator, PETS)["Location"]
    kept = OpenApiDocument.objects.get()
    OpenApiDocument.objects.update(created_at=kept.created_at - timedelta(hours=2))
    assert administrator.get(location)["Location"] == UPLOAD
    assert not OpenApiDocument.objects.exists()
    imported(administrator)
    assert not OpenApiDocument.objects.exists()


def test_nobody_else_can_use_it(administrator):
    location = give(administrator, PETS)["Location"]
    stranger = second_administrator()
    assert stranger.get(location)["Location"] == UPLOAD
    assert OpenApiDocument.objects.exists()


def second_administrator() -> Client:
    user = get_user_model().objects.create_user("other", is_staff=True, is_superuser=True)
    browser = Client(headers={"host": "127.0.0.1"})
    browser.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return browser


@pytest.mark.parametrize("permissions", [["view_tool"], ["view_tool", "change_tool"]])
def test_who_may_not_add_tools_imports_nothing(permissions):
    viewer = signed_in(*permissions)
    assert viewer.get(UPLOAD).status_code == 403
    token = csrf_token(page_of(viewer, reverse("admin:password_change")))
    response = viewer.post(UPLOAD, {"text": PETS, "csrfmiddlewaretoken": token})
    assert response.status_code == 403
    assert UPLOAD not in page_of(viewer, "/admin/mcp_gateway/tool/")


def test_without_the_pages_token_nothing_is_imported(administrator):
    assert administrator.post(UPLOAD, {"text": PETS}).status_code == 403
    location = give(administrator, PETS)["Location"]
    assert administrator.post(location, {"all": "1"}).status_code == 403
    assert not Tool.objects.exists()


def test_the_pages_need_no_script_and_no_inline_style(administrator):
    for page in (page_of(administrator, UPLOAD),
                 page_of(administrator, give(administrator, PETS)["Location"])):  # fmt: skip
        content = page.split('id="content-main"', 1)[1].split("<footer", 1)[0]
        assert not any(word in content for word in ("<script", "style=", "onclick="))


def test_what_a_document_says_is_text_on_the_page(administrator):
    text = document(pets={"get": operation("a", summary="<script>alert(1)</script>")})
    page = page_of(administrator, give(administrator, text)["Location"])
    assert "<script>alert" not in page
