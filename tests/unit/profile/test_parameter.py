"""One parameter: its values, the sizes of its moves, and its values as the target sees them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pytest_soak.profile.parameter import outer_text, round_value
from tests.unit.profile.typed import parameter

WHOLE = parameter(type="int", min=1, max=32)
EVEN = parameter(type="int", min=2, max=32, step=2)
QUARTERS = parameter(min=0.5, max=10, step=0.25)
TENTHS = parameter(min=0.1, max=0.7, step=0.1, cap_per_hour=1)
SWITCH = parameter(type="bool", start=False)
SYNC = parameter(type="choice", choices=["async", "local", "remote"], start="local")
SIZES = parameter(type="choice", choices=[64, 128.5, 4096, "none"], start=64)
RATIO = parameter(min=0.1, max=1000, scale="log")
POOL = parameter(type="int", min=1, max=1024, scale="log")
FREE = parameter()
CONSTANT = parameter(min=1 / 3, max=1 / 3)
HUGE = parameter(type="int", min=0, max=2**40, step=2**20, cap_per_hour=2**30)


@pytest.mark.parametrize(
    ("of", "value", "fitted"),
    [
        (WHOLE, 4.4, 4.0),
        (WHOLE, 4.6, 5.0),
        (WHOLE, 33.2, 33.0),  # beyond the bounds it stays: guards refuse it
        (WHOLE, -7.0, -7.0),
        (WHOLE, 1e308, 1e308),
        (EVEN, 5.1, 6.0),
        (EVEN, 4.9, 4.0),
        (QUARTERS, 1.6, 1.5),
        (QUARTERS, 1.65, 1.75),
        (TENTHS, 0.1 + 0.2, 0.3),
        (TENTHS, 0.7000000001, 0.7),
        (SWITCH, 0.4, 0.0),
        (SYNC, 1.6, 2.0),
        (RATIO, 10 / 3, 3.33333333333),
        (FREE, 10.000000001, 10.0),  # within the slack of a bound: the bound
        (FREE, 10.1, 10.1),
        (FREE, 0.1 + 0.2, 0.3),
        (FREE, -0.0, 0.0),
        (CONSTANT, 1 / 3, 1 / 3),  # with more digits than 12, and it stays within its bounds
        (HUGE, 2**40 - 1, 2.0**40),
        (HUGE, 2**40 - 2**20 + 3, 2.0**40 - 2**20),
    ],
)
def test_a_value_is_fitted_to_the_nearest_one_that_is_allowed(
    of: Any, value: float, fitted: float
) -> None:
    assert of.fitted(value) == fitted
    assert math.copysign(1.0, of.fitted(value)) == math.copysign(1.0, fitted)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_not_fitted(value: float) -> None:
    for of in (WHOLE, FREE, RATIO, SWITCH, TENTHS):
        assert math.isnan(of.fitted(value))
        assert not of.is_allowed(value)


def test_a_value_far_beyond_a_fine_grid_is_not_an_error() -> None:
    fine = parameter(min=0, max=1, step=1e-6, cap_per_hour=1)
    assert fine.fitted(1e308) == 1e308
    assert fine.toward(0.5, 1e308) == 1e308
    assert not fine.is_allowed(1e308)


@pytest.mark.parametrize(
    ("of", "value", "end", "last"),
    [
        (WHOLE, 4.0, 6.9, 6.0),
        (WHOLE, 4.0, 2.1, 3.0),
        (WHOLE, 4.0, 4.9, 4.0),
        (WHOLE, 4.0, 3.1, 4.0),
        (WHOLE, 4.0, 7.0, 7.0),
        (EVEN, 4.0, 7.9, 6.0),
        (QUARTERS, 1.5, 2.1, 2.0),
        (TENTHS, 0.1, 0.3, 0.3),  # 0.1 + 2 * 0.1 is a little more than 0.3
        (TENTHS, 0.7, 0.1 + 0.2, 0.3),
        (SWITCH, 0.0, 0.9, 0.0),
        (FREE, 1.0, 1.23456, 1.23456),
        (POOL, 8.0, 15.9, 15.0),
    ],
)
def test_the_last_value_on_the_way(of: Any, value: float, end: float, last: float) -> None:
    assert of.toward(value, end) == last


@pytest.mark.parametrize(
    ("of", "value", "outer", "text"),
    [
        (WHOLE, 4.0, 4, "4"),
        (HUGE, 2.0**40, 2**40, "1099511627776"),
        (WHOLE, 4.5, 4.5, "4.5"),  # off its grid: not hidden
        (SWITCH, 1.0, True, "true"),
        (SWITCH, 0.0, False, "false"),
        (SYNC, 2.0, "remote", "remote"),
        (SYNC, 7.0, 7.0, "7"),
        (SYNC, math.nan, math.nan, "nan"),
        (SIZES, 0.0, 64, "64"),
        (SIZES, 1.0, 128.5, "128.5"),
        (SIZES, 3.0, "none", "none"),
        (FREE, 1 / 3, 1 / 3, "0.333333"),
        (FREE, 4.0, 4.0, "4"),
    ],
)
def test_a_value_as_the_target_and_as_people_see_it(
    of: Any, value: float, outer: Any, text: str
) -> None:
    given = of.outer(value)
    assert given == outer or (math.isnan(value) and math.isnan(given))
    assert type(given) is type(outer)
    assert of.text(value) == text


def test_an_unknown_value_has_a_text() -> None:
    assert FREE.text(None) == "unknown"
    assert outer_text(1 / 3, 12) == "0.333333333333"


@pytest.mark.parametrize(
    ("of", "given", "inner"),
    [
        (WHOLE, 4, 4.0),
        (WHOLE, 4.0, 4.0),
        (WHOLE, 4.5, 4.5),
        (WHOLE, True, None),
        (WHOLE, "4", None),
        (WHOLE, math.nan, None),
        (SWITCH, True, 1.0),
        (SWITCH, False, 0.0),
        (SWITCH, 1, 1.0),
        (SWITCH, 0.0, 0.0),
        (SWITCH, 2, None),
        (SWITCH, 0.5, None),
        (SWITCH, "on", 1.0),
        (SWITCH, "OFF", 0.0),
        (SWITCH, "True", 1.0),
        (SWITCH, "no", 0.0),
        (SWITCH, "maybe", None),
        (SWITCH, None, None),
        (SWITCH, [], None),
        (SYNC, "remote", 2.0),
        (SYNC, "Remote", None),
        (SYNC, 1, None),
        (SYNC, True, None),
        (SIZES, 64, 0.0),
        (SIZES, 64.0, 0.0),
        (SIZES, "64", 0.0),
        (SIZES, "128.5", 1.0),
        (SIZES, 65, None),
        (SIZES, "none", 3.0),
        (SIZES, False, None),
        (SIZES, np.array([64, 64]), None),
        (SIZES, np.float32(128.5), 1.0),
        (FREE, np.int64(3), 3.0),
        (FREE, {}, None),
    ],
)
def test_the_number_of_an_outer_value(of: Any, given: Any, inner: float | None) -> None:
    assert of.inner(given) == inner


def test_sizes_of_moves() -> None:
    assert FREE.size(3.0, 4.5) == FREE.size(4.5, 3.0) == 1.5
    assert RATIO.size(10.0, 20.0) == pytest.approx(math.log(2.0))
    assert RATIO.size(10.0, 20.0) == pytest.approx(RATIO.size(20.0, 10.0))
    assert RATIO.size(10.0, 0.0) == RATIO.size(-1.0, 10.0) == math.inf
    for of in (RATIO, FREE):
        assert math.isnan(of.size(1.0, math.nan))
        assert math.isnan(of.size(math.nan, 1.0))
    assert RATIO.span == pytest.approx(math.log(10_000.0))
    assert RATIO.share(1.0, 10.0) == pytest.approx(0.25)
    assert FREE.share(0.0, 2.5) == 0.25
    assert SWITCH.share(0.0, 1.0) == 1.0
    assert CONSTANT.share(1.0, 2.0) == CONSTANT.span == 0.0


def test_moves_of_a_size() -> None:
    assert FREE.moved(3.0, 1.5, up=True) == 4.5
    assert FREE.moved(3.0, 1.5, up=False) == 1.5
    assert RATIO.moved(10.0, math.log(2.0), up=True) == pytest.approx(20.0)
    assert RATIO.moved(10.0, math.log(2.0), up=False) == pytest.approx(5.0)
    assert RATIO.moved(10.0, 1e6, up=True) == pytest.approx(math.exp(700.0) * 10.0)
    assert 0.0 <= RATIO.moved(10.0, 1e6, up=False) < 1e-300
    assert RATIO.moved(10.0, math.inf, up=False) == 0.0
    assert RATIO.moved(10.0, math.inf, up=True) == FREE.moved(1.0, math.inf, up=True) == math.inf
    assert FREE.moved(1.0, math.inf, up=False) == -math.inf


def test_a_part_of_the_way_is_measured_as_moves_are() -> None:
    assert FREE.part_of_way(2.0, 6.0, 0.25) == 1.0
    assert RATIO.part_of_way(1.0, 100.0, 0.5) == pytest.approx(9.0)
    assert RATIO.part_of_way(100.0, 1.0, 0.5) == pytest.approx(-90.0)
    assert RATIO.part_of_way(5.0, 70.0, 1.0) == pytest.approx(65.0)


def test_the_same_value() -> None:
    assert FREE.same(5.0, 5.0 + 9e-9)
    assert not FREE.same(5.0, 5.0 + 2e-8)
    assert CONSTANT.same(1 / 3, 1 / 3)
    assert not CONSTANT.same(1 / 3, 0.333333)
    assert RATIO.same(500.0, 500.0 * (1 + 5e-9))
    assert not RATIO.same(0.1, 0.1 + 2e-8)
    assert not FREE.same(math.nan, 1.0)


@pytest.mark.parametrize(
    ("of", "value", "allowed"),
    [
        (WHOLE, 4.0, True),
        (WHOLE, 4.5, False),
        (WHOLE, 33.0, False),
        (WHOLE, 0.0, False),
        (QUARTERS, 1.75, True),
        (QUARTERS, 1.8, False),
        (TENTHS, 0.1 + 0.2, True),
        (SYNC, 3.0, False),
        (SYNC, 0.5, False),
        (FREE, 10.0 + 5e-9, True),
        (FREE, 10.1, False),
        (CONSTANT, 1 / 3, True),
        (CONSTANT, 0.4, False),
    ],
)
def test_which_values_are_allowed(of: Any, value: float, allowed: bool) -> None:
    assert of.is_allowed(value) is allowed


def test_the_allowed_values_in_words() -> None:
    assert WHOLE.allowed_text() == "1 to 32, whole numbers"
    assert EVEN.allowed_text() == "2 to 32 in steps of 2"
    assert HUGE.allowed_text() == "0 to 1099511627776 in steps of 1048576"
    assert QUARTERS.allowed_text() == "0.5 to 10 in steps of 0.25"
    assert SWITCH.allowed_text() == "one of false, true"
    assert SIZES.allowed_text() == "one of 64, 128.5, 4096, none"
    assert FREE.allowed_text() == "0 to 10"
    assert CONSTANT.allowed_text() == "only 0.333333, a constant"


@pytest.mark.parametrize("value", [0.1 + 0.2, 1 / 3, 1e-30, 123456.7890123, -0.0, 5e300])
def test_rounded_values_have_twelve_digits_and_no_negative_zero(value: float) -> None:
    rounded = round_value(value)
    assert rounded == float(f"{value:.12g}")
    assert math.copysign(1.0, rounded) == 1.0
