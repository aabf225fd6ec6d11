"""Arguments become requests: paths, queries, bodies, and what a path may never hold."""

from string import ascii_letters, digits
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.errors import (
    ArgumentsRefused,
    ArgumentsTooLarge,
    MissingArgument,
    PathArgumentRefused,
    QueryArgumentRefused,
)
from mcp_gateway.http_rule import MAX_HEADERS_BYTES, MAX_TARGET_BYTES, HttpRule, WivRequest
from mcp_gateway.parameter_styles import STYLES, UnusableParameter, read_parameters
from tests.properties.examples import examples

FORMS = [(location, style) for location, styles in STYLES.items() for style in styles]

GET_WORKFLOW = HttpRule("GET", "/workflows/{workflow_id}")
RUN = HttpRule("POST", "/workflows/{workflow_id}/run", body="trigger_event", body_wrapper="payload")
SEARCH = HttpRule("POST", "/v2/cases/msp/search", query_parameters=("customer_id",), body="*")


def test_a_url_has_an_end():
    """Beyond it each server has an answer of its own, and some hang up."""
    rule = HttpRule("GET", "/x", query_parameters=("q",))
    longest = "x" * (MAX_TARGET_BYTES - len("/x?q="))
    assert len(rule.bind({"q": longest}).target) == MAX_TARGET_BYTES
    with pytest.raises(ArgumentsTooLarge) as refused:
        rule.bind({"q": longest + "x"})
    assert "URL would have 8001 bytes" in refused.value.for_model
    with pytest.raises(ArgumentsTooLarge):
        rule.bind({"q": [str(number) for number in range(3000)]})
    with pytest.raises(ArgumentsTooLarge):
        GET_WORKFLOW.bind({"workflow_id": "ü" * 2000})


def test_headers_have_an_end():
    parameters = read_parameters({"note": {"in": "header", "name": "X-Note"}})
    rule = HttpRule("GET", "/x", parameters=parameters)
    with pytest.raises(ArgumentsTooLarge) as refused:
        rule.bind({"note": "x" * MAX_HEADERS_BYTES})
    assert "headers" in refused.value.for_model


def test_a_path_variable_is_filled_in_and_the_query_follows():
    rule = HttpRule("GET", "/workflows/{workflow_id}", query_parameters=("limit", "active"))
    request = rule.bind({"workflow_id": "wf_1", "limit": 5, "active": True})
    assert request == WivRequest("GET", "/workflows/wf_1?limit=5&active=true")


def test_a_path_argument_is_percent_encoded_as_one_segment():
    assert GET_WORKFLOW.bind({"workflow_id": "a b?c#d%2Fe"}).target == (
        "/workflows/a%20b%3Fc%23d%252Fe"
    )


@pytest.mark.parametrize(
    "value", ["", ".", "..", "../x", "a/b", "a\\b", "a..b", "a\x00", "a\n", "a\x7f", "\ud800"]
)
def test_a_path_argument_that_could_reach_another_path_is_refused(value):
    with pytest.raises(PathArgumentRefused):
        GET_WORKFLOW.bind({"workflow_id": value})


@pytest.mark.parametrize("value", [None, True, 1.5, ["wf"], {"a": 1}])
def test_a_path_argument_is_a_string_or_an_integer(value):
    with pytest.raises(PathArgumentRefused):
        GET_WORKFLOW.bind({"workflow_id": value})


def test_a_missing_path_argument_is_named():
    with pytest.raises(MissingArgument, match="workflow_id"):
        GET_WORKFLOW.bind({})


def test_absent_and_null_query_arguments_are_left_out():
    rule = HttpRule("GET", "/spaces", query_parameters=("search", "limit", "offset"))
    assert rule.bind({"limit": None, "offset": 0}).target == "/spaces?offset=0"


def test_query_values_are_encoded_and_lists_repeat_their_name():
    rule = HttpRule("GET", "/spaces", query_parameters=("search", "tag"))
    assert rule.bind({"search": "a&b=c ä", "tag": ["x", 2.0]}).target == (
        "/spaces?search=a%26b%3Dc%20%C3%A4&tag=x&tag=2"
    )


