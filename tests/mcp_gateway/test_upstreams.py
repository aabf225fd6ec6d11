"""A second API: its address and credential are kept in the admin, and calls go there with that
credential and nothing of the caller's."""

import json
import re
from collections.abc import Callable, Iterator
from io import StringIO
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.urls import reverse

from mcp_gateway.models import Tool, ToolRevision, Upstream
from oauth_bridge.credentials import Secret
from tests.mcp_gateway.test_admin import csrf_token, signed_in
from tests.mcp_gateway.test_tools import wait_until
from tests.recorder import Recorder, running_recorder

CREDENTIAL = "Bearer upstream-secret-0123456789"
ADD = "/admin/mcp_gateway/upstream/add/"


@pytest.fixture
def api() -> Iterator[Recorder]:
    with running_recorder() as recorder:
        yield recorder


def make_upstream(url: str, **fields: object) -> Upstream:
    upstream = Upstream(
        **{"name": "pets", "title": "Pet Store", "base_url": f"{url}/v1/",
           "credential_header": "Authorization", **fields}
    )  # fmt: skip
    upstream.credential = Secret(CREDENTIAL)
    upstream.full_clean()
    upstream.save()
    return upstream


def secret_of(upstream: Upstream) -> str:
    assert upstream.credential
    return upstream.credential.reveal()


def make_tool(upstream: Upstream, **fields: object) -> Tool:
    defaults = {
        "name": f"pets_find_{uuid4().hex[:8]}",
        "title": "Find pets",
        "description": "Finds pets.",
        "category": "pets",
        "path_template": "/pets/{pet_id}",
        "input_schema": {
            "type": "object",
            "properties": {"pet_id": {"type": "string"}, "trace": {"type": "string"}},
            "required": ["pet_id"],
        },
        "parameters": {"trace": {"in": "header", "name": "X-Request-Id"}},
        "read_only": True,
        "destructive": False,
        "required_scope": "wiv:read",
    }
    tool = Tool(upstream=upstream, **defaults | fields)
    tool.full_clean()
    tool.save()
    return tool


@pytest.fixture
def served(mcp) -> Iterator[Callable[..., str]]:
    """Makes a tool, and returns its name when the server has seen it; the next test doesn't."""
    names: set[str] = set()

    def serve(upstream: Upstream, **fields: object) -> str:
        name = make_tool(upstream, **fields).name
        names.add(name)
        wait_until(lambda: name in mcp.tool_names())
        return name

    yield serve
    Tool.objects.filter(name__in=names).delete()
    wait_until(lambda: not names & {*mcp.tool_names()})


# Calls -----------------------------------------------------------------------------------------


def test_a_call_carries_our_credential_and_nothing_of_the_callers(api, mcp, served, api_key):
    tool = served(make_upstream(api.url))
    assert mcp.call(tool, pet_id="p 1", trace="t-1")["structuredContent"] == {"ok": True}
    [(method, path, headers, body)] = api.received
    assert (method, path, body) == ("GET", "/v1/pets/p%201", b"")
    assert headers["authorization"] == CREDENTIAL
    assert headers["x-request-id"] == "t-1"
    assert "x-api-key" not in headers
    assert api_key not in json.dumps(headers) + path


def test_the_key_of_an_argument_does_not_go_there_either(api, mcp, served, make_key):
    tool = served(make_upstream(api.url))
    key = make_key()
    assert mcp.call(tool, pet_id="p", _wiv_api_key=key)["structuredContent"] == {"ok": True}
    [(_, path, headers, body)] = api.received
    assert key not in json.dumps(headers) + path + body.decode()


def test_without_a_credential_none_is_sent(api, mcp, served):
    upstream = make_upstream(api.url, credential_header="")
    upstream.credential = None
    upstream.save()
    tool = served(upstream)
    mcp.call(tool, pet_id="p")
    [(_, _, headers, _)] = api.received
    assert not {"authorization", "x-api-key", "cookie"} & {*headers}


def test_a_tool_can_not_replace_the_credential(api, mcp, served):
    upstream = make_upstream(api.url)
    tool = served(upstream, parameters={"trace": {"in": "header", "name": "X-Token"}})
    Upstream.objects.update(credential_header="x-token")  # after the tool was looked at
    Tool.objects.filter(name=tool).update(title="Changed")
    wait_until(lambda: "Changed" in mcp.request("tools/list").text)
    mcp.call(tool, pet_id="p", trace="mine")
    assert api.received[0][2]["x-token"] == CREDENTIAL


def test_redirects_are_not_followed(api, mcp, served):
    tool = served(make_upstream(api.url))
    api.status, api.headers = 302, {"Location": f"{api.url}/elsewhere"}
    assert "Pet Store answered 302" in mcp.refused(tool, pet_id="p")
    assert len(api.received) == 1


