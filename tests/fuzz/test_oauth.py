"""Whatever is asked of the authorization server, it is refused in the form its reader expects.

Schemathesis makes requests up from docs/openapi.yaml (tests/properties/test_http_surface.py); here
they are such as no description allows: bytes, framing and repetition.
"""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.browser import Browser, form_body
from tests.fuzz.examples import as_long_as_it_takes, fuzz
from tests.fuzz.target import Answer, Header, Target
from tests.fuzz.values import encoded, header_values, spoiled, texts, url_bytes, values
from tests.oauth_client import REDIRECT_URI, OAuthClient

pytestmark = as_long_as_it_takes

FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
CONTENT_TYPES = (
    *(b"application/x-www-form-urlencoded", b"application/json", b"text/plain", b"", b"x", b"/"),
    *(b"application/x-www-form-urlencoded; charset=utf-16", b"multipart/form-data"),
    *(b"application/x-www-form-urlencoded; charset=utf-7", b"multipart/form-data; boundary="),
    *(b"application/x-www-form-urlencoded; charset=x\xff", b"multipart/form-data; boundary=a"),
    *(b"application/x-www-form-urlencoded; charset=hex", b"multipart/mixed; boundary=\xc3\xa9"),
)
MULTIPART = (
    b'--a\r\nContent-Disposition: form-data; name="token"\r\n\r\nx\r\n--a--\r\n',
    b'--a\r\nContent-Disposition: form-data; name="f"; filename="../../x"\r\n\r\nx\r\n--a--\r\n',
    b"--a\r\nContent-Transfer-Encoding: base64\r\n"
    b'Content-Disposition: form-data; name="token"\r\n\r\n!\r\n--a--\r\n',
    *(b"--a", b"--a\r\n", b"--a\r\n\r\n\r\n--a--", b"--a\r\nContent-Disposition:\r\n\r\n--a--"),
)
NAMES = (
    *("response_type", "client_id", "redirect_uri", "code_challenge", "code_challenge_method"),
    *("state", "scope", "resource", "prompt", "request", "request_uri", "nonce", "claims"),
    *("grant_type", "code", "code_verifier", "refresh_token", "client_secret", "token"),
    *("token_type_hint", "client_assertion", "client_assertion_type", "decision", "error"),
)


def good_values(client: OAuthClient) -> dict[str, str]:
    return {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uri,
        "code_challenge": client.code_challenge,
        "code_challenge_method": "S256",
        "state": client.state,
        "scope": "wiv:read",
        "resource": f"{client.issuer}/mcp",
        "code": "nobody-has-this",
        "code_verifier": client.verifier,
        "decision": "deny",
    }


@st.composite
def parameters(draw: st.DrawFn, good: dict[str, str]) -> list[tuple[str, str]]:
    """Good ones mostly, a few of them odd, left out, or there twice."""
    chosen = [(name, value) for name, value in good.items() if draw(st.integers(0, 9))]
    odd = st.tuples(st.sampled_from(NAMES) | texts, texts | st.sampled_from([*good.values()]))
    changes = dict(draw(st.lists(odd, max_size=2)))
    changed = [(name, changes.get(name, value)) for name, value in chosen]
    return changed + draw(st.lists(odd, max_size=2))


def assert_for_a_program(answer: Answer) -> None:
    """RFC 6749 section 5.2."""
    told = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    if answer.status >= 400:
        assert isinstance(told["error"], str)
        assert isinstance(told.get("error_description", ""), str)


# Pages --------------------------------------------------------------------------------------------


@fuzz
@given(data=st.data(), odd=url_bytes)
def test_a_consent_page_is_shown_or_refused(
    connect_page: Browser, signed_in_client: OAuthClient, data, odd
):
    query = form_body(data.draw(parameters(good_values(signed_in_client)))) + odd
    for answer in (
        connect_page.get(b"/authorize?" + query),
        connect_page.post(b"/authorize?" + query, [("decision", "deny")]),
    ):
        assert answer.status in (200, 302, 400)
        location = answer.headers.get("location", "")
        assert location == "" or location.startswith(f"{REDIRECT_URI}?"), location


