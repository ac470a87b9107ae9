"""The quoting logic, function by function."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pytest_soak.targets.quoting import (
    ADMITTED,
    BLOCK_REASONS,
    CONCURRENCY,
    MIN_INTERVAL,
    RISK,
    THROTTLE,
    admit,
    exit_size,
    half_spread_bps,
    level_offsets,
    level_size,
    needs_reprice,
    params_of,
    refilled_tokens,
    size_tilt,
    skew_bps,
)

RUNTIME: dict[str, dict[str, Any]] = {
    "risk": {
        "base_spread_bps": 0.5,
        "impact_cap_ratio": 0.1,
        "max_delta_ratio": 0.15,
        "slippage_penalty_coef": 0,
        "inventory_tilt_cap": 0.3,
        "vip_tilt_cap": 0,
    },
    "engine": {
        "replace_rate_per_min": 400,
        "concurrency_limit": 2,
        "tail_age_ms": 600,
        "min_interval_ms": 50,
    },
    "tuner": {"cooldown_iters": 2},
}


def test_parameters_come_from_their_sections_as_floats() -> None:
    params = params_of(RUNTIME)
    assert params.replace_rate_per_min == 400.0
    assert set(params.as_dict()) == {*RUNTIME["risk"], *RUNTIME["engine"]}
    assert all(type(value) is float for value in params.as_dict().values())


@pytest.mark.parametrize("value", [True, math.nan, math.inf, "400", [4]])
def test_what_is_no_number_is_refused_with_its_path(value: object) -> None:
    runtime = {**RUNTIME, "engine": {**RUNTIME["engine"], "tail_age_ms": value}}
    with pytest.raises(ValueError, match=r"engine\.tail_age_ms is .*finite number"):
        params_of(runtime)


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(ValueError, match=r"no engine\.replace_rate_per_min"):
        params_of({"risk": RUNTIME["risk"]})


def test_the_half_spread_is_linear_in_both_terms() -> None:
    assert half_spread_bps(0.5, 0.2, 1.5) == pytest.approx(0.8)


def test_the_skew_leans_against_the_inventory_and_is_bounded() -> None:
    assert skew_bps(0.5, 0.3, 2.0) == pytest.approx(-0.3)
    assert skew_bps(-0.5, 0.3, 2.0) == pytest.approx(0.3)
    assert skew_bps(7.0, 0.3, 2.0) == skew_bps(1.0, 0.3, 2.0)
    assert skew_bps(1.0, 0.0, 2.0) == 0.0


def test_levels_widen_with_the_innermost_quote() -> None:
    assert level_offsets(0.5, 3, 2.0) == pytest.approx((0.5, 1.5, 2.5))
    assert level_offsets(1.0, 3, 2.0) == pytest.approx((1.0, 3.0, 5.0))


def test_a_level_is_a_share_of_what_is_visible_there() -> None:
    assert level_size(0.1, 20.0, 0) == pytest.approx(2.0)
    assert level_size(0.1, 20.0, 2, growth=0.5) == pytest.approx(4.0)


def test_sizes_favour_the_side_that_reduces_the_inventory() -> None:
    assert size_tilt(0.5, -1, 0.4, 0.0) == pytest.approx(1.2)
    assert size_tilt(0.5, 1, 0.4, 0.0) == 1.0
    assert size_tilt(0.5, 1, 0.0, 2.0) == pytest.approx(1 / 1.78)
    assert size_tilt(0.5, -1, 0.4, 2.0) == pytest.approx(1.2 / 1.28)
    assert size_tilt(-3.0, 1, 0.4, 0.0) == pytest.approx(1.4)


def test_a_penalised_exit_goes_in_slices() -> None:
    assert exit_size(6.0, 0.0) == 6.0
    assert exit_size(6.0, 2.0) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("distance", "age_ms", "expected"),
    [(0.31, 0.0, True), (-0.31, 0.0, True), (0.29, 0.0, False), (0.1, 601.0, True),
     (0.1, 600.0, False), (0.07, 5000.0, False)],
)  # fmt: skip
def test_a_quote_moves_when_it_is_off_or_old(
    distance: float, age_ms: float, expected: bool
) -> None:
    assert needs_reprice(distance, 1.0, 0.15, age_ms, 600.0) is expected


def test_the_bucket_fills_with_time_and_is_bounded() -> None:
    assert refilled_tokens(0.5, 120.0, 0.25, 4.0) == pytest.approx(1.0)
    assert refilled_tokens(3.9, 120.0, 60.0, 4.0) == 4.0
    assert refilled_tokens(math.inf, 120.0, 0.0, 4.0) == 4.0


class TestAdmission:
    def test_the_first_reason_counts(self) -> None:
        assert admit(True, 0.0, 1.0, 9, 2.0, 0.0, 0.0) == RISK
        assert admit(False, 0.0, 1.0, 9, 2.0, 0.0, 0.0) == MIN_INTERVAL
        assert admit(False, 1.0, 1.0, 9, 2.0, 0.0, 0.0) == CONCURRENCY
        assert admit(False, 1.0, 1.0, 1, 2.0, 0.0, 0.99) == THROTTLE
        assert admit(False, 1.0, 1.0, 1, 2.0, 0.0, 1.0) == ADMITTED

    def test_the_names_are_in_the_order_of_the_codes(self) -> None:
        named = dict(zip(BLOCK_REASONS, (RISK, MIN_INTERVAL, CONCURRENCY, THROTTLE), strict=True))
        assert list(named.values()) == sorted(named.values())
        assert named["throttle"] == THROTTLE

    def test_a_fraction_of_the_limit_is_a_share_of_the_dithers(self) -> None:
        dithers = [step / 1000 for step in range(1000)]
        out = [admit(False, 1.0, 0.0, 2, 2.25, dither, 1.0) for dither in dithers]
        assert out.count(ADMITTED) == pytest.approx(250, abs=1)
