"""Is it working? What the connect page shows of somebody's attempt, and what it advises."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest

from connect.models import ConnectionAttempt, Sighting
from connect.sightings import MAX_ROWS, recorder
from mcp_gateway.models import Tool
from oauth_bridge.models import AccessToken, Application, Consent, EndUserApiKey
from sandbox import fixtures
from tests.connect.panel import PANEL_ONLY, panel, watch
from tests.mcp_gateway.json_rpc import ACCEPT, TOOLS_LIST, McpClient
from tests.robot import form_to, forms_of, location_of, query_of, signed_in


@pytest.fixture
def ana(browser, server):
    robot = browser()
    signed_in(robot, server)
    return robot


@pytest.fixture
def watching(ana, server):
    watch(ana, server)
    return ana


def later(**by: float) -> None:
    """As if it had all happened so much earlier."""
    recorder.drain()
    shift = timedelta(**by)
    for attempt in ConnectionAttempt.objects.all():
        attempt.started_at -= shift
        attempt.save()
    for sighting in Sighting.objects.all():
        sighting.first_at -= shift
        sighting.last_at -= shift
        sighting.save()
    for consent in Consent.objects.all():
        consent.created -= shift
        consent.save()
    for token in AccessToken.objects.all():
        AccessToken.objects.filter(pk=token.pk).update(created=token.created - shift)


# Progress ------------------------------------------------------------------------------------


def test_each_step_of_an_assistant_is_seen_as_it_happens(watching, server, http, client):
    assert panel(watching, server).states == {
        "reached": "waiting",
        "registered": "not yet",
        "signed_in": "not yet",
        "listed": "not yet",
        "called": "not yet",
    }
    http.post("/mcp", json=TOOLS_LIST, headers=ACCEPT)
    assert panel(watching, server).states["reached"] == "done"
    client.register(client_name="Cursor")
    assert panel(watching, server).states["registered"] == "done"
    watching.get(client.authorization_url())
    assert "Waiting for you" in panel(watching, server).texts["signed_in"]
    code = client.obtain_code(watching)
    assert "fetch its token" in panel(watching, server).texts["signed_in"]
    token = client.redeem(code).json()["access_token"]
    seen = panel(watching, server)
    assert seen.states["signed_in"] == "done"
    assert seen.texts["signed_in"] == "For Acme Corp, may change things"
    mcp = McpClient(http, token)
    mcp.request("tools/list")
    seen = panel(watching, server)
    assert (seen.states["listed"], seen.states["called"], seen.works) == ("done", "waiting", False)
    mcp.call("wiv_list_workflows")
    seen = panel(watching, server)
    assert set(seen.states.values()) == {"done"}
    assert seen.works
    assert "Cursor" in seen.html
    assert seen.problems == seen.advice == []


def test_an_assistant_in_a_vendors_cloud_is_seen_from_the_sign_in_on(
    ana, server, client, http, settings
):
    """Its requests come from elsewhere; whose they are is known from the consent."""
    settings.TRUSTED_PROXY_COUNT = 1
    watch(ana, server, "claude-ai")
    client.http.headers["X-Forwarded-For"] = "160.79.104.10"
    client.register(client_name="Claude")
    assert panel(ana, server).states["reached"] == "waiting"
    token = client.sign_in(ana)["access_token"]
    seen = panel(ana, server)
    assert seen.states["signed_in"] == "done"
    http.headers["X-Forwarded-For"] = "160.79.104.10"
    McpClient(http, token).request("tools/list")
    assert panel(ana, server).states["listed"] == "done"


def test_an_assistant_with_an_api_key_skips_the_sign_in(watching, server, http):
    made = watching.submit(form_to(watching.get(f"{server}/connect"), "/connect/api-keys"))
    key = made.headers["location"].partition("#api_key=")[2]
    mcp = McpClient(http, key)
    mcp.request("tools/list")
    mcp.call("wiv_list_workflows")
    seen = panel(watching, server)
    assert seen.works
    assert seen.texts["signed_in"] == "By its API key or an earlier sign-in"


def test_nothing_is_written_down_unless_somebody_watches(ana, server, http, client):
    http.post("/mcp", json=TOOLS_LIST)
    McpClient(http, client.sign_in(ana)["access_token"]).request("tools/list")
    recorder.drain()
    assert not Sighting.objects.exists()


def test_nobody_sees_what_somebody_elses_assistant_does(browser, watching, server, http, client):
    """Two people behind one address: from the sign-in on, each sees only their own."""
    max_ = browser(fixtures.MAX_EMAIL, fixtures.NORTHWIND)
    signed_in(max_, server)
    watch(max_, server)
    mcp = McpClient(http, client.sign_in(max_)["access_token"])
    mcp.request("tools/list")
    assert panel(watching, server).states["signed_in"] != "done"
    assert panel(watching, server).states["listed"] == "not yet"
    assert panel(max_, server).states["listed"] == "done"


def test_what_happened_before_the_click_doesnt_count(ana, server, http, client):
    McpClient(http, client.sign_in(ana)["access_token"]).request("tools/list")
    later(minutes=1)
    watch(ana, server)
    assert panel(ana, server).states["reached"] == "waiting"


def test_another_click_begins_anew(watching, server, http):
    http.post("/mcp", json=TOOLS_LIST)
    assert panel(watching, server).states["reached"] == "done"
    watch(watching, server, "vs-code")
    assert panel(watching, server).states["reached"] == "waiting"
    assert ConnectionAttempt.objects.open().count() == 1


def test_an_attempt_ends_by_a_click_or_by_itself(watching, server):
    page = watching.get(f"{server}/connect")
    watching.submit(form_to(page, "/connect/attempts/end"))
    current = f"{server}/connect/attempts/current"
    assert watching.get(current, headers=PANEL_ONLY).status_code == 204
    watch(watching, server)
    later(minutes=16)
    ConnectionAttempt.objects.update(expires="2020-01-01T00:00Z")
    assert watching.get(current, headers=PANEL_ONLY).status_code == 204


def test_old_attempts_are_forgotten(watching, server, http):
    http.post("/mcp", json=TOOLS_LIST)
    recorder.drain()
    ConnectionAttempt.objects.update(expires="2020-01-01T00:00Z")
    watch(watching, server)
    assert ConnectionAttempt.objects.count() == 1
    assert not Sighting.objects.exists()


def test_visitors_watch_nothing(browser, server):
    robot = browser()
    form = form_to(robot.get(f"{server}/connect"), "/connect/sign-in")
    form.action = f"{server}/connect/attempts"
    assert location_of(robot.submit(form, client="cursor")) == f"{server}/connect"
    assert robot.get(f"{server}/connect/attempts/current").status_code == 401
    assert not ConnectionAttempt.objects.exists()


def test_watching_needs_the_forms_own_token(ana, server):
    assert ana.http.post(f"{server}/connect/attempts", data={"client": "zed"}).status_code == 403


def test_a_storm_of_requests_fills_no_table(watching, server, http):
    for number in range(MAX_ROWS + 20):
        http.post(f"/wrong/{number}", json=TOOLS_LIST)
    recorder.drain()
    assert Sighting.objects.count() == MAX_ROWS


def test_a_key_in_the_wrong_place_isnt_kept(watching, server, http, make_key, client):
    key = make_key()
    http.post(f"/mcp/{key}", json=TOOLS_LIST, headers=ACCEPT)
    McpClient(http, client.sign_in(watching)["access_token"]).request(
        "tools/call", {"name": key, "arguments": {}}
    )
    client.register(client_name="x", redirect_uris=[f"odd://app?key={key}"])
    assert len(panel(watching, server).states) == 5
    assert Sighting.objects.filter(problem="wrong_url").exists()
    assert Sighting.objects.filter(problem="redirect_refused").exists()
    assert Sighting.objects.filter(problem="old_list").exists()
    assert key[:24] not in str(list(Sighting.objects.values()))


# Problems, each with its way out -------------------------------------------------------------


def sees(robot, server, what: str, fix: str) -> None:
    seen = panel(robot, server)
    [problem] = seen.problems
    assert what in problem
    assert any(fix in advice for advice in seen.advice), seen.advice
    assert "failed" in seen.states.values()


@pytest.mark.parametrize("path", ["/", "/connect", "/mcp/mcp", "/api/mcp", "/v1/sse", "/MCP"])
def test_a_wrong_url(watching, server, http, path):
    http.post(path, json=TOOLS_LIST, headers=ACCEPT)
    sees(watching, server, f"asked for {path}", f"exactly {server}/mcp")


def test_the_metadata_of_a_wrong_url(watching, server, http):
    http.get("/.well-known/oauth-protected-resource/api/mcp")
    sees(watching, server, "asked for /api/mcp", f"exactly {server}/mcp")


def test_a_slash_at_the_end_is_pointed_out_while_it_might_be_the_reason(
    watching, server, http, client
):
    http.post("/mcp/", json=TOOLS_LIST, headers=ACCEPT)
    assert any("ends with a slash" in advice for advice in panel(watching, server).advice)
    mcp = McpClient(http, client.sign_in(watching)["access_token"], path="/mcp/")
    mcp.request("tools/list")
    mcp.call("wiv_list_workflows")
    assert panel(watching, server).advice == []


def test_streamable_http_at_the_address_of_sse(watching, server, http, client):
    client.resource = f"{server}/sse"
    http.headers["Authorization"] = f"Bearer {client.sign_in(watching)['access_token']}"
    http.post("/sse", json=TOOLS_LIST, headers=ACCEPT)
    sees(watching, server, "older transport", f"Set its URL to {server}/mcp")


def test_sse_at_the_address_of_streamable_http(watching, server, http, client):
    http.headers["Authorization"] = f"Bearer {client.sign_in(watching)['access_token']}"
    http.get("/mcp", headers={"Accept": "text/event-stream"})
    sees(watching, server, "asks for the older transport", f"its URL to {server}/sse")


def test_asking_for_a_stream_is_no_problem_of_a_client_that_works(watching, server, http, client):
    mcp = McpClient(http, client.sign_in(watching)["access_token"])
    mcp.request("tools/list")
    mcp.call("wiv_list_workflows")
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {mcp.credential}"}
    http.get("/mcp", headers=headers)
    assert panel(watching, server).problems == []


def test_a_set_of_tools_that_isnt_there(watching, server, http):
    http.post("/mcp/x/nothing", json=TOOLS_LIST, headers=ACCEPT)
    sees(watching, server, "No tools belong to /mcp/x/nothing", f"{server}/mcp")


def test_a_web_page_that_isnt_allowed(watching, server, http):
    http.post("/mcp", json=TOOLS_LIST, headers={"Origin": "https://playground.test"})
    sees(watching, server, "https://playground.test", "ALLOWED_ORIGINS")


@pytest.mark.requirement("RFC 7591 §3.2.2")
def test_a_blocked_redirect(watching, server, client):
    uris = ["unknownapp://oauth/callback", "http://127.0.0.1:33418/"]
    assert client.register(client_name="New App", redirect_uris=uris).status_code == 400
    sees(watching, server, "unknownapp://oauth", "Private-use URI schemes")
    assert panel(watching, server).states["reached"] == "done"


def test_a_registration_in_a_form_we_cant_take(watching, server, client):
    client.register(client_name="Odd", grant_types=["client_credentials"])
    sees(watching, server, "grant_types must contain authorization_code", "Update the assistant")


def test_too_many_registrations(watching, server, new_client, settings):
    settings.REGISTRATIONS_PER_ADDRESS = 0
    new_client().register()
    sees(watching, server, "too many new assistants", "ten minutes")


def test_a_client_that_was_forgotten_or_blocked(watching, server, client):
    client.register()
    Application.objects.all().delete()
    watching.get(client.authorization_url())
    sees(watching, server, "sign-in stopped", "Remove the server in your assistant, add it again")


def test_a_redirect_that_wasnt_registered(watching, server, client):
    client.register()
    watching.get(client.authorization_url(redirect_uri="https://elsewhere.test/callback"))
    sees(watching, server, "sign-in stopped", "an address it didn't register")


def test_a_client_without_pkce(watching, server, client):
    client.register()
    watching.get(client.authorization_url(code_challenge=None, code_challenge_method=None))
    sees(watching, server, "Code challenge required", "Update the assistant")


def test_a_resource_we_dont_have(watching, server, client):
    client.register()
    watching.get(client.authorization_url(resource="https://elsewhere.test/mcp"))
    sees(watching, server, "no such resource", "Remove the server in your assistant")


def test_somebody_pressed_cancel(watching, server, client):
    client.register()
    [form] = forms_of(watching.get(client.authorization_url()))
    watching.submit(form, decision="deny")
    sees(watching, server, "You pressed Cancel", "press Allow")


def test_somebody_thought_again_after_cancel(watching, server, client):
    client.register()
    [form] = forms_of(watching.get(client.authorization_url()))
    watching.submit(form, decision="deny")
    watching.get(client.authorization_url())
    assert panel(watching, server).problems == []


def test_an_account_without_organization(watching, server, client, browser):
    """In the same browser, so that it's known whose attempt it is."""
    client.register()
    watching.email = fixtures.NORA_EMAIL
    with pytest.raises(AssertionError, match="member of any organization"):
        client.obtain_code(watching)
    sees(watching, server, "sign-in stopped", "isn't a member of any organization")


