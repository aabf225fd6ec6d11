"""Private-use URI schemes (RFC 8252 §7.1): which ones, decided at /admin."""

import pytest

from oauth_bridge.models import Application, PrivateUseScheme
from tests.robot import forms_of

ZED = "zed://mcp/oauth/callback"
BODY = {"client_name": "Zed", "redirect_uris": [ZED], "token_endpoint_auth_method": "none"}


def allow(admin, scheme: str):
    page = admin("privateusescheme/add/")
    form = next(form for form in forms_of(page) if "scheme" in form.fields)
    form.action = str(page.url)
    return admin.robot.submit(form, scheme=scheme, application="Zed")


@pytest.mark.requirement("RFC 8252 §7.1")
def test_a_scheme_is_refused_until_an_admin_allows_it(admin, http, new_client, browser):
    assert http.post("/register", json=BODY).json()["error"] == "invalid_redirect_uri"
    assert allow(admin, "zed").status_code == 302
    client = new_client(redirect_uri=ZED)
    assert client.register().status_code == 201
    assert client.sign_in(browser())


@pytest.mark.parametrize(
    "scheme", ["javascript", "data", "file", "https", "http", "Zed", "z ed", "z:"]
)
def test_a_scheme_that_others_open_cant_be_allowed(admin, scheme):
    assert "Not a scheme that belongs to one application" in allow(admin, scheme).text
    assert not PrivateUseScheme.objects.filter(scheme=scheme).exists()


@pytest.mark.parametrize("named", [True, False])
def test_a_scheme_that_is_taken_back_gets_no_more_codes(new_client, browser, named):
    client = new_client(redirect_uri="cursor://anysphere.cursor-mcp/oauth/callback")
    client.register()
    robot = browser()
    named_or_not = {} if named else {"redirect_uri": None}
    url = client.authorization_url(**named_or_not)
    assert robot.get(url).status_code == 200
    PrivateUseScheme.objects.filter(scheme="cursor").delete()
    refused = robot.get(url)
    assert refused.status_code == 400
    assert "location" not in refused.headers


def test_what_was_a_list_in_the_code_is_there_from_the_start(server):
    assert PrivateUseScheme.objects.allowed() == {
        "cursor", "windsurf", "vscode", "vscode-insiders", "claude"
    }  # fmt: skip
    assert Application.objects.count() == 0
