"""Drift, throughput and stale reports as criteria of a lane, and their effect on freezing."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pytest_soak.canonical import canonical_json
from pytest_soak.gate.judge import LaneJudgement, judge_lane, judge_run
from pytest_soak.gate.result import CriterionResult
from pytest_soak.gate.weaker import weakened
from pytest_soak.loop.model import Verdict
from pytest_soak.profile.build import build
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.model import DriftLimits, Profile
from pytest_soak.profile.resolve import resolve
from pytest_soak.report.table import final_table
from pytest_soak.store.sources import read_source
from tests.unit.gate.histories import make_history, steady, with_iteration


def with_gate(**gate: Any) -> Profile:
    document = json.loads(canonical_json(steady().document))
    document["gate"] |= gate
    return build(document)


def noisy(start: float, slope: float, sd: float, n: int = 24) -> list[float]:
    rng = random.Random(f"{start} {slope} {sd} {n}")
    return [start + slope * i + rng.gauss(0.0, sd) for i in range(n)]


def line(judgement: LaneJudgement, name: str) -> CriterionResult:
    return next(item for item in judgement.criteria if item.name == name)


def test_a_kpi_that_will_cross_its_limit_soon_fails_and_says_when() -> None:
    judgement = judge_lane(make_history(kpis={"p95_latency_ms": noisy(220.0, 4.0, 5.0)}))
    result = line(judgement, "drift:p95_latency_ms")
    assert line(judgement, "p95_latency_ms").verdict is not Verdict.FAIL
    assert result.verdict is Verdict.FAIL
    assert result.reason.startswith("drift:p95_latency_ms: rises ")
    assert " ms an iteration (" in result.reason
    assert "crosses 340 in about " in result.reason
    assert not judgement.freeze_ready
    assert judgement.verdict is Verdict.FAIL


def test_a_drift_that_crosses_late_warns_and_one_away_from_the_limit_does_not() -> None:
    late = judge_lane(make_history(72, kpis={"p95_latency_ms": noisy(200.0, 1.2, 3.0, 72)}))
    assert line(late, "drift:p95_latency_ms").verdict is Verdict.WARN
    assert not late.freeze_ready
    away = judge_lane(make_history(kpis={"p95_latency_ms": noisy(320.0, -4.0, 5.0)}))
    assert line(away, "drift:p95_latency_ms").verdict is Verdict.PASS
    assert "no drift towards the limit" in line(away, "drift:p95_latency_ms").reason


def test_fewer_than_24_values_are_not_tested() -> None:
    judgement = judge_lane(make_history(23))
    result = line(judgement, "drift:net_bps")
    assert (result.verdict, result.applicable) == (Verdict.PASS, False)
    assert "23 values, 24 are needed" in result.reason


def test_a_lost_throughput_warns_without_a_limit() -> None:
    fills = noisy(6000.0, -200.0, 100.0)
    judgement = judge_lane(make_history(kpis={"fills_per_hour": fills}))
    result = line(judgement, "drift:fills_per_hour")
    assert result.verdict is Verdict.WARN
    assert "% lost" in result.reason
    mild = judge_lane(make_history(kpis={"fills_per_hour": noisy(6000.0, -90.0, 100.0)}))
    assert line(mild, "drift:fills_per_hour").verdict is Verdict.PASS


def test_a_wandering_kpi_shows_no_drift() -> None:
    steps = [300.0 + 20.0 * (i // 12) + 0.01 * (i % 2) for i in range(24)]
    result = line(judge_lane(make_history(kpis={"p95_latency_ms": steps})), "drift:p95_latency_ms")
    assert result.verdict in (Verdict.PASS, Verdict.WARN, Verdict.FAIL)
    assert "nan" not in result.reason


def test_an_error_for_one_kpi_leaves_the_drift_of_another() -> None:
    limits = {**steady().gate.drift, "risk_ratio": DriftLimits(alpha=1e-17)}
    profile = replace(steady(), gate=replace(steady().gate, drift=limits))
    kpis = {"p95_latency_ms": noisy(220.0, 4.0, 5.0), "risk_ratio": noisy(0.3, 0.001, 0.01)}
    judgement = judge_lane(make_history(kpis=kpis, profile=profile))
    raised = line(judgement, "drift:risk_ratio")
    assert raised.verdict is Verdict.INCONCLUSIVE
    assert raised.reason.startswith("drift:risk_ratio: could not be judged: ValueError: ")
    assert line(judgement, "drift:p95_latency_ms").verdict is Verdict.FAIL
    assert line(judgement, "drift:fills_per_hour").verdict is Verdict.PASS
    assert "drift" not in {item.name for item in judgement.criteria}
    assert not any("not tested" in text for text in final_table(judge_run([judgement])))


def test_bounds_of_a_slope_from_fewer_than_two_values_are_not_shown() -> None:
    values = [5 + 0.02 * (i % 3) - 0.27 * max(0, i - 18) for i in range(1, 31)]
    judgement = judge_lane(make_history(30, kpis={"net_bps": values}))
    result = line(judgement, "drift:net_bps")
    assert result.n_eff is not None
    assert result.n_eff < 2.0
    assert (result.low, result.high) == (None, None)
    sure = line(judge_lane(make_history(kpis={"net_bps": noisy(3.0, 0.0, 0.1)})), "drift:net_bps")
    assert sure.low is not None
    assert sure.high is not None


class TestProfile:
    def test_a_budget_gives_a_kpi_without_a_limit_one(self) -> None:
        profile = with_gate(drift={"adverse_bps_p95": {"budget": 0.5}})
        drifting = {"adverse_bps_p95": noisy(1.0, 0.05, 0.01)}
        result = line(
            judge_lane(make_history(kpis=drifting, profile=profile)), "drift:adverse_bps_p95"
        )
        assert result.verdict is Verdict.FAIL
        wide = with_gate(drift={"adverse_bps_p95": {"budget": 50.0}})
        within = judge_lane(make_history(kpis=drifting, profile=wide))
        assert line(within, "drift:adverse_bps_p95").verdict is Verdict.PASS

    def test_a_budget_for_24_hours_is_scaled_to_the_planned_hours(self) -> None:
        # 24 iterations of 300 s are two hours: a twelfth of the budget.
        drifting = {"adverse_bps_p95": noisy(1.0, 0.02, 0.01)}
        verdicts = []
        for budget in (1.2, 1200.0):
            profile = with_gate(drift={"adverse_bps_p95": {"budget": budget, "per": "24h"}})
            judged = judge_lane(make_history(kpis=drifting, profile=profile))
            verdicts.append(line(judged, "drift:adverse_bps_p95").verdict)
        assert verdicts == [Verdict.FAIL, Verdict.PASS]

    @pytest.mark.parametrize("budget", [0.1, 1e9])
    def test_a_budget_of_a_gated_kpi_does_not_widen_its_limit(self, budget: float) -> None:
        falling = {"net_bps": noisy(5.0, -0.09, 0.05)}
        plain = line(judge_lane(make_history(kpis=falling)), "drift:net_bps")
        profile = with_gate(drift={"net_bps": {"budget": budget}})
        judged = judge_lane(make_history(kpis=falling, profile=profile))
        result = line(judged, "drift:net_bps")
        assert plain.verdict is result.verdict is Verdict.FAIL
        # The tighter one counts.
        assert ("crosses 2.7 in" in result.reason) is (budget == 1e9)

    def test_a_budget_of_a_rising_kpi_does_not_widen_its_limit(self) -> None:
        profile = with_gate(drift={"p95_latency_ms": {"budget": 1e9}})
        rising = {"p95_latency_ms": noisy(220.0, 4.0, 5.0)}
        result = line(
            judge_lane(make_history(kpis=rising, profile=profile)), "drift:p95_latency_ms"
        )
        assert result.verdict is Verdict.FAIL
        assert "crosses 340 in" in result.reason

    def test_a_budget_of_the_throughput_does_not_hide_its_loss(self) -> None:
        profile = with_gate(drift={"fills_per_hour": {"budget": 1e9}})
        fills = {"fills_per_hour": noisy(6000.0, -200.0, 100.0)}
        judged = judge_lane(make_history(kpis=fills, profile=profile))
        results = [item for item in judged.criteria if item.name == "drift:fills_per_hour"]
        assert [item.verdict for item in results] == [Verdict.WARN]
        assert "% lost" in results[0].reason
        tight = with_gate(drift={"fills_per_hour": {"budget": 10.0}})
        judged = judge_lane(make_history(kpis=fills, profile=tight))
        assert line(judged, "drift:fills_per_hour").verdict is Verdict.FAIL

    def test_null_switches_a_drift_off(self) -> None:
        profile = with_gate(drift={"net_bps": None}, throughput=None)
        names = {item.name for item in judge_lane(make_history(profile=profile)).criteria}
        assert "drift:p95_latency_ms" in names
        assert not {"drift:net_bps", "drift:fills_per_hour"} & names

    def test_null_switches_it_off_in_a_file_too(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.yaml"
        path.write_text("extends: steady\ngate:\n  drift: {net_bps: null}\n  throughput: null\n")
        profile = resolve(str(path), read_source).profile
        assert sorted(profile.gate.drift) == ["maker_taker_ratio", "p95_latency_ms", "risk_ratio"]
        assert profile.gate.throughput is None
        assert weakened(profile.gate) == ("no drift of net_bps",)

    def test_a_range_that_hides_what_breaks_the_limit_is_refused(self) -> None:
        document = json.loads(canonical_json(steady().document))
        document["kpis"]["p95_latency_ms"]["range"] = [0, 250]
        with pytest.raises(ProfileError, match="ends at 250, so no value could break the limit"):
            build(document)

    @pytest.mark.parametrize(
        ("drift", "message"),
        [
            ({"net_bp": {}}, "did you mean 'net_bps'"),
            ({"fees_bps": {"budget": 1.0}}, "better neither up nor down"),
            ({"adverse_bps_p95": {}}, "give it a budget, or gate it"),
            ({"net_bps": {"alpha": 0.5}}, "0.5 is not from 1e-06 to 0.2"),
            ({"net_bps": {"alpha": 1e-17}}, "drift.net_bps.alpha: 1e-17 is not from 1e-06 to 0.2"),
            ({"net_bps": {"per": "day"}}, "is none of '24h', 'run'"),
            ({"net_bps": {"budged": 1}}, "did you mean 'budget'"),
        ],
    )
    def test_a_bad_one_is_refused(self, drift: dict[str, Any], message: str) -> None:
        with pytest.raises(ProfileError, match=message):
            with_gate(drift=drift)


class TestStale:
    def test_equal_kpis_in_more_than_8_iterations_in_a_row_warn(self) -> None:
        equal = {"fills_per_hour": [6000.0 + i for i in range(15)] + [6100.0] * 9}
        result = line(judge_lane(make_history(kpis=equal)), "stale")
        assert result.verdict is Verdict.WARN
        assert "9 iterations in a row, since iteration 16" in result.reason
        moving = {"fills_per_hour": [6000.0 + i for i in range(16)] + [6100.0] * 8}
        assert line(judge_lane(make_history(kpis=moving)), "stale").verdict is Verdict.PASS

    def test_one_kpi_alone_may_be_constant(self) -> None:
        nothing = dict.fromkeys(("net_bps", "risk_ratio", "maker_taker_ratio", "fills_per_hour"))
        judgement = judge_lane(make_history(kpis=nothing))
        assert "stale" not in {item.name for item in judgement.criteria}


class TestFreezing:
    def test_a_good_run_may_be_frozen(self) -> None:
        assert judge_lane(make_history()).freeze_ready

    def test_not_frozen_with_anything_inconclusive(self) -> None:
        extra = CriterionResult("mine", Verdict.INCONCLUSIVE, reason="mine: no")
        assert not judge_lane(make_history(), extra=[extra]).freeze_ready

    def test_not_frozen_with_a_stale_report_a_failed_check_or_a_part_of_a_run(self) -> None:
        assert not judge_lane(make_history(kpis={"fills_per_hour": [6000.0] * 24})).freeze_ready
        failed = with_iteration(make_history(), 3, failed_checks=("test_it",))
        assert not judge_lane(failed).freeze_ready
        assert not judge_lane(make_history(30, planned=48)).freeze_ready

    def test_not_frozen_with_a_scenario_in_the_window(self) -> None:
        fired = {"scenarios": [{"name": "x", "started_s": 1.0, "ended_s": 2.0}]}
        assert not judge_lane(with_iteration(make_history(), 20, report=fired)).freeze_ready
        assert judge_lane(with_iteration(make_history(), 10, report=fired)).freeze_ready


def test_a_weaker_gate_is_named() -> None:
    assert weakened(steady().gate) == ()
    weak = replace(
        steady().gate, confidence=0.9, pass_from=12, no_data_ratio=0.5, pass_count_slack=4
    )
    assert weakened(weak) == (
        "confidence 0.9 below 0.95",
        "pass_from 12 below 24",
        "no_data_ratio 0.5 above 0.25",
        "pass_count_slack 4 above a quarter of 8",
    )
    delta = structs.replace(steady().gate.delta, full=0.5, relaxed=0.4, stuck_max=3)
    assert delta.needed is not None
    delta = structs.replace(delta, needed=structs.replace(delta.needed, warn_below=0.1))
    short = replace(
        steady().gate,
        window=6,
        pass_count_slack=1,
        freeze_ready_pass_count=0,
        delta=delta,
        throughput=None,
    )
    assert weakened(short) == (
        "window 6 below 8",
        "freeze_ready_pass_count 0 below three quarters of 6",
        "delta.full 0.5 below 0.95",
        "delta.relaxed 0.4 below 0.9",
        "delta.stuck_max 3 above 1",
        "delta.needed.warn_below 0.1 below 0.8",
    )


def test_a_stronger_gate_is_not_called_weaker() -> None:
    strong = replace(
        steady().gate,
        window=12,
        freeze_ready_pass_count=9,
        confidence=0.99,
        drift={kpi: DriftLimits(alpha=0.2) for kpi in steady().gate.drift},
    )
    assert weakened(strong) == ()