def test_a_sign_in_that_took_too_long(watching, server):
    watching.get(f"{server}/oauth/callback?{urlencode({'state': 'x', 'code': 'y'})}")
    sees(watching, server, "sign-in stopped", "Go back to your assistant and connect again")


def test_a_code_that_is_used_with_the_wrong_verifier(watching, server, client):
    client.redeem(client.obtain_code(watching), code_verifier="x" * 43)
    sees(watching, server, "couldn't finish the sign-in", "Connect once more")


def test_propelauth_is_away_when_the_token_is_fetched(watching, server, client, sandbox, settings):
    settings.KEY_MINTING_PATIENCE = timedelta(seconds=0)
    code = client.obtain_code(watching)
    sandbox.fault("propelauth", "/api/*", "status", status=503, times=None)
    assert client.redeem(code).status_code == 503
    sees(watching, server, "doesn't answer just now", "Nothing is wrong on your side")


@pytest.mark.parametrize(
    ("header", "what", "fix"),
    [
        ("Bearer {broken}", "a space or a line break", "Copy it again"),
        ('Bearer "{key}"', "quotation marks", "Remove the quotation marks"),
        ("Bearer \u201c{key}\u201d", "quotation marks", "Remove the quotation marks"),
        ("Bearer Bearer {key}", "“Bearer” is there twice", "only the key"),
        ("{key}", "no “Bearer” in front", "Authorization: Bearer"),
        ("Bearer ${{env:WIV_API_KEY}}", "the placeholder", "start the assistant anew"),
        ("Bearer YOUR_WIV_API_KEY", "the placeholder", "put the key in its place"),
        ("Bearer <your key>", "the placeholder", "put the key in its place"),
        ("Bearer", "an empty API key", "WIV_API_KEY"),
        ("Bearer {short}", "isn't valid here", "Make a key further down"),
    ],
)
def test_a_key_that_was_pasted_wrong(watching, server, http, header, what, fix):
    made = watching.submit(form_to(watching.get(f"{server}/connect"), "/connect/api-keys"))
    key = made.headers["location"].partition("#api_key=")[2]
    value = header.format(key=key, short=key[:20], broken=f"{key[:20]} {key[20:]}")
    http.post("/mcp", json=TOOLS_LIST, headers=ACCEPT | {"Authorization": value.encode()})
    sees(watching, server, what, fix)
    assert key[8:28] not in str(list(Sighting.objects.values()))


