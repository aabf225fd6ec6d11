"""Who sees which tool? Listing and calling give the same answer."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.models import Availability, FormerName, Listing, Tool
from mcp_gateway.resources import find_endpoint
from mcp_gateway.visibility import Switch, Toolset, Viewer
from sandbox import fixtures
from tests.mcp_gateway.json_rpc import McpClient
from tests.mcp_gateway.test_admin import form_data
from tests.mcp_gateway.test_tools import wait_until
from tests.oauth_client import OAuthClient
from tests.wiv_routes import READING, SHIPPED

pytestmark = pytest.mark.filterwarnings("error")
NAME = "wiv_list_spaces"


@pytest.fixture
def connect(http, make_key):
    """A connection with somebody's own key: PropelAuth says organization and role each minute."""

    def open_connection(user_id=fixtures.ANA, org_id=fixtures.ACME, path="/mcp") -> McpClient:
        return McpClient(http, make_key(user_id, org_id), path)

    return open_connection


def can_call(connection: McpClient, name: str = NAME) -> bool:
    answer = connection.request("tools/call", {"name": name, "arguments": {}}).json()
    return "result" in answer and not answer["result"].get("isError")


def sees(connection: McpClient, name: str = NAME) -> bool:
    """Listing and calling must agree."""
    listed = name in connection.tool_names()
    assert can_call(connection, name) == listed
    return listed


def set_up(enabled: bool, **exceptions: bool) -> None:
    """`organization`, `role`, `both`: an exception for Ana's, switched on or off."""
    tool = Tool.objects.get(name=NAME)
    whom = {
        "organization": {"organization_id": fixtures.ACME},
        "role": {"role": "Admin"},
        "both": {"organization_id": fixtures.ACME, "role": "Admin"},
    }
    for kind, is_on in exceptions.items():
        Availability.objects.create(tool=tool, enabled=is_on, **whom[kind])
    Tool.objects.filter(pk=tool.pk).update(enabled=enabled)


@pytest.mark.parametrize(
    ("enabled", "exceptions", "expected"),
    [
        (True, {}, True),
        (False, {}, False),
        (False, {"organization": True}, True),
        (True, {"organization": False}, False),
        (True, {"role": False}, False),
        (False, {"role": True}, True),
        (False, {"organization": True, "role": False}, True),
        (True, {"organization": False, "both": True}, True),
        (True, {"both": False}, False),
    ],
)
def test_the_most_specific_exception_decides(connect, enabled, exceptions, expected):
    set_up(enabled, **exceptions)
    assert sees(connect()) is expected


def test_others_are_not_concerned_by_an_exception(connect):
    set_up(enabled=True, organization=False)
    assert sees(connect(fixtures.MAX, fixtures.NORTHWIND))


def test_a_token_of_ours_carries_the_role_of_its_last_refresh(client, browser, http):
    token = client.sign_in(browser())["access_token"]
    set_up(enabled=False, role=True)
    assert sees(McpClient(http, token))


# Toolsets ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("/mcp", SHIPPED),
        ("/mcp/readonly", READING),
        ("/mcp/x/spaces", 3),
        ("/mcp/x/spaces/", 3),
        ("/mcp/x/workflows/readonly", 4),
    ],
)
def test_a_url_serves_its_part_of_the_catalog_and_nothing_else(connect, path, count):
    connection = connect(path=path)
    assert len(connection.tool_names()) == count
    for name in Tool.objects.filter(read_only=True).values_list("name", flat=True)[:8]:
        if name not in connection.tool_names():
            assert not can_call(connection, name)


def test_each_is_given_their_own_list_whoever_asked_before(connect):
    everything, reading = connect(), connect(path="/mcp/readonly")
    for _ in range(2):
        assert len(everything.tool_names()) == SHIPPED
        assert len(reading.tool_names()) == READING


@pytest.mark.parametrize(
    "path", ["/mcp/x/nothing", "/mcp/x/", "/mcp/x/spaces/readonly/x", "/mcp/y"]
)
def test_a_part_that_has_no_tool_is_not_found(http, make_key, path):
    assert McpClient(http, make_key(), path).request("tools/list").status_code == 404
    assert http.get(f"/.well-known/oauth-protected-resource{path}").status_code == 404


@pytest.mark.requirement("RFC 9728 §3.3, RFC 8707 §2")
@pytest.mark.parametrize(
    ("path", "scopes"),
    [
        ("/mcp/readonly", ["wiv:read"]),
        ("/mcp/readonly/", ["wiv:read"]),
        ("/mcp/x/workflows", ["wiv:read", "wiv:write"]),
        ("/mcp/x/cases", ["wiv:read"]),
    ],
)
def test_each_part_is_a_resource_with_its_own_metadata(http, server, path, scopes):
    refused = http.post(path, json={})
    assert refused.status_code == 401
    url = f"{server}/.well-known/oauth-protected-resource{path}"
    assert f'resource_metadata="{url}"' in refused.headers["www-authenticate"]
    document = http.get(url).json()
    assert document["resource"] == f"{server}{path}"
    assert document["scopes_supported"] == scopes
    suffix = f"/.well-known/oauth-authorization-server{path}"
    assert http.get(suffix).json()["issuer"] == server


