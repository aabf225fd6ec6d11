"""OpenAPI documents become proposals for tools: what they say is kept, what can't be served is
said, and nothing that somebody wrote on purpose takes the server down."""

import json
import re

import pytest

from mcp_gateway.errors import ArgumentsRefused
from mcp_gateway.input_schema import InputSchema
from mcp_gateway.openapi import DocumentRefused, Proposal, describe

GET = {"responses": {"200": {"description": "OK"}}}
BOMB = "openapi: 3.1.0\na: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)


def document(operation=None, *, method="get", path="/pets", version="3.0.3", **more) -> str:
    item = {method: GET | (operation or {})}
    base = {"openapi": version, "info": {"title": "Pets", "version": "1"}, "paths": {path: item}}
    return json.dumps(base | more)


def proposed(operation=None, **options) -> Proposal:
    api = describe(document(operation, **options))
    assert not api.unservable
    [proposal] = api.proposals
    return proposal


def reason_against(operation=None, **options) -> str:
    api = describe(document(operation, **options))
    assert not api.proposals
    [unservable] = api.unservable
    return unservable.reason


def parameter(name, location, **more) -> dict[str, object]:
    return {"name": name, "in": location, "schema": {"type": "string"}} | more


def json_body(schema, **more) -> dict[str, object]:
    return {"requestBody": {"content": {"application/json": {"schema": schema}}, **more}}


# What a proposal says --------------------------------------------------------------------------


def test_an_operation_is_proposed_with_its_words_and_hints():
    proposal = proposed(
        {"operationId": "listPets", "summary": "List pets", "description": "All of them.",
         "tags": ["Pet Store"], "parameters": [parameter("limit", "query")]},
    )  # fmt: skip
    assert proposal.operation == "GET /pets"
    assert proposal.fields == {
        "name": "list_pets",
        "title": "List pets",
        "description": "List pets.\n\nAll of them.",
        "category": "pet_store",
        "http_method": "GET",
        "path_template": "/pets",
        "query_parameters": ["limit"],
        "parameters": {},
        "body": "",
        "input_schema": {
            "type": "object",
            "properties": {"limit": {"type": "string"}},
            "additionalProperties": False,
        },
        "read_only": True,
        "destructive": False,
        "idempotent": True,
        "open_world": True,
        "required_scope": "wiv:read",
    }


@pytest.mark.requirement("RFC 9110 §9.2")
@pytest.mark.parametrize(
    ("method", "read_only", "destructive", "idempotent", "scope"),
    [
        ("get", True, False, True, "wiv:read"),
        ("put", False, True, True, "wiv:write"),
        ("post", False, True, False, "wiv:write"),
        ("patch", False, True, False, "wiv:write"),
        ("delete", False, True, True, "wiv:write"),
    ],
)
def test_the_method_decides_the_hints(method, read_only, destructive, idempotent, scope):
    fields = proposed(method=method).fields
    names = ("read_only", "destructive", "idempotent", "required_scope")
    assert [fields[name] for name in names] == [read_only, destructive, idempotent, scope]


@pytest.mark.parametrize(
    ("operation_id", "name"),
    [
        ("getUserByID", "get_user_by_id"),
        ("pets.list-all v2", "pets_list_all_v2"),
        ("x" * 80, "x" * 64),
        ("Größe", "groe"),
        ("日本", "get_pets"),
        (None, "get_pets"),
        (["a"], "get_pets"),
    ],
)
def test_a_name_is_made_of_the_operation_id_or_of_method_and_path(operation_id, name):
    assert proposed({"operationId": operation_id}).fields["name"] == name


def test_names_are_unique_and_never_too_long():
    operation = GET | {"operationId": "a" * 70}
    paths = {f"/{number}": {"get": operation} for number in range(12)}
    names = [each.fields["name"] for each in describe(document(paths=paths)).proposals]
    assert len({*names}) == 12
    assert {*map(len, names)} == {64}
    assert names[11].endswith("_12")


def test_invisible_characters_stay_out_of_what_a_model_reads():
    fields = proposed({"summary": "List\u200b pets\x07", "description": "a\u202eb\n\n\n\nc"}).fields
    assert fields["title"] == "List pets"
    assert fields["description"] == "List pets.\n\na b\n\nc"


def test_a_long_description_is_cut_between_words():
    assert proposed({"description": "word " * 2000}).fields["description"].endswith("word ...")


