"""The course of a KPI: words, slopes, forecasts, and since when."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from pytest_soak.gate.judge import judge_lane
from pytest_soak.gate.window import LaneWindow
from pytest_soak.profile.condition import Comparison
from pytest_soak.report.trends import (
    Trend,
    decline_text,
    onsets,
    since_text,
    trend_of,
    trend_table,
    trends_of,
)
from tests.unit.gate.histories import applied, make_history, noise

LIMIT = 340.0


def lane(p95: Sequence[float | None], **options: object) -> LaneWindow:
    history = make_history(len(p95), kpis={"p95_latency_ms": p95}, **options)  # type: ignore[arg-type]
    return LaneWindow(history)


def latency(p95: Sequence[float | None], **options: object) -> Trend:
    return trend_of(lane(p95, **options), "p95_latency_ms")


def rising(n: int, slope: float, start: float = 300.0, sd: float = 1.0) -> list[float | None]:
    rng = random.Random(n)
    return [start + slope * t + rng.gauss(0.0, sd) for t in range(n)]


def test_words() -> None:
    assert latency(rising(30, 0.5)).word == "worse"
    assert latency(rising(30, -0.5)).word == "better"
    assert latency(rising(30, 0.0)).word == "steady"
    assert latency(rising(11, 0.5)).word == "11 values are too few"
    assert latency([300.0] * 30).word == "steady"
    assert latency([300.0] * 30).slope_text == "0, constant"
    assert trend_of(lane(rising(30, 0.5)), "net_bps").word == "steady"
    fees = make_history(24, kpis={"fees_bps": [0.1 * t for t in range(24)]})
    assert trend_of(LaneWindow(fees), "fees_bps").word == "rises"


def test_a_forecast_is_made_only_where_the_interval_excludes_0() -> None:
    trend = latency(rising(30, 0.5))
    assert trend.forecast is not None
    assert trend.forecast.latest is not None
    assert trend.forecast.earliest < trend.forecast.at < trend.forecast.latest
    assert trend.forecast_text.startswith("at this rate the limit is reached in iteration ")
    assert "(between " in trend.forecast_text
    for other in (rising(30, 0.0), rising(30, -0.5), [300.0] * 30):
        assert latency(other).forecast is None
        assert latency(other).forecast_text == ""


def test_the_interval_of_a_forecast_covers_the_truth() -> None:
    """It does in 89 to 95 % of runs with a true slope, for φ from 0 to .6."""
    covered = 0
    for seed in range(60):
        rng = random.Random(seed)
        forecast = latency([300.0 + 0.5 * t + rng.gauss(0.0, 1.0) for t in range(30)]).forecast
        assert forecast is not None
        covered += forecast.earliest <= 81 <= (forecast.latest or 81)
    assert covered >= 53


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.6])
def test_noise_alone_seldom_gets_better_or_worse(phi: float) -> None:
    words = []
    for seed in range(200):
        values: list[float | None] = [300.0 + 2.0 * x for x in noise(48, phi, random.Random(seed))]
        words.append(latency(values).word)
    assert sum(word in ("better", "worse") for word in words) <= 24


def test_a_forecast_has_an_end() -> None:
    slow = latency(rising(100, 0.02, start=200.0, sd=0.1))
    assert slow.word == "worse"
    assert slow.forecast is None
    assert slow.forecast_text == "its limit is not near (over 10 times this run)"
    near = latency(rising(48, 1.0, start=290.0))
    assert near.forecast_text in (
        "at this rate the limit is reached now",
        "at this rate the limit is reached in iteration 50 (between 50 and 51)",
        "at this rate the limit is reached in iteration 51 (between 50 and 51)",
        "at this rate the limit is reached in iteration 51 (between 50 and 52)",
    )


def test_since_when_it_is_outside() -> None:
    values: list[float | None] = [300.0 + t % 3 for t in range(30)]
    assert since_text(latency(values)) == ""
    late = [*values[:20], *[350.0 + t % 3 for t in range(10)]]
    assert since_text(latency(late)) == ("every value since iteration 21 is outside (10 in a row)")
    assert latency(late).forecast_text == "outside its limit"
    once = [*values[:24], 400.0, *values[25:]]
    assert since_text(latency(once)) == (
        "1 of the 10 values in the window are outside; the first of the run is that of iteration 25"
    )
    gap = [*late[:25], None, *late[26:]]
    assert latency(gap).outside == (21, 22, 23, 24, 25, 27, 28, 29, 30)


def test_what_began_outside_is_inside_since() -> None:
    trend = latency([360.0 + t % 3 if t < 12 else 310.0 + t % 3 for t in range(36)])
    assert trend.inside_since == 13
    assert trend.forecast_text == "inside its limit since iteration 13"


def test_the_slope_is_that_of_the_iterations_since_the_last_change() -> None:
    step = [360.0 if t < 10 else 310.0 for t in range(40)]
    values: list[float | None] = [x + random.Random(i).gauss(0, 1) for i, x in enumerate(step)]
    trend = latency(values, outcomes={10: [applied("tail_age_ms", 5.0)]})
    assert (trend.first, trend.last, trend.word) == (11, 40, "steady")
    early = latency(values[:30], outcomes={10: [applied("tail_age_ms", 5.0)]})
    assert early.first == 1  # 20 iterations are too few


def test_a_decline_that_began_late_is_found_in_the_last_half() -> None:
    rng = random.Random(3)
    values: list[float | None] = [
        300.0 + max(0, t - 30) + rng.gauss(0.0, 1.0) for t in range(1, 61)
    ]
    trend = latency(values)
    assert (trend.word, trend.first) == ("worse", 31)
    assert trend.began == pytest.approx(30, abs=2)
    assert "since about iteration " in decline_text(trend)
    judged = judge_lane(make_history(60, kpis={"p95_latency_ms": values}))
    assert onsets(judged) == [trend.since]


def test_only_kpis_with_data_and_the_limit_in_use() -> None:
    window = lane(rising(30, 0.0))
    assert [trend.kpi for trend in trends_of(window)][:4] == [
        *("maker_taker_ratio", "risk_ratio", "net_bps", "p95_latency_ms"),
    ]
    assert [trend.kpi for trend in trends_of(window, {"net_bps", "gross_bps"})] == ["net_bps"]
    mock = replace(window, mock=True)
    assert trend_of(mock, "maker_taker_ratio").limit == Comparison(">=", 0.5)
    empty = judge_lane(make_history(0, planned=24))
    assert trend_table(empty)[-1].startswith("Without data: net_bps, ")