def test_one_persons_cookie_does_not_go_along_with_the_next_request(api, mcp, served):
    tool = served(make_upstream(api.url))
    api.headers = {"Set-Cookie": "session=of-ana; Path=/"}
    mcp.call(tool, pet_id="p")
    mcp.call(tool, pet_id="p")
    assert "cookie" not in api.received[1][2]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (400, b'{"error": "no such thing"}', "Pet Store answered 400: no such thing. Correct"),
        (401, b"{}", "Pet Store answered 401. It doesn't accept this server's credential."),
        (403, b"{}", "Pet Store answered 403. This server's credential doesn't allow it."),
        (404, b"{}", "Pet Store answered 404. Nothing has this id."),
        (500, b"{}", "Pet Store answered 500. The fault is on Pet Store's side."),
        (200, b"<html>", "Pet Store's answer isn't JSON"),
        (200, b'"' + b"x" * (5 * 1024 * 1024) + b'"', "Pet Store's answer is too large"),
    ],
)
def test_errors_name_the_upstream(api, mcp, served, status, body, words):
    tool = served(make_upstream(api.url))
    api.status, api.body = status, body
    text = mcp.refused(tool, pet_id="p")
    assert text.startswith(words)
    assert "Wiv" not in text


def test_an_answer_without_content_names_it_too(api, mcp, served):
    tool = served(make_upstream(api.url))
    api.body = b""
    assert mcp.call(tool, pet_id="p")["content"][0]["text"].startswith("Pet Store answered 200")


def test_an_upstream_that_is_not_there_is_named(mcp, served):
    tool = served(make_upstream("http://127.0.0.1:9"))
    assert mcp.refused(tool, pet_id="p").startswith("Pet Store can't be reached.")


def test_its_401_revokes_nobodys_key(api, mcp, served):
    tool = served(make_upstream(api.url))
    api.status = 401
    mcp.refused(tool, pet_id="p")
    assert mcp.call("wiv_list_spaces")["structuredContent"]["total"] > 0


def test_a_credential_that_is_echoed_is_masked(api, mcp, served):
    tool = served(make_upstream(api.url))
    api.body = json.dumps({"you_sent": CREDENTIAL}).encode()
    assert mcp.call(tool, pet_id="p")["structuredContent"] == {"you_sent": "[credential]"}


def test_a_new_address_and_credential_are_in_force_within_a_second(api, mcp, served):
    upstream = make_upstream("http://127.0.0.1:9")
    tool = served(upstream)
    upstream.base_url = api.url
    upstream.save()
    wait_until(lambda: mcp.call(tool, pet_id="p") and api.received)
    assert api.received[0][2]["authorization"] == CREDENTIAL


def test_a_credential_no_key_fits_takes_its_tools_off_the_list(api, mcp, served, settings):
    tool = served(make_upstream(api.url))
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    Tool.objects.filter(name=tool).update(title="Changed")
    wait_until(lambda: tool not in mcp.tool_names())
    assert "wiv_list_spaces" in mcp.tool_names()


def test_rotate_encryption_reaches_its_credential(api, db, settings):
    old = settings.ENCRYPTION_KEYS
    upstream = make_upstream(api.url)
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *old]
    out = StringIO()
    call_command("rotate_encryption", stdout=out)
    assert "credentials of upstreams: 1 encrypted with the newest key" in out.getvalue()
    settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS[:1]
    upstream.refresh_from_db()
    assert secret_of(upstream) == CREDENTIAL


@pytest.mark.parametrize(
    "fields",
    [
        {"base_url": "http://api.test"},
        {"base_url": "https://user:pass@api.test"},
        {"base_url": "https://api.test/?a=b"},
        {"credential_header": "Host"},
        {"credential_header": "Content-Length"},
        {"credential_header": "X Token"},
    ],
)
def test_an_upstream_that_could_not_be_asked_is_refused(db, fields):
    with pytest.raises(ValidationError, match=next(iter(fields))):
        make_upstream("https://api.test", **fields)


# The admin -------------------------------------------------------------------------------------


@pytest.fixture
def administrator(db):
    return signed_in(is_superuser=True)


def submit(browser, url, **fields):
    page = browser.get(url).content.decode()
    data = {"name": "pets", "title": "Pet Store", "base_url": "https://api.test/v1",
            "credential_header": "Authorization", "credential": "", **fields}  # fmt: skip
    return browser.post(url, data | {"csrfmiddlewaretoken": csrf_token(page)})


def change_url(upstream: Upstream) -> str:
    return reverse("admin:mcp_gateway_upstream_change", args=[upstream.pk])


