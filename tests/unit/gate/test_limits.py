"""The forms of a limit: two sides, a warning, a window of its own, optional, relative to a base."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_soak.gate.baseline import reference_of
from pytest_soak.gate.judge import exit_code, judge_lane, judge_run
from pytest_soak.gate.noise import KpiNoise, Reference
from pytest_soak.gate.relative import Measured, compared
from pytest_soak.gate.weaker import weakened
from pytest_soak.loop.model import Verdict
from pytest_soak.profile.condition import Comparison
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.gate import criterion
from pytest_soak.profile.model import Relative
from pytest_soak.profile.sections import CriterionFields
from pytest_soak.report.table import final_table
from pytest_soak.report.why import why_lane
from pytest_soak.statistics import student_t_quantile
from tests.unit.gate.histories import make_history, steady
from tests.unit.gate.test_statistic import gated, judged, noise, result

KPI = "p95_latency_ms"


def fields(**given: Any) -> CriterionFields:
    return CriterionFields(**given)


class TestTwoSides:
    def test_it_fails_beyond_either_side(self) -> None:
        both = (">= 150", "<= 250")
        inside = result(noise(72), both)
        assert (inside.verdict, inside.limit) == (Verdict.PASS, "150 .. 250")
        assert inside.low is not None
        assert inside.high is not None
        assert 150.0 < inside.low < 200.0 < inside.high < 250.0
        assert result(noise(72, mean=260.0), both).verdict is Verdict.FAIL
        assert result(noise(72, mean=140.0), both).verdict is Verdict.FAIL

    def test_the_margin_is_that_of_the_nearer_limit(self) -> None:
        low = result(noise(72, mean=170.0), (">= 150", "<= 250"))
        assert low.value is not None
        assert low.margin == pytest.approx(low.value - 150.0)
        beyond = result(noise(72, mean=260.0), (">= 150", "<= 250"))
        assert beyond.value is not None
        assert beyond.margin == pytest.approx(250.0 - beyond.value)

    def test_a_limit_within_the_noise_on_either_side_is_in_doubt(self) -> None:
        for limit in ((">= 195", "<= 900"), (">= 1", "<= 205")):
            item = result(noise(24, sd=30.0, seed=4), limit)
            assert item.verdict in (Verdict.WARN, Verdict.FAIL)

    @given(
        seed=st.integers(0, 10_000),
        mean=st.floats(100.0, 300.0),
        low=st.floats(100.0, 190.0),
        high=st.floats(210.0, 300.0),
        n=st.sampled_from([8, 24, 48]),
    )
    def test_two_limits_are_never_better_than_each_alone(
        self, seed: int, mean: float, low: float, high: float, n: int
    ) -> None:
        values = noise(n, 15.0, mean, seed)
        lower, upper = f">= {low!r}", f"<= {high!r}"
        alone = [result(values, side).verdict.severity for side in (lower, upper)]
        both = result(values, (lower, upper)).verdict.severity
        # Both verdicts are by the same figure and bounds, so the worse side decides.
        assert both == max(alone)

    def test_it_may_drift_towards_either_limit(self) -> None:
        for slope, limit in ((1.0, 250.0), (-1.0, 150.0)):
            course = [200.0 + slope * (0.6 * i) + e for i, e in enumerate(noise(72, 2.0, 0.0))]
            lane = judged(course, (">= 150", "<= 250"))
            drift = next(item for item in lane.criteria if item.name == f"drift:{KPI}")
            assert drift.verdict in (Verdict.WARN, Verdict.FAIL), drift.reason
            assert f"crosses {limit:g}" in drift.reason

    def test_the_table_shows_both_limits(self) -> None:
        text = "\n".join(final_table(judge_run([judged(noise(72), (">= 150", "<= 250"))])))
        assert "150 .. 250" in text
        assert max(map(len, text.splitlines())) <= 100


class TestWarnAndFail:
    def test_between_the_two_limits_it_warns(self) -> None:
        given = {"warn": "<= 190", "fail": "<= 250"}
        between = result(noise(72), given)
        assert between.verdict is Verdict.WARN
        assert "beyond its warning, <= 190" in between.reason
        assert result(noise(72, mean=150.0), given).verdict is Verdict.PASS
        assert result(noise(72, mean=300.0), given).verdict is Verdict.FAIL

    def test_a_warning_alone_never_fails(self) -> None:
        lane = judged([300.0 + e for e in noise(72, mean=0.0)], {"warn": "<= 250"})
        item = next(item for item in lane.criteria if item.name == KPI)
        drift = next(item for item in lane.criteria if item.name == f"drift:{KPI}")
        assert item.verdict is Verdict.WARN
        assert drift.verdict is not Verdict.FAIL
        assert f"{KPI} can WARN only" in lane.weakened
        assert result([None] * 24, {"warn": "<= 250"}).verdict is Verdict.FAIL, "no data is none"


class TestWindow:
    def test_a_kpi_may_have_a_window_of_its_own(self) -> None:
        values = [300.0] * 24 + [200.0 + (i % 2) for i in range(48)]
        assert result(values, "<= 210").verdict is Verdict.PASS
        whole = result(values, {"limit": "<= 210", "window": 60})
        assert whole.verdict is Verdict.FAIL
        assert "over the last 60" in whole.reason
        assert "window of p95_latency_ms 6 below 8" in weakened(
            gated({"limit": "<= 210", "window": 6}).gate
        )

    def test_it_needs_as_many_iterations(self) -> None:
        item = result(noise(24), {"limit": "<= 250", "window": 48})
        assert item.verdict is Verdict.INCONCLUSIVE
        assert "24 judged, 48 are needed" in item.reason


class TestOptional:
    def test_it_is_shown_and_does_not_count(self) -> None:
        profile = steady()
        own = criterion(KPI, fields(limit="<= 100", optional=True), profile.kpis)
        criteria = tuple(own if item.kpi == KPI else item for item in profile.gate.criteria)
        strict = replace(profile, gate=replace(profile.gate, criteria=criteria))
        lane = judge_lane(make_history(72, profile=strict), strict=True)
        item = next(item for item in lane.criteria if item.name == KPI)
        assert (item.verdict, item.binding) == (Verdict.FAIL, False)
        assert lane.verdict is Verdict.PASS
        assert lane.freeze_ready
        assert exit_code(judge_run([lane]), strict=True) == 0
        assert f"{KPI} is optional" in lane.weakened
        assert f"{KPI}: " not in why_lane(lane)
        text = "\n".join(final_table(judge_run([lane])))
        assert "FAIL (opt.)" in text
        assert "sweep" not in text
        drift = next(item for item in lane.criteria if item.name == f"drift:{KPI}")
        assert not drift.binding


class TestRelative:
    GIVEN: dict[str, Any] = {"limit": "<= 900", "relative_to": "warmup", "ratio": 0.1}  # noqa: RUF012

    def relative(self, values: list[float], given: Any = None, warmup: int = 24) -> Any:
        lane = judged(values, given or self.GIVEN, warmup_iterations=warmup)
        return next(item for item in lane.criteria if item.name == f"relative:{KPI}")

    def test_against_the_warmup(self) -> None:
        steady_course = self.relative(noise(24, 4.0) + noise(72, 4.0, seed=2))
        assert steady_course.verdict is Verdict.PASS
        assert "10 % worse than the warm-up" in steady_course.reason
        worse = self.relative(noise(24, 4.0) + noise(72, 4.0, 230.0, seed=2))
        assert worse.verdict is Verdict.FAIL
        near = self.relative(noise(24, 30.0) + noise(24, 30.0, 218.0, seed=2))
        assert near.verdict in (Verdict.WARN, Verdict.FAIL)

    def test_an_absolute_limit_binds_beside_it(self) -> None:
        lane = judged(
            noise(24) + noise(72, seed=2),
            {"limit": "<= 150", "relative_to": "warmup", "amount": 50.0},
            warmup_iterations=24,
        )
        verdicts = {item.name: item.verdict for item in lane.criteria}
        assert verdicts[KPI] is Verdict.FAIL
        assert verdicts[f"relative:{KPI}"] is Verdict.PASS

    def test_a_short_base_is_inconclusive(self) -> None:
        values: list[Any] = noise(24)
        values[3] = None
        item = self.relative(values + noise(72, seed=2))
        assert item.verdict is Verdict.INCONCLUSIVE
        assert "23 values in the warm-up, 24 are needed" in item.reason

    def test_a_figure_near_its_relative_limit_is_in_doubt(self) -> None:
        values = [100.0 + 8.0 * (i % 2) for i in range(24)] + [
            109.0 + 8.0 * (i % 2) for i in range(24)
        ]
        item = self.relative(values)
        assert item.margin > 0.0
        assert item.verdict is Verdict.WARN
        assert "also of the base" in item.reason
        assert item.high > item.value + item.margin

    def test_against_a_reference(self) -> None:
        given = {"limit": "<= 900", "relative_to": "reference", "ratio": 0.1}
        quiet = make_history(72, kpis={KPI: noise(72, 4.0)}, tune=False, profile=gated(given))
        reference = reference_of(quiet)
        assert reference.kpis[KPI].figure == pytest.approx(200.0, abs=2.0)
        for mean, verdict in ((200.0, Verdict.PASS), (240.0, Verdict.FAIL)):
            history = make_history(
                72, kpis={KPI: noise(72, 4.0, mean, seed=2)}, profile=gated(given)
            )
            lane = judge_lane(history, reference=reference)
            item = next(item for item in lane.criteria if item.name.startswith("relative:"))
            assert item.verdict is verdict, item.reason
        without = judge_lane(make_history(72, profile=gated(given)))
        item = next(item for item in without.criteria if item.name.startswith("relative:"))
        assert item.verdict is Verdict.INCONCLUSIVE
        assert "--soak-reference" in item.reason
        old = Reference({KPI: KpiNoise(0.0, 4.0, 72)})
        lane = judge_lane(history, reference=old)
        item = next(item for item in lane.criteria if item.name.startswith("relative:"))
        assert "judge the run again" in item.reason

    def test_the_error_of_the_base_counts(self) -> None:
        """SE² = SE(m)² + (1 + r)² SE(base)², with Satterthwaite's degrees of freedom."""
        now, base = Measured(100.0, 3.0, 1e9, 72), Measured(100.0, 4.0, 1e9, 24)
        wide = compared(now, base, Relative("warmup", ratio=0.5), upper=True, confidence=0.95)
        assert wide.limit == Comparison("<=", 150.0)
        assert wide.towards - 100.0 == pytest.approx(1.6449 * math.hypot(3.0, 6.0), rel=1e-3)
        flat = compared(now, base, Relative("warmup", amount=5.0), upper=False, confidence=0.95)
        assert flat.limit == Comparison(">=", 95.0)
        assert 100.0 - flat.towards == pytest.approx(1.6449 * 5.0, rel=1e-3)
        sure = compared(
            now, replace(base, error=0.0), Relative("warmup", amount=5.0), upper=True,
            confidence=0.95,
        )  # fmt: skip
        assert sure.towards - 100.0 == pytest.approx(1.6449 * 3.0, rel=1e-3)
        few = compared(
            replace(now, df=4.0), replace(base, df=4.0), Relative("warmup", amount=5.0),
            upper=True, confidence=0.95,
        )  # fmt: skip
        df = 25.0**2 / (81.0 / 4.0 + 256.0 / 4.0)
        expected = 100.0 + student_t_quantile(0.95, df) * 5.0
        assert few.towards == pytest.approx(expected)

    def test_a_negative_base_is_worse_in_the_same_direction(self) -> None:
        assert Relative("warmup", ratio=0.1).limit(-100.0, upper=True) == -90.0
        assert Relative("warmup", ratio=0.1).limit(-100.0, upper=False) == -110.0
        assert Relative("warmup", ratio=0.1).limit(100.0, upper=False) == 90.0


