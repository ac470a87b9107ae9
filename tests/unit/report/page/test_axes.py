"""The axes of a panel, for figures of any size, and the words beside it."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_soak.report.page.axes import Scale, iteration_ticks, labelled_ticks, span_of
from pytest_soak.report.page.words import (
    duration,
    moment,
    row_bounds,
    row_figure,
    row_margin,
    target_time,
    without_statistics,
)
from tests.unit.report.page.views import gate_row, lane

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@example([1 / 3], None)
@example([1.5120967741935484e308], None)
@given(st.lists(NUMBERS, min_size=1, max_size=5), st.none() | NUMBERS)
def test_a_range_contains_its_values_and_is_not_empty(
    values: list[float], near: float | None
) -> None:
    low, high = span_of(values, near)
    assert low < high
    assert all(math.isfinite(bound) for bound in (low, high))
    scale = Scale(low, high, 100.0, 0.0)
    assert all(-5.1 <= scale(value) <= 105.1 for value in values)
    ticks = labelled_ticks(low, high, 4)
    assert len({label for _, label in ticks}) == len(ticks)
    assert all(low <= value <= high for value, _ in ticks if abs(low) < 1e300 > abs(high))


def test_a_limit_that_is_near_is_in_the_range_and_a_far_one_is_not() -> None:
    low, high = span_of((5.0, 6.0), 3.0)
    assert low < 3.0
    low, high = span_of((5.0, 6.0), 340.0)
    assert high < 7.0
    assert span_of((None, None), 340.0)[0] < 340.0 < span_of((None, None), 340.0)[1]
    assert span_of(()) == pytest.approx((-0.08, 0.08))


def test_values_that_differ_by_a_rounding_error_are_a_flat_line() -> None:
    low, high = span_of((0.1 + 0.2, 0.3))
    assert high - low > 0.003


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.0, 10.0, ["0", "5", "10"]),
        (12345.01, 12345.04, ["12345.02", "12345.04"]),
        (0.0099, 0.0141, ["0.01", "0.012", "0.014"]),
        (290.0, 345.0, ["300", "320", "340"]),
        (0.0951, 0.149, ["0.1", "0.12", "0.14"]),
    ],
)
def test_labels(low: float, high: float, labels: list[str]) -> None:
    assert [label for _, label in labelled_ticks(low, high, 3)] == labels


def test_iterations_are_whole_numbers() -> None:
    assert iteration_ticks(0.5, 3.5, 4) == [1, 2, 3]
    assert iteration_ticks(0.5, 24.5, 5) == [5, 10, 15, 20]
    assert iteration_ticks(0.5, 864.5, 4) == [200, 400, 600, 800]
    assert iteration_ticks(0.5, 1.5, 4) == [1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""), (-1.0, ""), (0.0, "0 ms"), (0.032, "32 ms"), (2.5, "2.5 s"), (45.4, "45 s"),
        (60.0, "1 min"), (3_600.0, "1 h"), (5_400.0, "1 h 30 min"), (90_061.0, "1 d 1 h"),
        (1e300, ""),
    ],
)  # fmt: skip
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_moments() -> None:
    assert moment("2030-01-02T03:04:05.678+00:00") == "2030-01-02 03:04:05 UTC"
    assert moment("2030-01-02T03:04:05Z") == "2030-01-02 03:04:05 UTC"
    assert moment("<yesterday>") == "<yesterday>"
    assert moment(None) == "unknown"


def test_figures_of_a_criterion_have_the_digits_and_the_unit_of_its_value() -> None:
    row = gate_row(
        value=292.1, limit="<= 340", limit_value=340.0, upper=True, low=287.3, high=296.4,
        margin=47.9003, unit="ms",
    )  # fmt: skip
    assert (row_figure(row, row.value), row_bounds(row)) == ("292.1", "287.3 to 296.4")
    assert row_margin(row) == "+47.9 ms"
    count = gate_row(
        value=5.0, limit=">= 6", limit_value=6.0, low=None, high=None, margin=-1.0, unit=""
    )
    assert (row_figure(count, count.value), row_bounds(count), row_margin(count)) == ("5", "", "-1")
    near = gate_row(value=2.7, low=None, high=None, margin=1e-9)
    assert row_margin(near) == "1.00e-09 bps"
    assert row_bounds(gate_row(high=None)) == "at least 5.400"
    assert row_bounds(gate_row(low=None)) == "up to 6.000"
    assert row_margin(gate_row(margin=None)) == ""


def test_the_time_that_a_lane_stands_for() -> None:
    assert target_time(lane(24)) == "24 × 5 min = 2 h"
    assert target_time(lane(24, interval_s=0.0)) == ""


def test_the_top_of_the_page_has_no_statistics() -> None:
    text = "net_bps: 1.9 over the last 8; bound 1.8 (n 24, n_eff 8.0, φ 0.00); 2 are left (x 3)"
    assert without_statistics(text) == ("net_bps: 1.9 over the last 8; bound 1.8; 2 are left (x 3)")