@pytest.mark.parametrize(
    ("server", "base_url", "path"),
    [
        ("https://api.test/v1", "https://api.test", "/v1/pets"),
        ("https://api.test/v1/", "https://api.test/v1", "/pets"),
        ("/v1", "https://api.test", "/v1/pets"),
        ("https://api.test/a/v1", "https://api.test/a", "/v1/pets"),
        ("https://api.test/v1", "https://api.test/other", "/pets"),
        ("https://{host}/{version}", "https://api.test", "/v9/pets"),
        ("http://[", "https://api.test", "/pets"),
        (None, "https://api.test", "/pets"),
    ],
)
def test_what_the_address_lacks_of_the_servers_path_goes_before_each_path(server, base_url, path):
    variables = {"host": {"default": "api.test"}, "version": {"default": "v9"}}
    text = document(servers=[{"url": server, "variables": variables}])
    [proposal] = describe(text, base_url).proposals
    assert proposal.fields["path_template"] == path


# Parameters ------------------------------------------------------------------------------------


def test_path_query_and_header_keep_their_wire_names_and_get_plain_arguments():
    fields = proposed(
        {"parameters": [
            parameter("pet-id", "path", required=True),
            parameter("filter[status]", "query"),
            parameter("X-Request-Id", "header"),
        ]},
        path="/pets/{pet-id}:feed",
    ).fields  # fmt: skip
    assert fields["path_template"] == "/pets/{pet_id}:feed"
    assert fields["parameters"] == {
        "pet_id": {"in": "path", "name": "pet-id"},
        "filter_status": {"in": "query", "name": "filter[status]"},
        "x_request_id": {"in": "header", "name": "X-Request-Id"},
    }
    assert fields["input_schema"]["required"] == ["pet_id"]


def test_two_parameters_of_one_name_become_two_arguments():
    declared = [parameter("id", "path"), parameter("id", "query")]
    fields = proposed({"parameters": declared}, path="/pets/{id}").fields
    assert fields["path_template"] == "/pets/{id}"
    assert fields["parameters"] == {"id_2": {"in": "query", "name": "id"}}


def test_styles_are_kept_and_defaults_left_out():
    items = {"schema": {"type": "array", "items": {"type": "string"}}}
    declared = [
        parameter("a", "query", **items),
        parameter("b", "query", explode=False, **items),
        parameter("c", "query", style="deepObject", schema={"type": "object"}),
    ]
    fields = proposed({"parameters": declared}).fields
    assert fields["query_parameters"] == ["a"]
    assert fields["parameters"] == {
        "b": {"in": "query", "explode": False},
        "c": {"in": "query", "style": "deepObject"},
    }


def test_an_operations_own_parameter_replaces_its_paths():
    paths = {
        "/pets": {
            "parameters": [parameter("limit", "query", description="shared")],
            "get": GET | {"parameters": [parameter("limit", "query", description="own")]},
        }
    }
    [proposal] = describe(document(paths=paths)).proposals
    assert proposal.fields["input_schema"]["properties"]["limit"]["description"] == "own"


def test_what_is_optional_and_can_not_be_sent_is_left_out_and_said():
    declared = [parameter("session", "cookie"), parameter("Authorization", "header"),
                parameter("X-Forwarded-For", "header")]  # fmt: skip
    proposal = proposed({"parameters": declared})
    assert proposal.fields["parameters"] == {}
    assert [note.partition(" is ")[0] for note in proposal.notes] == [
        "Without session: the parameter session",
        "The header Authorization",
        "Without X-Forwarded-For: the header X-Forwarded-For",
    ]


# The body --------------------------------------------------------------------------------------

PET = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def test_an_objects_properties_become_arguments():
    fields = proposed(json_body(PET, required=True), method="post").fields
    assert fields["body"] == "*"
    assert fields["input_schema"]["properties"] == {"name": {"type": "string"}}
    assert fields["input_schema"]["required"] == ["name"]


@pytest.mark.parametrize(
    ("schema", "declared"),
    [
        (PET, [parameter("name", "query")]),
        ({"type": "array", "items": PET}, []),
        ({"oneOf": [PET, {"type": "string"}]}, []),
        (PET | {"properties": {"@type": {"type": "string"}}, "required": []}, []),
        (PET | {"properties": {"_wiv_api_key": {"type": "string"}}, "required": []}, []),
    ],
)
def test_other_bodies_are_one_argument(schema, declared):
    operation = json_body(schema, required=True) | {"parameters": declared}
    fields = proposed(operation, method="post").fields
    assert fields["body"] == "body"
    assert "body" in fields["input_schema"]["required"]


def test_parts_of_an_object_are_put_together():
    toy = {"type": "object", "properties": {"toy": {"type": "string"}}}
    fields = proposed(json_body({"allOf": [PET, toy]}, required=True), method="post").fields
    assert fields["body"] == "*"
    assert [*fields["input_schema"]["properties"]] == ["name", "toy"]


