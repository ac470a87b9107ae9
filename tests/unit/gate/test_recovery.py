"""Scenarios in the gate: whether they fired, what is left out, and how long recovery took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pytest_soak.gate.baseline import reference_of
from pytest_soak.gate.judge import judge_lane, judge_run
from pytest_soak.gate.recovery import excluded_by, recoveries
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import History, Verdict
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.profile.scenarios import GateMode, Scheduled
from pytest_soak.report.audit import audit
from pytest_soak.report.scenarios import scenario_lines
from tests.unit.gate.histories import make_history, with_iteration

CRASH = {"name": "crash", "started_s": 10.0, "ended_s": 70.0, "strength": 200.0}


def scheduled(
    at: int = 15,
    *,
    name: str = "crash",
    mode: GateMode = "exclude",
    within: int | None = 3,
    for_s: float = 60.0,
) -> Scheduled:
    return Scheduled(name, at, 10.0, for_s, 200.0, mode, within)


def disturbed(
    *planned: Scheduled,
    fired: Mapping[int, Any] | None = None,
    p95: Sequence[float | None] | None = None,
    n: int = 24,
) -> History:
    """``p95``: that KPI from iteration 15 on; 310 ms, which is fine, before and after."""
    values: list[float | None] = [310.0 + (number % 3) for number in range(n)]
    for number, value in enumerate(p95 or (), 14):
        values[number] = value
    history = replace(make_history(n, kpis={"p95_latency_ms": values}), scenarios=planned)
    shown = (
        {scenario.at: [{**CRASH, "name": scenario.name}] for scenario in planned}
        if fired is None
        else fired
    )
    for number, entries in shown.items():
        history = with_iteration(history, number, report={"scenarios": entries})
    return history


def criteria(history: History) -> dict[str, Any]:
    return {result.name: result for result in judge_lane(history).criteria}


def test_a_lane_without_scenarios_has_no_such_criteria() -> None:
    assert not [
        name for name in criteria(make_history()) if name.startswith(("scenario", "recovers"))
    ]
    assert scenario_lines(judge_lane(make_history(), mock=False)) == []


class TestFired:
    def test_it_is_shown_where_and_when(self) -> None:
        result = criteria(disturbed(scheduled()))["scenario:crash"]
        assert (result.verdict, result.value, result.limit) == (Verdict.PASS, 1.0, ">= 1")
        assert "iteration 15, 10.0 to 70.0 s" in result.reason

    @pytest.mark.parametrize(
        "fired",
        [
            {},
            {14: [CRASH]},
            {16: [CRASH]},
            {15: [{**CRASH, "name": "gap"}]},
            {15: [{"name": "crash"}]},
            {15: [{**CRASH, "ended_s": 10.0}]},
            {15: [{**CRASH, "started_s": float("nan")}]},
            {15: [{**CRASH, "started_s": True}]},
            {15: "crash"},
            {15: {"crash": CRASH}},
            {15: [None, 3, ["crash"]]},
        ],
        ids=str,
    )
    def test_a_scenario_that_no_report_shows_is_an_error(self, fired: Mapping[int, Any]) -> None:
        history = disturbed(scheduled(), fired=fired)
        result = criteria(history)["scenario:crash"]
        assert result.verdict is Verdict.FAIL
        assert "iteration 15, as scheduled" in result.reason
        assert criteria(history)["recovers_within:crash"].verdict is Verdict.INCONCLUSIVE
        assert judge_lane(history).verdict is Verdict.FAIL
        assert "**It did not fire.**" in scenario_lines(judge_lane(history, mock=False))

    def test_one_of_two_is_not_enough(self) -> None:
        history = disturbed(scheduled(12), scheduled(15), fired={12: [CRASH]})
        result = criteria(history)["scenario:crash"]
        assert (result.verdict, result.value, result.limit) == (Verdict.FAIL, 1.0, ">= 2")

    def test_a_scenario_that_the_run_never_reached(self) -> None:
        history = disturbed(scheduled(15), n=12, fired={})
        assert criteria(history)["scenario:crash"].verdict is Verdict.FAIL

    def test_one_over_several_iterations(self) -> None:
        history = disturbed(scheduled(for_s=500.0), fired={15: [CRASH], 16: [CRASH]})
        assert [len(fired_in(item)) for item in history.iterations[13:17]] == [0, 1, 1, 0]
        assert [
            firing.iteration for firing in recoveries(LaneWindow(history), mock=False)[0].fired
        ] == [
            15,
            16,
        ]


class TestRecovery:
    @pytest.mark.parametrize(
        ("p95", "took", "verdict", "hurt"),
        [
            ([311.0], 0, Verdict.PASS, (15,)),
            ([500.0], 1, Verdict.PASS, (15,)),
            ([500.0, 500.0], 2, Verdict.PASS, (15, 16)),
            ([500.0, 500.0, 500.0], 3, Verdict.PASS, (15, 16, 17)),
            ([500.0] * 4, 4, Verdict.FAIL, (15, 16, 17, 18)),
            ([500.0] * 6, 6, Verdict.FAIL, (15, 16, 17, 18)),
            ([500.0] * 10, None, Verdict.FAIL, (15, 16, 17, 18)),
            # One recovered iteration is not enough: it needs two.
            ([500.0, 310.0, 500.0], 3, Verdict.PASS, (15, 16, 17)),
            ([500.0, 310.0, 500.0, 310.0, 500.0], 5, Verdict.FAIL, (15, 16, 17, 18)),
            ([500.0, None, None], 3, Verdict.PASS, (15, 16, 17)),
        ],
    )
    def test_iterations_it_took(
        self, p95: list[float | None], took: int | None, verdict: Verdict, hurt: tuple[int, ...]
    ) -> None:
        history = disturbed(scheduled(), p95=p95)
        (recovery,) = recoveries(LaneWindow(history), mock=False)
        assert (recovery.took, recovery.hurt) == (took, hurt)
        result = criteria(history)["recovers_within:crash"]
        assert result.verdict is verdict, result.reason
        assert (result.value, result.limit) == (took, "<= 3")

    @pytest.mark.parametrize(
        ("n", "p95", "verdict"),
        [
            (15, [500.0], Verdict.INCONCLUSIVE),
            (16, [500.0, 310.0], Verdict.INCONCLUSIVE),
            (17, [500.0, 310.0, 310.0], Verdict.PASS),
            (18, [500.0] * 4, Verdict.FAIL),  # a fourth one would be too late
            (17, [500.0] * 3, Verdict.INCONCLUSIVE),
        ],
    )
    def test_a_run_that_ends_before_the_recovery_is_known(
        self, n: int, p95: list[float | None], verdict: Verdict
    ) -> None:
        history = disturbed(scheduled(), p95=p95, n=n)
        assert criteria(history)["recovers_within:crash"].verdict is verdict

    def test_the_noise_of_one_iteration_does_not_delay_recovery(self) -> None:
        # 345 ms is beyond the limit of 340, but so were iterations before the scenario.
        noisy = [300.0, 345.0, 320.0, 350.0, 305.0, 340.0, 315.0] * 4
        history = make_history(24, kpis={"p95_latency_ms": [*noisy[:14], *[345.0] * 10]})
        history = with_iteration(history, 15, report={"scenarios": [CRASH]})
        history = replace(history, scenarios=(scheduled(),))
        assert recoveries(LaneWindow(history), mock=False)[0].took == 0
        steady = make_history(24, kpis={"p95_latency_ms": [*[310.0] * 14, *[345.0] * 10]})
        steady = with_iteration(steady, 15, report={"scenarios": [CRASH]})
        assert (
            recoveries(LaneWindow(replace(steady, scenarios=(scheduled(),))), mock=False)[0].took
            is None
        )

    def test_it_is_judged_by_the_requested_limits(self) -> None:
        history = make_history(24, kpis={"maker_taker_ratio": [*[0.9] * 14, *[0.6] * 10]})
        history = with_iteration(history, 15, report={"scenarios": [CRASH]})
        history = replace(history, scenarios=(scheduled(),))
        assert recoveries(LaneWindow(history), mock=True)[0].took == 0
        assert recoveries(LaneWindow(history), mock=False)[0].took is None

    def test_iterations_of_another_scenario_are_skipped(self) -> None:
        other = scheduled(17, name="gap", within=3)
        history = disturbed(scheduled(), other, p95=[500.0, 500.0, 900.0, 310.0])
        crash, gap = recoveries(LaneWindow(history), mock=False)
        assert (crash.took, crash.hurt) == (2, (15, 16))
        assert (gap.took, gap.hurt) == (1, (17,))

    def test_without_recovers_within_there_is_no_criterion(self) -> None:
        history = disturbed(scheduled(within=None), p95=[500.0] * 10)
        assert "recovers_within:crash" not in criteria(history)
        assert recoveries(LaneWindow(history), mock=False)[0].hurt == (15,)

    def test_the_worst_of_several_counts(self) -> None:
        history = disturbed(scheduled(6), scheduled(15), p95=[500.0, 500.0])
        result = criteria(history)["recovers_within:crash"]
        assert (result.value, result.n) == (2.0, 2)

    def test_an_error_is_inconclusive(self) -> None:
        history = disturbed(scheduled())
        broken = replace(history, scenarios=(None,))  # type: ignore[arg-type]
        assert criteria(broken)["scenarios"].verdict is Verdict.INCONCLUSIVE


class TestExclusion:
    def test_disturbed_iterations_are_left_out_and_named(self) -> None:
        history = disturbed(scheduled(20), p95=[310.0] * 5 + [900.0, 900.0, 311.0])
        for number in (20, 21):
            history = with_iteration(history, number, verdict=Verdict.FAIL)
        assert excluded_by(recoveries(LaneWindow(history), mock=False)) == {
            20: "crash",
            21: "crash",
        }
        results = criteria(history)
        p95, passed = results["p95_latency_ms"], results["pass_count_last8"]
        assert p95.verdict is Verdict.PASS
        assert p95.value < 320.0
        assert p95.n == 22
        assert (passed.verdict, passed.value) == (Verdict.PASS, 8.0)
        for result in (p95, passed):
            assert "left out: iterations 20, 21 (crash)" in result.reason

    def test_judged_iterations_count(self) -> None:
        history = disturbed(scheduled(20, mode="judge"), p95=[310.0] * 5 + [900.0, 900.0])
        results = criteria(history)
        assert results["p95_latency_ms"].verdict is Verdict.FAIL
        assert "left out" not in results["p95_latency_ms"].reason
        assert results["recovers_within:crash"].verdict is Verdict.PASS

    def test_nothing_is_left_out_for_one_that_did_not_fire(self) -> None:
        history = disturbed(scheduled(20), p95=[310.0] * 5 + [900.0], fired={})
        assert "left out" not in criteria(history)["p95_latency_ms"].reason

    def test_too_few_iterations_are_left(self) -> None:
        history = disturbed(
            scheduled(6, for_s=300.0 * 9 - 20.0),
            n=16,
            fired={number: [CRASH] for number in range(6, 15)},
        )
        assert criteria(history)["p95_latency_ms"].verdict is Verdict.INCONCLUSIVE

    def test_a_reference_run_leaves_disturbed_iterations_out(self) -> None:
        loud = disturbed(scheduled(), p95=[9000.0], n=30)
        noise = reference_of(replace(loud, tune=False)).kpis["p95_latency_ms"]
        assert noise.sd < 5.0
        assert noise.n == 29


def test_the_audit_shows_before_during_and_after() -> None:
    history = disturbed(scheduled(), p95=[500.0, 500.0])
    lane = judge_lane(history)
    text = audit([history], judge_run([lane]))
    assert "### Scenarios" in text
    assert "#### crash, iteration 15" in text
    assert "Fired in iteration 15, 10.0 to 70.0 s: strength 200.0." in text
    assert "recovered after 2 iterations (iteration 15: p95_latency_ms 500.0, limit <= 340" in text
    assert "| mean of | 8 before | 1 during | 8 after |" in text
    rows = text.partition("#### crash")[2].splitlines()
    row = next(line for line in rows if line.startswith("| p95_latency_ms | 310."))
    assert "| 500.0 |" in row
