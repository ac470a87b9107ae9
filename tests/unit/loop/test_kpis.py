from __future__ import annotations

import math
from typing import Any

import pytest

from pytest_soak.loop.kpis import (
    count_blocks,
    echo_mismatch,
    ensure_maker_taker_ratio,
    mean,
    read_kpis,
    window_figure,
)
from pytest_soak.loop.model import Reading, Readings
from tests.unit.loop.lanes import edge_report, shipped, starts

NO_NUMBERS: list[Any] = [
    None,
    True,
    False,
    "3.0",
    "",
    math.nan,
    math.inf,
    -math.inf,
    [3.0],
    {},
    10**400,
]


def read(report: dict[str, Any], audit: dict[str, int] | None = None, **kwargs: Any) -> Readings:
    options = {"interval_s": 300.0, "mock": False} | kwargs
    return read_kpis(shipped(), report, audit, **options)


def test_every_declared_kpi_has_a_reading_even_in_an_empty_report() -> None:
    readings = read({"totals": {}})
    assert set(readings) == set(shipped().kpis)
    assert all(reading.evidence is None for reading in readings.values())


@pytest.mark.parametrize("junk", NO_NUMBERS, ids=repr)
def test_what_is_no_number_is_no_data(junk: Any) -> None:
    readings = read(edge_report(net=junk))
    assert readings["net_bps"] == Reading(None, "totals.net_bps")
    assert readings["p95_latency_ms"].value == 310.0


@pytest.mark.parametrize("sections", [{"totals": None}, {"totals": 5, "fills": [], "summary": 1}])
def test_sections_that_are_no_objects_are_no_data(sections: dict[str, Any]) -> None:
    assert read(edge_report() | sections)["net_bps"].value is None


def test_zero_is_data() -> None:
    assert read(edge_report(net=0))["net_bps"].value == 0.0


FILLS_BY_VOLUME = {"maker_volume": 90, "taker_volume": 10}
FILLS_BY_COUNT = {"maker_count": 80, "taker_count": 20}
WEEKLY = {"taker_share_pct": 30}
INTERNAL = {"maker_fills": 6, "taker_fills": 4}


@pytest.mark.parametrize(
    ("report", "value", "source"),
    [
        ({"fills": FILLS_BY_VOLUME | FILLS_BY_COUNT, "weekly_rollup": WEEKLY}, 0.9, "fills_volume"),
        ({"fills": FILLS_BY_COUNT, "weekly_rollup": WEEKLY}, 0.8, "fills_count"),
        ({"fills": FILLS_BY_COUNT | {"maker_volume": 0, "taker_volume": 0}}, 0.8, "fills_count"),
        ({"fills": FILLS_BY_COUNT | {"maker_volume": -5, "taker_volume": 9}}, 0.8, "fills_count"),
        ({"fills": FILLS_BY_COUNT | {"maker_volume": "9", "taker_volume": 1}}, 0.8, "fills_count"),
        (
            {"fills": FILLS_BY_COUNT | {"maker_volume": 1e308, "taker_volume": 1e308}},
            0.8,
            "fills_count",
        ),
        ({"weekly_rollup": WEEKLY, "summary": INTERNAL}, 0.7, "weekly_rollup"),
        ({"weekly_rollup": {"taker_share_pct": 130}, "summary": INTERNAL}, 0.6, "internal_fills"),
        ({"summary": INTERNAL}, 0.6, "internal_fills"),
        (INTERNAL, 0.6, "internal_fills"),
        ({}, 0.6, "fallback"),
    ],
)
def test_maker_taker_ratio_from_the_first_source_with_data(
    report: dict[str, Any], value: float, source: str
) -> None:
    reading = read({"totals": {}} | report)["maker_taker_ratio"]
    assert reading.value == pytest.approx(value)
    assert reading.source == source
    assert reading.placeholder == (source == "fallback")
    assert reading.weak == (source == "weekly_rollup")


def test_the_mock_default_is_data_in_mock_and_the_fallback_is_not() -> None:
    in_mock = read({"totals": {}}, mock=True)["maker_taker_ratio"]
    assert (in_mock.evidence, in_mock.source) == (0.9, "mock_default")
    outside = read({"totals": {}})["maker_taker_ratio"]
    assert (outside.value, outside.evidence) == (0.6, None)


@pytest.mark.parametrize(
    ("reasons", "audit", "risk", "source"),
    [
        ({"risk": 30, "min_interval": 50, "other": 20}, {"risk": 1}, 0.3, "block_reasons"),
        ({}, None, 0.0, "block_reasons"),
        ({"risk": 0, "throttle": 0}, None, 0.0, "block_reasons"),
        (None, {"risk": 1, "concurrency": 3}, 0.25, "audit"),
        (None, {}, 0.0, "audit"),
        ({"risk": None, "throttle": 5}, {"risk": 1, "throttle": 1}, 0.5, "audit"),
        ({"risk": 1, "throttle": 3, "comment": "ok"}, None, 0.25, "block_reasons"),
        (None, None, None, "block_reasons"),
        ({"risk": -1}, None, None, "block_reasons"),
        ({"risk": math.nan, "throttle": 3}, None, None, "block_reasons"),
        ([1, 2], None, None, "block_reasons"),
    ],
)
def test_risk_ratio_is_the_share_of_all_blocks(
    reasons: Any, audit: dict[str, int] | None, risk: float | None, source: str
) -> None:
    reading = read({"totals": {}, "block_reasons": reasons}, audit)["risk_ratio"]
    assert (reading.value, reading.source) == (risk, source)


