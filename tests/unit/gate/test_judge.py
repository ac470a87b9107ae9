from __future__ import annotations

import random
from dataclasses import replace

import pytest

from pytest_soak.gate.baseline import KpiNoise, Reference, reference_of
from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.figures import figure, mean_of
from pytest_soak.gate.judge import LaneJudgement, exit_code, judge_lane, judge_run
from pytest_soak.loop.model import Halt, Reading, Verdict
from tests.unit.gate.histories import (
    applied,
    make_history,
    noise,
    skipped,
    steady,
    with_iteration,
)

pytestmark = pytest.mark.smoke

KPIS = ("maker_taker_ratio", "risk_ratio", "net_bps", "p95_latency_ms")


def line(judgement: LaneJudgement, name: str) -> CriterionResult:
    return next(result for result in judgement.criteria if result.name == name)


def noisy(mean: float, sd: float, n: int = 24, seed: int = 1) -> list[float]:
    series = noise(n, 0.0, random.Random(seed))
    shift = sum(series[-8:]) / 8
    return [mean + sd * (value - shift) for value in series]


def test_a_good_run_passes() -> None:
    judgement = judge_lane(make_history())
    assert judgement.verdict is Verdict.PASS
    assert judgement.freeze_ready
    assert (judgement.measured, judgement.planned, judgement.pass_count) == (24, 24, 8)
    assert [result.name for result in judgement.criteria] == [
        *KPIS,
        "pass_count_last8",
        "delta_quality",
        "checks",
        "completeness",
        "stale",
        *(f"drift:{kpi}" for kpi in (*KPIS, "fills_per_hour")),
    ]
    assert all(result.lane == "steady-BTCUSDT-1" for result in judgement.criteria)
    assert judgement.means["net_bps"] == 3.0


@pytest.mark.parametrize(
    ("kpi", "value", "limit"),
    [
        ("net_bps", 1.0, ">= 2.7"),
        ("maker_taker_ratio", 0.7, ">= 0.85"),
        ("risk_ratio", 0.45, "<= 0.42"),
        ("p95_latency_ms", 350.0, "<= 340"),
    ],
)
def test_a_mean_on_the_wrong_side_fails(kpi: str, value: float, limit: str) -> None:
    judgement = judge_lane(make_history(kpis={kpi: value}))
    result = line(judgement, kpi)
    assert result.verdict is Verdict.FAIL
    assert result.limit == limit
    assert result.margin is not None
    assert result.margin < 0
    assert result.reason.startswith(f"{kpi}: {figure(value)}")
    assert f"over the last 8, limit {limit}; 95% estimated bound" in result.reason
    assert not result.marginal
    assert judgement.verdict is Verdict.FAIL
    assert not judgement.freeze_ready


def test_mock_limits_are_used_for_a_mock_run_or_on_request() -> None:
    kpis = {"maker_taker_ratio": 0.7}
    assert judge_lane(make_history(kpis=kpis, mock=True)).verdict is not Verdict.FAIL
    assert judge_lane(make_history(kpis=kpis, mock=True), mock=False).verdict is Verdict.FAIL
    assert judge_lane(make_history(kpis=kpis), mock=True).verdict is not Verdict.FAIL


def test_only_the_window_counts() -> None:
    late = [1.0] * 16 + [3.0] * 8
    result = line(judge_lane(make_history(kpis={"net_bps": late})), "net_bps")
    assert result.value == 3.0
    early = [3.0] * 16 + [1.0] * 8
    assert line(judge_lane(make_history(kpis={"net_bps": early})), "net_bps").value == 1.0


def test_a_bound_across_the_limit_warns_and_one_beyond_it_passes() -> None:
    near = line(judge_lane(make_history(kpis={"net_bps": noisy(2.75, 0.35)})), "net_bps")
    assert near.verdict is Verdict.WARN
    assert near.low is not None
    assert near.low < 2.7
    assert "the limit is within its noise: a PASS needs about" in near.reason
    assert "more iterations, or a reference" in near.reason
    far = line(judge_lane(make_history(kpis={"net_bps": noisy(4.5, 0.35)})), "net_bps")
    assert far.verdict is Verdict.PASS
    assert far.low is not None
    assert far.low > 2.7
    assert far.n == 24
    assert far.n_eff is not None
    assert far.phi is not None
    assert "bound" in far.reason
    assert f"(n 24, n_eff {far.n_eff:.1f}, φ {far.phi:.2f})" in far.reason


