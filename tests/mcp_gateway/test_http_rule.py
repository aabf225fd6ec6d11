"""Arguments become requests: paths, queries, bodies, and what a path may never hold."""

import pytest

from mcp_gateway.errors import MissingArgument, PathArgumentRefused, QueryArgumentRefused
from mcp_gateway.http_rule import HttpRule, WivRequest

GET_WORKFLOW = HttpRule("GET", "/workflows/{workflow_id}")
RUN = HttpRule("POST", "/workflows/{workflow_id}/run", body="trigger_event", body_wrapper="payload")
SEARCH = HttpRule("POST", "/v2/cases/msp/search", query_parameters=("customer_id",), body="*")


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
