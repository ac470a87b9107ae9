"""The effect of each parameter in the mock market: ten response curves, and a picture of them.

    python benchmarks/response.py [--seeds 6] [--iterations 4] [--png response.png]

One parameter takes five values, the others keep the start values of ``market_maker.yaml``. Seeds
and iterations, and so the market, are the same for all. Cells are means over seeds and iterations.
``earned`` is net_bps times the lots traded, per hour. The picture needs matplotlib.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.driving import INTERVAL_S, still
from pytest_soak.profile.resolve import resolve
from pytest_soak.store.sources import read_source

CURVES: Mapping[str, tuple[float, ...]] = {
    "base_spread_bps": (0.1, 0.5, 1.0, 2.0, 5.0),
    "impact_cap_ratio": (0.02, 0.05, 0.1, 0.2, 0.5),
    "max_delta_ratio": (0.02, 0.05, 0.15, 0.3, 0.6),
    "slippage_penalty_coef": (0.0, 0.25, 0.5, 1.0, 2.0),
    "inventory_tilt_cap": (0.0, 0.15, 0.3, 0.6, 1.0),
    "vip_tilt_cap": (0.0, 0.25, 0.5, 0.75, 1.0),
    "replace_rate_per_min": (60.0, 200.0, 400.0, 600.0, 1200.0),
    "concurrency_limit": (1.0, 1.5, 2.0, 3.0, 4.0),
    "tail_age_ms": (50.0, 200.0, 600.0, 1500.0, 5000.0),
    "min_interval_ms": (5.0, 50.0, 150.0, 300.0, 1000.0),
}
OWN = {
    "base_spread_bps": "maker",
    "impact_cap_ratio": "lots",
    "max_delta_ratio": "throttle",
    "slippage_penalty_coef": "slippage",
    "inventory_tilt_cap": "inventory",
    "vip_tilt_cap": "rebate",
    "replace_rate_per_min": "p95",
    "concurrency_limit": "concurrency",
    "tail_age_ms": "throttle",
    "min_interval_ms": "min_interval",
}
"""The figure that each parameter controls."""
COLUMNS = (
    ("maker", "maker ratio of the volume"),
    ("risk", "risk ratio of the blocks"),
    ("net", "net, bps"),
    ("p95", "p95 latency, ms"),
    ("slippage", "p95 slippage, bps"),
    ("lots", "lots an hour"),
    ("earned", "earned, lots·bps an hour"),
    ("requests", "requests an hour"),
    ("inventory", "mean position, lots"),
    ("rebate", "maker rebate, bps"),
    ("min_interval", "min_interval blocks an hour"),
    ("concurrency", "concurrency blocks an hour"),
    ("throttle", "throttle blocks an hour"),
)


def figures(report: Mapping[str, Any]) -> dict[str, float]:
    fills, blocks, totals = report["fills"], report["block_reasons"], report["totals"]
    lots = fills["maker_volume"] + fills["taker_volume"]
    hourly = 3600.0 / INTERVAL_S
    return {
        "maker": fills["maker_volume"] / lots,
        "risk": blocks["risk"] / sum(blocks.values()),
        "net": totals["net_bps"],
        "p95": totals["p95_latency_ms"],
        "slippage": totals["slippage_bps_p95"] or 0.0,
        "lots": lots * hourly,
        "earned": totals["net_bps"] * lots * hourly,
        "requests": report["summary"]["requests"] * hourly,
        "inventory": totals["inventory_bps"] * lots / 1e4,
        "rebate": report["summary"]["maker_rebate_bps"],
        **{name: blocks[name] * hourly for name in ("min_interval", "concurrency", "throttle")},
    }


def point(job: tuple[str, float, int, int]) -> dict[str, float]:
    """Mean figures with one changed parameter."""
    key, value, seeds, iterations = job
    profile = resolve("steady", read_source).profile
    rows = [
        figures(report)
        for seed in range(1, seeds + 1)
        for report in still(profile, seed, iterations, {key: value})
    ]
    return {name: statistics.fmean(row[name] for row in rows) for name, _ in COLUMNS}


def table(key: str, points: Sequence[Mapping[str, float]]) -> None:
    print(f"\n{key}")
    print(" " * 9 + " ".join(f"{name:>12}" for name, _ in COLUMNS))
    for value, figures_here in zip(CURVES[key], points, strict=True):
        cells = (f"{figures_here[name]:12.3f}"[:12] for name, _ in COLUMNS)
        print(f"{value:9g}" + " ".join(cells))


def draw(curves: Mapping[str, Sequence[Mapping[str, float]]], file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    blue, orange = "#0072b2", "#d55e00"
    texts = dict(COLUMNS)
    figure, axes = pyplot.subplots(2, 5, figsize=(20, 8.5), constrained_layout=True)
    for axis, (key, points) in zip(axes.flat, curves.items(), strict=True):
        at = range(len(points))
        axis.plot(at, [point[OWN[key]] for point in points], "o-", color=blue, lw=2)
        axis.set_ylabel(texts[OWN[key]], color=blue)
        axis.tick_params(axis="y", labelcolor=blue)
        axis.set_xticks(at, [f"{value:g}" for value in CURVES[key]])
        axis.set_title(key)
        axis.grid(alpha=0.3)
        other = axis.twinx()
        other.plot(at, [point["earned"] / 1e3 for point in points], "s--", color=orange, lw=1.5)
        # One scale for all, so that noise does not look like a response.
        other.set_ylim(-90, 90)
        other.tick_params(axis="y", labelcolor=orange)
    figure.suptitle(
        "Blue: the figure that the parameter controls. "
        "Orange: what the bot earns, 1000 lots·bps an hour.",
        fontsize=14,
    )
    figure.savefig(file, dpi=90)
    print(f"\npicture: {file}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--iterations", type=int, default=4)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--png", type=Path)
    options = parser.parse_args()
    jobs = [
        (key, value, options.seeds, options.iterations)
        for key, values in CURVES.items()
        for value in values
    ]
    with ProcessPoolExecutor(options.processes) as pool:
        points = iter(list(pool.map(point, jobs)))
    curves = {key: [next(points) for _ in values] for key, values in CURVES.items()}
    for key, curve in curves.items():
        table(key, curve)
    if options.png:
        draw(curves, options.png)


if __name__ == "__main__":
    main()