def test_a_mean_exactly_at_the_limit_without_noise_passes() -> None:
    assert line(judge_lane(make_history(kpis={"net_bps": 2.7})), "net_bps").verdict is Verdict.PASS


def test_below_24_iterations_a_kpi_is_at_best_warn_without_a_reference() -> None:
    short = make_history(23)
    assert {line(judge_lane(short), kpi).verdict for kpi in KPIS} == {Verdict.WARN}
    assert (
        "23 measured: a PASS needs 24 (1 more), or a reference"
        in line(judge_lane(short), "net_bps").reason
    )
    reference = Reference({"net_bps": KpiNoise(0.2, 0.01, 72)})
    judged = judge_lane(short, reference=reference)
    assert line(judged, "net_bps").verdict is Verdict.PASS
    assert line(judged, "risk_ratio").verdict is Verdict.WARN


def test_a_kpi_that_appeared_late_has_no_known_noise() -> None:
    series = [None] * 14 + [3.0] * 10
    result = line(judge_lane(make_history(kpis={"net_bps": series})), "net_bps")
    assert result.verdict is Verdict.WARN
    assert "10 with data" in result.reason


def test_the_reference_gives_phi_and_the_larger_sd() -> None:
    history = make_history(kpis={"net_bps": noisy(3.2, 0.1)})
    wide = judge_lane(history, reference=Reference({"net_bps": KpiNoise(0.5, 2.0, 72)}))
    result = line(wide, "net_bps")
    assert result.phi == 0.5
    estimated = wide.windows["net_bps"].bounds.estimated
    assert estimated is not None
    assert estimated < 2.7  # the worst-case bound uses the window alone
    narrow = judge_lane(history, reference=Reference({"net_bps": KpiNoise(0.0, 0.001, 72)}))
    assert (narrow.windows["net_bps"].bounds.sd or 0.0) > 0.05


def test_a_reference_is_a_tuner_off_run_with_enough_data() -> None:
    series = noisy(3.0, 0.3, 48)
    gaps: list[float | None] = [None] * 30 + [0.3] * 18
    history = make_history(48, kpis={"net_bps": series, "risk_ratio": gaps}, tune=False)
    reference = reference_of(history)
    assert reference.kpis["net_bps"].n == 48
    assert reference.kpis["net_bps"].sd == pytest.approx(0.3, rel=0.4)
    assert "risk_ratio" not in reference.kpis
    with pytest.raises(ValueError, match="--soak-no-tune"):
        reference_of(make_history(48))


@pytest.mark.parametrize("missing", [3, 8])
def test_no_data_in_more_than_a_quarter_of_the_window_fails(missing: int) -> None:
    series = [3.0] * (24 - missing) + [None] * missing
    result = line(judge_lane(make_history(kpis={"net_bps": series})), "net_bps")
    assert result.verdict is Verdict.FAIL
    assert f"no_data in {missing} of the last 8" in result.reason


def test_no_data_in_a_quarter_of_the_window_is_allowed() -> None:
    series = [3.0] * 22 + [None] * 2
    result = line(judge_lane(make_history(kpis={"net_bps": series})), "net_bps")
    assert result.verdict is Verdict.PASS
    assert result.n == 22


def test_placeholders_are_no_data_and_a_weekly_rollup_only_warns() -> None:
    stand_in = Reading(0.9, "mock_default", placeholder=True)
    judged = judge_lane(make_history(kpis={"maker_taker_ratio": stand_in}))
    assert line(judged, "maker_taker_ratio").verdict is Verdict.FAIL
    assert "no_data" in line(judged, "maker_taker_ratio").reason
    weekly: list[float | Reading | None] = [0.95] * 23 + [Reading(0.95, "weekly_rollup", weak=True)]
    judged = judge_lane(make_history(kpis={"maker_taker_ratio": weekly}))
    assert line(judged, "maker_taker_ratio").verdict is Verdict.WARN
    assert "weekly rollup" in line(judged, "maker_taker_ratio").reason