def test_an_object_has_no_place_in_a_query():
    with pytest.raises(QueryArgumentRefused):
        HttpRule("GET", "/spaces", query_parameters=("search",)).bind({"search": {"a": 1}})


def test_no_body_is_not_a_null_body():
    request = HttpRule("POST", "/x").bind({"ignored": 1})
    assert request.body is None
    assert not request.has_body


def test_a_star_sends_what_path_and_query_left_over():
    request = SEARCH.bind({"customer_id": "org_1", "max_returned_items": 50})
    assert request.target == "/v2/cases/msp/search?customer_id=org_1"
    assert request.body == {"max_returned_items": 50}


def test_a_star_without_arguments_is_an_empty_object():
    assert SEARCH.bind({}) == WivRequest("POST", "/v2/cases/msp/search", {}, has_body=True)


@pytest.mark.parametrize(
    ("trigger_event", "body"),
    [
        ({"customer": "ACME"}, {"payload": {"customer": "ACME"}}),
        ({"payload": {"customer": "ACME"}}, {"payload": {"customer": "ACME"}}),
        ({"payload": 1, "more": 2}, {"payload": {"payload": 1, "more": 2}}),
        ({}, {"payload": {}}),
    ],
)
def test_a_wrapped_body_is_wrapped_exactly_once(trigger_event, body):
    request = RUN.bind({"workflow_id": "wf_1", "trigger_event": trigger_event})
    assert request.body == body


def test_an_absent_body_argument_is_an_empty_object():
    assert RUN.bind({"workflow_id": "wf_1"}).body == {"payload": {}}


# OpenAPI's styles ------------------------------------------------------------------------------

# What each value is in OpenAPI 3.1.1's table "Style Examples", with the column's name.
PLAIN, LIST = "blue", ["blue", "black", "brown"]
OBJECT = {"R": 100, "G": 200, "B": 150}


def sent(location: str, value: Any, **form: object) -> WivRequest:
    template = "/a/{color}" if location == "path" else "/a"
    parameters = read_parameters({"color": {"in": location, **form}})
    return HttpRule("GET", template, parameters=parameters).bind({"color": value})


@pytest.mark.requirement("OpenAPI 3.1.1, Style Examples")
@pytest.mark.parametrize(
    ("style", "explode", "plain", "items", "pairs"),
    [
        ("simple", False, "blue", "blue,black,brown", "R,100,G,200,B,150"),
        ("simple", True, "blue", "blue,black,brown", "R=100,G=200,B=150"),
        ("label", False, ".blue", ".blue,black,brown", ".R,100,G,200,B,150"),
        ("label", True, ".blue", ".blue.black.brown", ".R=100.G=200.B=150"),
        ("matrix", False, ";color=blue", ";color=blue,black,brown", ";color=R,100,G,200,B,150"),
        ("matrix", True, ";color=blue", ";color=blue;color=black;color=brown",
         ";R=100;G=200;B=150"),
    ],
)  # fmt: skip
def test_a_path_is_filled_in_by_each_style(style, explode, plain, items, pairs):
    for value, expansion in ((PLAIN, plain), (LIST, items), (OBJECT, pairs)):
        assert sent("path", value, style=style, explode=explode).target == f"/a/{expansion}"


