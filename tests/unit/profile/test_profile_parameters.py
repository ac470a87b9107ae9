"""The runtime, nested and flat, and changes to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from pytest_soak.profile.parameters import (
    ParameterError,
    apply_deltas,
    bounded,
    flatten,
    get_all_params,
    get_from_runtime,
    nest,
    round_value,
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
def test_get_set_and_apply(runtime: Mapping[str, Any]) -> None:
    before = repr(runtime)
    assert get_from_runtime(runtime, "tail_age_ms", TABLE) == 600
    new = set_in_runtime(runtime, "tail_age_ms", 700, TABLE)
    assert get_from_runtime(new, "tail_age_ms", TABLE) == 700
    assert new.keys() == runtime.keys()
    new, count = apply_deltas(
        runtime, {"base_spread_bps": 0.1, "tail_age_ms": -50, "vip_tilt_cap": 0}, TABLE
    )
    assert count == 2
    assert get_all_params(new, TABLE) == {**FLAT, "base_spread_bps": 0.6, "tail_age_ms": 550}
    assert repr(runtime) == before


@BOTH
@pytest.mark.parametrize(
    ("deltas", "said"),
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
def test_bad_deltas_change_nothing(runtime: Mapping[str, Any], deltas: Any, said: str) -> None:
    before = repr(runtime)
    with pytest.raises(ParameterError) as caught:
        apply_deltas(runtime, deltas, TABLE)
    assert said in str(caught.value)
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
    ("change", "said"),
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
def test_flatten_names_the_path_of_what_is_wrong(change: Mapping[str, Any], said: str) -> None:
    with pytest.raises(ParameterError) as caught:
        flatten({**NESTED, **change}, TABLE)
    assert said in str(caught.value)


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
