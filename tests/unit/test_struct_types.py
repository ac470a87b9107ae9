"""All types of JSON values: what JSON Schema and every version of msgspec need of them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from msgspec import inspect

import pytest_soak
from pytest_soak.loop.entries import Entry
from pytest_soak.loop.model import Attribution, Decision, Effect, Outcome, Panic, Proposal
from pytest_soak.profile.sections import A_COMPARISON, Document, ScenarioFields

PACKAGE = Path(pytest_soak.__file__).parent


NO_JSON = ("pytest_soak.loop.state",)
"""Modules whose structs are never read or written as JSON."""


def structs() -> Iterator[type[msgspec.Struct]]:
    for path in PACKAGE.rglob("*.py"):
        if "Struct" in path.read_text("utf-8"):
            name = path.relative_to(PACKAGE.parent).with_suffix("").as_posix().replace("/", ".")
            importlib.import_module(name)
    waiting = list(msgspec.Struct.__subclasses__())
    while waiting:
        struct = waiting.pop()
        waiting += struct.__subclasses__()
        if struct.__module__.startswith("pytest_soak.") and struct.__module__ not in NO_JSON:
            yield struct


def name_of(struct: type[msgspec.Struct]) -> str:
    """Two modules may have a struct of the same name."""
    return f"{struct.__module__}.{struct.__name__}"


STRUCTS = sorted(structs(), key=name_of)


def parts(of: inspect.Type, seen: set[type] | None = None) -> Iterator[inspect.Type]:
    """``of``, and every type inside of it, each struct once."""
    seen = set() if seen is None else seen
    yield of
    inner: list[inspect.Type] = []
    match of:
        case inspect.Metadata(type=item) | inspect.CollectionType(item_type=item):
            inner = [item]
        case inspect.UnionType(types=types) | inspect.TupleType(item_types=types):
            inner = list(types)
        case inspect.DictType(key_type=key, value_type=value):
            inner = [key, value]
        case (
            inspect.StructType(cls=cls, fields=fields)
            | inspect.DataclassType(cls=cls, fields=fields)
            | inspect.TypedDictType(cls=cls, fields=fields)
        ) if cls not in seen:
            seen.add(cls)
            inner = [field.type for field in fields]
    for item in inner:
        yield from parts(item, seen)


def bare(of: inspect.Type) -> inspect.Type:
    return bare(of.type) if isinstance(of, inspect.Metadata) else of


def has_text_with_pattern_and_list(of: inspect.Type) -> bool:
    """Some versions of msgspec end the interpreter on such a union."""
    types = [bare(item) for item in of.types] if isinstance(of, inspect.UnionType) else []
    return any(isinstance(item, inspect.StrType) and item.pattern for item in types) and any(
        isinstance(item, (inspect.CollectionType, inspect.TupleType)) for item in types
    )


@pytest.mark.parametrize("struct", STRUCTS, ids=name_of)
def test_no_union_of_a_text_with_a_pattern_and_a_list(struct: type) -> None:
    for part in parts(inspect.type_info(struct)):
        assert not has_text_with_pattern_and_list(part)


@pytest.mark.parametrize("struct", STRUCTS, ids=name_of)
def test_no_number_may_be_infinite_and_no_pattern_ignores_a_line_end(struct: type) -> None:
    for part in parts(inspect.type_info(struct)):
        if isinstance(part, inspect.FloatType):
            assert part.ge is not None or part.gt is not None
            assert part.le is not None or part.lt is not None
        if isinstance(part, inspect.StrType) and part.pattern is not None:
            assert part.pattern.startswith("^")
            assert part.pattern.endswith(r"$(?!\n)")


def test_the_union_is_recognized() -> None:
    for type_ in (list[int], tuple[int, int], tuple[str, ...]):
        union = inspect.UnionType(
            (
                inspect.Metadata(inspect.StrType(pattern="^a"), {"description": "x"}),
                inspect.type_info(type_),
            )
        )
        inside = inspect.DictType(inspect.StrType(), union)
        assert any(has_text_with_pattern_and_list(part) for part in parts(inside))


def test_the_sections_are_among_them() -> None:
    names = {struct.__name__ for struct in STRUCTS}
    assert {"Document", "GuardsSection", "PanicFields", "ScenarioFields", "DriftLimits"} <= names


def test_the_journal_is_among_them() -> None:
    assert {entry.__name__ for entry in get_args(Entry)} <= {struct.__name__ for struct in STRUCTS}
    types = {part.cls for part in parts(inspect.type_info(Decision)) if hasattr(part, "cls")}
    assert {Proposal, Outcome, Panic, Attribution, Effect} <= types


def schema(type_: Any) -> dict[str, Any]:
    return msgspec.json.schema(type_)


def test_a_profile_has_a_json_schema() -> None:
    result = schema(Document)
    entries = result["$defs"]
    document = entries["Document"]
    assert document["additionalProperties"] is False
    assert document["required"] == [
        *("name", "parameters", "kpis", "verdict", "rules", "guards", "gate"),
    ]
    assert entries["AttributionSettings"]["properties"]["least"]["minimum"] == 2
    assert entries["GateSection"]["properties"]["no_data_ratio"]["maximum"] == 1.0
    assert entries["ParameterFields"]["properties"]["cap_per_hour"]["exclusiveMinimum"] == 0.0
    assert set(entries["ParameterFields"]["properties"]["safer"]["enum"]) == {"up", "down"}
    assert entries["CriterionFields"]["properties"]["mock"]["description"] == A_COMPARISON
    comparison = entries["CriterionFields"]["properties"]["mock"]["pattern"].replace("?<", "?P<")
    assert re.search(comparison, "<= 0.40")
    assert not re.search(comparison, "=< 0.40")
    assert schema(ScenarioFields)["$defs"]["ScenarioFields"]["properties"]["gate"]


def test_the_schema_can_be_written_and_describes_every_struct_of_a_profile() -> None:
    written = msgspec.json.decode(msgspec.json.encode(schema(Document)))
    inside = {
        part.cls.__name__
        for part in parts(inspect.type_info(Document))
        if isinstance(part, inspect.StructType)
    }
    assert written["$defs"].keys() == inside