def test_closed_parts_do_not_refuse_each_others_properties():
    closed = [{"type": "object", "properties": {name: {"type": "string"}},
               "additionalProperties": False} for name in ("a", "b")]  # fmt: skip
    body = json_body({"type": "array", "items": {"allOf": closed}}, required=True)
    schema = proposed(body, method="post").fields["input_schema"]
    InputSchema(schema).check({"body": [{"a": "x", "b": "y"}]})


# Schemas of 3.0 --------------------------------------------------------------------------------


@pytest.mark.requirement("OpenAPI 3.0.3 §4.7.24")
@pytest.mark.parametrize(
    ("schema", "modern"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "enum": ["a"], "nullable": True},
         {"type": ["string", "null"], "enum": ["a", None]}),
        ({"allOf": [{"$ref": "#/components/schemas/Id"}], "nullable": True},
         {"type": ["integer", "null"]}),
        ({"oneOf": [{"type": "integer"}, {"type": "string"}], "nullable": True},
         {"anyOf": [{"oneOf": [{"type": "integer"}, {"type": "string"}]}, {"type": "null"}]}),
        ({"type": "number", "minimum": 1, "exclusiveMinimum": True},
         {"type": "number", "exclusiveMinimum": 1}),
        ({"type": "number", "maximum": 1, "exclusiveMaximum": False},
         {"type": "number", "maximum": 1}),
        ({"type": "string", "example": "x"}, {"type": "string", "examples": ["x"]}),
        ({"type": "object", "discriminator": {"propertyName": "kind"}, "xml": {}, "x-a": 1},
         {"type": "object"}),
        ({"type": "object", "properties": {"id": {"type": "integer", "readOnly": True},
                                            "a": {"type": "string"}}, "required": ["id", "a"]},
         {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
        ({"$ref": "#/components/schemas/Id", "description": "ignored"}, {"type": "integer"}),
    ],
)  # fmt: skip
def test_the_words_of_3_0_become_json_schema(schema, modern):
    components = {"schemas": {"Id": {"type": "integer"}}}
    body = json_body({"type": "array", "items": schema}, required=True)
    fields = proposed(body, method="post", components=components).fields
    converted = fields["input_schema"]["properties"]["body"]["items"]
    assert converted == modern


def test_words_beside_a_reference_count_since_3_1():
    components = {"schemas": {"Id": {"type": "integer", "description": "its own"}}}
    schema = {"$ref": "#/components/schemas/Id", "description": "said here", "minimum": 1}
    declared = [parameter("id", "query", schema=schema)]
    options = {"version": "3.1.0", "components": components}
    fields = proposed({"parameters": declared}, **options).fields
    assert fields["input_schema"]["properties"]["id"] == {
        "type": "integer",
        "description": "said here",
        "minimum": 1,
    }


def test_a_schema_that_holds_itself_becomes_a_definition():
    tree = {"type": "object", "properties": {"left": {"$ref": "#/components/schemas/Tree"},
                                             "name": {"type": "string"}}}  # fmt: skip
    body = json_body({"$ref": "#/components/schemas/Tree"}, required=True)
    fields = proposed(body, method="post", components={"schemas": {"Tree": tree}}).fields
    schema = fields["input_schema"]
    assert schema["properties"]["left"] == {"$ref": "#/$defs/Tree"}
    InputSchema(schema).check({"left": {"left": {"name": "leaf"}}})
    with pytest.raises(ArgumentsRefused) as refused:
        InputSchema(schema).check({"left": {"left": {"name": 1}}})
    assert "left.left.name" in refused.value.for_model


def test_references_that_would_double_at_each_step_become_definitions():
    schemas = {f"S{n}": {"type": "object", "properties": {
        side: {"$ref": f"#/components/schemas/S{n + 1}"} for side in ("a", "b")}}
        for n in range(20)} | {"S20": {"type": "string"}}  # fmt: skip
    body = json_body({"$ref": "#/components/schemas/S0"}, required=True)
    fields = proposed(body, method="post", components={"schemas": schemas}).fields
    assert len(fields["input_schema"]["$defs"]) == 20 + 1
    assert len(json.dumps(fields["input_schema"])) < 5000


def test_parameters_and_path_items_may_be_referred_to():
    components = {"parameters": {"Limit": parameter("limit", "query")}}
    text = json.dumps({
        "openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "components": components,
        "paths": {"/a": {"$ref": "#/x-items/~1a"}},
        "x-items": {"/a": {"get": GET | {
            "parameters": [{"$ref": "#/components/parameters/Limit"}]}}},
    })  # fmt: skip
    [proposal] = describe(text).proposals
    assert proposal.fields["query_parameters"] == ["limit"]


