"""One gated KPI: the window, both bounds, and the reason of the criterion."""

from __future__ import annotations

import random
import re

import pytest

from pytest_soak.gate.judge import judge_lane, judge_run
from pytest_soak.gate.result import CriterionResult
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import Reading, Verdict
from pytest_soak.profile.errors import ProfileError
from pytest_soak.report.table import final_table
from tests.unit.gate.histories import make_history, steady


def noise(seed: int, n: int, sd: float) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(0.0, sd) for _ in range(n)]


def p95(values: list[float]) -> CriterionResult:
    judgement = judge_lane(make_history(len(values), kpis={"p95_latency_ms": values}))
    return next(item for item in judgement.criteria if item.name == "p95_latency_ms")


@pytest.mark.parametrize(("n", "length"), [(8, 8), (24, 8), (30, 10), (72, 24), (288, 96)])
def test_the_window_is_the_last_third_and_8_at_least(n: int, length: int) -> None:
    window = LaneWindow(make_history(n))
    assert window.kpi("net_bps").bounds.long_iterations == length
    assert len(window.long) == length
    assert len(window.last) == 8


def test_a_run_that_recovered_passes() -> None:
    """240 ms at the start, constant at 58 from iteration 15 on: the bend is not noise."""
    values = [max(58.0, 240.0 - 13.0 * i) + e for i, e in enumerate(noise(3, 72, 15.0))]
    result = p95(values)
    assert result.verdict is Verdict.PASS
    assert "bound" in result.reason


def test_a_figure_beyond_its_limit_by_less_than_its_noise_fails_and_says_so() -> None:
    result = p95([342.0 + e for e in noise(5, 24, 18.0)])
    assert result.value is not None
    assert result.value > 340.0
    assert result.verdict is Verdict.FAIL
    assert result.marginal
    assert "by less than its noise" in result.reason
    far = p95([420.0 + e for e in noise(5, 24, 18.0)])
    assert far.verdict is Verdict.FAIL
    assert not far.marginal


def test_a_figure_is_shown_on_the_right_side_of_its_limit() -> None:
    result = p95([340.04] * 24)
    assert result.verdict is Verdict.FAIL
    assert "340.04 ms over the last 8, limit <= 340" in result.reason
    assert result.reason.count("p95_latency_ms") == 1


def test_a_warn_states_how_many_iterations_a_pass_needs() -> None:
    near = p95([331.0 + e for e in noise(11, 24, 18.0)])
    assert near.verdict is Verdict.WARN
    assert "a PASS needs about" in near.reason
    assert "or a reference (--soak-reference)" in near.reason
    hopeless = p95([339.999 + e for e in noise(13, 24, 1e-5)] + [339.99999] * 8)
    assert "nan" not in hopeless.reason


def test_more_iterations_of_the_same_do_pass() -> None:
    """The number in a WARN is enough in most runs."""
    level, passed = 325.0, 0
    for seed in range(20):
        short = p95([level + e for e in noise(seed, 24, 18.0)])
        assert short.verdict in (Verdict.PASS, Verdict.WARN, Verdict.FAIL)
        long = p95([level + e for e in noise(seed, 96, 18.0)])
        passed += long.verdict is Verdict.PASS
    assert passed >= 18


def test_a_constant_kpi_inside_its_limit_passes_with_itself_as_bound() -> None:
    result = p95([310.0] * 24)
    assert (result.verdict, result.high) == (Verdict.PASS, 310.0)


def test_one_dominant_iteration_does_not_decide_the_ratio() -> None:
    small = [Reading(0.2, "fills_volume", 0.2, 1.0)] * 23
    large = [Reading(0.99, "fills_volume", 990.0, 1000.0)]
    history = make_history(kpis={"maker_taker_ratio": [*small[:20], *large, *small[:3]]})
    judged = judge_lane(history)
    result = next(item for item in judged.criteria if item.name == "maker_taker_ratio")
    assert result.value is not None
    assert result.value > 0.85
    assert result.verdict is not Verdict.PASS


def test_bounds_are_shown_within_the_range_of_the_kpi() -> None:
    ratios = [min(1.0, 0.97 + e) for e in noise(2, 24, 0.03)]
    judgement = judge_lane(make_history(kpis={"maker_taker_ratio": ratios}))
    window = judgement.windows["maker_taker_ratio"]
    assert window.high is not None
    assert window.high <= 1.0
    assert steady().kpis["maker_taker_ratio"].range == (0.0, 1.0)


def test_the_verdict_line_names_a_weaker_gate() -> None:
    from tests.unit.gate.test_drifts import with_gate

    profile = with_gate(confidence=0.8)
    lines = final_table(judge_run([judge_lane(make_history(profile=profile))]))
    assert lines[-1] == "gate: PASS (weaker than the shipped gate: confidence 0.8 below 0.95)"


