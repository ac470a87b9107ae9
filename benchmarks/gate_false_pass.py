"""How often the gate passes a run whose true mean lies exactly at the limit.

Every figure is the share of PASS verdicts of ``kpi_criterion``, the function that a session calls,
over simulated AR(1) runs of a KPI with true mean ``limit`` (first table) or beyond it by some
standard deviations of one iteration (second table: the power). SPEC §13 asks for at most 8 %
without and 5.5 % with a reference run. Usage: ``python benchmarks/gate_false_pass.py [RUNS]``.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pytest_soak.gate.baseline import Reference, reference_of
from pytest_soak.gate.criteria import kpi_criterion
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import Verdict
from tests.unit.gate.histories import make_history, noise, steady

PHIS = (0.0, 0.3, 0.5, 0.7)
LENGTHS = (24, 48, 72)
BEYOND = (0.5, 1.0, 2.0, 3.0, 5.0)
REFERENCES = 200
SD = 18.0
CRITERION = next(item for item in steady().gate.criteria if item.kpi == "p95_latency_ms")


def series(beyond: float, n: int, phi: float, rng: random.Random) -> list[float]:
    """p95 latencies with their mean ``beyond`` standard deviations on the right side."""
    center = CRITERION.production.limit - beyond * SD
    return [center + SD * value for value in noise(n, phi, rng)]


def share_of_pass(
    runs: int, n: int, phi: float, beyond: float, references: list[Reference] | None = None
) -> float:
    rng = random.Random(f"{n} {phi} {beyond}")
    passed = 0
    for index in range(runs):
        history = make_history(n, kpis={CRITERION.kpi: series(beyond, n, phi, rng)})
        reference = references[index % len(references)] if references else None
        verdict = kpi_criterion(LaneWindow(history, reference), CRITERION, False).verdict
        passed += verdict is Verdict.PASS
    return passed / runs


def references_of(phi: float) -> list[Reference]:
    rng = random.Random(f"reference {phi}")
    return [
        reference_of(make_history(72, kpis={CRITERION.kpi: series(1.0, 72, phi, rng)}, tune=False))
        for _ in range(REFERENCES)
    ]


def rows(runs: int) -> Iterator[str]:
    heads = " | ".join(f"φ = {phi:g}" for phi in PHIS)
    rule = "|---" * (len(PHIS) + 1) + "|"
    yield f"P(PASS) at the limit, {runs} runs a cell\n\n| | {heads} |\n{rule}"
    for n in LENGTHS:
        cells = [f"{share_of_pass(runs, n, phi, 0.0):.1%}" for phi in PHIS]
        yield f"| {n} iterations | {' | '.join(cells)} |"
    stored = {phi: references_of(phi) for phi in PHIS}
    for n in LENGTHS:
        cells = [f"{share_of_pass(runs, n, phi, 0.0, stored[phi]):.1%}" for phi in PHIS]
        yield f"| {n} iterations, reference of 72 | {' | '.join(cells)} |"
    yield f"\nP(PASS) beyond the limit, 24 iterations\n\n| | {heads} |\n{rule}"
    for beyond in BEYOND:
        cells = [f"{share_of_pass(runs // 4, 24, phi, beyond):.0%}" for phi in PHIS]
        yield f"| by {beyond:g} sd | {' | '.join(cells)} |"


if __name__ == "__main__":
    for row in rows(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000):
        print(row, flush=True)
