"""The mock market against recorded ones: a table, and a picture.

    python benchmarks/realism.py [--days 6] [--png realism.png]

Every row of ``tests/unit/targets/stylised_facts.py``: the recorded figure, the model's figure over
all days together (24 simulated hours and a seed each), its range over the single days, the band of
the test, and whether the model is in it. A single day may be outside: the recorded figures are of a
month, and the band is for three days together. ``--png`` needs matplotlib.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.unit.targets.stylised_facts import (
    CRASH,
    FACTS,
    MARKOUTS,
    REACH_A,
    Day,
    Fact,
    autocorrelation,
    day_of,
    excess_kurtosis,
    market_day,
    measured,
    measured_crash,
    measured_markouts,
    reach_rates,
    realised,
)

PERCENTILES = (5, 50, 95, 99)


def table(
    facts: Sequence[Fact], model: Mapping[str, float], single: Sequence[Mapping[str, float]]
) -> None:
    for fact in facts:
        daily = [figures[fact.name] for figures in single]
        band = f"{fact.low:g} .. {fact.high:g}"
        where = "in" if fact.holds(model[fact.name]) else "OUT"
        print(
            f"{fact.name:<36} {fact.recorded:8.3f} {model[fact.name]:8.3f}  "
            f"{min(daily):8.3f} .. {max(daily):8.3f}  {band:>14}  {where}"
        )


def recorded(prefix: str, suffix: str, keys: Sequence[int]) -> list[float]:
    by_name = {fact.name: fact.recorded for fact in FACTS}
    return [by_name[f"{prefix}{key}{suffix}"] for key in keys]


def draw(days: Sequence[Day], file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    blue, orange, grey = "#0072b2", "#d55e00", "#bbbbbb"
    figure, axes = pyplot.subplots(2, 3, figsize=(15, 8.5), constrained_layout=True)
    minutes = [day.minutes for day in days]
    sizes = [np.abs(returns) for returns in minutes]

    axis = axes[0][0]
    lags = np.unique(np.round(np.geomspace(1, 300, 40)).astype(int)).tolist()
    for day in sizes:
        axis.plot(lags, [autocorrelation([day], lag) for lag in lags], color=grey, lw=0.7)
    axis.plot(lags, [autocorrelation(sizes, lag) for lag in lags], color=blue, lw=2)
    keys = (1, 5, 15, 60, 240)
    axis.plot(keys, recorded("autocorrelation of |r|, ", " min", keys), "o", color=orange, ms=8)
    axis.set(xscale="log", ylim=(-0.05, 0.55), xlabel="lag, minutes")
    axis.set_title("Memory of the volatility\nautocorrelation of |1 min return|")

    axis = axes[0][1]
    horizons = (1, 2, 5, 10, 15, 30, 60)
    for day in minutes:
        axis.plot(horizons, [excess_kurtosis([day], h) for h in horizons], color=grey, lw=0.7)
    axis.plot(horizons, [excess_kurtosis(minutes, h) for h in horizons], color=blue, lw=2)
    measured = (1, 5, 15, 60)
    axis.plot(measured, recorded("excess kurtosis, ", " min", measured), "o", color=orange, ms=8)
    axis.set(xscale="log", ylim=(-2, 60), xlabel="horizon, minutes")
    axis.set_title(
        "Tails thin out with the horizon\nexcess kurtosis (a flash crash is off the scale)"
    )

    axis = axes[0][2]
    percents = np.linspace(1, 99.5, 100)
    for day in minutes:
        axis.plot(percents, np.percentile(realised([day]), percents), color=grey, lw=0.7)
    axis.plot(percents, np.percentile(realised(minutes), percents), color=blue, lw=2)
    points = recorded("realised 1 min sd, p", "", PERCENTILES)
    axis.plot(PERCENTILES, points, "o", color=orange, ms=8)
    axis.set(yscale="log", xlabel="percentile of 15 min", ylabel="bps")
    axis.set_title("Calm and stress\nrealised sd of 1 min returns")

    axis = axes[1][0]
    signs = [day.signs for day in days]
    lags = np.unique(np.round(np.geomspace(1, 100, 25)).astype(int)).tolist()
    axis.plot(lags, [autocorrelation(signs, lag) for lag in lags], color=blue, lw=2)
    keys = (1, 2, 5, 10, 50)
    axis.plot(keys, recorded("autocorrelation of signs, lag ", "", keys), "o", color=orange, ms=8)
    axis.set(xscale="log", yscale="log", xlabel="lag, orders", ylim=(0.01, 0.4))
    axis.set_title("Runs of one side\nautocorrelation of order signs")

    axis = axes[1][1]
    reach = np.concatenate([day.reach for day in days])
    distance, rate = reach_rates(reach, sum(len(day.counts) for day in days) * 10.0)
    axis.plot(distance, rate / rate[0], color=blue, lw=2)
    axis.plot(distance, np.exp(-0.94 * (distance - distance[0])), "--", color=orange, lw=2)
    axis.set(yscale="log", xlabel="distance from the mid, bps")
    axis.set_title("Reach into the book\norders a second, relative to those at .1 bps")

    axis = axes[1][2]
    axis.axis("off")
    for place, (color, style, text) in enumerate(
        (
            (blue, "-", f"model, {len(days)} days together"),
            (grey, "-", "model, single days"),
            (orange, "o", "recorded (reach: fitted line, k = .94 / bps)"),
        )
    ):
        height = 0.85 - 0.12 * place
        axis.plot([0.0, 0.08], [height, height], style, color=color, lw=2, ms=8)
        axis.text(0.13, height, text, va="center", fontsize=12)
    axis.set(xlim=(0, 1), ylim=(0, 1))
    for axis in axes.flat[:5]:
        axis.grid(alpha=0.3)
    figure.savefig(file, dpi=110)
    print(f"\npicture: {file}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=6)
    parser.add_argument("--png", type=Path)
    options = parser.parse_args()
    seeds = range(1, options.days + 1)
    days = [day_of(market_day(seed)) for seed in seeds]
    singly = [measured([day]) for day in days]
    print(f"{'':<36} {'recorded':>8} {'model':>8}  {'single days or seeds':>20}  {'band':>14}")
    table([*FACTS, REACH_A], measured(days), singly)
    table(MARKOUTS, measured_markouts(seeds, 8), [measured_markouts([seed], 8) for seed in seeds])
    table(CRASH, measured_crash(seeds), [measured_crash([seed]) for seed in seeds])
    if options.png:
        draw(days, options.png)


if __name__ == "__main__":
    main()
