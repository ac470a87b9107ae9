"""How often the gate passes what it must not: the promise of SPEC §13, by simulation.

``benchmarks/gate_false_pass.py`` has the full table; here are fewer runs, with fixed seeds.
"""

from __future__ import annotations

import random

import pytest

from pytest_soak.gate.baseline import reference_of
from pytest_soak.gate.criteria import kpi_criterion
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import History, Verdict
from tests.unit.gate.histories import make_history, noise, steady

RUNS = 400
SD = 18.0
P95 = next(item for item in steady().gate.criteria if item.kpi == "p95_latency_ms")


def run_at(true_mean: float, n: int, phi: float, rng: random.Random, tune: bool = True) -> History:
    series = [true_mean + SD * value for value in noise(n, phi, rng)]
    return make_history(n, kpis={"p95_latency_ms": series}, tune=tune)


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("n", [24, 72])
def test_a_run_at_the_limit_passes_seldom(n: int, phi: float) -> None:
    rng = random.Random(f"{n} {phi}")
    limit = P95.production.limit
    passed = [
        kpi_criterion(LaneWindow(run_at(limit, n, phi, rng), None), P95, False).verdict
        is Verdict.PASS
        for _ in range(RUNS)
    ]
    assert 0 < sum(passed) <= 0.08 * RUNS


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.5, 0.7])
def test_a_run_at_the_limit_passes_even_less_with_a_reference(phi: float) -> None:
    rng = random.Random(f"reference {phi}")
    limit = P95.production.limit
    references = [reference_of(run_at(300.0, 72, phi, rng, tune=False)) for _ in range(20)]
    passed = [
        kpi_criterion(
            LaneWindow(run_at(limit, 24, phi, rng), references[i % 20]), P95, False
        ).verdict
        is Verdict.PASS
        for i in range(RUNS)
    ]
    assert sum(passed) <= 0.055 * RUNS


def test_a_run_well_beyond_the_limit_passes_nearly_always() -> None:
    rng = random.Random(2)
    good = P95.production.limit - 3 * SD
    passed = [
        kpi_criterion(LaneWindow(run_at(good, 24, 0.3, rng), None), P95, False).verdict
        is Verdict.PASS
        for _ in range(200)
    ]
    assert sum(passed) >= 0.9 * 200


def test_the_mean_alone_would_pass_half_of_them() -> None:
    rng = random.Random(3)
    limit = P95.production.limit
    failed = [
        kpi_criterion(LaneWindow(run_at(limit, 24, 0.3, rng), None), P95, False).verdict
        is Verdict.FAIL
        for _ in range(300)
    ]
    assert sum(failed) == pytest.approx(150, abs=40)