def test_a_credential_is_kept_encrypted_and_never_shown_again(administrator):
    assert submit(administrator, ADD, credential=CREDENTIAL).status_code == 302
    upstream = Upstream.objects.get()
    assert secret_of(upstream) == CREDENTIAL
    assert "upstream-secret" not in upstream.encrypted_credential
    page = administrator.get(change_url(upstream)).content.decode()
    assert "set, never shown" in page
    assert "upstream-secret" not in page
    assert upstream.encrypted_credential not in page


def test_a_page_that_comes_back_with_an_error_does_not_hold_it_either(administrator):
    page = submit(administrator, ADD, credential=CREDENTIAL, base_url="ftp://x").content.decode()
    assert "Use https://HOST/PATH" in page
    assert "upstream-secret" not in page


@pytest.mark.parametrize(
    "host",
    [
        *("169.254.169.254", "169.254.170.2", "169.254.169.254.", "169.254.169.254:8443"),
        *("2852039166", "0xa9fea9fe", "169.254.43518", "[::ffff:169.254.169.254]"),
        *("[fd00:ec2::254]", "[fe80::1]"),
    ],
)
def test_a_clouds_instance_metadata_is_no_upstream(administrator, host):
    page = submit(administrator, ADD, base_url=f"https://{host}/latest").content.decode()
    assert "A link-local address" in page
    assert not Upstream.objects.exists()


@pytest.mark.parametrize("host", ["10.0.0.7", "169.253.1.1", "169.254.example.com", "[fd12::1]"])
def test_an_upstream_in_a_private_network_may_be(administrator, host):
    assert submit(administrator, ADD, base_url=f"https://{host}/v1").status_code == 302


def test_saving_without_typing_keeps_it_and_forgetting_is_asked_for(administrator):
    upstream = make_upstream("https://api.test")
    submit(administrator, change_url(upstream), title="Pets")
    upstream.refresh_from_db()
    assert (upstream.title, secret_of(upstream)) == ("Pets", CREDENTIAL)
    submit(administrator, change_url(upstream), forget_credential="on", credential_header="")
    upstream.refresh_from_db()
    assert upstream.credential is None


@pytest.mark.parametrize(
    "base_url",
    ["https://evil.test/v1", "https://api.test:8443/v1", "http://127.0.0.1/v1"],
)
def test_a_credential_does_not_go_to_another_host_than_it_was_typed_for(administrator, base_url):
    upstream = make_upstream("https://api.test")
    page = submit(administrator, change_url(upstream), base_url=base_url).content.decode()
    assert "typed for another host" in page
    upstream.refresh_from_db()
    assert upstream.base_url == "https://api.test/v1/"
    submit(administrator, change_url(upstream), base_url=base_url, credential="new")
    upstream.refresh_from_db()
    assert (upstream.base_url, secret_of(upstream)) == (base_url, "new")


@pytest.mark.parametrize("credential", ["a\r\nX-Evil: 1", "ä", "a\x00"])
def test_a_credential_is_a_header_value(administrator, credential):
    submit(administrator, ADD, credential=credential)
    assert not Upstream.objects.filter(encrypted_credential__gt="").exists()


def test_its_name_in_the_history_of_tools_is_all_there_is(administrator, api):
    make_tool(make_upstream(api.url))
    kept = json.dumps([each.after for each in ToolRevision.objects.all()])
    assert re.search('"upstream": "pets"', kept)
    assert "upstream-secret" not in kept
    assert "gAAAA" not in kept  # how Fernet begins


def test_who_may_only_view_changes_nothing(db):
    upstream = make_upstream("https://api.test")
    viewer = signed_in("view_upstream")
    page = viewer.get(change_url(upstream)).content.decode()
    assert "Pet Store" in page
    assert 'name="credential"' not in page
    token = csrf_token(viewer.get(reverse("admin:password_change")).content.decode())
    data = {"csrfmiddlewaretoken": token, "title": "Mine", "name": "pets", "base_url": "https://e"}
    assert viewer.post(change_url(upstream), data).status_code == 403
    upstream.refresh_from_db()
    assert upstream.title == "Pet Store"


def test_one_that_tools_use_can_not_be_deleted(administrator):
    upstream = make_upstream("https://api.test")
    make_tool(upstream)
    url = reverse("admin:mcp_gateway_upstream_delete", args=[upstream.pk])
    page = administrator.get(url).content.decode()
    assert "protected" in page
    administrator.post(url, {"post": "yes", "csrfmiddlewaretoken": csrf_token(
        administrator.get("/admin/").content.decode())})  # fmt: skip
    assert Upstream.objects.exists()
