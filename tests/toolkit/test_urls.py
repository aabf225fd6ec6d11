"""Which of the toolkit's own pages and endpoints are there? None but those we made ours."""

import re
from importlib.metadata import version

import pytest
from oauth2_provider import urls

# The paths at which the toolkit's URLconf has its views, parameters filled in.
STOCK = sorted(
    {
        "/" + re.sub(r"<[a-z:_]+>", "1", str(pattern.pattern))
        for pattern in urls.base_urlpatterns
        + urls.management_urlpatterns
        + urls.dcr_urlpatterns
        + urls.oidc_urlpatterns
        if "well-known" not in str(pattern.pattern)  # metadata, which is ours
    }
)


@pytest.mark.parametrize("path", STOCK)
def test_none_of_the_toolkits_own_paths_is_served(http, path):
    """With its slash each is another URL than ours, which have none."""
    for method in ("GET", "POST"):
        answer = http.request(method, path)
        assert answer.status_code == 404
        assert "location" not in answer.headers


def test_the_toolkits_device_flow_and_pages_for_developers_are_among_them():
    assert {"/device/", "/device-authorization/", "/applications/", "/introspect/"} <= set(STOCK)


@pytest.mark.requirement("MCP 2025-03-26: /authorize, /token and /register at the root")
@pytest.mark.parametrize("path", ["/authorize", "/token", "/register", "/revoke"])
def test_an_endpoint_answers_at_its_path_without_a_redirect(http, path):
    answer = http.get(path) if path == "/authorize" else http.post(path)
    assert answer.status_code in (400, 401)
    assert "location" not in answer.headers


def test_the_oauthlib_is_one_the_toolkit_works_with():
    """4.0 breaks its device flow, which nobody is to find mounted by accident."""
    assert int(version("oauthlib").partition(".")[0]) < 4
