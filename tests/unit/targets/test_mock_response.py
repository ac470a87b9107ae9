"""Every parameter has an effect: on its own figure, beyond noise, in the expected direction.

Paired: the same seeds and iterations, so the same market, with one parameter moved
(common random numbers). ``t`` is that of the mean of the differences.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from pytest_soak.targets.mock import make_mock
from tests.unit.targets.test_mock import Report, figures, lane, reports, runtime

pytestmark = pytest.mark.exhaustive

BEYOND_NOISE = 3.0
FREE = {"replace_rate_per_min": 1200.0, "concurrency_limit": 8.0}
"""Token bucket and concurrency limit so high that they never bind. With the start values they, and
not the parameters under test, determine the number of requests."""
LARGE = {"impact_cap_ratio": 0.3}
"""Quotes so large that an exit at the market is necessary every few minutes."""


def row(report: Report) -> dict[str, float]:
    base = figures(report)
    return base | {
        "per_hour": base["net"] * base["volume"],
        "gross": report["totals"]["gross_bps"],
        "rebate": report["summary"]["maker_rebate_bps"],
        "crossing": report["summary"]["crossing_count"],
    }


@functools.cache
def rows(moved: tuple[tuple[str, float], ...], seeds: int, count: int) -> list[dict[str, float]]:
    changed = dict(moved)
    return [
        row(report) for seed in range(1, seeds + 1) for report in reports(seed, count, **changed)
    ]


def paired_t(differences: Sequence[float]) -> float:
    spread = statistics.stdev(differences)
    mean = statistics.fmean(differences)
    return mean / (spread / math.sqrt(len(differences))) if spread else math.copysign(1e9, mean)


def response_t(
    figure: str,
    before: Mapping[str, float],
    after: Mapping[str, float],
    seeds: int = 4,
    count: int = 3,
) -> float:
    """t of the change of ``figure`` when the parameters change from ``before`` to ``after``."""
    first, second = (
        rows(tuple(sorted(parameters.items())), seeds, count) for parameters in (before, after)
    )
    return paired_t(
        [late[figure] - early[figure] for early, late in zip(first, second, strict=True)]
    )


UP, DOWN = 1, -1
RESPONSES = [
    ("base_spread_bps", (0.3, 0.5, 1.0), {}, {"maker": UP, "fills": DOWN, "gross": UP}),
    ("min_interval_ms", (20.0, 50.0, 150.0), {}, {"min_interval_count": DOWN, "risk": UP}),
    ("min_interval_ms", (150.0, 300.0, 600.0), {}, {"min_interval_count": DOWN, "requests": DOWN}),
    (
        "replace_rate_per_min",
        (200.0, 400.0, 600.0),
        {},
        {"throttle_count": DOWN, "p95": UP, "crossing": UP, "maker": DOWN},
    ),
    ("max_delta_ratio", (0.05, 0.15, 0.5), {}, {"throttle_count": DOWN}),
    ("max_delta_ratio", (0.15, 0.3, 0.5), FREE, {"requests": DOWN, "p95": DOWN}),
    ("tail_age_ms", (50.0, 600.0, 5000.0), {}, {"throttle_count": DOWN}),
    ("tail_age_ms", (600.0, 1500.0, 5000.0), FREE, {"requests": DOWN, "p95": DOWN}),
    ("inventory_tilt_cap", (0.0, 0.3, 1.0), {}, {"inventory": DOWN}),
    ("concurrency_limit", (1.0, 1.5, 2.0), {}, {"concurrency_count": DOWN, "p95": UP}),
    (
        "concurrency_limit",
        (2.0, 4.0, 8.0),
        {"replace_rate_per_min": 1200.0},
        {"concurrency_count": DOWN, "p95": UP},
    ),
    ("impact_cap_ratio", (0.05, 0.1, 0.2), {}, {"volume": UP, "net": DOWN}),
    ("slippage_penalty_coef", (0.0, 0.5, 2.0), {}, {"volume": DOWN, "slippage": DOWN}),
    ("vip_tilt_cap", (0.0, 0.5, 1.0), {}, {"rebate": UP, "maker_volume": UP}),
]


class TestEveryParameter:
    @pytest.mark.parametrize(("key", "values", "others", "moves"), RESPONSES)
    def test_it_moves_what_it_is_there_for(
        self,
        key: str,
        values: tuple[float, float, float],
        others: Mapping[str, float],
        moves: Mapping[str, int],
    ) -> None:
        """From the middle value to the higher and to the lower one."""
        low, middle, high = ({**others, key: value} for value in values)
        for figure, sign in moves.items():
            assert sign * response_t(figure, middle, high) > BEYOND_NOISE, f"{figure}, up"
            assert -sign * response_t(figure, middle, low) > BEYOND_NOISE, f"{figure}, down"

    @pytest.mark.parametrize(
        ("key", "figures"),
        [("slippage_penalty_coef", ("inventory", "hedged")), ("vip_tilt_cap", ("inventory",))],
    )
    def test_sizes_that_lean_against_the_position_keep_it_small(
        self, key: str, figures: tuple[str, ...]
    ) -> None:
        for figure in figures:
            t = response_t(figure, LARGE, {**LARGE, key: 1.0}, seeds=6)
            assert t < -BEYOND_NOISE, figure

    def test_a_slow_bot_is_still_refused_by_others_than_its_risk_check(self) -> None:
        for pause in (300.0, 1000.0):
            ratios = [row["risk"] for row in rows((("min_interval_ms", pause),), 4, 3)]
            assert statistics.fmean(ratios) < 0.95

    @pytest.mark.parametrize(
        ("key", "values", "others", "count"),
        [
            ("base_spread_bps", (0.1, 1.5, 5.0), {}, 3),
            ("min_interval_ms", (5.0, 200.0, 1000.0), {}, 3),
            # With requests that no other limit binds, and quotes old enough to be stale.
            (
                "max_delta_ratio",
                (0.02, 0.15, 0.6),
                {**FREE, "base_spread_bps": 3.0, "tail_age_ms": 5000.0},
                6,
            ),
        ],
    )
    def test_what_it_earns_an_hour_is_best_in_between(
        self,
        key: str,
        values: tuple[float, float, float],
        others: Mapping[str, float],
        count: int,
    ) -> None:
        low, middle, high = ({**others, key: value} for value in values)
        for extreme in (low, high):
            t = response_t("per_hour", extreme, middle, seeds=6, count=count)
            assert t > BEYOND_NOISE, extreme


class TestTuner:
    def test_taking_a_good_change_back_makes_it_worse(self) -> None:
        """One lane: the spread is wide for three iterations, then goes back, or stays."""

        def after(spread: float, seed: int) -> list[Report]:
            target = make_mock(lane(seed))
            for number in (1, 2, 3):
                target.run(number, runtime(base_spread_bps=0.8))
            return [target.run(n, runtime(base_spread_bps=spread)) for n in (4, 5, 6)]

        kept = [row(report) for seed in (1, 2, 3, 4) for report in after(0.8, seed)]
        back = [row(report) for seed in (1, 2, 3, 4) for report in after(0.5, seed)]
        for figure in ("net", "maker", "per_hour"):
            differences = [
                late[figure] - early[figure] for early, late in zip(kept, back, strict=True)
            ]
            assert paired_t(differences) < -BEYOND_NOISE, figure

    def test_constant_parameters_make_no_trend(self) -> None:
        lanes = [[row(report) for report in reports(seed, 48)] for seed in (1, 2, 3, 4)]
        for figure in ("maker", "risk", "net", "p95"):
            means = [statistics.fmean(lane[at][figure] for lane in lanes) for at in range(48)]
            assert abs(slope_t(means)) < BEYOND_NOISE, figure


def slope_t(values: Sequence[float]) -> float:
    """t of the slope of a straight line through ``values``."""
    at = range(len(values))
    slope, intercept = statistics.linear_regression(at, values)
    left = sum((value - intercept - slope * x) ** 2 for x, value in zip(at, values, strict=True))
    spread = len(values) * statistics.pvariance(at)
    return slope / math.sqrt(left / (len(values) - 2) / spread)


class TestAudit:
    @pytest.mark.parametrize("moved", [{}, {"min_interval_ms": 5.0}, {"base_spread_bps": 3.0}])
    def test_it_holds_a_row_for_each_refusal(self, moved: Mapping[str, float]) -> None:
        (report,) = reports(2, 1, **moved)
        assert all(event["event"] == "BLOCK" for event in report["audit"])
        counts = Counter(event["reason"] for event in report["audit"])
        assert counts == {name: n for name, n in report["block_reasons"].items() if n}
        times = [event["ts"] for event in report["audit"]]
        assert times == sorted(times)
        assert 0.0 <= times[0] <= times[-1] < 300.0
