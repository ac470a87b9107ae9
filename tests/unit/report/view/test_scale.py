"""Fewer points for a picture keep every extreme and every gap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_soak.report.view.scale import MOST_POINTS, drawn, extremes

VALUES = st.lists(st.none() | st.floats(-1e9, 1e9), max_size=300)


@given(VALUES, st.integers(1, 80))
def test_extremes_are_values_of_their_stretch(values: list[float | None], columns: int) -> None:
    numbers = list(range(1, len(values) + 1))
    kept, shown = extremes(numbers, values, columns)
    assert kept == sorted(set(kept))
    assert all(values[number - 1] == value for number, value in zip(kept, shown, strict=True))
    assert len(kept) <= 2 * columns
    present = [value for value in values if value is not None]
    assert bool(present) == any(value is not None for value in shown)
    if present:
        left = [value for value in shown if value is not None]
        assert (min(left), max(left)) == (min(present), max(present))


@given(VALUES)
def test_as_many_columns_as_points_drop_nothing(values: list[float | None]) -> None:
    numbers = list(range(1, len(values) + 1))
    assert extremes(numbers, values, max(1, len(values))) == (numbers, values)


def test_a_stretch_without_values_is_a_gap() -> None:
    values = [1.0, 2.0, None, None, 3.0, 4.0]
    assert extremes([1, 2, 3, 4, 5, 6], values, 3) == ([1, 2, 3, 5, 6], [1.0, 2.0, None, 3.0, 4.0])


def test_no_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="0 columns"):
        extremes([1], [1.0], 0)


def test_only_long_series_are_thinned() -> None:
    numbers = list(range(MOST_POINTS + 1))
    values: list[float | None] = [float(number % 7) for number in numbers]
    assert drawn(numbers[:-1], values[:-1], 100) == (numbers[:-1], values[:-1])
    assert len(drawn(numbers, values, 100)[0]) == 200