def test_a_key_pasted_wrong_into_an_assistant_elsewhere_is_still_known_as_ones_own(
    ana, server, http, settings
):
    settings.TRUSTED_PROXY_COUNT = 1
    made = ana.submit(form_to(watch_page := ana.get(f"{server}/connect"), "/connect/api-keys"))
    assert watch_page.status_code == 200
    key = made.headers["location"].partition("#api_key=")[2]
    watch(ana, server, "n8n")
    headers = ACCEPT | {"Authorization": f'Bearer "{key}"', "X-Forwarded-For": "198.51.100.7"}
    http.post("/mcp", json=TOOLS_LIST, headers=headers)
    sees(ana, server, "quotation marks", "Remove the quotation marks")


def test_a_key_that_was_revoked(watching, server, http):
    made = watching.submit(form_to(watching.get(f"{server}/connect"), "/connect/api-keys"))
    key = made.headers["location"].partition("#api_key=")[2]
    page = watching.get(f"{server}/connect")
    revoke = form_to(page, "/connect/api-keys/revoke")
    watching.submit(revoke, key=revoke.buttons[0][1])
    McpClient(http, key).request("tools/list")
    sees(watching, server, "was revoked", "Make a key further down")


def test_a_key_that_has_expired(watching, server, http):
    made = watching.submit(form_to(watching.get(f"{server}/connect"), "/connect/api-keys"))
    key = made.headers["location"].partition("#api_key=")[2]
    EndUserApiKey.objects.update(expires="2020-01-01T00:00Z")
    McpClient(http, key).request("tools/list")
    sees(watching, server, "has expired", "Make a key further down")