@pytest.mark.requirement("OpenAPI 3.1.1, Style Examples")
@pytest.mark.parametrize(
    ("style", "explode", "value", "query"),
    [
        ("form", True, PLAIN, "color=blue"),
        ("form", True, "", "color="),
        ("form", True, LIST, "color=blue&color=black&color=brown"),
        ("form", True, OBJECT, "R=100&G=200&B=150"),
        ("form", False, LIST, "color=blue,black,brown"),
        ("form", False, OBJECT, "color=R,100,G,200,B,150"),
        ("spaceDelimited", False, LIST, "color=blue%20black%20brown"),
        ("spaceDelimited", False, OBJECT, "color=R%20100%20G%20200%20B%20150"),
        ("pipeDelimited", False, LIST, "color=blue%7Cblack%7Cbrown"),
        ("pipeDelimited", False, OBJECT, "color=R%7C100%7CG%7C200%7CB%7C150"),
        ("deepObject", True, OBJECT, "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
    ],
)
def test_a_query_is_written_in_each_style(style, explode, value, query):
    assert sent("query", value, style=style, explode=explode).target == f"/a?{query}"


def test_a_header_is_written_as_it_stands():
    assert sent("header", LIST, name="X-Color").headers == (("X-Color", "blue,black,brown"),)
    assert sent("header", OBJECT, explode=True).headers == (("color", "R=100,G=200,B=150"),)
    assert sent("header", "50% off, today").headers == (("color", "50% off, today"),)


@pytest.mark.parametrize("location", ["query", "header"])
@pytest.mark.parametrize("value", [None, [], {}])
def test_nothing_is_sent_for_nothing(location, value):
    assert sent(location, value) == WivRequest("GET", "/a")


def test_an_argument_may_have_another_name_than_what_is_sent():
    parameters = read_parameters(
        {
            "status": {"in": "query", "name": "filter[status]"},
            "request_id": {"in": "header", "name": "X-Request-Id"},
        }
    )
    rule = HttpRule("POST", "/a", body="*", parameters=parameters)
    request = rule.bind({"status": "open", "request_id": "r 1", "title": "kept"})
    assert request.target == "/a?filter%5Bstatus%5D=open"
    assert request.headers == (("X-Request-Id", "r 1"),)
    assert request.body == {"title": "kept"}


@pytest.mark.parametrize("style", ["simple", "label", "matrix"])
@pytest.mark.parametrize(
    "value", ["", "..", "../x", "a/b", "a\\b", "a\n", [], ["a", ""], [".."], {}]
)
def test_no_style_lets_a_value_leave_its_segment(style, value):
    for each in (value, [value], {"key": value}):
        with pytest.raises(ArgumentsRefused, match="color"):
            sent("path", each, style=style)
    with pytest.raises(ArgumentsRefused, match="color"):
        sent("path", ".a", style="label")


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "\x00", "a\x7f", "ä", " a", "a\t"])
def test_a_header_can_not_be_split_or_padded(value):
    for each in (value, [value], {"key": value}, {value: "key"}):
        with pytest.raises(ArgumentsRefused, match="color"):
            sent("header", each, explode=True)


@pytest.mark.parametrize(
    "name",
    ["Authorization", "x-api-key", "X_API_Key", "HOST", "Content-Length", "content_type", "Cookie",
     "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Transfer-Encoding", "Connection",
     "Proxy-Authorization", "X-HTTP-Method-Override", "X-Original-URL",
     "X-Color\r\nX-Evil", "X Color", ""],
)  # fmt: skip
def test_a_header_that_says_who_calls_or_where_to_is_no_parameter(name):
    with pytest.raises(UnusableParameter, match="color"):
        sent("header", "blue", name=name)


@pytest.mark.parametrize(
    "form",
    [
        {"in": "cookie"},
        {},
        {"in": ["query"]},
        {"in": "query", "style": "simple"},
        {"in": "path", "style": "form"},
        {"in": "header", "style": "form"},
        {"in": "query", "style": ["form"]},
        {"in": "query", "explode": "yes"},
        {"in": "query", "name": 5},
        {"in": "query", "allowReserved": True},
        "query",
    ],
)
def test_a_parameter_that_can_not_be_followed_is_refused(form):
    with pytest.raises(UnusableParameter, match="color"):
        read_parameters({"color": form})


def test_an_objects_keys_do_not_pass_for_another_parameter():
    """Else a model that may only filter could choose whose data it filters."""
    parameters = read_parameters(
        {
            "filter": {"in": "query"},
            "owner": {"in": "query", "name": "owner_id"},
            "deep": {"in": "query", "style": "deepObject"},
            "fixed": {"in": "query", "name": "deep[mode]"},
        }
    )
    rule = HttpRule("GET", "/a", ("limit",), parameters=parameters)
    for arguments in ({"filter": {"owner_id": 1}}, {"filter": {"limit": 1}},
                      {"deep": {"mode": 1}}):  # fmt: skip
        with pytest.raises(ArgumentsRefused, match=r"filter|deep"):
            rule.bind(arguments)
    assert rule.bind({"filter": {"a": 1}, "owner": 2}).target == "/a?a=1&owner_id=2"


