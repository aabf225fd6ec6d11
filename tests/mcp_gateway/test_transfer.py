"""The catalog leaves as a file and comes back as one, after a look at what it would change."""

import json
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from mcp_gateway.models import FormerName, Source, Tool, ToolRevision, Upstream
from mcp_gateway.seed import read_definitions, synchronize
from mcp_gateway.transfer import MAX_FILE_BYTES
from tests.mcp_gateway.test_admin import csrf_token, signed_in
from tests.mcp_gateway.test_models import make_tool
from tests.wiv_routes import SHIPPED

pytestmark = pytest.mark.django_db

CHANGELIST = "/admin/mcp_gateway/tool/"
EXPORT, IMPORT = f"{CHANGELIST}export/", f"{CHANGELIST}import/"
REVIEW, CONFIRM = f"{IMPORT}review/", f"{IMPORT}confirm/"


@pytest.fixture
def administrator() -> Client:
    return signed_in(is_superuser=True)


@pytest.fixture
def tool() -> Tool:
    tool = make_tool()
    tool.save()
    return tool


def token(browser: Client) -> str:
    return csrf_token(browser.get(reverse("admin:password_change")).content.decode())


def exported(browser):
    return browser.get(EXPORT).json()


def catalog(*tools, **parts):
    return {"schema_version": 1, "tools": [*tools], **parts}