def test_two_different_credentials(watching, server, http):
    headers = {"Authorization": "Bearer one", "X-API-Key": "two"}
    http.post("/mcp", json=TOOLS_LIST, headers=ACCEPT | headers)
    sees(watching, server, "two different credentials", "Keep one of them")


def test_a_key_that_is_refused_stays_the_problem_when_the_client_looks_for_oauth(
    watching, server, http
):
    http.post("/mcp", json=TOOLS_LIST, headers={"Authorization": "Bearer nonsense"})
    http.get("/.well-known/oauth-protected-resource/mcp")
    sees(watching, server, "isn't valid here", "Make a key further down")


def test_a_connection_that_was_ended_and_is_still_in_use(watching, server, http, client):
    token = client.sign_in(watching)["access_token"]
    page = watching.get(f"{server}/connect")
    end = next(form for form in forms_of(page) if form.action.endswith("/connections/end"))
    watching.submit(end, connection=end.buttons[0][1])
    watch(watching, server)
    McpClient(http, token).request("tools/list")
    sees(watching, server, "a connection that was ended", "Connect again")


def test_a_token_for_another_address(watching, server, http, client):
    token = client.sign_in(watching)["access_token"]
    client.tokens = {}
    http.post("/sse", json=TOOLS_LIST, headers={"Authorization": f"Bearer {token}"})
    seen = panel(watching, server)
    assert "another address of this server" in seen.problems[0]


