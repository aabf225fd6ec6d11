"""The admin: switching a tool is one click, and every change is logged and remembered."""

import json
import re
from collections.abc import Mapping

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.forms import model_to_dict
from django.test import Client
from django.urls import reverse

from mcp_gateway.models import Source, Tool
from mcp_gateway.seed import read_definitions, synchronize
from tests.wiv_routes import READING, SHIPPED

pytestmark = pytest.mark.django_db

CHANGELIST = "/admin/mcp_gateway/tool/"


@pytest.fixture(autouse=True)
def catalog() -> None:
    synchronize(read_definitions())


@pytest.fixture
def tool() -> Tool:
    return Tool.objects.get(name="wiv_list_cases")


@pytest.fixture
def administrator(settings) -> Client:
    return signed_in(is_superuser=True)


@pytest.fixture
def viewer() -> Client:
    return signed_in("view_tool")


def signed_in(*permissions: str, is_superuser: bool = False) -> Client:
    user = get_user_model().objects.create_user("staff", is_staff=True, is_superuser=is_superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser = Client(enforce_csrf_checks=True, headers={"host": "127.0.0.1"})
    browser.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return browser


def post(browser: Client, url: str, data: Mapping[str, object] | None = None):
    """As a form would: with the token of the page it stands on."""
    page = browser.get(CHANGELIST).content.decode()
    return browser.post(url, {"csrfmiddlewaretoken": csrf_token(page), **(data or {})})


def csrf_token(page: str) -> str:
    return found(r'name="csrfmiddlewaretoken" value="(\w+)"', page)


def found(pattern: str, page: str) -> str:
    match = re.search(pattern, page)
    assert match, pattern
    return match[match.lastindex or 0]


def switch_url(tool: Tool, state: str) -> str:
    return reverse("admin:mcp_gateway_tool_switch", args=[tool.pk, state])


def form_data(tool: Tool, **changes: object) -> dict[str, object]:
    data = {k: "" if v is None else v for k, v in model_to_dict(tool).items()}
    for name in ("input_schema", "query_parameters", "parameters", "untrusted_fields", "job"):
        data[name] = json.dumps(data[name])
    data |= {"availability-TOTAL_FORMS": "0", "availability-INITIAL_FORMS": "0"}
    return {name: value for name, value in (data | changes).items() if value is not False}


# Switching -------------------------------------------------------------------------------------


def test_one_click_switches_a_tool_off(administrator, tool):
    response = post(administrator, switch_url(tool, "off"))
    assert response.status_code == 302
    tool.refresh_from_db()
    assert (tool.enabled, tool.overridden) == (False, ["enabled"])
    entry = LogEntry.objects.get()
    assert (entry.object_repr, entry.change_message) == ("wiv_list_cases", "Switched off.")


def test_sync_tools_does_not_switch_it_on_again(administrator, tool):
    post(administrator, switch_url(tool, "off"))
    synchronize(read_definitions())
    tool.refresh_from_db()
    assert not tool.enabled


def test_a_second_click_on_the_same_button_changes_nothing(administrator, tool):
    post(administrator, switch_url(tool, "off"))
    post(administrator, switch_url(tool, "off"))
    assert LogEntry.objects.count() == 1


def test_the_list_comes_back_as_it_was_filtered(administrator, tool):
    page = administrator.get(f"{CHANGELIST}?category__exact=cases").content.decode()
    action = found(rf'formaction="({switch_url(tool, "off")}[^"]*)"', page)
    response = post(administrator, action.replace("&amp;", "&"))
    assert response["Location"] == f"{CHANGELIST}?category__exact=cases"


def test_the_button_is_a_named_submit_button_without_script_or_style(administrator, tool):
    page = administrator.get(CHANGELIST).content.decode()
    button = found(r"<button[^>]*wiv_list_cases[^>]*>", page)
    assert 'type="submit"' in button
    assert 'aria-label="Switch off wiv_list_cases"' in button
    assert not re.search(r"style=|onclick=", button)


def test_without_the_pages_token_nothing_is_switched(administrator, tool):
    assert administrator.post(switch_url(tool, "off")).status_code == 403
    assert Tool.objects.filter(enabled=True).count() == SHIPPED


def test_reading_the_url_switches_nothing(administrator, tool):
    assert administrator.get(switch_url(tool, "off")).status_code == 405


@pytest.mark.parametrize("state", ["maybe", "ON"])
def test_there_are_two_states(administrator, tool, state):
    assert post(administrator, switch_url(tool, state)).status_code == 404


def test_who_may_only_view_sees_no_buttons_and_switches_nothing(viewer, tool):
    assert "formaction" not in viewer.get(CHANGELIST).content.decode()
    page = viewer.get(reverse("admin:password_change")).content.decode()
    response = viewer.post(switch_url(tool, "off"), {"csrfmiddlewaretoken": csrf_token(page)})
    assert response.status_code == 403
    assert Tool.objects.filter(enabled=True).count() == SHIPPED


def test_many_are_switched_at_once_and_each_is_logged(administrator):
    chosen = Tool.objects.filter(category="spaces")
    data = {"action": "switch_off", "_selected_action": [tool.pk for tool in chosen]}
    post(administrator, CHANGELIST, data)
    assert not chosen.filter(enabled=True).exists()
    assert LogEntry.objects.count() == chosen.count() == 3
    post(administrator, CHANGELIST, data | {"action": "switch_on"})
    assert chosen.filter(enabled=True).count() == 3


def test_a_tool_can_follow_the_catalog_again(administrator, tool):
    Tool.objects.filter(pk=tool.pk).update(title="Ours", overridden=["title"])
    post(administrator, CHANGELIST, {"action": "follow_catalog", "_selected_action": [tool.pk]})
    tool.refresh_from_db()
    assert (tool.title, tool.overridden) == ("List cases", [])
    assert LogEntry.objects.count() == 1


# The list and the form -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", SHIPPED),
        ("?category__exact=spaces", 3),
        ("?q=opensearch", 2),
        ("?read_only__exact=0", SHIPPED - READING),
    ],
)
def test_the_list_is_searched_and_filtered(administrator, query, count):
    page = administrator.get(f"{CHANGELIST}{query}").content.decode()
    assert page.count("formaction=") == count