def test_fewer_than_8_is_inconclusive_unless_it_fails() -> None:
    good = judge_lane(make_history(7))
    assert line(good, "net_bps").verdict is Verdict.INCONCLUSIVE
    assert line(good, "pass_count_last8").verdict is Verdict.INCONCLUSIVE
    assert good.verdict is Verdict.INCONCLUSIVE
    assert judge_lane(make_history(7, kpis={"net_bps": 1.0})).verdict is Verdict.FAIL
    silent = judge_lane(make_history(7, kpis={"net_bps": None}))
    assert line(silent, "net_bps").verdict is Verdict.FAIL
    judgement = judge_lane(make_history(1, kpis={"net_bps": None}))
    assert line(judgement, "net_bps").verdict is Verdict.INCONCLUSIVE


def test_nothing_measured_is_inconclusive_and_incomplete() -> None:
    judgement = judge_lane(make_history(0, planned=24))
    assert {line(judgement, kpi).verdict for kpi in KPIS} == {Verdict.INCONCLUSIVE}
    assert line(judgement, "completeness").verdict is Verdict.FAIL
    assert judgement.verdict is Verdict.FAIL
    assert not judgement.freeze_ready
    assert judgement.means["net_bps"] is None


def test_an_iteration_without_a_decision_is_not_measured() -> None:
    judgement = judge_lane(with_iteration(make_history(24), 24, decision=None))
    assert judgement.measured == 23
    assert line(judgement, "completeness").verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("bad", "verdict", "ready"),
    [(2, Verdict.PASS, True), (3, Verdict.FAIL, False)],
)
def test_pass_count(bad: int, verdict: Verdict, ready: bool) -> None:
    kinds = [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.FAIL]
    verdicts = {24 - i: kinds[i] for i in range(bad)} | {20: Verdict.WARN}
    judgement = judge_lane(make_history(verdicts=verdicts))
    result = line(judgement, "pass_count_last8")
    assert result.verdict is verdict
    assert result.value == 8 - bad
    assert result.limit == ">= 6"
    assert judgement.freeze_ready is ready


def test_completeness_names_why() -> None:
    stopped = line(judge_lane(make_history(11, planned=24)), "completeness")
    assert stopped.verdict is Verdict.FAIL
    assert stopped.reason == (
        "completeness: 11 of 24 iterations measured; "
        "the rest was not run (interrupted, deselected, or not collected)"
    )
    halt = Halt(12, "error", "ValueError: no feed")
    halted = line(judge_lane(make_history(11, planned=24, halt=halt)), "completeness")
    assert halted.verdict is Verdict.FAIL
    assert "halted at iteration 12 (error): ValueError: no feed" in halted.reason
    end = Halt(12, "end_of_data", "")
    ended = judge_lane(make_history(11, planned=24, halt=end))
    assert line(ended, "completeness").verdict is Verdict.INCONCLUSIVE
    assert ended.verdict is Verdict.INCONCLUSIVE


def test_delta_quality_is_a_criterion_and_strict_is_stricter() -> None:
    outcomes = {t: [applied("tail_age_ms", 1.0)] for t in range(1, 21)}
    outcomes |= {t: [skipped("tail_age_ms", 1.0)] for t in (1, 2)}
    history = make_history(outcomes=outcomes)
    assert line(judge_lane(history), "delta_quality").verdict is Verdict.PASS
    strict = judge_lane(history, strict=True)
    assert line(strict, "delta_quality").verdict is Verdict.FAIL
    assert not strict.freeze_ready
    assert line(strict, "delta_quality").value == 0.9


def test_an_error_is_inconclusive_and_never_passes() -> None:
    odd = make_history(kpis={"net_bps": Reading("3", "x")})  # type: ignore[arg-type]
    result = line(judge_lane(odd), "net_bps")
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "TypeError" in result.reason
    broken = replace(make_history(), start_values={"base_spread_bps": "x"})  # type: ignore[dict-item]
    judgement = judge_lane(broken)
    assert line(judgement, "delta_quality").verdict is Verdict.INCONCLUSIVE
    assert "TypeError" in line(judgement, "delta_quality").reason
    assert not judgement.freeze_ready