def test_a_list_that_is_empty(watching, server, http, client):
    Tool.objects.update(enabled=False)
    McpClient(http, client.sign_in(watching)["access_token"]).request("tools/list")
    sees(watching, server, "list of tools is empty", "Ask your administrator")


def test_an_old_list(watching, server, http, client):
    """The client read it before a tool was switched off, and keeps it."""
    mcp = McpClient(http, client.sign_in(watching)["access_token"])
    mcp.request("tools/list")
    Tool.objects.filter(name="wiv_list_workflows").update(enabled=False)
    mcp.request("tools/call", {"name": "wiv_list_workflows", "arguments": {}})
    sees(watching, server, "goes by an old list", "read the list again")


def test_a_call_that_wiv_doesnt_allow(watching, server, http, client, sandbox):
    mcp = McpClient(http, client.sign_in(watching)["access_token"])
    sandbox.fault("wiv", "/workflows*", "status", status=403)
    mcp.call("wiv_list_workflows")
    sees(watching, server, "Wiv didn't allow the call", "Your role in Wiv")


def test_a_call_beyond_what_was_allowed(watching, server, http, new_client):
    client = new_client(scope="wiv:read")
    mcp = McpClient(http, client.sign_in(watching)["access_token"])
    answer = mcp.request("tools/call", {"name": "wiv_start_execution", "arguments": {}})
    assert answer.status_code == 403
    sees(watching, server, "you allowed it only to look", "allow changes")


