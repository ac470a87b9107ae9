"""KPIs of the mock market over seeds, with the tuner on and off.

    python benchmarks/figures.py [--seeds 20] [--iterations 72] [--profile steady]

Every seed is one lane, driven in memory through the same decide and fold as a session. Each
cell is the mean over seeds with its standard deviation: of the first 4 iterations, of the 8 that
end at iteration 24, of the last 8. ``noise`` is the standard deviation of one iteration within a
tuner-off lane, pooled over seeds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.driving import drive, lane_of
from pytest_soak.gate.delta import verify_deltas
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.pooling import window_figure
from pytest_soak.profile.resolve import resolve
from pytest_soak.store.sources import read_source
from pytest_soak.targets.mock import make_mock

KPIS = (
    ("maker_taker_ratio", ".60-.70", ">= .78", ">= .85"),
    ("risk_ratio", "~.38", "<= .42", "<= .42"),
    ("net_bps", "~3.0", ">= 2.7", ">= 2.7"),
    ("p95_latency_ms", "300-330", "<= 340", "<= 340"),
    ("fills_per_hour", "", "", ""),
    ("adverse_bps_p95", "", "", ""),
    ("slippage_bps_p95", "", "", ""),
    ("min_interval_ratio", "", "", ""),
)
NOISE = {"net_bps": 0.35, "risk_ratio": 0.03, "maker_taker_ratio": 0.04, "p95_latency_ms": 18.0}
WINDOW = 8


@dataclass(frozen=True)
class Job:
    profile: str
    seed: int
    iterations: int
    tune: bool


@dataclass(frozen=True)
class Figures:
    """Of one lane: figures of each KPI at the start, after 24 iterations and at the end."""

    kpis: dict[str, tuple[float, float, float]]
    series: dict[str, list[float]]
    full_apply_ratio: float | None
    stuck: int
    rules: dict[str, int]
    ends: dict[str, float]


def figures_of(job: Job) -> Figures:
    profile = resolve(job.profile, read_source).profile
    lane = lane_of(profile, job.seed, job.iterations)
    history = drive(lane, profile, make_mock(lane), mock=True, tune=job.tune).history
    items = history.iterations
    windows = (items[:4], items[max(0, min(24, len(items)) - WINDOW) : 24], items[-WINDOW:])
    kpis, series = {}, {}
    for name, *_ in KPIS:
        means = [window_figure([item.readings[name] for item in window]) for window in windows]
        kpis[name] = tuple(float("nan") if value is None else value for value in means)
        series[name] = [value for item in items if (value := item.readings[name].value) is not None]
    rules: dict[str, int] = {}
    for item in items:
        for rule in item.decision.rules if item.decision else ():
            rules[rule] = rules.get(rule, 0) + 1
    delta = verify_deltas(LaneWindow(history))
    return Figures(
        kpis=kpis,  # type: ignore[arg-type]
        series=series,
        full_apply_ratio=delta.full_apply_ratio,
        stuck=delta.signature_stuck_count,
        rules=rules,
        ends=dict(items[-1].values),
    )


def table(title: str, lanes: Sequence[Figures], iterations: int) -> None:
    print(f"\n{title}, mean over {len(lanes)} seeds (sd over seeds)")
    middle = "the 8 to 24"
    last = f"the 8 to {iterations}"
    print(f"{'figure':<20} {'first 4':>18} {middle:>18} {last:>18}   required: start, 24, 72")

    def cell(values: Sequence[float]) -> str:
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        return f"{statistics.mean(values):9.3f} ({spread:6.3f})"

    for name, *required in KPIS:
        cells = [cell([lane.kpis[name][i] for lane in lanes]) for i in range(3)]
        line = f"{name:<20} {' '.join(f'{text:>18}' for text in cells)}   {', '.join(required)}"
        print(line.rstrip(", "))
    shares = [
        cell([lane.kpis["fills_per_hour"][i] / lane.kpis["fills_per_hour"][0] for lane in lanes])
        for i in range(3)
    ]
    print(f"{'fills, share':<20} {' '.join(f'{text:>18}' for text in shares)}   1, report, >= .5")
    ratios = [lane.full_apply_ratio for lane in lanes if lane.full_apply_ratio is not None]
    if ratios:
        print(
            f"full_apply_ratio     {statistics.mean(ratios):.3f} (worst {min(ratios):.3f})   >= .95"
        )
    print(f"signature_stuck      worst {max(lane.stuck for lane in lanes)}   <= 1")
    rules = sorted({rule for lane in lanes for rule in lane.rules})
    counts = ", ".join(
        f"{rule} {statistics.mean(lane.rules.get(rule, 0) for lane in lanes):.1f}" for rule in rules
    )
    print(f"rules fired per lane  {counts or 'none'}")
    ends = {key: statistics.mean(lane.ends[key] for lane in lanes) for key in lanes[0].ends}
    print("parameters at end    " + ", ".join(f"{key} {value:.3g}" for key, value in ends.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=72)
    parser.add_argument("--profile", default="steady")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    seeds = range(1, options.seeds + 1)
    with ProcessPoolExecutor(options.processes) as pool:
        tuned, still = (
            list(
                pool.map(
                    figures_of,
                    [Job(options.profile, seed, options.iterations, tune) for seed in seeds],
                )
            )
            for tune in (True, False)
        )
    table("tuner on", tuned, options.iterations)
    table("tuner off", still, options.iterations)
    print("\nnoise of one iteration, tuner off (sd within a lane, pooled; largest allowed)")
    for name, largest in NOISE.items():
        pooled = statistics.mean(statistics.variance(lane.series[name]) for lane in still) ** 0.5
        print(f"{name:<20} {pooled:8.3f}   <= {largest:g}")


if __name__ == "__main__":
    main()
