"""JSON values as typed objects: each kind of fault, with its place, and no fault that is missed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from pytest_soak.json_types import (
    Count,
    Finite,
    NotNegative,
    Positive,
    Share,
    Whole,
    WrongValueError,
    converted,
    fault_in,
)

Name = Annotated[str, Meta(pattern=r"^[a-z]{1,5}$(?!\n)", description="name of 1 to 5 letters")]


class Ends(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    low: Finite
    high: Finite | None = None


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Plain:
    low: Finite
    also: tuple[str, ...] = ()


class Counts(TypedDict):
    rows: Whole
    others: NotRequired[dict[str, Whole]]


class Thing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    count: Count = 1
    least: NotNegative = 0
    whole: Whole = 0
    share: Share = 0.5
    width: Positive = 1.0
    level: Annotated[float, Meta(ge=0.5, le=0.9999)] = 0.9
    middle: Annotated[float, Meta(gt=0.5, lt=1)] = 0.9
    better: Literal["up", "down"] = "up"
    flag: bool = False
    parts: dict[Name, Ends] = {}
    names: Annotated[tuple[Name, ...], Meta(min_length=1, description="a name at least")] = ("a",)
    pair: tuple[Finite | None, Finite | None] = (None, None)
    lasts: Literal["run"] | NotNegative = msgspec.field(name="for", default="run")
    at: Count | tuple[Count, ...] = ()
    when: str | tuple[str, ...] | Ends = ""
    note: Any = None
    part: Ends | msgspec.UnsetType = msgspec.UNSET
    plain: tuple[Plain, ...] = ()
    counts: Counts | None = None
    colour: Colour = Colour.RED


class Begin(msgspec.Struct, tag_field="type", tag="begin"):
    at: Whole


class End(msgspec.Struct, tag_field="type", tag="end"):
    why: str


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"nme": "a"}, "nme: unknown field; did you mean 'name'?"),
    ({"name": None}, "name: null is not a text; needs, in quotes, a name of 1 to 5 letters"),
    ({"name": "toolong"}, "name: 'toolong' is no name of 1 to 5 letters"),
    ({"name": "a\n"}, r"name: 'a\n' is no name of 1 to 5 letters"),
    ({"count": 0}, "count: 0 is below 1"),
    ({"count": True}, "count: true is not a finite number"),
    ({"count": "3"}, "count: '3' is not a finite number"),
    ({"count": 2.5}, "count: 2.5 is not a whole number"),
    ({"count": 1e16}, "count: 1e+16 is above 9007199254740992"),
    ({"count": -1e300}, "count: -1e+300 is below 1"),
    ({"name": "\ud800"}, r"name: '\ud800' has a lone surrogate, which is no character"),
    ({"count": math.inf}, "count: inf is not a finite number"),
    ({"count": 2**60}, f"count: {2**60} is above {2**53}"),
    ({"least": -1}, "least: -1 is below 0"),
    ({"whole": -(2**60)}, f"whole: -{2**60} is below -{2**53}"),
    ({"share": 1.5}, "share: 1.5 is no share between 0 and 1"),
    ({"width": 0}, "width: 0 is not above 0"),
    ({"width": math.nan}, "width: nan is not a finite number"),
    ({"width": 10**400}, "is not a finite number"),
    ({"width": 10**5000}, "width: a number of thousands of digits is not a finite number"),
    ({"level": 0.99999}, "level: 0.99999 is not from 0.5 to 0.9999"),
    ({"middle": 1}, "middle: 1 is not above 0.5 and below 1"),
    ({"better": "upp"}, "better: 'upp' is none of 'down', 'up'; did you mean 'up'?"),
    ({"better": 3}, "better: 3 is none of 'down', 'up'"),
    ({"flag": 1}, "flag: 1 is neither true nor false"),
    ({"parts": []}, "parts: a list is not a mapping"),
    ({"parts": {"A": {}}}, "parts.A: 'A' is no name of 1 to 5 letters"),
    ({"parts": {"a": {}}}, "parts.a: 'low' is missing; it has low"),
    ({"parts": {"a": {"low": "x"}}}, "parts.a.low: 'x' is not a finite number"),
    ({"parts": {"a": {"low": 1, "high": "x"}}}, "parts.a.high: 'x' is not a finite number"),
    ({"names": []}, "names: is empty; needs a name at least"),
    ({"names": "a"}, "names: 'a' is not a list; needs a name at least"),
    ({"names": ["a", 3]}, "names.1: 3 is not a text"),
    ({"pair": [1]}, "pair: has 1 item; needs 2"),
    ({"pair": [1, "x"]}, "pair.1: 'x' is not a finite number"),
    ({"for": -1}, "for: -1 is below 0"),
    ({"for": "walk"}, "for: 'walk' is neither 'run' nor a whole number"),
    ({"at": "soon"}, "at: 'soon' is neither a whole number nor a list"),
    ({"at": [3, 0]}, "at.1: 0 is below 1"),
    ({"when": 5}, "when: 5 is neither a text, a list nor a mapping"),
    ({"when": {"low": None}}, "when.low: null is not a finite number"),
    ({"part": None}, "part: null is not a mapping"),
    ({"plain": [{}]}, "plain.0: 'low' is missing; it has low"),
    ({"plain": [{"low": 1}, {"low": "x"}]}, "plain.1.low: 'x' is not a finite number"),
    ({"plain": [{"low": 1, "also": [1]}]}, "plain.0.also.0: 1 is not a text"),
    ({"plain": [3]}, "plain.0: 3 is not a mapping"),
    ({"counts": {}}, "counts: 'rows' is missing; it has rows"),
    ({"counts": []}, "counts: a list is not a mapping"),
    ({"counts": {"rows": 1, "others": {"a": "1"}}}, "counts.others.a: '1' is not a finite number"),
    ({"colour": "rde"}, "colour: 'rde' is none of 'red', 'blue'; did you mean 'red'?"),
    ({"colour": None}, "colour: null is none of 'red', 'blue'"),
]


@pytest.mark.parametrize(("changes", "message"), FAULTS, ids=[message for _, message in FAULTS])
def test_a_fault_names_place_value_and_what_would_be_right(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(WrongValueError) as caught:
        converted({"name": "a", **changes}, Thing)
    assert message in str(caught.value)
    assert str(caught.value) == f"{'.'.join(caught.value.path)}: {caught.value.problem}"
    assert "\n" not in str(caught.value)


def test_a_right_value_is_the_object() -> None:
    assert converted({"name": "a", "for": 3, "at": [2], "width": 10**300}, Thing) == Thing(
        name="a", lasts=3, at=(2,), width=1e300
    )
    value = {"name": "a", "plain": [{"low": 1}], "counts": {"rows": 2}, "colour": "blue"}
    assert converted(value, Thing) == Thing(
        name="a", plain=(Plain(1.0),), counts={"rows": 2}, colour=Colour.BLUE
    )


def test_what_is_missing_is_listed() -> None:
    with pytest.raises(WrongValueError, match=r"^'name' is missing; it has name$") as caught:
        converted({}, Thing)
    assert caught.value.path == ()
    with pytest.raises(WrongValueError, match=r"^5 is not a mapping$"):
        converted(5, Thing)


def test_a_tag_says_which_type_it_is() -> None:
    def entry(value: Any) -> Any:
        return converted(value, Begin | End)

    assert entry({"type": "begin", "at": 3, "more": 1}) == Begin(at=3)
    for value, message in [
        ({"at": 3}, "'type' is missing"),
        ({"type": "beginn"}, "type: 'beginn' is none of 'begin', 'end'; did you mean 'begin'?"),
        ({"type": ["begin"]}, "type: a list is none of 'begin', 'end'"),
        ({"type": "begin"}, "'at' is missing; it has at"),
        ({"type": "begin", "at": 0.5}, "at: 0.5 is not a whole number"),
        ({"type": "end", "why": 3}, "why: 3 is not a text"),
        ([], "a list is not a mapping"),
    ]:
        with pytest.raises(WrongValueError) as caught:
            entry(value)
        assert message in str(caught.value)


def test_a_tag_of_another_type_is_named() -> None:
    assert converted({"at": 3}, Begin) == Begin(at=3)
    with pytest.raises(WrongValueError, match="type: 'end' is not 'begin'"):
        converted({"type": "end", "at": 3}, Begin)


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(
        [10**400, 2**60, math.nan, math.inf, 0.5, 3.0, "a", "run", "up", "red", "A", "a\n"]
    )
)
keys = st.sampled_from(["low", "high", "also", "rows", "others", "a", "A", "x" * 70])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from([field.encode_name for field in msgspec.structs.fields(Thing)])


@settings(max_examples=1000, derandomize=True, deadline=None)
@given(st.dictionaries(fields, values, max_size=2))
def test_the_message_knows_every_fault_that_msgspec_finds_and_no_other(
    changes: dict[str, Any],
) -> None:
    value = {"name": "a", **changes}
    fault = fault_in(value, msgspec.inspect.type_info(Thing))
    try:
        msgspec.convert(value, Thing)
    except msgspec.ValidationError:
        assert fault is not None
        place: Any = value
        for part in fault.path[:-1]:
            place = place[int(part)] if isinstance(place, list) else place[part]
    else:
        assert fault is None