def test_an_agent_that_ran_wild(watching, server, http, client, settings):
    settings.REPEATED_CALLS = 1
    mcp = McpClient(http, client.sign_in(watching)["access_token"])
    arguments = {"workflow_id": fixtures.MONTHLY_REPORT, "trigger_event": {}}
    mcp.call("wiv_start_execution", **arguments)
    mcp.call("wiv_start_execution", **arguments)
    seen = panel(watching, server)
    assert "was paused" in seen.problems[0]
    assert "let it go on, under My connections" in seen.advice[0]
    assert not seen.works


def test_an_agent_that_does_too_much_at_once(watching, server, http, make_key, settings):
    settings.CONCURRENT_REQUESTS = -1  # as if so many were under way
    McpClient(http, make_key()).request("tools/list")
    sees(watching, server, "At most -1 requests at once", "goes on by itself")


def test_a_later_success_ends_a_problem(watching, server, http, client, sandbox):
    mcp = McpClient(http, client.sign_in(watching)["access_token"])
    sandbox.fault("wiv", "/workflows*", "status", status=500)
    mcp.call("wiv_list_workflows")
    assert panel(watching, server).problems
    mcp.call("wiv_list_workflows")
    assert panel(watching, server).works


# Silence -------------------------------------------------------------------------------------


def advice_after(robot, server, **silence: float) -> str:
    assert panel(robot, server).advice == []
    later(**silence)
    return "\n".join(panel(robot, server).advice)


def test_nothing_arrives_at_all(watching, server):
    assert f"exactly {server}/mcp" in advice_after(watching, server, seconds=30)


def test_it_found_the_server_and_does_nothing_more(watching, server, http):
    http.post("/mcp", json=TOOLS_LIST, headers=ACCEPT)
    assert "hasn't begun to sign in" in advice_after(watching, server, seconds=30)


def test_it_registered_and_no_page_opens(watching, server, client):
    client.register(client_name="Cursor")
    text = advice_after(watching, server, seconds=30)
    assert "no sign-in page was opened" in text
    assert "Needs login" in text  # Cursor's own hint


def test_the_sign_in_is_done_and_the_assistant_doesnt_take_the_code(watching, server, client):
    client.obtain_code(watching)
    text = advice_after(watching, server, seconds=30)
    assert "hasn't picked it up" in text


def test_it_is_signed_in_and_reads_no_tools(watching, server, client):
    client.sign_in(watching)
    assert "hasn't come back for its tools" in advice_after(watching, server, seconds=30)


def test_having_tools_and_calling_none_is_no_problem(watching, server, client, http):
    McpClient(http, client.sign_in(watching)["access_token"]).request("tools/list")
    assert "List my Wiv workflows" in panel(watching, server).texts["called"]
    assert "switch Wiv on there" in advice_after(watching, server, minutes=5)
    assert panel(watching, server).problems == []


# What clients say of themselves ----------------------------------------------------------------


HOSTILE = "<script>alert(1)</script>\u202e'\"><img src=x onerror=alert(1)>"


def test_a_hostile_name_is_text_here_too(watching, server, client):
    client.register(client_name=HOSTILE, redirect_uris=["javascript:alert(1)//<b>"])
    client.register(client_name=HOSTILE)
    recorder.drain()
    answer = watching.get(f"{server}/connect/attempts/current", headers=PANEL_ONLY)
    assert "<script" not in answer.text
    assert "<img" not in answer.text
    assert "<b>" not in answer.text
    client.sign_in(watching)
    page = watching.get(f"{server}/connect")
    assert "&lt;script&gt;" in page.text
    assert "<script>alert" not in page.text
    assert "\u202e" not in page.text
    assert query_of(f"?{urlencode({'x': HOSTILE})}")["x"] == HOSTILE
