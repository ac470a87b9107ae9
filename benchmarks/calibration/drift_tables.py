"""How often a drift is proved, without and with a drift; and how often decaying bots PASS."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from benchmarks.calibration import noise, replica
from benchmarks.calibration.noise import generator
from benchmarks.calibration.tables import Promise, Table

LENGTHS = (24, 72, 288, 864)
PHIS = (0.0, 0.3, 0.6, 0.8)
LANE_PHIS = (0.0, 0.5, 0.8)
SHAPES: dict[str, noise.Noise] = {
    "normal": noise.normal,
    "t(3)": noise.student3,
    "lognormal": noise.lognormal,
}
HOLES = 0.25
GROWTH = 2.0
POWER = {24: (0.82, 0.61, 0.37, 0.26), 72: (1.0, 0.97, 0.73, 0.42), 288: (1.0, 1.0, 1.0, 0.93)}
"""Run length to the share of runs, by φ, in which growth of 2 sd must be proved at 5 %."""
ALARMS = {0.0: 0.08, 0.5: 0.08, 0.8: 0.12}
"""φ to the allowed share of lanes (three level KPIs, 3 sd inside) with a drift WARN or FAIL."""
DECAYS = (
    ("from the start, 24 iterations", 24, 0, 1.0),
    ("in the last 16 of 48, 1.5 times as fast", 48, 32, 1.5),
    ("in the last third of 72", 72, 48, 1.0),
)


@cache
def slopes(shape: str, n: int, phi: float, runs: int, *, holes: bool) -> replica.Slopes:
    rng = generator("slope", shape, holes, n, phi)
    values = SHAPES[shape](rng, runs, n, phi)
    if holes:
        values = np.where(rng.random(values.shape) < HOLES, np.nan, values)
    return replica.slopes_of(replica.fit_lines(values))


@cache
def growing(n: int, phi: float, runs: int) -> replica.Slopes:
    values = noise.normal(generator("growth", n, phi), runs, n, phi) + np.linspace(0.0, GROWTH, n)
    return replica.slopes_of(replica.fit_lines(values))


def plain_alarms(n: int, phi: float, runs: int) -> float:
    """False alarms of ordinary least squares with n - 2 degrees of freedom."""
    lines = replica.fit_lines(noise.normal(generator("plain", n, phi), runs, n, phi))
    error = np.sqrt(lines.squares / (n - 2) / lines.spread)
    bound = lines.slope - replica.t_quantile(0.95, np.full(runs, n - 2.0)) * error
    return float((bound > 0.0).mean())


@cache
def lane_alarms(n: int, phi: float, runs: int, last_change: int | None) -> tuple[float, float]:
    """Shares of lanes (three level KPIs, 3 sd inside): drift WARN or FAIL, and drift FAIL."""
    values = noise.normal(generator("level lane", n, phi), 3 * runs, n, phi)
    alarms = replica.drift(values, 3.0, last_change=last_change).alarm.reshape(3, runs).max(axis=0)
    return float((alarms > 0).mean()), float((alarms > 1).mean())


@cache
def still_passing(n: int, start: int, speed: float, phi: float, runs: int) -> tuple[float, float]:
    """Share of bots with PASS that decay inside their limits: of net alone, and of the lane.

    From iteration ``start`` on net falls from 6 by .1 an iteration (limit ≥ 2.7, sd .3), p95 rises
    from 220 by 4 (limit ≤ 340, sd 15) and fills fall from 900 by 25 (no limit, sd 40).
    """
    rng = generator("decay", n, start, speed, phi)
    i = speed * np.maximum(0.0, np.arange(1, n + 1) - start)
    net = 6.0 - 0.1 * i + 0.3 * noise.normal(rng, runs, n, phi)
    p95 = 220.0 + 4.0 * i + 15.0 * noise.normal(rng, runs, n, phi)
    fills = np.maximum(0.0, 900.0 - 25.0 * i + 40.0 * noise.normal(rng, runs, n, phi))
    good = _good(-net, -2.7)
    lane = good & _good(p95, 340.0) & ~replica.throughput_alarms(fills)
    return float(good.mean()), float(lane.mean())


def _good(values: noise.Floats, limit: float) -> replica.Bools:
    alarm = replica.drift(values, limit).alarm
    return np.asarray(replica.judge(values).passes(limit) & (alarm == 0))


def tables(runs: int) -> Iterator[Table]:
    heads = [f"φ {phi:g}" for phi in PHIS]
    table = Table("A rising slope proved at 5 % in level noise (in brackets: at 1 %)", heads)
    for shape, holes in _shapes():
        for n in LENGTHS:
            results = [slopes(shape, n, phi, runs, holes=holes) for phi in PHIS]
            cells = [
                f"{100 * s.rises(0.05).mean():.1f} ({100 * s.rises(0.01).mean():.1f})"
                for s in results
            ]
            table.add(f"{shape}{', 25 % holes' * holes}, {n} iterations", cells)
    for n in LENGTHS:
        cells = [f"{100 * plain_alarms(n, phi, runs):.1f}" for phi in PHIS]
        table.add(f"normal, ordinary least squares, {n} iterations", cells)
    yield table
    table = Table("Growth of 2 sd over the run proved at 5 %", heads)
    for n in POWER:
        table.add(f"{n} iterations", [growing(n, phi, runs).rises(0.05).mean() for phi in PHIS])
    yield table
    heads = [f"φ {phi:g}" for phi in LANE_PHIS]
    table = Table("Drift WARN or FAIL (FAIL) in lanes of three level KPIs, 3 sd inside", heads)
    for changed in (False, True):
        for n in (24, 48, 72, 288):
            change = n // 3 if changed else None
            lanes = [lane_alarms(n, phi, runs, change) for phi in LANE_PHIS]
            label = f"{n} iterations{', last change at a third' * changed}"
            table.add(label, [f"{100 * a:.1f} ({100 * b:.2f})" for a, b in lanes])
    yield table
    table = Table("Bots that decay inside their limits and still PASS: net alone (lane)", heads)
    for label, n, start, speed in DECAYS:
        bots = [still_passing(n, start, speed, phi, runs) for phi in LANE_PHIS]
        table.add(label, [f"{100 * a:.1f} ({100 * b:.1f})" for a, b in bots])
    yield table


def _shapes() -> list[tuple[str, bool]]:
    return [*((shape, False) for shape in SHAPES), ("normal", True)]


def promises(runs: int) -> Iterator[Promise]:
    promise = Promise("false alarms of the slope at 5 %, φ to .8", 0.074)
    for shape, holes in _shapes():
        for n in LENGTHS:
            for phi in PHIS:
                share = slopes(shape, n, phi, runs, holes=holes).rises(0.05).mean()
                row = f"{shape}{', 25 % holes' * holes}, {n}, φ {phi:g}"
                promise.add(row, share, runs)
    yield promise
    for n, least in POWER.items():
        for phi, power in zip(PHIS, least, strict=True):
            # The required shares are rounded to whole percent.
            text = f"growth of 2 sd proved at 5 %, {n} iterations, φ {phi:g}"
            promise = Promise(text, power - 0.005, at_most=False)
            promise.add("normal", growing(n, phi, runs).rises(0.05).mean(), runs)
            yield promise
    for phi, most in ALARMS.items():
        promise = Promise(f"level lanes of three KPIs with a drift WARN or FAIL, φ {phi:g}", most)
        for n in (24, 72, 288):
            promise.add(f"{n}", lane_alarms(n, phi, runs, None)[0], runs)
        yield promise
    for (label, n, start, speed), phi, most in (
        (DECAYS[0], 0.0, 0.03),
        (DECAYS[0], 0.5, 0.03),
        (DECAYS[1], 0.0, 0.03),
        (DECAYS[1], 0.5, 0.15),
        (DECAYS[2], 0.0, 0.01),
    ):
        promise = Promise(f"decaying bots that PASS, {label}, φ {phi:g}", most)
        promise.add("lane", still_passing(n, start, speed, phi, runs)[1], runs)
        yield promise
