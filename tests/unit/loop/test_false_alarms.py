"""The tuner has few false alarms on a healthy target and improves a sick one.

``benchmarks/false_alarms.py`` and ``benchmarks/recovery.py`` print the full tables. Here are fewer
runs with fixed seeds, and tests of the synthetic target that both use.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest

from benchmarks import false_alarms, recovery
from benchmarks.synthetic import (
    KPIS,
    Fault,
    Plant,
    Signal,
    SyntheticTarget,
    ar1,
    curves,
    edge_report,
    healthy,
    interpolated,
    lane_steps,
    quantile,
    tightest,
)
from pytest_soak.loop.kpis import read_kpis
from pytest_soak.loop.model import Verdict
from tests.unit.loop.lanes import shipped, starts

pytestmark = pytest.mark.exhaustive

PROFILE = "steady"
SEEDS = range(1, 31)


@pytest.fixture(scope="module")
def strong_noise() -> list[false_alarms.Run]:
    """A/A lanes at the true p95 of docs/tuning.md, with the most correlated noise."""
    row = false_alarms.Row(PROFILE, "profile", 320.0, 0.8)
    return [false_alarms.run_of(row, seed) for seed in SEEDS]


def test_latency_rules_leave_a_healthy_target_alone(strong_noise: list[false_alarms.Run]) -> None:
    assert statistics.fmean(run.latency for run in strong_noise) <= false_alarms.LATENCY_AIM


def test_no_parameter_drifts_far(strong_noise: list[false_alarms.Run]) -> None:
    drifts = [run.drift[run.farthest] for run in strong_noise]
    assert statistics.fmean(drifts) <= false_alarms.DRIFT_AIM


def test_white_noise_moves_next_to_nothing() -> None:
    row = false_alarms.Row(PROFILE, "profile", None, 0.0)
    runs = [false_alarms.run_of(row, seed) for seed in range(1, 9)]
    assert sum(run.latency for run in runs) == 0
    assert statistics.fmean(run.rules.total() for run in runs) < 1.0


def test_a_naive_tuner_is_found_out() -> None:
    row = false_alarms.Row(PROFILE, "naive", None, 0.6)
    runs = [false_alarms.run_of(row, seed) for seed in range(1, 4)]
    assert min(run.latency for run in runs) > 10
    assert min(run.drift[run.farthest] for run in runs) > false_alarms.DRIFT_AIM


@pytest.mark.parametrize("phi", false_alarms.PHIS)
def test_a_healthy_target_does_not_panic(phi: float) -> None:
    profile = shipped()
    share = false_alarms.panic_share(profile, false_alarms.target_of(profile), phi, 5_000)
    assert share < false_alarms.PANIC_AIM


def test_a_raw_panic_is_found_out_by_the_verdict_alone_and_by_lanes() -> None:
    row = false_alarms.Row(PROFILE, "raw panic", None, 0.3)
    profile = false_alarms.profile_of(PROFILE, "raw panic")
    share = false_alarms.panic_share(profile, row.plant, 0.3, 2_000)
    lanes = [false_alarms.run_of(row, seed).panics > 0 for seed in range(1, 21)]
    assert share > 0.8
    assert statistics.fmean(lanes) == pytest.approx(share, abs=0.15)


def test_the_latency_rules_answer_a_true_alarm() -> None:
    row = false_alarms.Row(PROFILE, "profile", 405.0, 0.3)
    assert max(false_alarms.first_answer(row, seed) for seed in range(1, 6)) <= 6
    naive = replace(row, tuner="naive")
    assert false_alarms.first_answer(naive, 1) == 1
    assert false_alarms.first_answer(replace(row, p95=200.0), 1) == math.inf


@pytest.mark.parametrize("fault", ["latency x1.3", "maker to .60", "risk to .55"])
def test_a_sick_target_recovers_and_is_let_alone(fault: str) -> None:
    runs = [recovery.run_of(PROFILE, fault, 0.3, seed) for seed in range(1, 7)]
    assert sum(run.back is not None for run in runs) >= 5
    for run in runs:
        assert max(run.reversals.values(), default=0) <= recovery.REVERSALS_AIM


def test_other_seeds_are_other_lanes() -> None:
    row = false_alarms.Row(PROFILE, "profile", None, 0.8)
    jobs = false_alarms.jobs_of([row, replace(row, phi=0.0)], [2, 1], 1001)
    assert [(job.phi, seed) for job, seed in jobs] == [(0.8, 1001), (0.8, 1002), (0.0, 1001)]
    assert false_alarms.run_of(row, 1) != false_alarms.run_of(row, 1001)
    assert false_alarms.run_of(row, 1) == false_alarms.run_of(row, 1)


def test_what_no_parameter_reaches_is_not_judged() -> None:
    profile = shipped()
    well, kinds = recovery.plant_of(profile), recovery.faults(profile)
    reach = {name: recovery.within_reach(well, sick) for name, sick in kinds.items()}
    assert reach == {
        "latency x1.3": True,
        "adverse x2": False,
        "maker to .60": True,
        "risk to .55": True,
    }


def test_every_fault_is_one_and_stays_without_a_tuner() -> None:
    profile = shipped()
    well = recovery.plant_of(profile)
    for sick in recovery.faults(profile).values():
        plant = replace(well, fault=sick.fault)
        assert sick.inside(plant.truth(recovery.AT - 1, well.start))
        assert not sick.inside(plant.truth(recovery.AT, well.start))
        assert not sick.inside(plant.truth(recovery.WITHIN, well.start))


@pytest.mark.parametrize(
    ("moves", "turns"),
    [
        ({}, 0),
        ({20: 1.0, 31: 1.0}, 0),
        ({20: 1.0, 31: -1.0}, 1),
        ({20: 1.0, 31: -1.0, 40: 2.0}, 2),
        ({31: 1.0, 40: -1.0}, 1),
        ({5: 1.0, 31: -1.0}, 0),
        ({31: 1.0, 54: -1.0}, 0),
        ({31: 1.0, 53: -1.0}, 1),
    ],
    ids=[
        "none",
        "the same way",
        "back",
        "to and fro",
        "after recovery",
        "before the fault",
        "too late",
        "just in time",
    ],
)
def test_reversals(moves: dict[int, float], turns: int) -> None:
    series = [moves.get(number, 0.0) for number in range(1, recovery.ITERATIONS + 1)]
    assert recovery.reversals(series, 30) == turns


@pytest.mark.parametrize(
    ("outside", "back"),
    [
        (range(13, 40), 40),
        ([*range(13, 40), 47], 48),
        ([*range(13, 40), 48], 40),
        (range(13, 72), 72),
        (range(13, 73), None),
        (range(1, 13), 13),
    ],
    ids=["to stay", "seven inside", "eight inside", "at the last", "too late", "never sick"],
)
def test_back_is_inside_to_stay(outside: Sequence[int], back: int | None) -> None:
    inside = [number not in outside for number in range(1, recovery.ITERATIONS + 1)]
    assert recovery.recovered(inside) == back


def test_drift_is_the_farthest_and_not_the_last() -> None:
    row = false_alarms.Row(PROFILE, "naive", None, 0.6)
    profile = false_alarms.profile_of(PROFILE, "naive")
    steps = lane_steps(profile, SyntheticTarget(row.plant, profile, row.phi, 1), 72)
    away = {
        key: [abs(step.decision.values[key] - parameter.start) / parameter.span for step in steps]
        for key, parameter in profile.parameters.items()
    }
    assert false_alarms.run_of(row, 1).drift == {key: max(far) for key, far in away.items()}
    assert any(max(far) > far[-1] for far in away.values())


def alarms(latency: int, panic: float, drift: float) -> list[bool]:
    """Which aims are met if all lanes have these figures."""
    run = false_alarms.Run(Counter(LATENCY_HARD=latency), 0, {"a": drift}, Counter(), 0)
    row = false_alarms.Row(PROFILE, "profile", None, 0.3)
    summary = false_alarms.Summary(row, (run, run), panic)
    naive = replace(summary, row=replace(row, tuner="naive"), panic=1.0)
    return [met for met, _ in false_alarms.aims([summary, naive])]


def test_the_aims_of_the_healthy() -> None:
    assert alarms(1, 0.0099, 0.10) == [True, True, True], "the naive tuner has no such aims"
    assert alarms(2, 0.0, 0.0) == [False, True, True]
    assert alarms(0, 0.01, 0.0) == [True, False, True]
    assert alarms(0, 0.0, 0.11) == [True, True, False]


def recoveries(back: int, turns: int, *, reachable: bool = True) -> list[bool]:
    """Which aims are met by ten lanes of which this many recovered."""
    profile = shipped()
    sick = recovery.faults(profile)["latency x1.3"]
    kpis = {"p95_latency_ms": 400.0, "net_bps": 3.0}
    runs = [
        recovery.Run(20 if n < back else None, {"a": turns} if n < back else {}, kpis, 0, 0)
        for n in range(10)
    ]
    summary = recovery.Summary("latency x1.3", 0.3, runs, kpis, sick, reachable)
    return [met for met, _ in recovery.aims([summary])]


def test_the_aims_of_the_sick() -> None:
    assert recoveries(9, 1) == [True, True]
    assert recoveries(8, 1) == [False, True]
    assert recoveries(10, 2) == [True, False]
    assert recoveries(0, 0, reachable=False) == [True], "what no parameter can change is no aim"


def test_without_noise_nothing_happens() -> None:
    profile = shipped()
    quiet = {kpi: replace(signal, sd=0.0) for kpi, signal in healthy(profile).items()}
    steps = lane_steps(profile, SyntheticTarget(Plant(quiet), profile, 0.3, 1), 40)
    assert {step.decision.verdict for step in steps} == {Verdict.PASS}
    assert not any(step.decision.rules or step.decision.changes for step in steps)


def test_healthy_is_inside_the_tightest_limit() -> None:
    profile = shipped()
    limits = {kpi: tightest(profile, kpi) for kpi in ("p95_latency_ms", "net_bps", "risk_ratio")}
    assert limits == {"p95_latency_ms": 330.0, "net_bps": 2.7, "risk_ratio": 0.40}
    assert healthy(profile)["p95_latency_ms"].healthy == 312.0
    assert healthy(profile)["net_bps"].healthy == pytest.approx(3.05)


def test_a_report_reads_back_as_its_kpis() -> None:
    kpis = {kpi: signal.healthy for kpi, signal in healthy(shipped()).items()}
    readings = read_kpis(shipped(), edge_report(kpis), None, interval_s=300.0, mock=False)
    assert {kpi: readings[kpi].usable for kpi in kpis} == pytest.approx(kpis)


@pytest.mark.parametrize("phi", [0.0, 0.8])
def test_the_noise_is_what_it_says(phi: float) -> None:
    series = list(islice(ar1(phi, "seed"), 20_000))
    shifted = list(pairwise(series))
    assert statistics.fmean(series) == pytest.approx(0.0, abs=0.06)
    assert statistics.stdev(series) == pytest.approx(1.0, abs=0.03)
    assert statistics.fmean(a * b for a, b in shifted) == pytest.approx(phi, abs=0.05)
    assert series[:50] == list(islice(ar1(phi, "seed"), 50))
    assert series[:50] != list(islice(ar1(phi, "other"), 50))


def test_noise_of_many_runs_is_the_same_kind() -> None:
    series = false_alarms.noise(np.random.default_rng(1), 0.8, 4_000)
    assert series.std() == pytest.approx(1.0, abs=0.02)
    assert (series[:, 1:] * series[:, :-1]).mean() == pytest.approx(0.8, abs=0.03)


def test_curves_begin_at_the_start_and_end_flat() -> None:
    start = starts(shipped())
    signals = {kpi: Signal(100.0, 1.0, ratios=kpi == "fills_per_hour") for kpi in KPIS}
    plant = Plant(signals, curves(), start=start)
    assert plant.truth(1, start) == pytest.approx(dict.fromkeys(KPIS, 100.0))
    slower = plant.truth(1, {**start, "concurrency_limit": 1.0})
    assert slower["p95_latency_ms"] == pytest.approx(100.0 + 280.7 - 323.7)
    assert slower["fills_per_hour"] == pytest.approx(100.0 * 15608 / 17281)
    # The effect of the interval is proportional to the rate: at half the rate, twice the interval
    # changes nothing.
    still = {**start, "replace_rate_per_min": 200.0}
    twice = {**still, "min_interval_ms": 100.0}
    assert plant.truth(1, twice) == pytest.approx(plant.truth(1, still))
    points = ((1.0, 10.0), (2.0, 20.0))
    assert [interpolated(points, at) for at in (0.0, 1.0, 1.25, 2.0, 9.0)] == [
        10.0,
        10.0,
        12.5,
        20.0,
        20.0,
    ]


def test_a_fault_multiplies_and_adds_from_its_iteration_on() -> None:
    plant = Plant({"net_bps": Signal(3.0, 1.0)}, fault=Fault("net_bps", 5, factor=2.0, add=-1.0))
    assert [plant.truth(number, {})["net_bps"] for number in (4, 5, 6)] == [3.0, 5.0, 5.0]


def test_quantile_is_a_value_that_was_there() -> None:
    assert [quantile([3.0, 1.0, 2.0, math.inf], share) for share in (0.0, 0.5, 0.75, 1.0)] == [
        1.0,
        2.0,
        3.0,
        math.inf,
    ]
