"""Redirect URIs: can one that is taken, or that matches, lead elsewhere than where it seems to?"""

import ipaddress
import re
from collections.abc import Callable

import httpx2
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oauthlib.uri_validate import is_absolute_uri
from pydantic_core import Url as WhatwgUrl

from oauth_bridge.models import Application
from oauth_bridge.redirect_uris import is_acceptable, with_path
from tests.oauth_client import OAuthClient
from tests.properties.examples import as_long_as_it_takes, examples, examples_over_http

pytestmark = pytest.mark.django_db  # where the private-use schemes are that are allowed

SCHEMES = ("cursor", "vscode")
LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
# RFC 3986 appendix B, as far as it concerns us.
AUTHORITY = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?#]*)", re.IGNORECASE)

# What URIs are ----------------------------------------------------------------------------------

LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)
NAMES = st.lists(LABEL, min_size=1, max_size=3).map(".".join)
PORTS = st.one_of(st.just(""), st.integers(0, 65535).map(lambda port: f":{port}"))
PATHS = st.from_regex(r"(/([a-z0-9._~-]|%[0-9A-F]{2}){0,4}){0,3}", fullmatch=True)
QUERIES = st.one_of(st.just(""), st.from_regex(r"\?[a-z]=[a-z0-9/&=]{0,5}", fullmatch=True))
ORIGINS = st.one_of(
    st.tuples(st.just("https"), NAMES),
    st.tuples(st.just("http"), st.sampled_from(LOOPBACK)),
    st.tuples(st.sampled_from(SCHEMES), NAMES),
)
URIS = st.builds(
    lambda origin, *rest: f"{origin[0]}://{origin[1]}{''.join(rest)}",
    ORIGINS,
    PORTS,
    PATHS,
    QUERIES,
)
# Characters that mean something to one parser or another.
ODD_TEXT = st.text(
    st.sampled_from("ahpst:/?#[]@!$&'()*+,;=%25e\\\t\n .-_~019{}|^`\"<>\x00\xe9\u3002\u202e")
)


@st.composite
def bent_uris(draw: st.DrawFn, base: str | None = None) -> str:
    """A URI with something put into it, taken out of it, or put in another's place."""
    uri = base if base is not None else draw(URIS)
    start = draw(st.integers(0, len(uri)))
    end = draw(st.integers(start, min(len(uri), start + 3)))
    return uri[:start] + draw(ODD_TEXT) + uri[end:]


ANYTHING = st.one_of(URIS, bent_uris(), ODD_TEXT)


def registered(uri: str) -> Application:
    return Application(redirect_uris=with_path(uri))


def matches(application: Application, requested: str) -> bool:
    """As /authorize asks it, by oauthlib."""
    uri = with_path(requested)
    if not is_absolute_uri(uri):
        return False
    return bool(application.redirect_uri_allowed(uri))


def destination(uri: str) -> tuple[str, str, str, str]:
    """Scheme, host, port and all the rest, of which only loopback's port may vary."""
    match = AUTHORITY.match(uri)
    assert match, uri
    scheme, authority = match["scheme"].lower(), match["authority"].lower()
    host, _, port = (
        authority.rpartition(":") if re.search(r":\d*$", authority) else (authority, "", "")
    )
    port = str(int(port)) if port else ""
    is_loopback = scheme == "http" and host in LOOPBACK
    return scheme, host, "any" if is_loopback else port, with_path(uri)[match.end() :]


# What is taken ----------------------------------------------------------------------------------


@pytest.mark.requirement("MCP 2025-03-26: redirect URIs MUST be localhost or HTTPS")
@examples(300)
@given(ANYTHING)
def test_what_is_taken_is_https_or_stays_on_this_computer(uri):
    assume(is_acceptable(uri, SCHEMES))
    scheme, host, _, _ = destination(uri)
    assert scheme in ("https", *SCHEMES) or (scheme, host) in {("http", each) for each in LOOPBACK}


@pytest.mark.requirement("RFC 6749 §3.1.2: no fragment; RFC 9700 §4.1: no wildcard")
@examples(300)
@given(ANYTHING)
def test_what_is_taken_has_nothing_that_misleads_a_reader(uri):
    assume(is_acceptable(uri, SCHEMES))
    match = AUTHORITY.match(uri)
    assert match
    assert "@" not in match["authority"]
    assert uri.isascii()
    assert uri.isprintable()
    assert not set(uri) & set(" #*\\")


@examples(300)
@given(ANYTHING)
def test_parsers_that_can_read_what_is_taken_name_the_same_host(uri):
    assume(is_acceptable(uri, SCHEMES))
    seen = plain_host(destination(uri)[1])
    assert {seen} == {seen, *hosts_by_other_parsers(uri)}


def hosts_by_other_parsers(uri: str) -> set[str]:
    """An HTTP client's and, as browsers follow it, the WHATWG URL standard's."""
    parsers: list[Callable[[str], str]] = [
        lambda uri: httpx2.URL(uri).host,
        lambda uri: WhatwgUrl(uri).host or "",
    ]
    return {plain_host(host) for parse in parsers if (host := host_by(parse, uri)) is not None}


def host_by(parse: Callable[[str], str], uri: str) -> str | None:
    try:
        return parse(uri)
    except (ValueError, httpx2.InvalidURL):
        return None


def plain_host(host: str) -> str:
    """IPv6 addresses have several spellings."""
    try:
        return str(ipaddress.IPv6Address(host.strip("[]")))
    except ValueError:
        return host.lower()


