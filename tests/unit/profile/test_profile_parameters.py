"""The runtime, nested and flat, and changes to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from pytest_soak.profile.parameter import round_value
from pytest_soak.profile.parameters import (
    ParameterError,
    apply_deltas,
    bounded,
    flatten,
    get_all_params,
    get_from_runtime,
    nest,
    set_in_runtime,
    tuner_copies,
    validate_deltas,
)
from pytest_soak.profile.resolve import resolve
from pytest_soak.store.sources import read_source

PROFILE = resolve("steady", read_source).profile
TABLE = PROFILE.parameters
FLAT = {key: parameter.start for key, parameter in TABLE.items()}
NESTED = nest(FLAT, TABLE, tuner_copies(PROFILE))
BOTH = pytest.mark.parametrize("runtime", [FLAT, NESTED], ids=["flat", "nested"])


def test_nested_runtime_has_its_sections_and_the_read_only_one() -> None:
    assert list(NESTED) == ["risk", "engine", "tuner"]
    assert NESTED["tuner"] == {"cooldown_iters": 2, "freeze_iters": 4}
    assert NESTED["risk"]["base_spread_bps"] == 0.5
    assert NESTED["engine"]["min_interval_ms"] == 50
    assert flatten(NESTED, TABLE) == FLAT
    assert "tuner" not in nest(FLAT, TABLE)


@BOTH
def test_get_set_and_apply_change_the_runtime_that_they_are_given(runtime: dict[str, Any]) -> None:
    runtime = deepcopy(runtime)
    names = list(runtime)
    assert get_from_runtime(runtime, "tail_age_ms", TABLE) == 600
    assert set_in_runtime(runtime, "tail_age_ms", 700, TABLE) is runtime
    assert get_from_runtime(runtime, "tail_age_ms", TABLE) == 700
    changed, count = apply_deltas(
        runtime, {"base_spread_bps": 0.1, "tail_age_ms": -50, "vip_tilt_cap": 0}, TABLE
    )
    assert changed is runtime
    assert count == 2
    assert get_all_params(runtime, TABLE) == {**FLAT, "base_spread_bps": 0.6, "tail_age_ms": 650}
    assert list(runtime) == names


def test_a_section_that_is_missing_is_made_and_a_section_that_is_none_is_refused() -> None:
    runtime: dict[str, Any] = {}
    set_in_runtime(runtime, "tail_age_ms", 700, TABLE)
    assert get_all_params(runtime, TABLE) == {"tail_age_ms": 700}
    bad: dict[str, Any] = {TABLE["tail_age_ms"].path[0]: 3}
    with pytest.raises(ParameterError, match="3 is no section of a runtime"):
        set_in_runtime(bad, "tail_age_ms", 700, TABLE)
    assert bad == {TABLE["tail_age_ms"].path[0]: 3}


@pytest.mark.parametrize("value", [math.nan, 5001, "5"])
def test_a_bad_value_changes_nothing(value: Any) -> None:
    runtime: dict[str, Any] = {}
    with pytest.raises(ParameterError):
        set_in_runtime(runtime, "tail_age_ms", value, TABLE)
    assert runtime == {}


def test_a_runtime_that_cannot_be_changed_is_refused() -> None:
    frozen: Any = MappingProxyType({"tail_age_ms": 600.0})
    with pytest.raises(ParameterError, match="must be a dict, not mappingproxy"):
        apply_deltas(frozen, {"tail_age_ms": 5}, TABLE)


def test_a_partial_runtime_has_the_parameters_that_it_has() -> None:
    part = {"engine": {"tail_age_ms": 500}, "strategy": {"name": "x"}}
    assert get_all_params(part, TABLE) == {"tail_age_ms": 500}
    assert get_all_params({"tail_age_ms": 500}, TABLE) == {"tail_age_ms": 500}
    with pytest.raises(ParameterError, match="has no parameter of the profile; it has tail_age"):
        get_all_params({"tail_age": 500}, TABLE)
    with pytest.raises(ParameterError, match="tail_age_ms: nan is not a finite number"):
        get_all_params({"tail_age_ms": math.nan}, TABLE)


@BOTH
@pytest.mark.parametrize(
    ("deltas", "message"),
    [
        ({"base_spread": 0.1}, "base_spread: unknown parameter; did you mean 'base_spread_bps'?"),
        ({"tail_age_ms": True}, "tail_age_ms: true is not a finite number"),
        ({"tail_age_ms": np.bool_(True)}, "is not a finite number"),
        ({"tail_age_ms": math.nan}, "tail_age_ms: nan is not a finite number"),
        ({"tail_age_ms": -math.inf}, "tail_age_ms: -inf is not a finite number"),
        ({"tail_age_ms": 10**400}, "is not a finite number"),
        ({"tail_age_ms": "5"}, "tail_age_ms: '5' is not a finite number"),
        ({"tail_age_ms": None}, "tail_age_ms: null is not a finite number"),
        ({"tail_age_ms": 1e308}, "tail_age_ms: 1e+308 is outside 50 to 5000 ms"),
        ({"tail_age_ms": 4401}, "tail_age_ms: 5001 is outside 50 to 5000 ms"),
        ({3: 1}, "3: unknown parameter"),
        ([("tail_age_ms", 5)], "deltas are a mapping"),
    ],
)
def test_bad_deltas_change_nothing(runtime: dict[str, Any], deltas: Any, message: str) -> None:
    runtime = deepcopy(runtime)
    before = repr(runtime)
    with pytest.raises(ParameterError) as caught:
        apply_deltas(runtime, deltas, TABLE)
    assert message in str(caught.value)
    assert repr(runtime) == before


def test_numbers_of_other_libraries_are_numbers() -> None:
    given = {"tail_age_ms": np.float32(2.5), "min_interval_ms": np.int64(3)}
    assert validate_deltas(given, TABLE) == {"tail_age_ms": 2.5, "min_interval_ms": 3.0}
    assert type(validate_deltas({"tail_age_ms": Fraction(1, 4)}, TABLE)["tail_age_ms"]) is float


def test_rounding_and_the_slack_at_the_bounds() -> None:
    assert round_value(0.1 + 0.2) == 0.3
    assert math.copysign(1, round_value(-0.0)) == 1
    vip = TABLE["vip_tilt_cap"]
    assert bounded(1 + 0.9e-9, vip) == 1
    assert bounded(-0.9e-9, vip) == 0
    for outside in (1 + 1.1e-9, -1.1e-9):
        with pytest.raises(ParameterError, match="is outside 0 to 1"):
            bounded(outside, vip)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"risk": {**NESTED["risk"], "typo": 1}}, "risk.typo: unknown parameter"),
        ({"risk": {}}, "risk.base_spread_bps: is missing"),
        ({"engine": {**NESTED["engine"], "tail_age_ms": "x"}}, "engine.tail_age_ms: 'x' is not"),
        (
            {"engine": {**NESTED["engine"], "vip_tilt_cap": 0}},
            "engine.vip_tilt_cap: vip_tilt_cap lives at risk.vip_tilt_cap",
        ),
        ({"engine": 5}, "engine: unknown parameter"),
    ],
)
def test_flatten_names_the_path_of_what_is_wrong(change: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        flatten({**NESTED, **change}, TABLE)
    assert message in str(caught.value)


def test_nest_wants_every_key_and_no_other() -> None:
    with pytest.raises(ParameterError, match="tail_age_ms: has no value"):
        nest({key: 1.0 for key in FLAT if key != "tail_age_ms"}, TABLE)
    with pytest.raises(ParameterError, match="typo: unknown parameter"):
        nest({**FLAT, "typo": 1.0}, TABLE)


def test_a_missing_key_is_an_error_and_can_be_set() -> None:
    with pytest.raises(ParameterError, match=r"risk\.vip_tilt_cap: is missing"):
        get_from_runtime({"risk": {}}, "vip_tilt_cap", TABLE)
    assert set_in_runtime({}, "vip_tilt_cap", 0.5, TABLE) == {"risk": {"vip_tilt_cap": 0.5}}
    assert set_in_runtime({"tail_age_ms": 60}, "vip_tilt_cap", 0.5, TABLE) == {
        "tail_age_ms": 60,
        "vip_tilt_cap": 0.5,
    }
    with pytest.raises(ParameterError, match="risk: 5 is no section"):
        set_in_runtime({"risk": 5}, "vip_tilt_cap", 0.5, TABLE)
