"""Scenarios in the mock market: each fires, has its effect, and changes nothing else."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from pytest_soak.canonical import canonical_json
from pytest_soak.protocol import Lane, Scenario
from pytest_soak.targets.mock import make_mock
from pytest_soak.targets.mock.conditions import conditions_of
from pytest_soak.targets.mock.disturbance import Disturbance, disturbance_of
from pytest_soak.targets.mock.grid import DT
from pytest_soak.targets.mock.market import first_state, next_market
from pytest_soak.targets.mock.scenario import LIMITS, spans_of
from pytest_soak.targets.mock.target import MockTarget
from tests.unit.targets.test_mock import figures, runtime

pytestmark = pytest.mark.exhaustive

SHIPPED: Mapping[str, tuple[float, float]] = {
    "flash_crash": (60.0, 200.0),
    "volatility_spike": (180.0, 4.0),
    "liquidity_gap": (120.0, 4.0),
    "latency_spike": (120.0, 3.0),
    "disconnect": (30.0, 1.0),
    "throttle": (180.0, 2.0),
    "stale_feed": (60.0, 1.0),
    "fat_finger": (10.0, 100.0),
}
MOVES = [
    ("flash_crash", "p95", 1),
    ("flash_crash", "slippage", 1),
    ("flash_crash", "volume", -1),
    ("volatility_spike", "slippage", 1),
    ("volatility_spike", "adverse", 1),
    ("volatility_spike", "volume", -1),
    ("liquidity_gap", "slippage", 1),
    ("liquidity_gap", "volume", -1),
    ("latency_spike", "p95", 1),
    ("latency_spike", "requests", -1),
    ("disconnect", "concurrency_ratio", 1),
    ("disconnect", "fills", -1),
    ("throttle", "throttle_ratio", 1),
    ("throttle", "requests", -1),
    ("stale_feed", "maker", -1),
    ("stale_feed", "slippage", 1),
    ("fat_finger", "adverse", 1),
]
SEEDS = range(1, 13)


def planned(name: str, at: int = 2, after_s: float = 60.0, **changed: float) -> Scenario:
    for_s, strength = SHIPPED[name]
    return Scenario(
        name, at, after_s, changed.get("for_s", for_s), changed.get("strength", strength)
    )


def target(seed: int, *schedule: Scenario, interval_s: float = 300.0) -> MockTarget:
    mock = make_mock(Lane("lane", "steady", "BTCUSDT", seed, interval_s, 24))
    mock.scenarios(schedule)
    return mock


@functools.cache
def reports(seed: int, name: str | None = None) -> tuple[Mapping[str, Any], ...]:
    mock = target(seed, *([planned(name)] if name else []))
    return tuple(mock.run(number, runtime()) for number in (1, 2, 3))


def shown(report: Mapping[str, Any]) -> Mapping[str, float]:
    blocks = report["block_reasons"]
    every = sum(blocks.values())
    return figures(report) | {f"{name}_ratio": count / every for name, count in blocks.items()}


@pytest.mark.parametrize("name", LIMITS)
class TestEach:
    def test_it_fires_when_it_should_and_only_then(self, name: str) -> None:
        for seed in (1, 2):
            before, during, after = reports(seed, name)
            assert "scenarios" not in before
            assert "scenarios" not in after
            (fired,) = during["scenarios"]
            assert fired["name"] == name
            assert fired["started_s"] == 60.0
            assert fired["ended_s"] == 60.0 + SHIPPED[name][0]
            assert fired["strength"] == pytest.approx(SHIPPED[name][1], rel=0.15)
            canonical_json(during)

    def test_nothing_happens_before_it(self, name: str) -> None:
        assert reports(1, name)[0] == reports(1)[0]

    def test_it_goes_on_over_the_border_and_through_a_snapshot(self, name: str) -> None:
        scenario = planned(name, after_s=290.0, for_s=30.0)
        whole = target(3, scenario)
        expected = [whole.run(number, runtime()) for number in (1, 2, 3, 4)]
        assert [bool(report.get("scenarios")) for report in expected] == [
            False,
            True,
            name != "fat_finger",  # its taker comes only once
            False,
        ]
        assert expected[1]["scenarios"][0]["ended_s"] == 300.0
        stopped = target(3, scenario)
        for number in (1, 2):
            stopped.run(number, runtime())
        resumed = target(3, scenario)
        resumed.restore(stopped.snapshot())
        assert [resumed.run(number, runtime()) for number in (3, 4)] == expected[2:]
        assert resumed.snapshot() == whole.snapshot()

    def test_twice_is_the_same(self, name: str) -> None:
        mock = target(1, planned(name))
        assert [mock.run(number, runtime()) for number in (1, 2, 3)] == list(reports(1, name))

    def test_stronger_is_stronger(self, name: str) -> None:
        weak = 0.5 if LIMITS[name][1] == 1.0 else 0.5 * (1.0 + SHIPPED[name][1])
        weaker, shipped = [], []
        for seed in (1, 2, 3):  # a disconnect affects few requests, and may delay all of them
            mock = target(seed, planned(name, strength=weak))
            mock.run(1, runtime())
            weaker.append(mock.run(2, runtime())["scenarios"][0]["strength"])
            shipped.append(reports(seed, name)[1]["scenarios"][0]["strength"])
        assert statistics.fmean(weaker) < statistics.fmean(shipped)


@pytest.mark.parametrize(("name", "figure", "sign"), MOVES)
def test_it_moves_what_it_should(name: str, figure: str, sign: int) -> None:
    """Against the same seeds without it: beyond noise, in the expected direction."""
    pairs = [(shown(reports(seed, name)[1]), shown(reports(seed)[1])) for seed in SEEDS]
    moved = [sign * (there[figure] - here[figure]) for there, here in pairs]
    t = statistics.fmean(moved) / (statistics.stdev(moved) / math.sqrt(len(moved)))
    assert t > 2.0, (t, moved)
    assert sum(change > 0.0 for change in moved) >= 9, moved


def disturbed(name: str, seed: int = 5) -> tuple[Any, Any, Disturbance]:
    spans = spans_of((planned(name, at=1),), seed, 1, 300.0)
    disturbance = disturbance_of(spans, 300.0)
    assert disturbance is not None
    calm, _ = next_market(first_state(seed), seed, 1, 300.0)
    market, _ = next_market(first_state(seed), seed, 1, 300.0, disturbance)
    return calm, market, disturbance


@pytest.mark.parametrize("name", LIMITS)
def test_the_market_outside_of_the_span_is_the_same(name: str) -> None:
    calm, market, _ = disturbed(name)
    first, stop = round(60.0 / DT), round((60.0 + SHIPPED[name][0]) / DT)
    for field in ("volatility", "depth", "spread", "latency"):
        there, here = getattr(market, field), getattr(calm, field)
        assert np.array_equal(there[:first], here[:first])
        assert np.array_equal(there[stop:], here[stop:])
    assert np.array_equal(market.mid[:first], calm.mid[:first])
    if name != "fat_finger":
        assert np.array_equal(market.taker_time, calm.taker_time)
        assert np.array_equal(market.taker_side, calm.taker_side)
    if name not in ("flash_crash", "fat_finger"):
        # Afterwards the price has the same steps, once the bounce has faded.
        later = stop + 50
        steps = np.diff(market.mid[later:]), np.diff(calm.mid[later:])
        assert np.allclose(*steps, atol=1e-6)


def test_a_flash_crash_falls_and_comes_back_in_part() -> None:
    calm, market, _ = disturbed("flash_crash")
    path = market.mid - calm.mid
    assert path[round(68.0 / DT)] == pytest.approx(-200.0, abs=15.0)
    assert -130.0 < path[-1] < -60.0


def test_a_fat_finger_trades_before_the_price_moves() -> None:
    calm, market, _ = disturbed("fat_finger")
    at = round(60.0 / DT)
    assert market.mid[at] == calm.mid[at]
    assert abs(market.mid[at + 1] - calm.mid[at + 1]) == pytest.approx(50.0, abs=2.0)
    assert len(market.taker_time) == len(calm.taker_time) + 1


def test_a_frozen_feed_shows_the_last_market() -> None:
    spans = spans_of((planned("stale_feed", at=1),), 5, 1, 300.0)
    market, _ = next_market(first_state(5), 5, 1, 300.0)
    conditions = conditions_of(spans, market, 5, 1)
    assert set(conditions.mid[600:1200]) == {market.mid[599]}
    assert np.array_equal(conditions.mid[1200:], market.mid[1200:])
    assert conditions.stale_s[1199] == pytest.approx(60.0)
    begun = spans_of((planned("stale_feed", at=1, after_s=280.0),), 5, 2, 300.0)
    later = conditions_of(begun, market, 5, 2, 123.0)
    assert set(later.mid[:400]) == {123.0}
    assert np.array_equal(later.mid[400:], market.mid[400:])


def test_withheld_requests_come_through_in_a_burst() -> None:
    report = reports(1, "disconnect")[1]["scenarios"][0]
    assert report["withheld"] >= 2
    assert 29.0 < report["longest_wait_s"] < 32.0


def test_several_at_once() -> None:
    mock = target(1, *(planned(name, at=1) for name in LIMITS))
    fired = mock.run(1, runtime())["scenarios"]
    assert sorted(entry["name"] for entry in fired) == sorted(LIMITS)


def test_what_has_nothing_to_disturb_does_not_fire() -> None:
    """No request is on its way in half a second at ten a minute: nothing is withheld."""
    mock = target(1, Scenario("disconnect", 1, 33.0, 0.5, 1.0), interval_s=60.0)
    report = mock.run(1, runtime(replace_rate_per_min=10.0))
    assert report["summary"]["requests"] > 0
    assert "scenarios" not in report


def test_too_short_for_the_grid_does_not_fire() -> None:
    mock = target(1, Scenario("liquidity_gap", 1, 30.01, 0.05, 4.0), interval_s=60.0)
    assert "scenarios" not in mock.run(1, runtime())


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        (Scenario("rain", 1, 0.0, 10.0, 2.0), "no scenario 'rain'; it has flash_crash"),
        (Scenario("disconnect", 1, 0.0, 10.0, 1.5), "strength is 1.5; it must be above 0, at most"),
        (Scenario("throttle", 1, 0.0, 10.0, 1.0), "must be above 1"),
        (Scenario("flash_crash", 1, 0.0, 10.0, 1e9), "at most 2000"),
    ],
)
def test_what_the_market_cannot_make_is_refused(scenario: Scenario, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        target(1, scenario)
