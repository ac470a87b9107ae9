"""Criteria by other statistics than the mean: quantiles, extremes, shares of iterations."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_soak.gate.judge import LaneJudgement, judge_lane
from pytest_soak.gate.result import CriterionResult
from pytest_soak.loop.model import Verdict
from pytest_soak.profile.condition import Comparison
from pytest_soak.profile.gate import criterion
from pytest_soak.profile.model import Profile
from pytest_soak.profile.sections import CriterionFields
from tests.unit.gate.histories import make_history, steady


def gated(given: Any, kpi: str = "p95_latency_ms", **gate: Any) -> Profile:
    """The shipped profile with one criterion, that on ``kpi``."""
    profile = steady()
    fields = CriterionFields(**given) if isinstance(given, dict) else given
    criteria = (criterion(kpi, fields, profile.kpis),)
    return replace(profile, gate=replace(profile.gate, criteria=criteria, **gate))


def judged(values: Sequence[float | None], given: Any, **gate: Any) -> LaneJudgement:
    profile = gated(given, **gate)
    history = make_history(len(values), kpis={"p95_latency_ms": values}, profile=profile)
    return judge_lane(history)


def result(values: Sequence[float | None], given: Any, **gate: Any) -> CriterionResult:
    lane = judged(values, given, **gate)
    return next(item for item in lane.criteria if item.name.endswith("p95_latency_ms"))


def noise(n: int, sd: float = 10.0, mean: float = 200.0, seed: int = 1) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(mean, sd) for _ in range(n)]


class TestShare:
    def test_a_share_needs_enough_independent_iterations(self) -> None:
        """.95 of 72 without any outside is sure at 95 %, of 24 it is not: .95^24 = 29 %."""
        few, enough = noise(24), [200.0 + (i % 2) for i in range(72)]
        slo = {"limit": "<= 250", "share": 0.95}
        assert result(few, slo).verdict is Verdict.WARN
        assert "a PASS needs about" in result(few, slo).reason
        item = result(enough, slo)
        assert item.verdict is Verdict.PASS
        assert (item.name, item.limit, item.value) == ("share:p95_latency_ms", ">= 0.95", 1.0)
        assert item.low is not None
        assert 0.95 < item.low < 1.0
        assert "72 of 72 iterations are inside <= 250" in item.reason

    def test_a_missed_share_fails_and_a_doubtful_miss_is_marginal(self) -> None:
        values = [200.0 + (i % 2) for i in range(72)]
        values[10] = values[20] = values[30] = values[40] = 300.0  # .944 of 72
        item = result(values, {"limit": "<= 250", "share": 0.95})
        assert (item.verdict, item.marginal) == (Verdict.FAIL, True)
        assert item.margin == pytest.approx(68 / 72 - 0.95)
        values[::2] = [300.0] * 36
        far = result(values, {"limit": "<= 250", "share": 0.95})
        assert (far.verdict, far.marginal) == (Verdict.FAIL, False)

    def test_the_early_iterations_count_unless_a_window_is_given(self) -> None:
        values = [300.0] * 12 + [200.0 + (i % 2) for i in range(60)]
        assert result(values, {"limit": "<= 250", "share": 0.9}).verdict is Verdict.FAIL
        last = result(values, {"limit": "<= 250", "share": 0.5, "window": 24})
        assert last.verdict is not Verdict.FAIL
        assert last.n == 24

    def test_a_share_between_two_limits(self) -> None:
        values = [200.0, 100.0] * 36
        item = result(values, {"limit": (">= 150", "<= 250"), "share": 0.6})
        assert (item.verdict, item.value) == (Verdict.FAIL, 0.5)
        assert "36 of 72 iterations are inside 150 .. 250" in item.reason

    @given(
        values=st.lists(st.floats(0.0, 400.0), min_size=24, max_size=40),
        place=st.integers(0, 23),
    )
    def test_more_inside_is_never_worse(self, values: list[float], place: int) -> None:
        """A value moved inside raises the share; with the same φ the bound follows."""
        slo = {"limit": "<= 250", "share": 0.8}
        better = [*values]
        better[place] = min(better[place], 250.0)
        before, after = result(values, slo), result(better, slo)
        assert before.value is not None
        assert after.value is not None
        assert after.value >= before.value
        assert not (before.verdict is not Verdict.FAIL and after.verdict is Verdict.FAIL)


class TestQuantiles:
    def test_the_p95_is_inside_where_the_share_is(self) -> None:
        for outside in (0, 3, 4, 9):
            values = [200.0 + (i % 2) for i in range(72)]
            values[:outside] = [300.0] * outside
            by_share = result(values, {"limit": "<= 250", "share": 0.95})
            by_p95 = result(values, {"limit": "<= 250", "statistic": "p95"})
            assert by_p95.verdict is by_share.verdict, outside
            assert by_p95.name == "p95:p95_latency_ms"

    def test_a_spike_moves_the_mean_and_not_the_median(self) -> None:
        values = noise(72)
        values[-1] = 9000.0
        assert result(values, "<= 250").verdict is Verdict.FAIL
        item = result(values, {"limit": "<= 250", "statistic": "median"})
        assert item.verdict is Verdict.PASS
        assert item.value is not None
        assert 190.0 < item.value < 210.0
        assert item.high is not None
        assert item.value <= item.high <= 250.0

    def test_a_median_near_its_limit_is_in_doubt(self) -> None:
        item = result(noise(24), {"limit": "<= 205", "statistic": "median"})
        assert item.verdict is Verdict.WARN
        assert "within its noise" in item.reason
        far = result(noise(24, mean=300.0), {"limit": "<= 205", "statistic": "median"})
        assert (far.verdict, far.marginal) == (Verdict.FAIL, False)

    def test_a_lower_limit_is_the_mirror_image(self) -> None:
        values = noise(72)
        up = result(values, {"limit": "<= 204", "statistic": "median"})
        mirrored = [400.0 - x for x in values]
        down = result(mirrored, {"limit": ">= 196", "statistic": "median"})
        assert up.verdict is down.verdict
        assert up.value is not None
        assert up.value == pytest.approx(400.0 - (down.value or 0.0))
        assert up.high == pytest.approx(400.0 - (down.low or 0.0))


class TestExtremes:
    def test_a_maximum_is_a_fact_and_says_what_it_shows(self) -> None:
        item = result(noise(24), {"limit": "<= 250", "statistic": "max"})
        assert item.verdict is Verdict.PASS
        assert (item.low, item.high) == (None, None)
        assert "a fact of 24 iterations, without a bound; surely inside (95%) are" in item.reason
        once = noise(24)
        once[3] = 251.0
        failed = result(once, {"limit": "<= 250", "statistic": "max"})
        assert (failed.verdict, failed.value) == (Verdict.FAIL, 251.0)

    def test_a_minimum(self) -> None:
        item = result(noise(24), {"limit": ">= 150", "statistic": "min"})
        assert (item.name, item.verdict) == ("min:p95_latency_ms", Verdict.PASS)
        assert result(noise(24), {"limit": ">= 195", "statistic": "min"}).verdict is Verdict.FAIL

    def test_the_last_value_is_at_best_a_warning(self) -> None:
        """A coin must not decide: at the limit, half of all last values are inside."""
        item = result([*noise(71), 100.0], {"limit": "<= 250", "statistic": "last"})
        assert (item.verdict, item.value) == (Verdict.WARN, 100.0)
        assert "in iteration 72" in item.reason
        assert "WARN at best" in item.reason
        assert not judged(noise(72), {"limit": "<= 250", "statistic": "last"}).freeze_ready
        failed = result([*noise(71), 300.0], {"limit": "<= 250", "statistic": "last"})
        assert failed.verdict is Verdict.FAIL

    def test_a_last_value_without_data_fails(self) -> None:
        item = result([*noise(71), None], {"limit": "<= 250", "statistic": "last"})
        assert item.verdict is Verdict.FAIL
        assert "no_data" in item.reason


@pytest.mark.parametrize("statistic", ["median", "p95", "max"])
def test_no_data_and_too_few_iterations(statistic: str) -> None:
    given = {"limit": "<= 250", "statistic": statistic}
    assert result([None if i % 3 else 200.0 for i in range(72)], given).verdict is Verdict.FAIL
    short = result(noise(7), given)
    assert short.verdict is Verdict.INCONCLUSIVE
    assert "7 judged, 8 are needed" in short.reason
    # Fewer than gate.pass_from: what was measured is too little, also for a fact.
    assert result(noise(12), given).verdict is Verdict.WARN


def test_a_warning_of_a_statistic() -> None:
    values = noise(72)
    given = {"fail": "<= 400", "warn": "<= 190", "statistic": "median"}
    item = result(values, given)
    assert item.verdict is Verdict.WARN
    assert "beyond its warning, <= 190" in item.reason
    share = result(values, {"fail": "<= 400", "warn": "<= 190", "share": 0.9})
    assert share.verdict is Verdict.WARN
    assert "are inside the warning, <= 190" in share.reason


def test_the_limit_of_a_share_is_shown_as_a_limit_of_the_share() -> None:
    lane = judged(noise(24), {"limit": "<= 250", "share": 0.5})
    assert lane.window.comparison("p95_latency_ms") == Comparison("<=", 250.0)
