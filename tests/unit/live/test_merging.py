"""Several reports of one iteration as one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_soak.live.merging import merged, span_s
from pytest_soak.profile.kpi import Kpi, Quantile


def kpi(aggregate: str, weight: tuple[str, ...] = ()) -> Kpi:
    return Kpi("x", "1", "up", read=("totals", "x"), aggregate=aggregate, weight=weight)


def reports(*values: Any, weights: tuple[float, ...] = ()) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = [
        {"totals": {"x": value}, "from_unix": 10.0 * place, "to_unix": 10.0 * place + 5.0}
        for place, value in enumerate(values)
    ]
    for report, weight in zip(listed, weights, strict=False):
        report["fills"] = {"count": weight}
    return listed


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [("", 6.0), ("last", 6.0), ("sum", 9.0), ("min", 1.0), ("max", 6.0), ("mean", 3.0)],
)
def test_each_aggregate(aggregate: str, expected: float) -> None:
    assert merged(reports(1.0, 2.0, 6.0), [kpi(aggregate)])["totals"]["x"] == expected


def test_histograms_add_up_bucket_by_bucket_if_their_bounds_are_the_same() -> None:
    quantile = Quantile(("h",), 0.9)
    added = Kpi("q", "", "down", quantile=quantile, aggregate="sum")
    given = [{"h": {"1": 2, "+Inf": 5}}, {"h": {"1": 1, "+Inf": 9}}]
    assert merged(given, [added])["h"] == {"1": 3, "+Inf": 14}
    assert merged(given, [Kpi("q", "", "down", quantile=quantile)])["h"] == {"1": 1, "+Inf": 9}
    other = [{"h": {"2": 2, "+Inf": 5}}, given[1]]
    assert merged(other, [added])["h"] == {"1": 1, "+Inf": 9}


def test_a_value_in_a_list_is_aggregated_in_its_place() -> None:
    listed = Kpi("x", "", "up", read=("routes", 1, "p95"), aggregate="max")
    given = [{"routes": [{}, {"p95": 9}]}, {"routes": [{}, {"p95": 4}]}]
    assert merged(given, [listed])["routes"] == [{}, {"p95": 9.0}]
    assert merged([given[0], {"routes": []}], [listed])["routes"] == []


def test_a_rate_is_the_sum_per_second_of_the_spans() -> None:
    assert merged(reports(10, 20), [kpi("rate")])["totals"]["x"] == 3.0
    without = reports(10, 20)
    del without[0]["to_unix"]
    assert merged(without, [kpi("rate")])["totals"]["x"] == 20


def test_a_weighted_mean() -> None:
    given = reports(1.0, 4.0, weights=(2.0, 1.0))
    assert merged(given, [kpi("weighted_mean", ("fills", "count"))])["totals"]["x"] == 2.0
    none = reports(1.0, 4.0, weights=(0.0, 0.0))
    assert merged(none, [kpi("weighted_mean", ("fills", "count"))])["totals"]["x"] == 4.0


def test_a_report_without_the_value_takes_no_part() -> None:
    assert merged(reports(1.0, None, 3.0), [kpi("mean")])["totals"]["x"] == 2.0
    assert merged(reports(None, None), [kpi("mean")])["totals"]["x"] is None


@pytest.mark.parametrize("value", ["3", float("inf"), float("nan"), True, [1]])
def test_what_is_no_number_is_not_aggregated(value: Any) -> None:
    result = merged(reports(1.0, value), [kpi("sum")])["totals"]["x"]
    assert result == value or result != result


def test_the_reports_stay_as_they_are() -> None:
    given = reports(1.0, 2.0)
    merged(given, [kpi("sum")])
    assert given == reports(1.0, 2.0)


def test_counts_that_derived_kpis_read_are_added_up() -> None:
    first, second = reports(1.0, 2.0)
    first |= {"fills": {"maker_count": 2}, "block_reasons": {"risk": 1, "throttle": 4}}
    second |= {"fills": {"maker_count": 3, "note": "x"}, "block_reasons": {"risk": 2}}
    result = merged([first, second], [])
    assert result["fills"] == {"maker_count": 5, "note": "x"}
    assert result["block_reasons"] == {"risk": 3, "throttle": 4}


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8))
def test_mean_lies_between_min_and_max(values: list[float]) -> None:
    low = merged(reports(*values), [kpi("min")])["totals"]["x"]
    high = merged(reports(*values), [kpi("max")])["totals"]["x"]
    mean = merged(reports(*values), [kpi("mean")])["totals"]["x"]
    assert low - 1e-6 <= mean <= high + 1e-6


@pytest.mark.parametrize("report", [{}, {"from_unix": 1, "to_unix": 1}, {"from_unix": "a"}])
def test_a_span_that_is_none(report: dict[str, Any]) -> None:
    assert span_s(report) is None
