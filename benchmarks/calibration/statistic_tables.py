"""How often each statistic of a criterion is wrong: false PASS, false FAIL, and what is found.

Normal noise, if a row names no other. *At the limit*: the true statistic of all iterations is the
limit, so that a PASS is wrong; inside and outside are by so many sd of one iteration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from benchmarks.calibration import noise, replica
from benchmarks.calibration.noise import generator
from benchmarks.calibration.tables import Promise, Table

PHIS = (0.0, 0.3, 0.6)
LENGTHS = (24, 72)
LONG = 864
"""Iterations of three days at 5 minutes; a share of .99 needs about 300 independent ones."""
PLACES = (0.0, -0.5, 1.0, 2.0)
"""Where the limit is, in sd: 0 at the true statistic, positive if that is inside."""
NORMAL_95 = 1.6448536269514722
NORMAL_99 = 2.3263478740408408
WARMUP = 24
REFERENCE = 72

Rule = Callable[[noise.Floats, float], tuple[replica.Bools, replica.Bools]]
"""``rule(values, limit)``: which runs PASS and which FAIL."""


@dataclass(frozen=True)
class Statistic:
    rule: Rule
    truth: float
    """The true statistic of all iterations, in sd from their mean."""
    shape: str = "normal"


def _mean(values: noise.Floats, limit: float) -> tuple[replica.Bools, replica.Bools]:
    judged = replica.judge(values)
    return judged.passes(limit), judged.fails(limit)


def _window(length: int) -> Rule:
    def rule(values: noise.Floats, limit: float) -> tuple[replica.Bools, replica.Bools]:
        judged = replica.judge(values, length=min(length, values.shape[1]))
        return judged.passes(limit), judged.fails(limit)

    return rule


def _median(values: noise.Floats, limit: float) -> tuple[replica.Bools, replica.Bools]:
    judged = replica.judge(values)
    long = values[:, -max(8, values.shape[1] // 3) :]
    fails = np.median(long, axis=1) > limit
    fails_short = np.median(values[:, -8:], axis=1) > limit
    certain = replica.certain_share(long <= limit, 0.5, judged.phi)
    certain_short = replica.certain_share(values[:, -8:] <= limit, 0.5, judged.phi)
    fails = np.where(judged.fallback, fails_short, fails)
    return np.where(judged.fallback, certain_short, certain) & ~fails, fails


def _share(aim: float) -> Rule:
    """A share of all iterations, and the quantile that is the same (``p95``: .95)."""

    def rule(values: noise.Floats, limit: float) -> tuple[replica.Bools, replica.Bools]:
        inside = values <= limit
        fails = inside.mean(axis=1) < aim - 1e-9
        return replica.certain_share(inside, aim, replica.fit_lines(values).phi) & ~fails, fails

    return rule


def _max(values: noise.Floats, limit: float) -> tuple[replica.Bools, replica.Bools]:
    fails = values.max(axis=1) > limit
    return ~fails, fails


def _last(values: noise.Floats, limit: float) -> tuple[replica.Bools, replica.Bools]:
    fails = values[:, -1] > limit
    return np.zeros(len(values), dtype=bool), fails


STATISTICS: dict[str, Statistic] = {
    "mean": Statistic(_mean, 0.0),
    "mean, window 8": Statistic(_window(8), 0.0),
    "mean, window 48": Statistic(_window(48), 0.0),
    "median": Statistic(_median, 0.0),
    "median, lognormal": Statistic(_median, -0.3351, "lognormal"),
    "p95, share .95": Statistic(_share(0.95), NORMAL_95),
    "share .99": Statistic(_share(0.99), NORMAL_99),
    "last": Statistic(_last, 0.0),
}


@cache
def judged(name: str, n: int, phi: float, place: float, runs: int) -> tuple[float, float]:
    """The shares of runs that PASS and that FAIL."""
    statistic = STATISTICS[name]
    draw = noise.STATIONARY[statistic.shape]
    values = draw(generator("statistic", name, n, phi, place), runs, n, phi)
    passes, fails = statistic.rule(values, statistic.truth + place)
    return float(passes.mean()), float(fails.mean())


@cache
def extremes(n: int, phi: float, beyond: float, runs: int) -> float:
    """P(PASS) of a maximum, if this share of all iterations is beyond the limit."""
    values = noise.normal(generator("max", n, phi, beyond), runs, n, phi)
    limit = float(np.quantile(noise.normal(generator("limit"), 1_000_000, 1, 0.0), 1.0 - beyond))
    return float(_max(values, limit)[0].mean())


@cache
def two_sided(
    n: int, phi: float, half_width: float, place: float, runs: int
) -> tuple[float, float]:
    """PASS and FAIL between two limits; the mean is ``place`` sd inside the upper one."""
    values = noise.normal(generator("two", n, phi, half_width, place), runs, n, phi)
    upper = replica.judge(values)
    lower = replica.judge(-values)
    high, low = place, place - 2.0 * half_width
    passes = upper.passes(high) & lower.passes(-low)
    return float(passes.mean()), float((upper.fails(high) | lower.fails(-low)).mean())


@cache
def relative(
    base: str, shape: str, n: int, phi: float, place: float, runs: int
) -> tuple[float, float]:
    """PASS and FAIL against a base of the same level; the limit is ``place`` sd worse.

    ``n`` iterations are judged; the warm-up before them has 24, a reference 72. The base has an
    error of its own, by which the limit moves.
    """
    length = WARMUP if base == "warmup" else REFERENCE
    draw, rng = noise.STATIONARY[shape], generator("relative", base, shape, n, phi, place)
    if base == "warmup":
        whole = draw(rng, runs, n + length, phi)
        first, values = whole[:, :length], whole[:, length:]
        of_base = replica.judge(first, window=length, length=length)
        error, df, now = of_base.error, of_base.df, replica.judge(values)
    else:
        first, values = draw(rng, runs, length, phi), draw(rng, runs, n, phi)
        of_base = replica.judge(first, window=length, length=length)
        spread = first.std(axis=1, ddof=1)
        size = replica.effective_size(length, of_base.phi)
        error, df = spread / np.sqrt(size), np.maximum(size - 1.0, 0.3)
        now = replica.judge(values, reference=replica.References(of_base.phi, spread, length))
    limit = first.mean(axis=1) + place
    squares = now.error**2 + error**2
    together = squares**2 / (now.error**4 / now.df + error**4 / df)
    bound = now.figure + replica.t_quantile(0.95, together) * np.sqrt(squares)
    passes = (now.figure <= limit) & (bound <= limit)
    return float(passes.mean()), float((now.figure > limit).mean())


def _label(place: float) -> str:
    if place == 0.0:
        return "at the limit"
    return f"{abs(place):g} sd {'inside' if place > 0.0 else 'outside'}"


def _shown(pair: tuple[float, float]) -> str:
    return f"{100 * pair[0]:.1f} ({100 * pair[1]:.1f})"


HEADS = [f"φ {phi:g}" for phi in PHIS]


def tables(runs: int) -> Iterator[Table]:
    for name in STATISTICS:
        table = Table(f"PASS (FAIL) by {name}", HEADS)
        long = (LONG,) if "share" in name else ()
        for place in PLACES:
            for n in (*LENGTHS, *long):
                cells = [_shown(judged(name, n, phi, place, runs)) for phi in PHIS]
                table.add(f"{_label(place)}, {n} iterations", cells)
        yield table
    table = Table("PASS by max (min), by the share of all iterations beyond the limit", HEADS)
    for beyond in (0.05, 0.01, 0.001):
        for n in (*LENGTHS, LONG):
            shares = [extremes(n, phi, beyond, runs) for phi in PHIS]
            table.add(f"{100 * beyond:g} % beyond, {n} iterations", shares)
    yield table
    table = Table("PASS (FAIL) between two limits", HEADS)
    for half_width, place in ((4.0, 0.0), (0.5, 0.0), (1.0, 1.0), (2.0, 2.0), (2.0, 1.0)):
        for n in LENGTHS:
            cells = [_shown(two_sided(n, phi, half_width, place, runs)) for phi in PHIS]
            where = _label(place) if place != half_width else "in the middle"
            table.add(f"{2 * half_width:g} sd apart, {where}, {n} iterations", cells)
    yield table
    for base in ("warmup", "reference"):
        of = "a warm-up of 24" if base == "warmup" else "a reference of 72"
        table = Table(f"PASS (FAIL) relative to {of}", HEADS)
        for shape, places in (("normal", (0.0, -0.5, 1.0, 2.0, 3.0)), ("lognormal", (0.0, 2.0))):
            for place in places:
                for n in LENGTHS:
                    cells = [_shown(relative(base, shape, n, phi, place, runs)) for phi in PHIS]
                    table.add(f"{shape}, {_label(place)}, {n} iterations", cells)
        yield table


def promises(runs: int) -> Iterator[Promise]:
    promise = Promise("a statistic at its limit, φ to .6", 0.095)
    outside = Promise("a statistic ½ sd outside, φ to .6", 0.02)
    for name in STATISTICS:
        for n in (*LENGTHS, LONG):
            for phi in PHIS:
                row = f"{name}, {n}, φ {phi:g}"
                promise.add(row, judged(name, n, phi, 0.0, runs)[0], runs)
                outside.add(row, judged(name, n, phi, -0.5, runs)[0], runs)
    yield promise
    yield outside
    promise = Promise("two limits, at one of them, φ to .6", 0.095)
    for half_width in (0.5, 4.0):
        for n in LENGTHS:
            for phi in PHIS:
                share = two_sided(n, phi, half_width, 0.0, runs)[0]
                promise.add(f"{2 * half_width:g} sd apart, {n}, φ {phi:g}", share, runs)
    yield promise
    promise = Promise("a relative limit, at the limit, φ to .6", 0.095)
    for base in ("warmup", "reference"):
        for shape in ("normal", "lognormal"):
            for n in LENGTHS:
                for phi in PHIS:
                    share = relative(base, shape, n, phi, 0.0, runs)[0]
                    promise.add(f"{base}, {shape}, {n}, φ {phi:g}", share, runs)
    yield promise
    text = "the mean relative to a base, 2 sd inside, 72 iterations, φ 0"
    promise = Promise(text, 0.95, at_most=False)
    for base in ("warmup", "reference"):
        promise.add(base, relative(base, "normal", 72, 0.0, 2.0, runs)[0], runs)
    yield promise