def test_not_a_number_never_passes() -> None:
    result = line(judge_lane(make_history(kpis={"net_bps": float("nan")})), "net_bps")
    assert result.verdict is Verdict.FAIL


def test_a_ratio_is_the_ratio_of_the_sums_where_they_are_known() -> None:
    small = Reading(0.5, "fills_volume", 1.0, 2.0)
    large = Reading(0.9, "fills_volume", 90.0, 100.0)
    kpis = {"maker_taker_ratio": [small, large] * 12}
    window = judge_lane(make_history(kpis=kpis)).windows["maker_taker_ratio"]
    assert window.figure == pytest.approx(364 / 408)
    counted = Reading(0.9, "fills_count", 9.0, 10.0)
    mixed = make_history(kpis={"maker_taker_ratio": [small, counted] * 12})
    assert mean_of(mixed.iterations[-8:], "maker_taker_ratio") == pytest.approx(0.7)
    unknown = make_history(kpis={"maker_taker_ratio": [small, Reading(0.9, "fills_volume")] * 12})
    assert mean_of(unknown.iterations[-8:], "maker_taker_ratio") == pytest.approx(0.7)
    empty = make_history(kpis={"risk_ratio": Reading(0.0, "block_reasons", 0.0, 0.0)})
    assert mean_of(empty.iterations, "risk_ratio") == 0.0


def test_extra_criteria_take_part() -> None:
    extra = CriterionResult("memory", Verdict.FAIL, reason="memory: grows")
    judgement = judge_lane(make_history(), extra=[extra])
    assert judgement.criteria[-1].lane == "steady-BTCUSDT-1"
    assert judgement.verdict is Verdict.FAIL
    assert not judgement.freeze_ready


def test_an_invalid_extra_criterion_does_not_break_the_gate() -> None:
    whole = CriterionResult("count", "PASS", 3)  # type: ignore[arg-type]
    odd = CriterionResult("odd", Verdict.PASS, "many")  # type: ignore[arg-type]
    judgement = judge_lane(make_history(), extra=[whole, odd])
    assert judgement.criteria[-2].verdict is Verdict.PASS
    assert isinstance(judgement.criteria[-2].value, float)
    assert judgement.criteria[-1].verdict is Verdict.INCONCLUSIVE
    assert "ValueError" in judgement.criteria[-1].reason


def test_the_verdict_of_a_run_is_that_of_its_worst_lane() -> None:
    good, short = judge_lane(make_history()), judge_lane(make_history(23))
    bad = judge_lane(make_history(kpis={"net_bps": 1.0}))
    assert judge_run([good, short]).verdict is Verdict.WARN
    assert judge_run([good, short, bad]).verdict is Verdict.FAIL
    assert judge_run([]).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("n", "value", "lenient", "strict"),
    [(24, 3.0, 0, 0), (23, 3.0, 0, 1), (7, 3.0, 0, 1), (24, 1.0, 1, 1)],
)
def test_exit_code(n: int, value: float, lenient: int, strict: int) -> None:
    run = judge_run([judge_lane(make_history(n, kpis={"net_bps": value}))])
    assert exit_code(run) == lenient
    assert exit_code(run, strict=True) == strict


def test_a_user_profile_has_its_own_window_and_names() -> None:
    gate = replace(steady().gate, window=4, pass_from=6)
    judgement = judge_lane(make_history(8, profile=replace(steady(), gate=gate)))
    assert line(judgement, "pass_count_last4").value == 4
    assert line(judgement, "net_bps").verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0.000"),
        (1.0, "1.000"),
        (-312.44, "-312.4"),
        (2e-5, "2.00e-05"),
        (3e7, "3.00e+07"),
        (float("inf"), "inf"),
        (float("-inf"), "-inf"),
        (float("nan"), "nan"),
    ],
)
def test_figures_as_texts(value: float | None, text: str) -> None:
    assert figure(value) == text