def test_what_is_too_long_for_the_verdict_line_is_printed_above_it() -> None:
    from tests.unit.gate.test_drifts import with_gate

    profile = with_gate(
        confidence=0.6,
        pass_from=1,
        no_data_ratio=1.0,
        pass_count_slack=8,
        freeze_ready_pass_count=0,
        delta={"full": 0.0, "relaxed": 0.0, "stuck_max": 99},
        drift={"net_bps": None, "risk_ratio": None},
        throughput=None,
    )
    judged = judge_lane(make_history(profile=profile))
    *lines, last = final_table(judge_run([judged]))
    assert last == "gate: PASS (weaker than the shipped gate in 10 ways, above)"
    above = " ".join(line.strip() for line in lines)
    assert f"weaker than the shipped gate: {', '.join(judged.weakened)}" in above
    assert len(judged.weakened) == 10
    failing = make_history(profile=profile, kpis={"net_bps": 1.0}, lane_id="steady-1")
    *lines, last = final_table(judge_run([judge_lane(failing)]))
    assert last == (
        "gate: FAIL (weaker than the shipped gate in 10 ways, above) by steady-1/net_bps"
    )
    assert all(len(line) <= 100 for line in lines)


def net(values: list[float]) -> CriterionResult:
    judgement = judge_lane(make_history(len(values), kpis={"net_bps": values}))
    return next(item for item in judgement.criteria if item.name == "net_bps")


@pytest.mark.parametrize("upper", [False, True])
def test_a_bound_from_fewer_than_two_values_is_not_shown(upper: bool) -> None:
    kpi = "p95_latency_ms" if upper else "net_bps"
    values = (
        [400.0 if i < 13 else 310.0 + i % 3 for i in range(24)]
        if upper
        else [1.0 if i < 13 else 3.2 + 0.01 * (i % 3) for i in range(24)]
    )
    judgement = judge_lane(make_history(24, kpis={kpi: values}))
    result = next(item for item in judgement.criteria if item.name == kpi)
    window = judgement.windows[kpi]
    assert not window.bounds.printable
    assert window.deciding == window.bounds.worst_case
    # The worst-case bound does not use the run's noise, so it is shown.
    ends = (window.low, window.high) if not upper else (window.high, window.low)
    assert ends == (window.bounds.worst_case, None)
    assert (result.low, result.high) == (window.low, window.high)
    assert "98% worst-case bound" in result.reason
    far = f"{window.bounds.other:.1f}"
    assert not any(far in line for line in final_table(judge_run([judgement])))


def test_a_deciding_bound_from_fewer_than_two_values_is_replaced_by_a_text() -> None:
    # A window without any spread in a run with noise has no worst-case bound.
    judgement = judge_lane(make_history(kpis={"net_bps": [1.0] * 13 + [3.2] * 11}))
    result = next(item for item in judgement.criteria if item.name == "net_bps")
    window = judgement.windows["net_bps"]
    assert not window.bounds.printable
    assert window.deciding is not None
    assert window.deciding == window.bounds.estimated
    assert (result.low, result.high) == (None, None)
    assert result.verdict is Verdict.WARN
    assert "too few independent values for a bound (n 24, φ 0." in result.reason
    assert "estimated bound" not in result.reason


def test_last_values_beyond_the_limit_are_named_instead_of_a_number_of_iterations() -> None:
    """Constant, then worse in the last iterations: more iterations do not make it pass."""
    result = net([5 + 0.02 * (i % 3) - 0.27 * max(0, i - 18) for i in range(1, 31)])
    assert result.verdict is Verdict.WARN
    assert "more iteration" not in result.reason
    assert "it wanders (φ 0.95)" in result.reason
    assert "its last 4 values are outside the limit" in result.reason


def test_no_number_of_more_than_1000_iterations_is_advised() -> None:
    for level in (338.0, 339.0, 339.5, 339.9):
        for seed in range(6):
            result = p95([level + e for e in noise(seed, 24, 18.0)])
            match = re.search(r"needs about ([0-9]+) more iteration", result.reason)
            assert match is None or int(match[1]) <= 1000
    near = [339.9 + 15.0 * (-1) ** i for i in range(24)]
    assert "a longer run will not change it" in p95(near).reason


@pytest.mark.parametrize(
    ("confidence", "shown"), [(0.95, "95%"), (0.995, "99.5%"), (0.9999, "99.99%")]
)
def test_a_confidence_is_printed_with_all_its_digits(confidence: float, shown: str) -> None:
    from tests.unit.gate.test_drifts import with_gate

    values = [300.0 + e for e in noise(3, 24, 1.0)]
    profile = with_gate(confidence=confidence)
    judgement = judge_lane(make_history(kpis={"p95_latency_ms": values}, profile=profile))
    result = next(item for item in judgement.criteria if item.name == "p95_latency_ms")
    assert f"; {shown} estimated bound" in result.reason


@pytest.mark.parametrize("confidence", [0.9999999999999999, 0.99995, 0.4])
def test_an_invalid_confidence_is_refused(confidence: float) -> None:
    from tests.unit.gate.test_drifts import with_gate

    with pytest.raises(ProfileError, match=r"gate.confidence: .* is not from 0.5 to 0.9999"):
        with_gate(confidence=confidence)
