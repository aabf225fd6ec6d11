"""What nobody's browser sends to the admin, and staff could all the same."""

import pytest

from oauth_bridge.models import User
from tests.robot import Robot, forms_of

LISTS = ["mcp_gateway/tool", "oauth_bridge/consent", "oauth_bridge/securityevent", "auth/group"]
NO_ROWS = ["", "x", "1.5", "9" * 400, "-1", "\x00", "00000000-0000-0000-0000-000000000000"]


@pytest.fixture
def staff(server, browser) -> Robot:
    User.objects.create_superuser("admin", "admin@wiv.test", "correct horse")
    robot: Robot = browser()
    [form] = forms_of(robot.get(f"{server}/admin/login/"))
    robot.submit(form, username="admin", password="correct horse")
    return robot


def test_the_admin_is_found_without_its_slash(http):
    answer = http.get("/admin?next=//evil.example/")
    assert (answer.status_code, answer.headers["location"]) == (302, "/admin/")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("row", NO_ROWS, ids=repr)
def test_a_row_that_cant_be_there_is_no_server_error(staff, server, path, row):
    page = staff.get(f"{server}/admin/{path}/")
    form = next(form for form in forms_of(page) if "csrfmiddlewaretoken" in form.fields)
    form.action = str(page.url)
    for action in ("delete_selected", "export_csv", "switch_off", ""):
        answer = staff.submit(form, action=action, _selected_action=[row, row])
        assert answer.status_code in (200, 302, 400)


@pytest.mark.parametrize("path", [*LISTS, "mcp_gateway/calllogentry"])
def test_a_nul_in_a_query_is_no_server_error(staff, server, path):
    names = "q", "category__exact", "at__year", "kind__exact", "tool", "organization", "e", "o", "p"
    for name in names:
        assert staff.get(f"{server}/admin/{path}/?{name}=a%00b").status_code == 400
        assert staff.get(f"{server}/admin/?{name}=a%00b").status_code == 200


def test_a_nul_in_a_form_is_no_server_error(staff, server):
    page = staff.get(f"{server}/admin/oauth_bridge/privateusescheme/add/")
    [form] = [form for form in forms_of(page) if "scheme" in form.fields]
    form.action = str(page.url)
    answer = staff.submit(form, scheme="a\x00b", application="x")
    assert answer.status_code == 400
    assert "a character that no text has" in answer.text


def test_what_can_be_there_is_looked_for(staff, server):
    assert staff.get(f"{server}/admin/mcp_gateway/tool/?q=nothing").status_code == 200
    page = staff.get(f"{server}/admin/mcp_gateway/tool/")
    form = next(form for form in forms_of(page) if "csrfmiddlewaretoken" in form.fields)
    form.action = str(page.url)
    answer = staff.submit(form, action="switch_off", _selected_action=["999999"])
    assert answer.status_code == 302