# What can't be a tool, and why -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "options", "reason"),
    [
        ({"parameters": [parameter("s", "cookie", required=True)]}, {}, "is a cookie"),
        ({"parameters": [parameter("Host", "header", required=True)]}, {}, "never taken"),
        ({"parameters": [parameter("q", "query", required=True, allowReserved=True)]}, {},
         "without escaping"),
        ({"parameters": [{"name": "q", "in": "query", "required": True,
                          "content": {"application/json": {}}}]}, {}, "media type of its own"),
        ({"requestBody": {"content": {"multipart/form-data": {}}}}, {"method": "post"},
         "multipart/form-data, not JSON"),
        ({"responses": {"200": {"content": {"application/pdf": {}}}}}, {}, "answers application/"),
        ({}, {"path": "/pets/{id}"}, "without declaring it"),
        ({}, {"path": "/pets/%2e%2e"}, "characters"),
        ({}, {"path": "/a?b=c"}, "characters"),
        ({}, {"path": "//evil.test"}, "characters"),
        ({"servers": [{"url": "https://other.test"}]}, {}, "server of its own"),
        (json_body({"$ref": "https://evil.test/schema.json"}), {"method": "post"},
         "another document"),
        (json_body({"$ref": "../pets.yaml#/Pet"}), {"method": "post"}, "another document"),
        (json_body({"$ref": "#/components/schemas/None"}), {"method": "post"},
         "isn't in the document"),
        (json_body({"type": "string", "pattern": "("}), {"method": "post"}, "can't be used"),
        ({"parameters": [{"$ref": "#/paths/~1pets/get/parameters/0"}]}, {}, "in a circle"),
        ({"parameters": ["x"]}, {}, "where an object must stand"),
        ({}, {"method": "head"}, "HEAD"),
    ],
)  # fmt: skip
def test_an_operation_that_can_not_be_served_is_listed_with_the_reason(operation, options, reason):
    assert reason in reason_against(operation, **options)


# Hostile and broken documents ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no OpenAPI document"),
        ("[]", "no OpenAPI document"),
        ("{", "isn't JSON"),
        ("{}", "no OpenAPI document"),
        ('{"swagger": "2.0"}', "Swagger 2.0"),
        ('{"openapi": "4.0.0"}', "not 4.0.0"),
        ('{"openapi": "3.1.0", "paths": []}', '"paths"'),
        ('{"openapi": "3.1.0", "x": NaN}', "NaN"),
        ('{"openapi": "3.1.0", "x": 1e999}', "number"),
        ('{"openapi": "3.1.0", "x": "\\u0000"}', "character"),
        ('{"openapi": "3.1.0", "x": "\\ud800"}', "character"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "nested too deeply"),
        ("[" * 5000, "nested too deeply"),
        ("a: &a\n  b: *a\nopenapi: 3.1.0", "nested too deeply"),
        (BOMB, "too many values"),
        ("a: &a {b: 1}\nc:\n  <<: *a", "merge key"),
        ("a: !!python/object/apply:os.system [id]", "isn't YAML"),
        ("a: !!binary aGk=", "doesn't know"),
        ("? [a]\n: b", "isn't YAML"),
        ("a: [", "isn't YAML"),
        (" " * (4 * 1024 * 1024 + 1), "longer than 4 MiB"),
        ("#" * (2 * 1024 * 1024 + 1), "2 MiB"),
    ],
)
def test_a_document_that_can_not_be_read_is_refused_in_words(text, words):
    with pytest.raises(DocumentRefused, match=re.escape(words)):
        describe(text)


def test_a_document_may_not_take_minutes():
    """Each operation refers to a schema of thousands, which alone is fine."""
    many = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(1500)}}
    operation = GET | json_body({"$ref": "#/components/schemas/Many"})
    paths = {f"/{number}": {"post": operation} for number in range(300)}
    text = document(paths=paths, components={"schemas": {"Many": many}})
    with pytest.raises(DocumentRefused, match="too many schemas"):
        describe(text)


def test_yaml_is_read_as_json_would_be():
    """No dates, no octal numbers, and `on` and `no` are words (YAML 1.2, which OpenAPI names)."""
    text = (
        "openapi: 3.0.3\ninfo: {title: on, version: 2024-01-01}\npaths:\n  /a:\n    get:\n"
        "      operationId: no\n      responses: {200: {description: 010}}\n"
    )
    api = describe(text)
    assert (api.title, api.version) == ("on", "2024-01-01")
    assert api.proposals[0].fields["name"] == "no"


def test_the_digest_is_of_everything_but_the_name():
    one, other = proposed({"operationId": "a", "summary": "S"}), proposed({"summary": "S"})
    assert one.digest == other.digest
    assert proposed({"summary": "T"}).digest != one.digest