@examples(300)
@given(ANYTHING)
def test_a_path_is_added_once_and_nothing_else_changes(uri):
    assume(is_acceptable(uri, SCHEMES))
    once = with_path(uri)
    assert with_path(once) == once
    assert once.removesuffix("/") == uri.removesuffix("/")


# What matches -----------------------------------------------------------------------------------


@examples(100)
@given(URIS)
def test_a_registered_uri_matches_itself(uri):
    assert matches(registered(uri), uri)


@pytest.mark.requirement("RFC 8252 §7.3: any port of loopback, at the time of the request")
@examples(100)
@given(st.sampled_from(LOOPBACK), PORTS, PORTS, PATHS, QUERIES)
def test_a_loopback_uri_matches_on_any_port(host, port, other_port, path, query):
    application = registered(f"http://{host}{port}{path}{query}")
    assert matches(application, f"http://{host}{other_port}{path}{query}")


@pytest.mark.requirement("RFC 9700 §4.1.3: exact string matching")
@examples(500)
@given(st.data())
def test_what_matches_leads_to_where_the_registered_uri_leads(data):
    uri = data.draw(URIS)
    other = data.draw(st.one_of(bent_uris(uri), URIS))
    assert not matches(registered(uri), other) or destination(other) == destination(uri)


ORIGIN = r"^([a-z]+://)([^/?]*)"
DIFFERENCES: dict[str, Callable[[str], str]] = {
    "another scheme": lambda uri: re.sub(r"^[a-z]+", "ftp", uri),
    "a longer host": lambda uri: re.sub(ORIGIN, r"\1a\2", uri),
    "a subdomain": lambda uri: re.sub(ORIGIN, r"\1evil.\2", uri),
    "a suffix of the host": lambda uri: re.sub(ORIGIN, r"\1\2.evil.example", uri),
    "a trailing dot of the host": lambda uri: re.sub(ORIGIN, r"\1\2.", uri),
    "user information": lambda uri: re.sub(ORIGIN, r"\1evil@\2", uri),
    "the host as user": lambda uri: re.sub(ORIGIN, r"\1\2@evil.example", uri),
    "a longer path": lambda uri: re.sub(ORIGIN, r"\1\2/evil", uri),
    "a way up": lambda uri: re.sub(ORIGIN, r"\1\2/..", uri),
    "a second slash": lambda uri: re.sub(ORIGIN, r"\1\2//", uri),
    "an upper-case path": lambda uri: re.sub(
        ORIGIN + "(.*)", lambda m: m[1] + m[2] + m[3].upper(), uri
    ),
    "an encoded path": lambda uri: re.sub(ORIGIN + "/", r"\1\2/%2e/", with_path(uri)),
    "an added parameter": lambda uri: f"{uri}&a=b" if "?" in uri else f"{uri}?a=b",
    "an empty query": lambda uri: f"{uri}&" if "?" in uri else f"{uri}?",
    "a fragment": lambda uri: f"{uri}#",
    "path parameters": lambda uri: re.sub(ORIGIN + r"([^?]*)", r"\1\2\3;a=b", uri),
}


@pytest.mark.parametrize("difference", DIFFERENCES)
@examples(30)
@given(uri=URIS)
def test_a_uri_with_a_difference_doesnt_match(difference, uri):
    other = DIFFERENCES[difference](uri)
    assume(other != uri)
    assert not matches(registered(uri), other)


@examples(100)
@given(NAMES, PORTS, PORTS, PATHS)
def test_another_port_of_another_computer_doesnt_match(name, port, other_port, path):
    assume(port != other_port and {port, other_port} != {"", ":"})
    assume(port.removeprefix(":").lstrip("0") != other_port.removeprefix(":").lstrip("0"))
    assert not matches(
        registered(f"https://{name}{port}{path}"), f"https://{name}{other_port}{path}"
    )


# Over HTTP --------------------------------------------------------------------------------------


@as_long_as_it_takes
@examples_over_http(25)
@given(data=st.data())
def test_only_what_matches_gets_a_consent_page_and_nothing_else_redirects(data, server, http):
    uri = data.draw(URIS)
    other = data.draw(st.one_of(st.just(uri), bent_uris(uri), URIS))
    client = OAuthClient(server, redirect_uri=uri, http=http)
    assert client.register().status_code == 201
    expected = 200 if matches(registered(uri), other) else 400
    answer = http.get(client.authorization_url(redirect_uri=other))
    assert (answer.status_code, "location" in answer.headers) == (expected, False)


def test_a_port_that_cant_be_one_doesnt_match(new_client, http):
    client = new_client(redirect_uri="https://client.example/cb")
    client.register()
    other = "https://client.example:99999/cb"
    assert http.get(client.authorization_url(redirect_uri=other)).status_code == 400


@pytest.mark.parametrize(
    "uri",
    [
        "https://claude.ai%2eevil.example/cb",
        "https://2130706433/cb",
        "https://0x7f.1/cb",
        "http://[::1].evil.example/cb",
        "http://evil.example[::1]/cb",
    ],
)
def test_a_host_that_isnt_written_as_it_is_read_cant_be_registered(client, uri):
    assert client.register(redirect_uris=[uri]).status_code == 400


def test_an_empty_query_stays_empty():
    assert with_path("https://client.example?") == "https://client.example/?"