def test_fills_per_hour_scales_the_counts_by_the_interval() -> None:
    report = {"totals": {}, "fills": FILLS_BY_COUNT}
    assert read(report, interval_s=300.0)["fills_per_hour"].value == 1200.0
    assert read(report, interval_s=7200.0)["fills_per_hour"].value == 50.0
    assert read({"totals": {}, "fills": {"maker_count": 3}})["fills_per_hour"].value is None


def test_recorded_values_are_readings_and_never_shadow_a_declared_kpi() -> None:
    readings = read(edge_report(), recorded={"queue": 4, "flag": True, "net_bps": 99})
    assert readings["queue"] == Reading(4.0, "recorded")
    assert readings["flag"].value is None
    assert readings["net_bps"].value == 3.0


def test_count_blocks_ignores_what_is_no_block() -> None:
    rows: list[Any] = [
        {"event": "BLOCK", "reason": "risk"},
        {"event": "BLOCK", "reason": "concurrency"},
        {"event": "BLOCK", "reason": "risk"},
        {"event": "BLOCK", "reason": None},
        {"event": "PLACE", "reason": "risk"},
        {"event": "BLOCK"},
        "BLOCK",
        None,
        17,
    ]
    assert count_blocks(rows) == {"concurrency": 1, "risk": 2}


def test_a_window_of_ratios_is_the_ratio_of_the_sums() -> None:
    readings = [Reading(0.5, "fills_volume", 1, 2), Reading(0.9, "fills_volume", 90, 100)]
    assert window_figure(readings) == 91 / 102


def test_sums_of_different_sources_are_not_pooled() -> None:
    readings = [Reading(0.5, "fills_count", 1, 2), Reading(0.9, "fills_volume", 90, 100)]
    assert window_figure(readings) == pytest.approx(0.7)


def test_a_window_with_a_hole_or_a_placeholder_has_no_figure() -> None:
    assert window_figure([]) is None
    assert window_figure([Reading(1.0, "a"), None]) is None
    assert window_figure([Reading(1.0, "a"), Reading(None, "a")]) is None
    assert window_figure([Reading(0.6, "fallback", placeholder=True)]) is None
    assert window_figure([Reading(0.0, "blocks", 0.0, 0.0)] * 3) == 0.0


@pytest.mark.parametrize("value", [0.4, 0.1 + 0.2, 1e308, -1.7e308, 5e-324, 330.0])
def test_the_mean_of_equal_values_is_that_value(value: float) -> None:
    assert mean([value] * 3) == value
    assert mean([value] * 7) == value


@pytest.mark.parametrize(
    ("echo", "expected"),
    [
        (None, ()),
        ("x", ()),
        ({}, ()),
        ({"base_spread_bps": 0.5, "unknown": 7}, ()),
        ({"base_spread_bps": 0.5 + 1e-12}, ()),
        ({"base_spread_bps": 0.6}, ("base_spread_bps",)),
        ({"risk": {"base_spread_bps": 0.6}, "engine": {"tail_age_ms": 600}}, ("base_spread_bps",)),
        ({"base_spread_bps": "0.5", "tail_age_ms": None}, ("base_spread_bps", "tail_age_ms")),
    ],
)
def test_echoed_parameters_that_differ(echo: Any, expected: tuple[str, ...]) -> None:
    assert echo_mismatch(shipped(), starts(shipped()), echo) == expected


class TestEnsureMakerTakerRatio:
    def test_fills_in_ratio_and_source_in_a_copy(self) -> None:
        summary: dict[str, Any] = {"net_bps": 3.0}
        filled = ensure_maker_taker_ratio(summary, {"fills": FILLS_BY_VOLUME})
        assert filled == {
            "net_bps": 3.0,
            "maker_taker_ratio": 0.9,
            "maker_taker_source": "fills_volume",
        }
        assert summary == {"net_bps": 3.0}

    def test_a_nested_summary_stays_nested(self) -> None:
        summary = {"iteration": 3, "summary": {"net_bps": 3.0, **INTERNAL}}
        filled = ensure_maker_taker_ratio(summary, {})
        assert filled["iteration"] == 3
        assert filled["summary"]["maker_taker_ratio"] == 0.6
        assert filled["summary"]["maker_taker_source"] == "internal_fills"

    def test_what_is_there_stays(self) -> None:
        filled = ensure_maker_taker_ratio({"maker_taker_ratio": 0.7}, {"fills": FILLS_BY_VOLUME})
        assert (filled["maker_taker_ratio"], filled["maker_taker_source"]) == (0.7, "summary")

    @pytest.mark.parametrize("bad", [None, "0.7", math.nan, 1.5, True])
    def test_what_is_no_ratio_is_replaced(self, bad: Any) -> None:
        filled = ensure_maker_taker_ratio({"maker_taker_ratio": bad}, {"fills": FILLS_BY_COUNT})
        assert filled["maker_taker_ratio"] == 0.8

    def test_a_placeholder_gives_way_to_data(self) -> None:
        summary = {"maker_taker_ratio": 0.6, "maker_taker_source": "fallback"}
        filled = ensure_maker_taker_ratio(summary, {"weekly_rollup": WEEKLY})
        assert filled["maker_taker_source"] == "weekly_rollup"
        assert ensure_maker_taker_ratio(summary, {}) == summary

    def test_in_mock_the_last_resort_is_the_mock_default(self) -> None:
        filled = ensure_maker_taker_ratio({}, {"mock": True})
        assert filled == {"maker_taker_ratio": 0.9, "maker_taker_source": "mock_default"}