@fuzz
@given(
    path=st.sampled_from([b"/oauth/callback", b"/oauth/organization/", b"/authorize", b"/connect"]),
    odd=url_bytes,
    query=url_bytes,
    cookie=header_values,
)
def test_odd_paths_queries_and_cookies_of_pages_are_answered(
    target: Target, path, odd, query, cookie
):
    target.send(b"GET", path + odd + b"?" + query, [(b"Cookie", cookie)])
    target.send(b"GET", path + b"?state=" + query, [(b"Cookie", b"session=" + cookie)])


@fuzz
@given(
    path=st.sampled_from(
        [
            *(b"api-keys", b"api-keys/revoke", b"connections/end", b"connections/resume"),
            *(b"attempts", b"attempts/end"),
        ]
    ),
    fields=st.lists(
        st.tuples(
            st.sampled_from(["name", "organization", "days", "id", "key", "client", "pk"]) | texts,
            texts,
        ),
        max_size=4,
    ),
)
def test_the_forms_of_the_connect_page_take_anything(connect_page: Browser, path, fields):
    answer = connect_page.post(b"/connect/" + path, fields)
    assert answer.status in (200, 302, 303, 400, 404)


# Programs -----------------------------------------------------------------------------------------


@fuzz
@given(
    data=st.data(),
    path=st.sampled_from([b"/token", b"/revoke"]),
    grant=st.sampled_from(["authorization_code", "refresh_token", "password", ""]),
    basic=st.none() | header_values,
)
def test_a_token_request_is_refused_in_json(
    target: Target, signed_in_client: OAuthClient, data, path, grant, basic
):
    good = {**good_values(signed_in_client), "grant_type": grant, "refresh_token": "x"}
    body = form_body(data.draw(parameters(good)))
    headers: list[Header] = [FORM]
    if basic is not None:
        headers.append((b"Authorization", b"Basic " + basic))
    answer = target.send(b"POST", path, headers, body)
    if answer.status == 200 and path == b"/revoke":
        return
    assert answer.status in (400, 401)
    assert_for_a_program(answer)


@fuzz
@given(
    path=st.sampled_from([b"/token", b"/revoke", b"/register", b"/connect/sign-in"]),
    content_type=st.sampled_from(CONTENT_TYPES) | header_values,
    body=st.sampled_from(MULTIPART) | st.binary(max_size=80) | url_bytes,
)
def test_a_body_of_any_type_is_refused(target: Target, path, content_type, body):
    answer = target.send(b"POST", path, [(b"Content-Type", content_type)], body)
    if path == b"/connect/sign-in":
        assert answer.status == 403
    elif not (path == b"/revoke" and answer.status == 200):
        assert_for_a_program(answer)


METADATA: dict[str, Any] = {
    "client_name": "Fuzz",
    "redirect_uris": ["http://127.0.0.1:49152/callback", "https://app.example.test/cb"],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "software_id": "fuzz",
    "software_version": "1",
    "contacts": ["a@example.test"],
    "jwks": {"keys": []},
}


@fuzz
@given(body=encoded(spoiled(st.just(METADATA)) | spoiled(st.just(METADATA)) | values))
def test_any_registration_is_taken_or_refused_in_json(target: Target, body):
    answer = target.send(b"POST", b"/register", [(b"Content-Type", b"application/json")], body)
    assert answer.status in (201, 400, 413)
    assert_for_a_program(answer)
    if answer.status == 201:
        assert set(answer.json()["redirect_uris"]) <= set(json.loads(body)["redirect_uris"])


# Discovery ----------------------------------------------------------------------------------------


@fuzz
@given(
    prefix=st.sampled_from([b"/.well-known/", b"/mcp/.well-known/", b"/sse/.well-known/"]),
    document=st.sampled_from(
        [
            *(b"oauth-authorization-server", b"oauth-protected-resource", b"openid-configuration"),
            *(b"jwks.json", b""),
        ]
    ),
    suffix=url_bytes,
    query=url_bytes,
)
def test_metadata_is_json_wherever_it_is_looked_for(target, prefix, document, suffix, query):
    path = prefix + document + b"/" + suffix.replace(b"?", b"")
    answer = target.send(b"GET", path + b"?" + query)
    assert answer.status in (200, 400, 404)
    if answer.status != 400:  # uvicorn's own, for what is no URL
        assert isinstance(answer.json(), dict)


@fuzz
@given(path=url_bytes, method=st.sampled_from([b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS"]))
def test_any_path_is_answered(target: Target, path, method):
    for prefix in (b"/", b"/healthz", b"/static/", b"/admin/", b"/mcp/"):
        target.send(method, prefix + path)