@pytest.mark.parametrize("value", [[["a"]], [{"a": 1}], [None], {"a": ["b"]}, {"a": {"b": 1}}])
@pytest.mark.parametrize(("location", "style"), FORMS)
@pytest.mark.parametrize("explode", [True, False])
def test_what_a_style_has_no_form_for_is_refused(location, style, explode, value):
    with pytest.raises(ArgumentsRefused, match="color"):
        sent(location, value, style=style, explode=explode)


# A decoder that knows nothing of the encoder: each value comes back, or is refused --------------

SEGMENT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ANYTHING = (
    SEGMENT | st.integers() | st.booleans() | st.sampled_from([",", ".", "|", " ", "=", "a.b"])
)
VALUES = (
    ANYTHING
    | st.lists(ANYTHING, min_size=1, max_size=4)
    | st.dictionaries(SEGMENT.filter(bool), ANYTHING, min_size=1, max_size=4)
)


@pytest.mark.parametrize(("location", "style"), FORMS)
@pytest.mark.parametrize("explode", [True, False])
@given(value=VALUES)
@examples(50)
def test_every_value_comes_back_from_its_request_or_is_refused(location, style, explode, value):
    if style == "deepObject" and not isinstance(value, dict):
        value = {"key": "value"}
    try:
        request = sent(location, value, style=style, explode=explode)
    except ArgumentsRefused as error:
        refusal = error.for_model
    else:
        refusal = ""
    if refusal:
        assert "'color'" in refusal
        return
    assert decoded(request, location, style, explode, type(value)) == in_text(value)


@pytest.mark.parametrize(("location", "style"), FORMS)
@given(value=st.text(ascii_letters + digits + "-_~", min_size=1, max_size=8))
@examples(10)
def test_a_plain_word_is_never_refused(location, style, value):
    each = {"key": value} if style == "deepObject" else value
    assert decoded(sent(location, each, style=style), location, style, True, type(each)) == each


def in_text(value: object) -> object:
    if isinstance(value, dict):
        return {key: in_text(each) for key, each in value.items()}
    if isinstance(value, list):
        return [in_text(each) for each in value]
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def decoded(request: WivRequest, location: str, style: str, explode: bool, kind: type) -> object:
    if location == "header":
        [(_, value)] = request.headers
        return from_parts(value, ",", explode, kind, str)
    path, _, query = request.target.partition("?")
    assert path.count("/") == (2 if location == "path" else 1)
    if location == "path":
        return from_segment(path.removeprefix("/a/"), style, explode, kind)
    pairs = [pair.split("=", 1) for pair in query.split("&")]
    if style == "deepObject":
        named = [(unquote(name), unquote(value)) for name, value in pairs]
        return {name.removeprefix("color[").removesuffix("]"): value for name, value in named}
    if explode and kind is dict:
        return {unquote(name): unquote(value) for name, value in pairs}
    assert {name for name, _ in pairs} == {"color"}
    if explode and kind is list:
        return [unquote(value) for _, value in pairs]
    [(_, value)] = pairs
    delimiter = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}[style]
    return from_parts(value, delimiter, False, kind, unquote)


def from_segment(segment: str, style: str, explode: bool, kind: type) -> object:
    if style == "simple":
        return from_parts(segment, ",", explode, kind, unquote)
    delimiter = "." if style == "label" else ";"
    assert segment[0] == delimiter
    rest = segment[1:]
    if style == "matrix" and explode and kind is list:
        return [unquote(part.removeprefix("color=")) for part in rest.split(";")]
    if style == "matrix" and not (explode and kind is dict):
        rest = rest.removeprefix("color=")
    return from_parts(rest, delimiter if explode else ",", explode, kind, unquote)


def from_parts(text: str, delimiter: str, explode: bool, kind: type, unescape) -> object:
    if kind not in (list, dict):
        return unescape(text)
    parts = text.split(delimiter)
    if kind is list:
        return [unescape(part) for part in parts]
    if explode:
        parts = [each for part in parts for each in part.split("=", 1)]
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return {unescape(key): unescape(value) for key, value in pairs}
