"""The section ``parameters``: defaults, and every refusal with its words."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.parameter import Coupling
from pytest_soak.profile.parameters import apply_deltas, flatten, nest, set_in_runtime
from pytest_soak.profile.resolve import Resolved
from pytest_soak.profile.start import Overrides, start_values
from tests.unit.profile.typed import document, parameter, typed

INT: dict[str, Any] = {"type": "int", "start": 4, "min": 1, "max": 32}
FLOAT: dict[str, Any] = {"start": 1, "min": 0, "max": 10}
CHOICE: dict[str, Any] = {"type": "choice", "start": "a", "choices": ["a", "b"]}
BOOL: dict[str, Any] = {"type": "bool", "start": False}
LOG: dict[str, Any] = {"start": 1, "min": 0.5, "max": 8, "scale": "log"}


def test_all_fields_but_start_and_range_have_defaults() -> None:
    given = parameter(start=1, min=0, max=10)
    assert (given.kind, given.step, given.log, given.safer, given.unit) == (
        "float", 0.0, False, "down", "",
    )  # fmt: skip
    assert given.cap_per_hour == 2.0
    assert given.cap_per_iteration == math.inf
    assert (given.restart, given.description, given.at_most, given.at_least) == (False, "", (), ())


@pytest.mark.parametrize(
    ("fields", "cap"),
    [
        (INT, 6.2),
        ({**INT, "max": 3, "start": 1}, 1.0),  # at least one step
        (BOOL, 1.0),
        (CHOICE, 1.0),
        ({**CHOICE, "choices": list("abcdefghijk")}, 2.0),
        (LOG, 0.2 * math.log(16)),
        ({**LOG, "cap_per_hour": 2}, math.log(2)),
        ({**INT, "min": 4, "max": 4}, 0.0),
    ],
)
def test_the_cap_per_hour(fields: dict[str, Any], cap: float) -> None:
    assert parameter(**fields).cap_per_hour == pytest.approx(cap)


def test_caps_scale_multiplies_every_cap() -> None:
    guards = {**document()["guards"], "caps_scale": 10}
    given = typed(
        {
            "plain": FLOAT,
            "capped": {**FLOAT, "cap_per_hour": 0.5, "cap_per_iteration": 0.1},
            "ratio": {**LOG, "cap_per_hour": 2},
        },
        guards=guards,
    ).parameters
    assert given["plain"].cap_per_hour == 20.0
    assert given["capped"].cap_per_hour == 5.0
    assert given["capped"].cap_per_iteration == 1.0
    assert given["ratio"].cap_per_hour == pytest.approx(10 * math.log(2))


def test_a_coupling_limits_both_parameters() -> None:
    given = typed({"low": {**FLOAT, "at_most": {"parameter": "high", "factor": 4}}, "high": FLOAT})
    low, high = given.parameters["low"], given.parameters["high"]
    assert low.at_most == (Coupling("high", 4.0),)
    assert high.at_least == (Coupling("low", 0.25),)
    values = {"low": 2.0, "high": 1.0}
    assert low.limits(values) == (0.0, 4.0)
    assert high.limits(values) == (0.5, 10.0)
    given = typed({"low": FLOAT, "high": {**FLOAT, "at_least": "low"}})
    assert given.parameters["low"].at_most == (Coupling("high"),)
    assert given.parameters["high"].at_least == (Coupling("low"),)


@pytest.mark.parametrize(
    ("fields", "at", "words"),
    [
        ({"start": 1}, "x", "'min' is missing; a number needs min and max"),
        ({"start": 1, "min": 0}, "x", "'max' is missing; a number needs min and max"),
        ({**FLOAT, "min": 11}, "x.min", "min 11 is above max 10"),
        ({**FLOAT, "start": 11}, "x.start", "11 is outside 0 to 10"),
        ({**FLOAT, "start": True}, "x.start", "true is not a finite number"),
        ({**FLOAT, "start": "1"}, "x.start", "'1' is not a finite number"),
        ({**FLOAT, "choices": ["a", "b"]}, "x.choices", "belongs to 'type: choice'"),
        ({**FLOAT, "step": 3}, "x.step", "max 10 is no number of steps of 3 above min 0"),
        ({**FLOAT, "step": 0.25, "start": 0.3}, "x.start",
         "0.3 is not allowed; allowed: 0 to 10 in steps of 0.25"),
        ({**FLOAT, "step": 1e-9}, "x.step",
         "from min to max there are 10,000,000,000 steps of 1e-09; at most 10,000,000 are possible,"
         " so a larger step is needed"),
        ({**FLOAT, "min": 1e9, "max": 1e9 + 1, "start": 1e9, "step": 0.001}, "x.step",
         "0.001 is lost in values of 1e+09: they have 12 digits"),
        ({**INT, "max": 2**40}, "x.step", "so a larger step is needed"),
        ({**INT, "start": 4.5}, "x.start", "4.5 is not allowed; allowed: 1 to 32, whole numbers"),
        ({**INT, "min": 0.5}, "x.min", "0.5 is no whole number"),
        ({**INT, "max": 32.5}, "x.max", "32.5 is no whole number"),
        ({**INT, "step": 0.5}, "x.step", "0.5 is no whole number"),
        ({**INT, "step": 5}, "x.step", "max 32 is no number of steps of 5 above min 1"),
        ({**INT, "cap_per_hour": 0.5}, "x.cap_per_hour",
         "0.5 is less than one step, so the parameter could never move"),
        ({**INT, "cap_per_iteration": 0.9}, "x.cap_per_iteration",
         "0.9 is less than one step, so the parameter could never move"),
        ({**INT, "scale": "log", "cap_per_hour": 1.5}, "x.cap_per_hour",
         "1.5 is less than one step, so the parameter could never move"),
        ({**LOG, "cap_per_hour": 1}, "x.cap_per_hour",
         "1 is no ratio above 1; 'scale: log' measures ratios"),
        ({**LOG, "cap_per_iteration": 0.5}, "x.cap_per_iteration",
         "0.5 is no ratio above 1; 'scale: log' measures ratios"),
        ({**LOG, "min": 0}, "x.min", "0 is not above 0; 'scale: log' measures ratios"),
        ({**BOOL, "min": 0}, "x.min", "a switch is false or true"),
        ({**BOOL, "max": 1}, "x.max", "a switch is false or true"),
        ({**BOOL, "step": 1}, "x.step", "a switch is false or true"),
        ({**BOOL, "choices": ["a", "b"]}, "x.choices", "a switch is false or true"),
        ({**BOOL, "scale": "log"}, "x.scale",
         "belongs to a number; choices have places in a list"),
        ({**BOOL, "start": 2}, "x.start", "2.0 is not allowed; allowed: one of false, true"),
        ({**BOOL, "start": "maybe"}, "x.start",
         "'maybe' is not allowed; allowed: one of false, true"),
        ({"type": "choice", "start": "a"}, "x",
         "a choice needs 'choices', a list from the lowest to the highest"),
        ({**CHOICE, "min": 0}, "x.min", "a choice has 'choices' instead"),
        ({**CHOICE, "max": 1}, "x.max", "a choice has 'choices' instead"),
        ({**CHOICE, "step": 1}, "x.step", "a choice has 'choices' instead"),
        ({**CHOICE, "scale": "log"}, "x.scale",
         "belongs to a number; choices have places in a list"),
        ({**CHOICE, "choices": ["a"]}, "x.choices", "needs two choices at least"),
        ({**CHOICE, "choices": ["a", "b", "a"]}, "x.choices.2", "'a' is listed twice"),
        ({**CHOICE, "choices": ["a", 1, 1.0]}, "x.choices.2", "1 is listed twice"),
        ({**CHOICE, "choices": ["a", "1e3"]}, "x.choices.1",
         "'1e3' is a text that looks like a number; write it without quotes"),
        ({**CHOICE, "choices": ["a", " "]}, "x.choices.1", "' ' is not a line that can be read"),
        ({**CHOICE, "choices": ["a", "b\n"]}, "x.choices.1",
         r"'b\n' is not a line that can be read"),
        ({**CHOICE, "choices": ["a", True]}, "x.choices.1", ""),
        ({**CHOICE, "start": "c"}, "x.start", "'c' is not allowed; allowed: one of a, b"),
        ({**CHOICE, "start": 0}, "x.start", "0.0 is not allowed; allowed: one of a, b"),
        ({**FLOAT, "type": "enum"}, "x.type", ""),
        ({**FLOAT, "scale": "cubic"}, "x.scale", ""),
        ({**FLOAT, "cap_per_hour": 0}, "x.cap_per_hour", ""),
        ({**FLOAT, "cap_per_iteration": -1}, "x.cap_per_iteration", ""),
        ({**FLOAT, "step": 0}, "x.step", ""),
        ({**FLOAT, "safer": "left"}, "x.safer", ""),
        ({**FLOAT, "restart": "yes"}, "x.restart", ""),
        ({**FLOAT, "stepp": 1}, "x.stepp", "did you mean 'step'?"),
        ({**FLOAT, "at_most": "x"}, "x.at_most", "is the parameter itself"),
        ({**FLOAT, "at_most": "othr"}, "x.at_most", "did you mean 'other'?"),
        ({**FLOAT, "at_least": {"parameter": "y"}}, "x.at_least", "unknown parameter"),
        ({**FLOAT, "at_least": {"parameter": "other", "factor": 0}}, "x.at_least.factor", ""),
        ({**FLOAT, "at_most": "named"}, "x.at_most", "named is no number"),
        ({**CHOICE, "at_least": "other"}, "x.at_least", "x is no number"),
        ({**FLOAT, "start": 6, "at_most": "other"}, "x.start", "x = 6 is above other = 5"),
        ({**FLOAT, "start": 6, "at_most": {"parameter": "other", "factor": 0.5}}, "x.start",
         "x = 6 is above 0.5 times other = 5"),
        ({**FLOAT, "at_least": "other"}, "other.start", "other = 5 is above x = 1"),
    ],
)  # fmt: skip
def test_refused(fields: dict[str, Any], at: str, words: str) -> None:
    others = {"other": {"start": 5, "min": 0, "max": 10}, "named": CHOICE}
    with pytest.raises(ProfileError) as caught:
        typed({"x": fields, **others})
    assert f"parameters.{at}: " in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize("key", ["x_delta", "extends", "guards", "tuner"])
def test_names_that_have_a_meaning_are_refused(key: str) -> None:
    with pytest.raises(ProfileError, match="this name has a meaning of its own"):
        typed({"x": FLOAT, key: FLOAT})


def test_the_read_only_section_and_sections_named_as_parameters_are_refused() -> None:
    with pytest.raises(ProfileError, match=r"x\.path: the section 'tuner' is read-only"):
        typed({"x": {**FLOAT, "path": "tuner"}})
    with pytest.raises(ProfileError, match=r"x\.path: 'y' is a parameter, no section"):
        typed({"x": {**FLOAT, "path": "app.y"}, "y": FLOAT})


PANIC = {"after": 3, "revert_to": "safe", "pause": 4}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"n": 4.5, "c": "a", "f": 1}, "'safe' has n = 4.5; this profile allows 1 to 32, whole"),
        ({"n": 40, "c": "a", "f": 1}, "'safe' has n = 40; this profile allows 1 to 32, whole"),
        ({"n": 4, "c": "z", "f": 1}, "'safe' has c = 'z'; this profile allows one of a, b"),
        ({"n": 4, "c": "a", "f": 11}, "'safe' has f = 11, outside this profile's 0 to 10"),
        ({"n": 4, "c": "a", "f": "b"}, "'safe' has f = 'b'; this profile allows 0 to 10"),
        ({"n": 1, "c": "a", "f": 2}, "f = 2 is above n = 1"),
        ({"n": 4, "c": "a"}, "'f' is missing"),
        ({"n": 4, "c": "a", "f": 1, "g": 1}, "unknown field"),
    ],
)
def test_a_safe_profile_that_does_not_fit_is_refused(values: dict[str, Any], words: str) -> None:
    parameters = {"n": INT, "c": CHOICE, "f": {**FLOAT, "at_most": "n"}}
    guards = {**document()["guards"], "panic": {**PANIC, "values": values}}
    with pytest.raises(ProfileError) as caught:
        typed(parameters, guards=guards)
    assert words in str(caught.value)


def test_the_values_of_a_safe_profile_are_numbers_on_the_grid() -> None:
    parameters = {"n": {**FLOAT, "step": 0.1, "cap_per_hour": 1}, "c": CHOICE, "s": BOOL}
    values = {"n": 0.1 + 0.2, "c": "b", "s": "on"}
    guards = {**document()["guards"], "panic": {**PANIC, "values": values}}
    panic = typed(parameters, guards=guards).guards.panic
    assert panic is not None
    assert panic.values == {"n": 0.3, "c": 1.0, "s": 1.0}


def test_start_values_of_all_sources_are_checked_together() -> None:
    profile = typed({"n": INT, "f": {**FLOAT, "at_most": "n"}, "c": CHOICE, "s": BOOL})
    resolved = Resolved(profile, {}, frozenset(), {})

    def values(environment: dict[str, Any] | None, file: dict[str, Any] | None) -> Any:
        given = start_values(
            resolved,
            explicit=False,
            environment=None if environment is None else Overrides("VARIABLE", environment),
            file=None if file is None else Overrides("file.json", file),
        )
        return given.values

    assert values({"c": "b", "n": 2}, {"app": {"s": True, "f": 2}}) == {
        "n": 2.0, "f": 2.0, "c": 1.0, "s": 1.0,
    }  # fmt: skip
    with pytest.raises(ProfileError, match=r"start values: parameters\.f\.start: f = 3 is above n"):
        values({"n": 2}, {"f": 3})
    with pytest.raises(ProfileError, match=r"n: 2\.5 is not allowed; allowed: 1 to 32, whole"):
        values({"n": 2.5}, None)
    with pytest.raises(ProfileError, match="c: 'z' is not one of a, b"):
        values(None, {"c": "z"})


# -- a parameter without a section -----------------------------------------------------------------


def test_a_parameter_without_a_section_is_at_the_top_of_the_runtime() -> None:
    table = typed({"workers": {**FLOAT, "path": ""}, "size": {**FLOAT, "path": "pool"}}).parameters
    assert table["workers"].path == ("workers",)
    values = {key: parameter.start for key, parameter in table.items()}
    runtime = nest(values, table)
    assert runtime == {"workers": values["workers"], "pool": {"size": values["size"]}}
    assert flatten(runtime, table) == values
    # What is at the top is no sign of a flat runtime: the other one stays in its section.
    for key in table:
        set_in_runtime(runtime, key, table[key].maximum, table)
    assert runtime == {"workers": table["workers"].maximum, "pool": {"size": table["size"].maximum}}
    apply_deltas(runtime, {key: table[key].minimum - table[key].maximum for key in table}, table)
    assert flatten(runtime, table) == {key: table[key].minimum for key in table}
    flat = {"size": 1.0, "workers": 1.0}
    assert set_in_runtime(flat, "size", table["size"].maximum, table) == {
        "size": table["size"].maximum,
        "workers": 1.0,
    }
