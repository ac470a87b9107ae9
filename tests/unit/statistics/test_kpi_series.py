from __future__ import annotations

import math

import pytest

from pytest_soak.statistics import KpiSeries

KPI = KpiSeries(
    (2, 3, 5, 6, 9),
    (0.5, None, 0.25, math.inf, 1.0),
    (2.0, 9.0, 8.0, 9.0, 10.0),
    (1.0, 9.0, 2.0, 9.0, 10.0),
)


def test_parts_keep_every_column() -> None:
    assert len(KPI) == 5
    assert KPI.present == (0, 2, 4)
    assert KPI.present_values == [0.5, 0.25, 1.0]
    assert KPI.last(3) == KpiSeries(
        (5, 6, 9), (0.25, math.inf, 1.0), (8.0, 9.0, 10.0), (2.0, 9.0, 10.0)
    )
    assert KPI.last(99) == KPI
    assert KPI.first(2).numbers == (2, 3)
    assert KPI.after(5).numbers == (6, 9)
    assert KPI.after(4).numbers == (5, 6, 9)
    assert KPI.last_values(2).numbers == (5, 6, 9)
    assert KPI.last_values(3) == KPI
    assert KPI.last_values(0).numbers == ()
    assert KPI.first_values(2).numbers == (2, 3, 5)
    assert KPI.first_values(0).numbers == ()
    assert KPI.last(2).present == (1,)


def test_the_figure_is_a_ratio_of_sums_a_weighted_mean_or_a_mean() -> None:
    assert KPI.figure() == 13.0 / 20.0
    weighted = KpiSeries(KPI.numbers, KPI.values, (1.0, None, 1.0, None, 2.0))
    assert weighted.figure() == 2.75 / 4.0
    assert weighted.kish() == 16.0 / 6.0
    plain = KpiSeries(KPI.numbers, KPI.values)
    assert plain.figure() == pytest.approx(1.75 / 3.0)
    assert plain.kish() is None
    incomplete = KpiSeries(KPI.numbers, KPI.values, (1.0, 1.0, None, 1.0, 1.0))
    assert incomplete.figure() == plain.figure()
    assert incomplete.kish() is None


def test_without_data_or_weight_there_is_no_figure() -> None:
    assert KpiSeries((), ()).figure() is None
    assert KpiSeries((1, 2), (None, math.nan)).figure() is None
    zero = KpiSeries((1, 2), (0.1, 0.2), (0.0, 0.0))
    assert zero.figure() is None
    assert zero.kish() is None
    assert KpiSeries((1,), (1.0,), (1e-300,), (1e300,)).figure() is None


@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e100, 1.7e308])
def test_figures_of_any_size(size: float) -> None:
    kpi = KpiSeries((1, 2, 3, 4), (size,) * 4, (size, 1.0, 1.0, 1.0))
    assert kpi.figure() == pytest.approx(size)
    assert KpiSeries((1, 2), (size, -size)).figure() == 0.0


def test_columns_of_different_length_and_numbers_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="2 numbers, but 1 values"):
        KpiSeries((1, 2), (1.0,))
    with pytest.raises(ValueError, match="weights"):
        KpiSeries((1, 2), (1.0, 2.0), (1.0,))
    with pytest.raises(ValueError, match="must rise"):
        KpiSeries((1, 1), (1.0, 2.0))
