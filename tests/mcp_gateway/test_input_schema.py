"""Schemas that may be served, and what a model is told about arguments that don't fit."""

import pytest

from mcp_gateway.errors import ArgumentsRefused
from mcp_gateway.input_schema import InputSchema, UnusableSchema

SEARCH = InputSchema(
    {
        "type": "object",
        "properties": {
            "limit": {"type": "integer", "maximum": 200},
            "filters": {
                "type": "object",
                "properties": {"status": {"type": "array", "items": {"enum": ["Open", "Closed"]}}},
            },
        },
        "required": ["limit"],
        "additionalProperties": False,
    }
)


def refusal(schema, arguments) -> str:
    with pytest.raises(ArgumentsRefused) as refused:
        schema.check(arguments)
    return refused.value.for_model


def test_arguments_that_fit_pass():
    SEARCH.check({"limit": 5, "filters": {"status": ["Open"]}})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, 'arguments: "limit" is a required property'),
        ({"limit": "5"}, 'limit: the value is not of type "integer"'),
        ({"limit": 201}, "limit: the value is greater than the maximum of 200"),
        ({"limit": 5, "x": 1}, "'x' was unexpected"),
        ({"limit": 5, "filters": {"status": ["Nope"]}}, "filters.status[0]: the value is not one"),
    ],
)
def test_each_problem_names_its_field_and_the_rule(arguments, told):
    assert told in refusal(SEARCH, arguments)


def test_several_problems_are_told_at_once():
    told = refusal(SEARCH, {"limit": "x", "filters": 1})
    assert "limit:" in told
    assert "filters:" in told


def test_a_hopeless_call_is_told_its_first_five_problems():
    schema = InputSchema({"type": "object", "required": [f"field_{i}" for i in range(9)]})
    assert refusal(schema, {}).count("field_") == 5
    assert "and 4 more" in refusal(schema, {})


def test_values_are_never_repeated():
    schema = InputSchema(
        {
            "type": "object",
            "properties": {name: {"type": "string", "maxLength": 3} for name in "abc"},
            "minProperties": 5,
        }
    )
    told = refusal(schema, {"a": "hunter2-long", "b": 12345678, "c": {"deep": "hunter2"}})
    assert "hunter2" not in told
    assert "12345678" not in told


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_numbers_that_json_does_not_have_do_not_fit(value):
    refusal(SEARCH, {"limit": value})


@pytest.mark.requirement("MCP 2026-07-28 Tools")
@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "array"},
        {"type": "object", "properties": {"a": {"type": "strin"}}},
        {"type": "object", "properties": {"a": {"pattern": "("}}},
        {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema"}}},
        {"type": "object", "properties": {"a": {"$dynamicRef": "other.json#a"}}},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/missing"}}},
        {"type": "object", "$schema": "http://json-schema.org/draft-07/schema#"},
    ],
)
def test_a_schema_that_could_not_be_served_is_refused(schema):
    with pytest.raises(UnusableSchema):
        InputSchema(schema)


def test_a_reference_inside_the_schema_and_a_property_called_ref_are_fine():
    InputSchema(
        {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/id"}, "$ref": {"type": "string"}},
            "$defs": {"id": {"type": "string"}},
        }
    )