def bring(browser: Client, content: object) -> str:
    """The page after the upload: the differences, or the form with what is wrong."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    form = {"csrfmiddlewaretoken": token(browser), "file": SimpleUploadedFile("tools.json", data)}
    return browser.post(IMPORT, form, follow=True).content.decode()


def confirm(browser: Client, review: str, **data: object) -> str:
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', review))
    return browser.post(CONFIRM, hidden | data, follow=True).content.decode()


def text_of(page: str) -> str:
    return page.replace("&quot;", '"').replace("&#x27;", "'")


# Out -------------------------------------------------------------------------------------------


def test_a_catalog_that_comes_back_changes_nothing(administrator):
    synchronize(read_definitions())
    tool = Tool.objects.get(name="wiv_list_cases")
    tool.availability.create(role="Admin", enabled=False)
    FormerName.objects.create(name="wiv_cases", tool=tool, note="Renamed.")
    page = bring(administrator, administrator.get(EXPORT).content)
    assert f"0 added, 0 changed, {SHIPPED} unchanged, 0 here but not in the file" in page
    assert "There is nothing to import." in page


def test_a_catalog_moves_to_an_empty_server_whole(administrator):
    synchronize(read_definitions())
    upstream = Upstream.objects.create(name="other", title="O", base_url="https://api.test")
    new = make_tool(name="wiv_new", upstream=upstream)
    new.save()
    old = make_tool(name="wiv_old", replaced_by=new, enabled=False)
    old.save()
    new.availability.create(organization_id="acme", role="Admin")
    FormerName.objects.create(name="wiv_older", tool=old)
    before = administrator.get(EXPORT).content
    FormerName.objects.all().delete()
    Tool.objects.all().delete()
    Upstream.objects.all().delete()
    page = confirm(administrator, bring(administrator, before))
    assert f"Imported: {SHIPPED + 2} added, 0 changed, 0 deleted." in page
    assert administrator.get(EXPORT).content == before
    assert Tool.objects.filter(source=Source.CATALOG).count() == SHIPPED


def test_credentials_and_what_is_about_this_server_stay_here(administrator, tool):
    Upstream.objects.create(
        name="other",
        title="Other",
        base_url="https://api.test",
        credential_header="X-Key",
        encrypted_credential="gAAAA-secret",
    )
    file = administrator.get(EXPORT).content.decode()
    assert "gAAAA-secret" not in file
    assert '"source"' not in file
    assert '"overridden"' not in file
    assert '"schema_version": 1' in file


def test_selected_tools_take_what_is_theirs(administrator, tool):
    Upstream.objects.create(name="unused", title="U", base_url="https://api.test")
    make_tool(name="wiv_other").save()
    FormerName.objects.create(name="wiv_was_test", tool=tool)
    FormerName.objects.create(name="wiv_was_nothing")
    data = {"csrfmiddlewaretoken": token(administrator), "action": "export_selected"}
    file = administrator.post(CHANGELIST, data | {"_selected_action": [tool.pk]}).json()
    assert [each["name"] for each in file["tools"]] == ["wiv_test"]
    assert [each["name"] for each in file["former_names"]] == ["wiv_was_test"]
    assert file["upstreams"] == []


# In --------------------------------------------------------------------------------------------


def test_the_differences_are_shown_before_anything_changes(administrator, tool):
    make_tool(name="wiv_here").save()
    edited = {"name": "wiv_test", "title": "Edited", "timeout": 5}
    new = exported(administrator)["tools"][0] | {"name": "wiv_new"}
    page = text_of(bring(administrator, catalog(edited, new)))
    assert "1 added, 1 changed, 0 unchanged, 1 here but not in the file" in page
    assert '<ins>+   "title": "Edited",</ins>' in page
    assert "<ins>+ timeout: 5</ins>" in page
    assert "Delete wiv_here" in page
    assert not Tool.objects.filter(title="Edited").exists()


def test_confirmed_it_is_done_in_one_go_and_on_record(administrator, tool):
    make_tool(name="wiv_here").save()
    ToolRevision.objects.all().delete()
    row = {
        "name": "wiv_test",
        "title": "Edited",
        "availability": [{"organization_id": "acme", "role": "", "enabled": False}],
    }
    page = confirm(administrator, bring(administrator, catalog(row)))
    assert "Imported: 0 added, 1 changed, 0 deleted." in page
    tool.refresh_from_db()
    assert (tool.title, str(tool.availability.get())) == ("Edited", "off for acme")
    assert [*ToolRevision.objects.values_list("cause", "user__username")] == [("import", "staff")]


def test_what_is_not_in_the_file_is_deleted_only_when_ticked(administrator, tool):
    gone = make_tool(name="wiv_here")
    gone.save()
    make_tool(name="wiv_stays").save()
    review = bring(administrator, catalog({"name": "wiv_test"}))
    page = confirm(administrator, review, delete=[gone.pk, tool.pk])
    assert "1 deleted" in page
    assert {*Tool.objects.values_list("name", flat=True)} == {"wiv_test", "wiv_stays"}


def test_a_shipped_tool_is_not_deleted_by_an_import(administrator):
    synchronize(read_definitions())
    shipped = Tool.objects.get(name="wiv_list_cases")
    review = bring(administrator, catalog())
    assert "Delete " not in review
    confirm(administrator, review, delete=[shipped.pk])
    assert Tool.objects.count() == SHIPPED


def test_a_catalog_that_changed_meanwhile_is_looked_at_again(administrator, tool):
    review = bring(administrator, catalog({"name": "wiv_test", "title": "Edited"}))
    Tool.objects.update(description="Somebody else was here.")
    page = confirm(administrator, review)
    assert "Nothing was imported: the catalog has changed since." in page
    assert Tool.objects.get().title == "Test"
    assert "1 changed" in confirm(administrator, page)


def test_a_second_confirmation_imports_nothing(administrator, tool):
    review = bring(administrator, catalog({"name": "wiv_test", "title": "Edited"}))
    confirm(administrator, review)
    assert "Nothing was imported" in confirm(administrator, review)


def test_an_import_is_a_decision_that_sync_tools_keeps(administrator):
    synchronize(read_definitions())
    row = {"name": "wiv_list_cases", "title": "Imported"}
    confirm(administrator, bring(administrator, catalog(row)))
    synchronize(read_definitions())
    tool = Tool.objects.get(name="wiv_list_cases")
    assert (tool.title, tool.overridden) == ("Imported", ["title"])


def test_a_shipped_tool_that_is_not_here_yet_comes_as_one(administrator):
    row = {**read_definitions()[0], "title": "Imported"}
    confirm(administrator, bring(administrator, catalog(row)))
    synchronize(read_definitions())
    tool = Tool.objects.get(name=row["name"])
    assert (tool.source, tool.title, tool.overridden) == (Source.CATALOG, "Imported", ["title"])


def test_a_tool_may_name_one_that_stands_below_it_in_the_file(administrator, tool):
    row = exported(administrator)["tools"][0]
    file = catalog(row | {"name": "wiv_a", "replaced_by": "wiv_b"}, row | {"name": "wiv_b"})
    confirm(administrator, bring(administrator, file))
    assert Tool.objects.filter(name="wiv_a", replaced_by__name="wiv_b").exists()
    assert ToolRevision.objects.filter(tool_name="wiv_a").count() == 1


def test_an_upstream_that_is_here_keeps_its_address(administrator, tool):
    Upstream.objects.create(
        name="other", title="Other", base_url="https://api.test", encrypted_credential="secret"
    )
    elsewhere = {"name": "other", "title": "Other", "base_url": "https://evil.test"}
    review = bring(administrator, catalog({"name": "wiv_test"}, upstreams=[elsewhere]))
    assert "Upstreams that differ and stay as they are here" in review
    confirm(administrator, review)
    assert Upstream.objects.get().base_url == "https://api.test"


# What is refused -------------------------------------------------------------------------------

ROWS = {
    "There is no field colour": {"name": "wiv_test", "colour": "red"},
    "There is no field source": {"name": "wiv_test", "source": "catalog"},
    "title: This must be text": {"name": "wiv_test", "title": ["a"]},
    "title: This can't be null": {"name": "wiv_test", "title": None},
    "title: This field cannot be blank": {"name": "wiv_test", "title": ""},
    "enabled: This must be true or false": {"name": "wiv_test", "enabled": "t"},
    "position: This must be a whole number": {"name": "wiv_test", "position": True},
    "timeout: This must be more than 0": {"name": "wiv_test", "timeout": -1},
    "timeout: This must be a number": {"name": "wiv_test", "timeout": "5"},
    "query_parameters: This must be a list": {"name": "wiv_test", "query_parameters": {}},
    "upstream: There is no upstream nowhere": {"name": "wiv_test", "upstream": "nowhere"},
    "replaced_by: There is no tool nothing": {"name": "wiv_test", "replaced_by": "nothing"},
    "can't replace itself": {"name": "wiv_test", "replaced_by": "wiv_test"},
    "replaced_by: There is no tool {}": {"name": "wiv_test", "replaced_by": {}},
    "input_schema": {"name": "wiv_test", "input_schema": {"type": "array"}},
    "path_template: Use /segments": {"name": "wiv_test", "path_template": "/a/../b"},
    "availability: This must be a list": {"name": "wiv_test", "availability": {}},
    "availability: There are two for Admin": {
        "name": "wiv_test",
        "availability": [{"role": "Admin"}, {"role": "Admin", "enabled": False}],
    },
    "Name an organization, a role, or both": {"name": "wiv_test", "availability": [{}]},
    "name: Use letters": {"name": "has space", "title": "x"},
    "entry 1: It has no name": {"title": "x"},
}


@pytest.mark.parametrize("message", ROWS)
def test_one_bad_row_refuses_the_file_and_is_named(administrator, tool, message):
    good = exported(administrator)["tools"][0] | {"name": "wiv_good"}
    page = text_of(bring(administrator, catalog(ROWS[message], good)))
    assert message in page
    assert 'value="Import"' not in page
    assert "Nothing was imported" in confirm(administrator, page)
    assert Tool.objects.count() == 1


FILES = {
    "more than 1024 KiB": b" " * (MAX_FILE_BYTES + 1),
    "A catalog may have 1024 KiB": b" " * (MAX_FILE_BYTES * 2),
    "This isn't JSON: Expecting value": b"hello",
    "isn't UTF-8": b'{"a": "\xff"}',
    'has no "schema_version"': b"[]",
    "this server reads 1": b'{"schema_version": 2}',
    "schema version true": b'{"schema_version": true}',
    "a part that isn't known: secrets": b'{"schema_version": 1, "secrets": []}',
    '"tools" must be a list of objects': b'{"schema_version": 1, "tools": [1]}',
    "has the key name twice": b'{"schema_version": 1, "tools": [{"name": "a", "name": "b"}]}',
    "nested too deeply": b"[" * 200_000,
    "nested more than 64 deep": b"[" * 100 + b"]" * 100,
    "number that is too long": b"[" + b"9" * 5000 + b"]",
    "The number 1e999 is too large": b"[1e999]",
    "The number 9223372036854775808 is too large": b"[9223372036854775808]",
    "NaN isn't JSON": b"[NaN]",
    "databases can't hold": b'["\\u0000"]',
    "databases can't hold (": b'{"\\ud800": 1}',
    "more than 1000 entries": json.dumps(catalog(*[{}] * 1001)).encode(),
    "The submitted file is empty": b"",
}


@pytest.mark.parametrize("message", FILES)
def test_what_can_not_be_a_catalog_is_refused_in_plain_words(administrator, message):
    assert message in text_of(bring(administrator, FILES[message]))


def test_a_name_that_is_there_twice_is_said_once(administrator, tool):
    page = bring(administrator, catalog({"name": "wiv_test"}, {"name": "wiv_test"}))
    assert page.count("tool wiv_test: It is there 2 times.") == 1


def test_pasted_text_is_as_good_as_a_file(administrator, tool):
    text = json.dumps(catalog({"name": "wiv_test", "title": "Edited"}))
    data = {"csrfmiddlewaretoken": token(administrator), "text": text}
    assert "1 changed" in administrator.post(IMPORT, data, follow=True).content.decode()


def test_pasted_text_that_is_too_long_is_told_so(administrator, settings):
    data = {"text": "x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)}
    response = administrator.post(IMPORT, data)
    assert response.status_code == 413
    assert "Text may have 64 KiB. Bring it as a file instead." in response.content.decode()


def test_without_the_pages_token_nothing_is_taken(administrator, tool):
    file = SimpleUploadedFile("tools.json", json.dumps(catalog()).encode())
    assert administrator.post(IMPORT, {"file": file}).status_code == 403


@pytest.mark.parametrize("url", [IMPORT, REVIEW])
def test_who_may_only_view_exports_and_imports_nothing(tool, url):
    viewer = signed_in("view_tool")
    assert exported(viewer)["tools"][0]["name"] == "wiv_test"
    assert "import/" not in viewer.get(CHANGELIST).content.decode()
    assert viewer.get(url).status_code == 403
    data = {"csrfmiddlewaretoken": token(viewer)}
    assert viewer.post(CONFIRM, data).status_code == 403


def test_who_may_not_add_or_delete_is_told_and_does_neither(tool):
    editor = signed_in("view_tool", "change_tool")
    new = exported(editor)["tools"][0] | {"name": "wiv_new"}
    review = bring(editor, catalog(new))
    assert "it needs the permission add_tool" in review
    assert "Delete wiv_test" not in review
    confirm(editor, review, delete=[tool.pk])
    assert Tool.objects.get() == tool


def test_who_may_see_nothing_exports_nothing(tool):
    assert signed_in().get(EXPORT).status_code == 403
