"""How reliable the gate's verdicts are: each error rate and power of docs/gate.md, simulated.

    python benchmarks/gate_calibration.py            all tables, 10,000 runs per cell
    python benchmarks/gate_calibration.py --quick    only the promises, 2,000 runs per cell

The runs are judged by ``benchmarks/calibration/replica.py``, the product's functions in numpy; to
compare them, 750 runs are judged by both first. A promise is broken if a cell is on its wrong side
by more than 3 Monte-Carlo errors; then the exit status is 1, and the row is named. Seeds are fixed.

Shares are in percent; "sd" is the standard deviation of one iteration; the limit is an upper one.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.calibration import bound_tables, drift_tables, noise, replica, statistic_tables
from pytest_soak.statistics import KpiSeries, drift, judge_bounds

COMPARED = 25
"""Runs per cell that the product judges too."""
TOLERANCE = 1e-9


def difference() -> tuple[int, float]:
    """The number of runs judged twice, and the largest relative difference of a figure."""
    compared, largest = 0, 0.0
    for course, draw in noise.COURSES.items():
        for n in (24, 72, 100):
            for weighted in (False, True):
                rng = noise.generator("compared", course, n, weighted)
                values = draw(rng, COMPARED, n, 0.5)
                holes = (rng.random(values.shape) < 0.3) & (np.arange(n) % 4 == 1)
                values[holes] = np.nan
                weights = np.exp(rng.standard_normal(values.shape)) if weighted else None
                largest = max(largest, _difference(values, weights))
                compared += COMPARED
    return compared, largest


def _difference(values: noise.Floats, weights: noise.Floats | None) -> float:
    ours = replica.judge(values, weights=weights)
    alarms = replica.drift(values, 1.0).alarm
    largest = 0.0
    for i, row in enumerate(values):
        kpi = KpiSeries(
            tuple(range(len(row))),
            tuple(None if math.isnan(x) else float(x) for x in row),
            None if weights is None else tuple(map(float, weights[i])),
        )
        bounds = judge_bounds(kpi, upper=True)
        plain = KpiSeries(kpi.numbers, kpi.values)
        if drift(plain, limit=1.0, upper=True).alarm != alarms[i]:
            return math.inf
        for name in ("figure", "estimated", "worst_case", "other"):
            a, b = float(getattr(ours, name)[i]), getattr(bounds, name)
            if b is None:
                largest = max(largest, 0.0 if math.isinf(a) else math.inf)
            else:
                largest = max(largest, abs(a - b) / max(abs(b), 1e-3))
    return largest


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only the promises")
    parser.add_argument("--runs", type=int, help="runs per cell")
    options = parser.parse_args()
    runs = options.runs or (2_000 if options.quick else 10_000)
    started = time.process_time()
    compared, largest = difference()
    print(f"{compared} runs judged by the product and by its replica: {largest:.0e} apart")
    print(f"{runs} runs per cell\n", flush=True)
    if not options.quick:
        for module in (bound_tables, drift_tables, statistic_tables):
            for table in module.tables(runs):
                print("\n".join(table.lines()), flush=True)
    broken = 0 if largest <= TOLERANCE else 1
    for module in (bound_tables, drift_tables, statistic_tables):
        for promise in module.promises(runs):
            broken += bool(promise.broken)
            print("\n".join(promise.lines()), flush=True)
    print(f"\n{broken} broken; {time.process_time() - started:.0f} s of CPU")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