def test_a_token_for_a_part_is_good_there_and_not_for_the_whole(new_client, browser, server, http):
    """One for the whole is good at each part, which is less."""
    part: OAuthClient = new_client(resource=f"{server}/mcp/x/spaces/")
    token = part.sign_in(browser())["access_token"]
    assert len(McpClient(http, token, "/mcp/x/spaces").tool_names()) == 3
    for other in ("/mcp", "/mcp/readonly", "/mcp/x/cases", "/messages/"):
        assert McpClient(http, token, other).request("tools/list").status_code == 401
    whole = new_client().sign_in(browser())["access_token"]
    assert len(McpClient(http, whole, "/mcp/x/spaces").tool_names()) == 3


def test_nobody_gets_a_token_for_a_part_that_isnt_there(new_client, browser, server):
    client = new_client(resource=f"{server}/mcp/x/nothing")
    client.register()
    location = browser().get(client.authorization_url()).headers["location"]
    assert "error=invalid_target" in location


# Names that are gone ---------------------------------------------------------------


def test_a_renamed_tool_says_its_new_name(connect):
    FormerName.objects.create(name="wiv_spaces", tool=Tool.objects.get(name=NAME))
    assert connect().refused("wiv_spaces") == f"wiv_spaces isn't available. Call {NAME} instead."


def test_a_tool_that_is_switched_off_says_what_to_use_instead(connect):
    Tool.objects.filter(name=NAME).update(
        enabled=False,
        replaced_by=Tool.objects.get(name="wiv_get_space"),
        retirement_note="Spaces are listed in the Wiv console.",
    )
    text = connect().refused(NAME)
    assert text.endswith("Call wiv_get_space instead. Spaces are listed in the Wiv console.")


def test_nobody_is_sent_to_a_tool_they_cant_see(connect):
    FormerName.objects.create(name="wiv_spaces", tool=Tool.objects.get(name=NAME))
    set_up(enabled=True, organization=False)
    answer = connect().request("tools/call", {"name": "wiv_spaces", "arguments": {}}).json()
    assert answer["error"]["code"] == -32602


def test_renaming_in_the_admin_leaves_the_old_name_behind(admin_client, connect, server):
    tool = Tool.objects.create(
        name="old_name", title="T", description="D", category="spaces", path_template="/spaces",
        input_schema={"type": "object", "properties": {}}, read_only=True, destructive=False,
        required_scope="wiv:read",
    )  # fmt: skip
    data = form_data(tool, name="new_name")
    answer = admin_client.post(f"/admin/mcp_gateway/tool/{tool.pk}/change/", data)
    assert answer.status_code == 302, answer.context["errors"]
    assert "Call new_name instead" in connect().refused("old_name")


# Pages, and who goes by which list ---------------------------------------------------------------


@pytest.mark.requirement("MCP Pagination")
def test_a_long_list_comes_in_pages_that_follow_on(connect, settings):
    settings.TOOLS_PER_PAGE = 10
    connection, names, cursor = connect(), [], None
    while True:
        params: dict[str, str] = {"cursor": cursor} if cursor else {}
        result = connection.request("tools/list", params).json()["result"]
        names += [tool["name"] for tool in result["tools"]]
        cursor = result.get("nextCursor")
        if cursor is None:
            break
        Tool.objects.filter(name=names[-1]).update(enabled=False)  # the list moves under it
    assert len(names) == len(set(names)) == SHIPPED


@pytest.mark.parametrize("cursor", ["x", "", "bnVsbA==", "WzEsMl0=", "é"])
def test_a_cursor_of_somebody_elses_is_refused(connect, cursor):
    answer = connect().request("tools/list", {"cursor": cursor}).json()
    assert answer["error"]["code"] == -32602


def test_it_is_known_who_still_goes_by_an_old_list(connect, admin_client):
    connect().tool_names()
    wait_until(Listing.objects.exists)
    page = admin_client.get("/admin/mcp_gateway/listing/").content.decode()
    assert 'alt="True"' in page
    Tool.objects.filter(name=NAME).update(enabled=False)
    page = admin_client.get("/admin/mcp_gateway/listing/?list=old").content.decode()
    assert 'alt="False"' in page
    assert admin_client.get("/admin/mcp_gateway/listing/?list=current").status_code == 200


# The rule itself ---------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class AnyTool:
    category: str
    is_read_only: bool
    switch: Switch
    required_scope: str


names = st.sampled_from(["", "a", "b"])
switches = st.builds(Switch, st.booleans(), st.dictionaries(st.tuples(names, names), st.booleans()))
tools = st.builds(
    AnyTool,
    st.sampled_from(["x", "y"]),
    st.booleans(),
    switches,
    st.sampled_from(["wiv:read", "wiv:write"]),
)
viewers = st.builds(
    Viewer,
    names,
    names,
    st.frozensets(st.sampled_from(["wiv:read", "wiv:write", "other"])),
    st.builds(Toolset, st.sampled_from(["", "x", "z"]), st.booleans()),
)


@given(tools, viewers)
def test_what_may_be_called_is_known_covered_and_in_its_toolset(tool, viewer):
    if viewer.may_call(tool):
        assert viewer.may_know(tool)
        assert viewer.toolset.includes(tool)
        assert viewer.scopes & {"wiv:write", tool.required_scope}
    if viewer.toolset.is_read_only and viewer.may_know(tool):
        assert tool.is_read_only


@given(st.text(max_size=40))
def test_no_other_path_is_taken_for_a_part(text):
    endpoint = find_endpoint(f"/mcp/{text}")
    if endpoint is not None:
        assert endpoint.resource_path.startswith("/mcp")
        assert ".." not in endpoint.resource_path