REFUSED: list[tuple[Any, str]] = [
    (("<= 1", "<= 2"), "look the same way; one of them is enough"),
    ((">= 9", "<= 2"), "no value is >= 9 and <= 2"),
    ({"limit": "<= 2", "fail": "<= 3"}, "has limit and fail; give one limit, or one per set"),
    ({"limit": "<= 2", "production": "<= 3", "mock": "<= 4"}, "has limit and production and mock"),
    ({"production": "<= 3"}, "mock: is missing"),
    ({"share": 0.9}, "has no limit: give 'limit'"),
    ({"warn": "<= 3", "fail": "<= 2"}, "warn: <= 3 is not inside the limit, <= 2"),
    ({"warn": ">= 1", "fail": "<= 2"}, "warn: >= 1 looks the other way than the limit, <= 2"),
    ({"warn": "<= 3", "fail": (">= 4", "<= 9")}, "warn: <= 3 is not inside the limit, 4 .. 9"),
    ({"limit": "<= 3", "share": 0.9, "statistic": "p95"}, "share: is a statistic itself"),
    ({"limit": ">= 3", "statistic": "p95"}, "statistic: p95 has an upper limit; for a lower one"),
    ({"limit": ">= 3", "statistic": "max"}, "for a lower one give 'statistic: min'; here is >= 3"),
    ({"limit": (">= 3", "<= 9"), "statistic": "min"}, "min has a lower limit; for an upper one"),
    ({"limit": "<= 3", "statistic": "last", "window": 8}, "window: is for several iterations"),
    ({"limit": "<= 3", "ratio": 0.1}, "ratio: belongs to 'relative_to: warmup'"),
    ({"limit": "<= 3", "relative_to": "warmup"}, "relative_to: needs 'ratio' or 'amount'"),
    (
        {"limit": "<= 3", "relative_to": "warmup", "ratio": 0.1, "amount": 1.0},
        "relative_to: needs 'ratio' or 'amount', one of them",
    ),
    (
        {"limit": (">= 1", "<= 3"), "relative_to": "warmup", "ratio": 0.1},
        "relative_to: is for the mean of a KPI with one limit",
    ),
    (
        {"limit": "<= 3", "relative_to": "warmup", "ratio": 0.1, "statistic": "median"},
        "relative_to: is for the mean of a KPI with one limit",
    ),
]


