"""Every field of a profile's file, from its types: where it stands, and what is wrong for it.

What is wrong follows from the types that are read, not from the schema that is made from them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from msgspec import inspect

from pytest_soak.live.sections import TargetSection
from pytest_soak.profile.file_fields import FileFields
from pytest_soak.profile.sections import (
    CONDITIONS,
    ConditionsOfParameters,
    LimitFields,
    LimitsOfKpi,
)

Path = tuple[str | int, ...]
NONSENSE = "÷÷"
"""A text that no field allows that allows only some."""


@dataclass(frozen=True)
class Place:
    """One field in one document."""

    label: str
    """``rules.NAME.dwell``: names are ``NAME``, ``KPI`` or ``KEY``, and lists have no places."""
    struct: str
    name: str
    path: Path
    type: inspect.Type = field(repr=False)
    required: bool


_NAMES = {"parameters": "KEY", "moves": "KEY", "keys": "KEY", "echo": "KEY", "parameter": "KEY",
          "criteria": "KPI", "margin": "KPI", "hysteresis": "KPI", "drift": "KPI",
          "kpis": "KPI"}  # fmt: skip


def places(document: dict[str, Any]) -> Iterator[Place]:
    """Every field that stands in the document."""
    yield from _of_struct(document, inspect.type_info(FileFields), (), "")


def _of_struct(value: Any, of: Any, path: Path, label: str) -> Iterator[Place]:
    for item in of.fields:
        name = item.encode_name
        if name not in value:
            continue
        type_ = inspect.type_info(TargetSection) if item.type == inspect.AnyType() else item.type
        below, text = (*path, name), f"{label}{name}"
        yield Place(text, of.cls.__name__, name, below, type_, item.required)
        yield from _inside(value[name], type_, below, text)


def _inside(value: Any, of: inspect.Type, path: Path, label: str) -> Iterator[Place]:
    if _is_conditions(of):
        yield from _of_conditions(value, path, label)
        return
    match _bare(of):
        case inspect.UnionType(types=types):
            for item in types:
                if _kind(value) in kinds(item):
                    yield from _inside(value, item, path, label)
        case inspect.StructType() as struct if isinstance(value, dict):
            yield from _of_struct(value, struct, path, f"{label}.")
        case inspect.DictType(value_type=below) if isinstance(value, dict):
            name = _NAMES.get(str(path[-1]), "NAME")
            for key, item in value.items():
                yield from _inside(item, below, (*path, key), f"{label}.{name}")
        case inspect.VarTupleType(item_type=below) if isinstance(value, list):
            for place, item in enumerate(value):
                yield from _inside(item, below, (*path, place), label)


def _of_conditions(value: Any, path: Path, label: str) -> Iterator[Place]:
    conditions = inspect.Metadata(
        inspect.DictType(inspect.StrType(), inspect.AnyType()),
        {"$ref": f"#/$defs/{CONDITIONS}"},
    )
    special: dict[str, inspect.Type] = {
        "any": inspect.VarTupleType(conditions),
        "not": conditions,
        "parameter": inspect.type_info(ConditionsOfParameters),
    }
    for key, item in value.items():
        below = (*path, key)
        if key in special:
            yield Place(f"CONDITIONS.{key}", CONDITIONS, key, below, special[key], required=False)
            yield from _inside(item, special[key], below, f"CONDITIONS.{key}")
        else:
            yield from _inside(item, inspect.type_info(LimitsOfKpi), below, "CONDITIONS.KPI")


def structs() -> dict[str, set[str]]:
    """Every struct of a file, and the names of its fields."""
    result: dict[str, set[str]] = {CONDITIONS: {"any", "not", "parameter"}}
    waiting: list[Any] = [*map(inspect.type_info, (FileFields, TargetSection, LimitFields))]
    while waiting:
        match _bare(waiting.pop()):
            case inspect.StructType(cls=cls, fields=fields) if cls.__name__ not in result:
                result[cls.__name__] = {item.encode_name for item in fields}
                waiting += (item.type for item in fields)
            case inspect.UnionType(types=types) | inspect.TupleType(item_types=types):
                waiting += types
            case inspect.DictType(value_type=below) | inspect.VarTupleType(item_type=below):
                waiting.append(below)
    result["PanicFields"] -= {"values"}  # they are those of revert_to
    return result


# -- what is wrong -------------------------------------------------------------------------------

SAMPLES: dict[str, tuple[Any, ...]] = {
    "true or false": (True,),
    "whole": (7,),
    "fraction": (1.5,),
    "text": (NONSENSE,),
    "list": ([], [[]]),
    "mapping": ({}, {NONSENSE: []}),
}
"""Kind of a JSON value to values of it."""


def wrong_types(of: inspect.Type) -> list[Any]:
    """Values of every kind that the type does not have."""
    return [value for kind, values in SAMPLES.items() if kind not in kinds(of) for value in values]


def kinds(of: inspect.Type) -> set[str]:
    """The kinds of JSON values that a type has, constraints apart."""
    match _bare(of):
        case inspect.UnionType(types=types):
            return set().union(*map(kinds, types))
        case inspect.BoolType():
            return {"true or false"}
        case inspect.IntType():
            return {"whole"}
        case inspect.FloatType():
            return {"whole", "fraction"}
        case inspect.StrType() | inspect.LiteralType():
            return {"text"}
        case inspect.CollectionType() | inspect.TupleType():
            return {"list"}
        case inspect.StructType() | inspect.DictType():
            return {"mapping"}
        case inspect.NoneType() | inspect.CustomType():
            return set()
    raise AssertionError(of)


def out_of_range(of: inspect.Type) -> list[Any]:
    """Values of the right kind that the constraints of the type exclude."""
    extra: dict[str, Any] = {}
    if isinstance(of, inspect.Metadata):
        extra = of.extra_json_schema or {}
    match _bare(of):
        case inspect.UnionType(types=types):
            parts = [out_of_range(item) for item in types]
            # A value that another alternative allows is not out of range.
            free = set().union(
                *(kinds(t) for t, part in zip(types, parts, strict=True) if not part)
            )
            return [value for part in parts for value in part if _kind(value) not in free]
        case inspect.IntType(ge=ge, le=le):
            limits = (ge - 1 if ge is not None else None, le + 1 if le is not None else None)
            return [value for value in limits if value is not None and abs(value) < 2**53]
        case inspect.FloatType(ge=ge, gt=gt, le=le, lt=lt):
            low = gt if gt is not None else (None if ge is None else ge - 0.5)
            high = lt if lt is not None else (None if le is None else le * 1.5)
            return [value for value in (low, high) if value is not None and abs(value) < 1e300]
        case inspect.LiteralType():
            return [NONSENSE]
        case inspect.StrType(pattern=pattern, min_length=least):
            named = extra.keys() & {"pattern", "x-names", "anyOf"}
            return [NONSENSE] * bool(pattern or named) + [""] * bool(least)
        case inspect.VarTupleType(min_length=least, item_type=item):
            inner = [[value] for value in out_of_range(item)]
            return inner + [[]] * bool(least)
        case inspect.TupleType(item_types=types):
            return [[], [1] * (len(types) + 1)]
    return []


def replaced(document: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """The document with another value at ``path``."""
    copied = copy.deepcopy(document)
    node: Any = copied
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return copied


def removed(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """The document without the field at ``path``."""
    copied = copy.deepcopy(document)
    node: Any = copied
    for part in path[:-1]:
        node = node[part]
    del node[path[-1]]
    return copied


def _bare(of: inspect.Type) -> Any:
    return _bare(of.type) if isinstance(of, inspect.Metadata) else of


def _is_conditions(of: inspect.Type) -> bool:
    extra = of.extra_json_schema if isinstance(of, inspect.Metadata) else None
    if extra is not None and str(extra.get("$ref", "")).endswith(CONDITIONS):
        return True
    return isinstance(of, inspect.Metadata) and _is_conditions(of.type)


def _kind(value: Any) -> str:
    by_type: dict[type, str] = {bool: "true or false", int: "whole", float: "fraction",
                                str: "text", list: "list", dict: "mapping"}  # fmt: skip
    return by_type.get(type(value), "")
