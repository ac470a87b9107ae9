"""The conversion of msgspec's JSON Schema to draft 07: keyword by keyword, and what it means."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from msgspec import Meta, Struct, json

from pytest_soak.draft07 import closed, described, draft07, refs, titled, walked, with_fields


class Inner(Struct, forbid_unknown_fields=True):
    pair: tuple[int, str]


class Outer(Struct, forbid_unknown_fields=True):
    inner: Annotated[Inner, Meta(description="the inner one")]
    more: dict[str, Inner] = {}


class Cat(Struct, tag="cat"):
    lives: int


class Dog(Struct, tag="dog"):
    name: str


class Loop(Struct):
    next: Loop | None = None


class Open(TypedDict):
    name: str


def valid(schema: dict[str, Any], value: Any) -> bool:
    Draft7Validator.check_schema(schema)
    return bool(Draft7Validator(schema).is_valid(value))


def test_definitions_and_references_have_the_name_of_draft_07() -> None:
    schema = draft07(json.schema(Outer))
    assert "$defs" not in str(schema)
    assert schema["definitions"].keys() == {"Inner"}
    assert set(refs(schema)) == {"#/definitions/Inner"}
    assert schema["properties"]["more"]["additionalProperties"] == {"$ref": "#/definitions/Inner"}


def test_the_schema_that_is_meant_stands_at_the_top() -> None:
    schema = draft07(json.schema(Outer))
    assert schema["type"] == "object"
    assert "$ref" not in schema


def test_a_schema_that_leads_to_itself_stays_among_the_definitions() -> None:
    schema = draft07(json.schema(Loop))
    assert "Loop" in schema["definitions"]
    assert valid(schema, {"next": {"next": None}})
    assert not valid(schema, {"next": {"next": 3}})


def test_a_list_of_fixed_length_has_its_items_and_no_others() -> None:
    schema = draft07(json.schema(Inner))
    pair = schema["properties"]["pair"]
    assert "prefixItems" not in pair
    assert pair["items"] == [{"type": "integer"}, {"type": "string"}]
    assert pair["additionalItems"] is False
    assert valid(schema, {"pair": [1, "a"]})
    for wrong in ([1], [1, "a", 2], ["a", 1]):
        assert not valid(schema, {"pair": wrong})


def test_what_stands_beside_a_reference_counts() -> None:
    schema = draft07(json.schema(Outer))
    inner = schema["properties"]["inner"]
    assert inner == {"description": "the inner one", "allOf": [{"$ref": "#/definitions/Inner"}]}
    assert not valid(schema, {"inner": {"pair": [1]}})


def test_alternatives_with_a_tag_exclude_each_other() -> None:
    schema = draft07(json.schema(Cat | Dog))
    assert schema.keys() == {"oneOf", "definitions"}
    assert valid(schema, {"type": "cat", "lives": 9})
    assert not valid(schema, {"type": "cat", "name": "x"})


def test_a_typed_dict_is_closed() -> None:
    schema = draft07(json.schema(Open))
    assert valid(schema, {"name": "x", "more": 1})
    assert not valid(closed(schema), {"name": "x", "more": 1})
    assert valid(closed(schema), {"name": "x"})


@pytest.mark.parametrize(
    "keyword", ["dependentRequired", "unevaluatedProperties", "minContains", "$dynamicRef"]
)
def test_a_keyword_that_draft_07_does_not_have_is_an_error(keyword: str) -> None:
    with pytest.raises(ValueError, match=f"draft 07 has no {keyword}".replace("$", r"\$")):
        draft07({"type": "object", "properties": {"a": {keyword: {}}}})


def test_a_field_may_have_the_name_of_a_keyword() -> None:
    schema = {"type": "object", "properties": {"$defs": {}, "items": {"type": "string"},
                                               "minContains": {}}}  # fmt: skip
    assert draft07(schema) == schema


def test_defaults_and_lists_of_values_are_no_schemas() -> None:
    schema = {"default": {"$defs": 1}, "enum": [{"prefixItems": 2}]}
    assert draft07(schema) == schema


@pytest.mark.parametrize("type_", [Outer, Inner, Loop, Cat | Dog, Open])
@pytest.mark.parametrize(
    "value",
    [
        *({}, [], 3, None, {"pair": [1, "a"]}, {"pair": [1, "a", 2]}, {"pair": ["a"]}),
        *({"inner": {"pair": [1, "a"]}}, {"inner": {"pair": [1]}}, {"inner": 3}),
        {"inner": {"pair": [1, "a"]}, "more": {"x": {"pair": 1}}},
        *({"type": "dog", "name": "x"}, {"type": "dog"}, {"name": "x"}, {"next": {}}),
    ],
    ids=str,
)
def test_both_dialects_accept_the_same(type_: Any, value: Any) -> None:
    original = json.schema(type_)
    assert valid(draft07(original), value) == Draft202012Validator(original).is_valid(value)


def test_a_description_beside_a_reference_needs_a_wrapper() -> None:
    assert described({"type": "string"}, "x") == {"type": "string", "description": "x"}
    assert described({"$ref": "#/a"}, "x") == {"description": "x", "allOf": [{"$ref": "#/a"}]}
    assert with_fields({"type": "string"}, {"type": "number"}) == {"type": "number"}


def test_a_walk_meets_the_innermost_schema_first() -> None:
    seen: list[Any] = []

    def change(part: dict[str, Any]) -> dict[str, Any]:
        seen.append(part.get("title"))
        return part

    walked({"title": "a", "items": [{"title": "b"}], "not": {"title": "c"}, "then": True}, change)
    assert seen == ["b", "c", "a"]


def test_a_document_of_its_own_has_dialect_and_name() -> None:
    schema = titled(draft07(json.schema(Inner)), "inner", "An inner one", "for tests")
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema["$id"] == "urn:pytest-soak:schema:inner"
    assert (schema["title"], schema["description"]) == ("An inner one", "for tests")