@pytest.mark.parametrize(("given", "message"), REFUSED, ids=[f"{i}" for i, _ in enumerate(REFUSED)])
def test_limits_that_contradict_are_refused(given: Any, message: str) -> None:
    own = CriterionFields(**given) if isinstance(given, dict) else given
    with pytest.raises(Invalid) as caught:
        criterion(KPI, own, steady().kpis)
    text = ".".join(caught.value.path) + ": " + caught.value.problem
    assert message in text
    assert text.startswith(f"gate.criteria.{KPI}")


class TestWarmup:
    def test_its_iterations_are_measured_and_not_judged(self) -> None:
        values = [900.0] * 12 + noise(72)
        assert result(values, {"limit": "<= 250", "statistic": "max"}).verdict is Verdict.FAIL
        lane = judged(values, {"limit": "<= 250", "statistic": "max"}, warmup_iterations=12)
        item = lane.criteria[0]
        assert item.verdict is Verdict.PASS
        assert item.reason.endswith("; left out: iterations 1 to 12 (warm-up)")
        complete = next(item for item in lane.criteria if item.name == "completeness")
        assert complete.value == 84.0
        drift = next(item for item in lane.criteria if item.name == f"drift:{KPI}")
        assert drift.n == 72
        assert lane.window.not_judged == dict.fromkeys(range(1, 13), "warm-up")

    def test_its_iterations_count_for_the_least_number_of_a_pass(self) -> None:
        """``gate.pass_from`` counts measured iterations, as for those that a scenario excludes."""
        lane = judged(noise(24), "<= 900", warmup_iterations=12)
        assert lane.criteria[0].verdict is Verdict.PASS

    def test_a_warmup_of_the_whole_run_is_inconclusive_and_named(self) -> None:
        lane = judged(noise(24), "<= 900", warmup_iterations=24)
        assert lane.verdict is Verdict.INCONCLUSIVE
        assert "warmup_iterations 24 above half of 24" in lane.weakened
        assert not weakened(gated("<= 900", warmup_iterations=12).gate, 24)

    def test_it_is_no_part_of_a_reference(self) -> None:
        profile = gated("<= 900", warmup_iterations=12)
        values = [900.0] * 12 + noise(48)
        quiet = make_history(60, kpis={KPI: values}, tune=False, profile=profile)
        own = reference_of(quiet).kpis[KPI]
        assert own.n == 48
        assert own.sd < 15.0


def test_beyond_a_warning_nothing_is_ready_to_freeze() -> None:
    profile = steady()
    ready = make_history(72, kpis={KPI: noise(72)}, profile=profile)
    assert judge_lane(ready).freeze_ready
    for form in (
        {"fail": "<= 340", "warn": "<= 190"},
        {"limit": "<= 340", "statistic": "last"},
        {"limit": "<= 340", "share": 0.99},
    ):
        own = criterion(KPI, fields(**form), profile.kpis)
        criteria = tuple(own if item.kpi == KPI else item for item in profile.gate.criteria)
        changed = replace(profile, gate=replace(profile.gate, criteria=criteria))
        lane = judge_lane(make_history(72, kpis={KPI: noise(72)}, profile=changed))
        assert lane.verdict is Verdict.WARN
        assert not lane.freeze_ready