def test_an_edit_is_remembered_field_by_field(administrator, tool):
    data = form_data(tool, title="Ours", position=5)
    response = post(administrator, f"{CHANGELIST}{tool.pk}/change/", data)
    assert response.status_code == 302
    tool.refresh_from_db()
    assert (tool.title, tool.overridden) == ("Ours", ["position", "title"])


def test_a_schema_that_could_not_be_served_is_refused_on_its_field(administrator, tool):
    data = form_data(tool, input_schema='{"type": "array"}')
    page = post(administrator, f"{CHANGELIST}{tool.pk}/change/", data).content.decode()
    assert "The root must be an object" in page.replace("&quot;", '"')


def test_a_schema_is_shown_one_keyword_a_line(administrator, tool):
    page = administrator.get(f"{CHANGELIST}{tool.pk}/change/").content.decode()
    assert "\n  &quot;type&quot;: &quot;object&quot;" in page


def test_an_administrators_own_tool_can_be_made_and_deleted(administrator, tool):
    data = form_data(tool, name="wiv_ours", id="")
    assert post(administrator, f"{CHANGELIST}add/", data).status_code == 302
    own = Tool.objects.get(name="wiv_ours")
    assert own.source == Source.ADMIN
    post(administrator, f"{CHANGELIST}{own.pk}/delete/", {"post": "yes"})
    assert not Tool.objects.filter(name="wiv_ours").exists()


def test_a_shipped_tool_can_not_be_deleted(administrator, tool):
    response = post(administrator, f"{CHANGELIST}{tool.pk}/delete/", {"post": "yes"})
    assert response.status_code == 403
    data = {"action": "delete_selected", "_selected_action": [tool.pk], "post": "yes"}
    post(administrator, CHANGELIST, data)
    assert Tool.objects.count() == SHIPPED
