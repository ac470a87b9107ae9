"""JSON values as typed objects: one call of msgspec, and a message that names the place of a fault.

A type is declared once, as ``msgspec.Struct`` classes, dataclasses or typed dicts with constraints
in ``Annotated[…, msgspec.Meta(…)]``; reading, checking and JSON Schema (``msgspec.json.schema``)
follow from it.
msgspec's own message leaves the keys of mappings out, so after a failure the value is compared
with the type a second time, by :func:`fault_in`, which knows the path.

``Meta(description=…)`` completes the message where a constraint is not met. It is a noun: a text
or number "is no <description>", a list or mapping of a wrong size "needs <description>". Declare

- numbers with the types below, or with both bounds: a bare ``float`` accepts NaN and infinities;
- patterns as ``^…$(?!\\n)``: ``$`` alone accepts a line end behind the text;
- no union of a text with a pattern and a list: some versions of msgspec crash on it. Give the text
  its pattern by ``Meta(extra_json_schema={"pattern": …})``, and check it where it is read.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NamedTuple, TypeVar, overload

import msgspec
from msgspec import Meta, inspect

from pytest_soak.canonical import number
from pytest_soak.messages import nearest, shown

_ObjectType = inspect.StructType | inspect.DataclassType | inspect.TypedDictType
_OBJECT_TYPES = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType)
EXACT = 2**53
"""Up to here a float represents every whole number."""
LARGEST = sys.float_info.max
_LONGEST_KEY = 64

Finite = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)]
Positive = Annotated[float, Meta(gt=0.0, le=LARGEST)]
Share = Annotated[float, Meta(ge=0.0, le=1.0, description="share between 0 and 1")]
Whole = Annotated[int, Meta(ge=-EXACT, le=EXACT)]
"""A whole number that a float represents exactly. The float ``3.0`` is none."""
NotNegative = Annotated[int, Meta(ge=0, le=EXACT)]
Count = Annotated[int, Meta(ge=1, le=EXACT)]

_Typed = TypeVar("_Typed")
_Container = inspect.DictType | inspect.CollectionType | inspect.TupleType


class WrongValueError(ValueError):
    """A JSON value that does not have its type: where, and why."""

    def __init__(self, path: tuple[str, ...], problem: str) -> None:
        super().__init__(f"{'.'.join(path)}: {problem}" if path else problem)
        self.path = path
        """The keys that lead to the wrong value, and the indices of lists, as texts."""
        self.problem = problem
        """Ends a sentence that begins with the path, as in ``0 is below 1``."""


class Fault(NamedTuple):
    """As in :class:`WrongValueError`."""

    path: tuple[str, ...]
    problem: str


@overload
def converted(value: Any, type_: type[_Typed]) -> _Typed: ...


@overload
def converted(value: Any, type_: Any) -> Any: ...


def converted(value: Any, type_: Any) -> Any:
    """``value`` as an object of ``type_``, which may be a union of tagged structs.

    ``value`` consists of dicts, lists, texts, numbers, booleans and None, as ``json.loads`` makes
    them. Texts are not read as numbers, nor booleans or whole floats as integers. Raises
    WrongValueError for the first fault, in the order of :func:`fault_in`.
    """
    try:
        return msgspec.convert(value, type_, strict=True)
    except (msgspec.ValidationError, UnicodeError) as error:  # a lone surrogate is no text
        fault = fault_in(value, inspect.type_info(type_)) or Fault((), str(error))
    raise WrongValueError(*fault)


def fault_in(value: Any, of: inspect.Type, description: str = "") -> Fault | None:
    """The first fault of ``value``, which should be ``of`` that type; None if there is none.

    Of an object: unknown fields (if the type forbids them), missing ones, then each field. Of a
    mapping: key and value, entry by entry. ``description`` is that of the type's ``Meta``.
    """
    match of:
        case inspect.Metadata(type=inner, extra_json_schema=schema):
            return fault_in(value, inner, (schema or {}).get("description", description))
        case inspect.UnionType(types=types):
            return _fault_in_union(value, types)
        case inspect.StructType() | inspect.DataclassType() | inspect.TypedDictType():
            return _fault_in_object(value, of)
        case inspect.DictType(key_type=key_type, value_type=value_type):
            if problem := _problem_of_size(value, of, description):
                return Fault((), problem)
            return _first(
                _below(str(key)[:_LONGEST_KEY], fault_in(part, part_type))
                for key, item in value.items()
                for part, part_type in ((key, key_type), (item, value_type))
            )
        case inspect.TupleType(item_types=item_types):
            if problem := _problem_of_size(value, of, description):
                return Fault((), problem)
            return _first(
                _below(str(place), fault_in(item, item_type))
                for place, (item, item_type) in enumerate(zip(value, item_types, strict=True))
            )
        case inspect.ListType(item_type=item_type) | inspect.VarTupleType(item_type=item_type):
            if problem := _problem_of_size(value, of, description):
                return Fault((), problem)
            return _first(
                _below(str(place), fault_in(item, item_type)) for place, item in enumerate(value)
            )
    problem = _problem_of_scalar(value, of, description)
    return Fault((), f"{shown(value)} {problem}") if problem else None


def _first(faults: Iterable[Fault | None]) -> Fault | None:
    return next((fault for fault in faults if fault is not None), None)


def _below(key: str, fault: Fault | None) -> Fault | None:
    return fault and Fault((key, *fault.path), fault.problem)


def _problem_of_size(value: Any, of: _Container, description: str) -> str:
    """What is wrong with a list or mapping as a whole; empty if nothing is."""
    needs = f"; needs {description}" if description else ""
    if not _is_of_kind(value, of):
        return f"{shown(value)} is not {_noun(of)}{needs}"
    least, most = _sizes(of)
    if least <= len(value) and (most is None or len(value) <= most):
        return ""
    if most == least:
        needs = needs or f"; needs {least}"
    size = f"has {len(value)} item{'s' if len(value) > 1 else ''}" if value else "is empty"
    return size + needs


def _sizes(of: _Container) -> tuple[int, int | None]:
    if isinstance(of, inspect.TupleType):
        return len(of.item_types), len(of.item_types)
    return of.min_length or 0, of.max_length


def _fault_in_object(value: Any, of: _ObjectType) -> Fault | None:
    if not isinstance(value, dict):
        return Fault((), f"{shown(value)} is not a mapping")
    names = [field.encode_name for field in of.fields]
    if isinstance(of, inspect.StructType) and (fault := _fault_of_struct(value, of, names)):
        return fault
    required = [field.encode_name for field in of.fields if field.required]
    for name in required:
        if name not in value:
            return Fault((), f"{name!r} is missing; it has {', '.join(required)}")
    return _first(
        _below(field.encode_name, fault_in(value[field.encode_name], field.type))
        for field in of.fields
        if field.encode_name in value
    )


def _fault_of_struct(
    value: dict[str, Any], of: inspect.StructType, names: list[str]
) -> Fault | None:
    """A wrong tag, or a field that the struct forbids."""
    if of.tag_field is not None and value.get(of.tag_field, of.tag) != of.tag:
        return Fault((of.tag_field,), f"{shown(value[of.tag_field])} is not {of.tag!r}")
    for key in value if of.forbid_unknown_fields else ():
        if key not in names and key != of.tag_field:
            return Fault((str(key)[:_LONGEST_KEY],), f"unknown field{nearest(str(key), names)}")
    return None


def _fault_in_union(value: Any, types: tuple[inspect.Type, ...]) -> Fault | None:
    structs = {of.tag: of for of in types if isinstance(of, inspect.StructType) and of.tag_field}
    if structs and isinstance(value, dict):
        return _fault_in_tagged(value, structs)
    faults = [fault_in(value, of) for of in types]
    if None in faults:
        return None
    others = [of for of in types if not isinstance(of, inspect.NoneType)]
    likely = [of for of in others if _is_of_kind(value, of)] or others
    is_word = isinstance(_bare(likely[0]), inspect.LiteralType)
    if len(likely) == 1 and (len(others) == 1 or not is_word):
        return faults[types.index(likely[0])]
    nouns = list(dict.fromkeys(map(_noun, others)))
    expected = f"neither {', '.join(nouns[:-1])} nor " if nouns[1:] else "not "
    return Fault((), f"{shown(value)} is {expected}{nouns[-1]}")


def _fault_in_tagged(
    value: dict[str, Any], structs: Mapping[Any, inspect.StructType]
) -> Fault | None:
    """The fault of an object that should be one of ``structs``; its tag says which."""
    field = str(next(iter(structs.values())).tag_field)
    if field not in value:
        return Fault((), f"{field!r} is missing")
    tag = value[field]
    if type(tag) not in (str, int) or tag not in structs:
        return Fault((field,), f"{shown(tag)} {_not_among(tag, tuple(structs))}")
    return _fault_in_object(value, structs[tag])


def _problem_of_scalar(value: Any, of: inspect.Type, description: str) -> str:
    """Ends a sentence that begins with the value; empty if nothing is wrong."""
    match of:
        case inspect.StrType():
            if not isinstance(value, str):
                needs = f"needs, in quotes, a {description}" if description else "put it in quotes"
                return f"is not a text; {needs}"
            if any("\ud800" <= character <= "\udfff" for character in value):
                return "has a lone surrogate, which is no character"
            fits = of.pattern is None or re.search(of.pattern, value) is not None
            fits = fits and (of.min_length or 0) <= len(value)
            fits = fits and (of.max_length is None or len(value) <= of.max_length)
            return "" if fits else f"is no {description or 'text of the right form'}"
        case inspect.EnumType(cls=enum):
            values = tuple(member.value for member in enum)
            fits = any(type(value) is type(item) and value == item for item in values)
            return "" if fits else _not_among(value, values)
        case inspect.LiteralType(values=values):
            fits = any(type(value) is type(item) and value == item for item in values)
            return "" if fits else _not_among(value, values)
        case inspect.FloatType() if number(value) is None:
            return "is not a finite number"
        case inspect.IntType() if type(value) is not int:
            whole = isinstance(value, float) and value.is_integer()
            if whole and (problem := _problem_of_bounds(value, of, description)):
                return problem
            return f"is not a {'finite' if number(value) is None else 'whole'} number"
        case inspect.FloatType() | inspect.IntType():
            return _problem_of_bounds(value, of, description)
        case inspect.BoolType():
            return "" if isinstance(value, bool) else "is neither true nor false"
        case inspect.NoneType():
            return "" if value is None else "is not null"
    return ""


def _not_among(value: Any, choices: tuple[Any, ...]) -> str:
    near = nearest(value, map(str, choices)) if isinstance(value, str) else ""
    near = near if near.startswith("; did") else ""  # all choices are there anyway
    return f"is none of {', '.join(map(repr, choices))}{near}"


def _problem_of_bounds(
    value: float, of: inspect.FloatType | inspect.IntType, description: str
) -> str:
    low = of.ge if of.ge is not None else of.gt
    high = of.le if of.le is not None else of.lt
    too_low = low is not None and (value < low or (value == low and of.ge is None))
    too_high = high is not None and (value > high or (value == high and of.le is None))
    if not too_low and not too_high:
        return ""
    if description:
        return f"is no {description}"
    if low is not None and high is not None and abs(low) < EXACT and abs(high) < EXACT:
        if of.ge is not None and of.le is not None:
            return f"is not from {low:.16g} to {high:.16g}"
        least = "at least" if of.ge is not None else "above"
        most = "at most" if of.le is not None else "below"
        return f"is not {least} {low:.16g} and {most} {high:.16g}"
    if too_low:
        return f"is {'below' if of.ge is not None else 'not above'} {low:.16g}"
    return f"is {'above' if of.le is not None else 'not below'} {high:.16g}"


_KINDS: tuple[tuple[str, tuple[type, ...], tuple[type, ...]], ...] = (
    ("null", (inspect.NoneType,), (type(None),)),
    ("true or false", (inspect.BoolType,), (bool,)),
    ("a whole number", (inspect.IntType,), (int, float)),
    ("a number", (inspect.FloatType,), (int, float)),
    ("a text", (inspect.StrType, inspect.LiteralType, inspect.EnumType), (str,)),
    ("a list", (inspect.CollectionType, inspect.TupleType), (list, tuple)),
    ("a mapping", (*_OBJECT_TYPES, inspect.DictType), (dict,)),
)
"""A noun, the types of msgspec that it describes, and those of the JSON values."""


def _bare(of: inspect.Type) -> inspect.Type:
    return _bare(of.type) if isinstance(of, inspect.Metadata) else of


def _is_of_kind(value: Any, of: inspect.Type) -> bool:
    """Whether ``value`` is what the type describes, whatever the constraints say."""
    if isinstance(value, bool):
        return isinstance(_bare(of), inspect.BoolType)
    return any(
        isinstance(value, values) and isinstance(_bare(of), types) for _, types, values in _KINDS
    )


def _noun(of: inspect.Type) -> str:
    bare = _bare(of)
    if isinstance(bare, inspect.LiteralType):
        return ", ".join(map(repr, bare.values))
    if isinstance(of, inspect.Metadata) and isinstance(bare, inspect.StrType):
        description = (of.extra_json_schema or {}).get("description")
        return f"a {description}" if description else "a text"
    return next((noun for noun, types, _ in _KINDS if isinstance(bare, types)), "a value")
