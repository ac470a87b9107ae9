"""How often a KPI has PASS and FAIL, by course of the run, length and φ."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from benchmarks.calibration import noise, replica
from benchmarks.calibration.noise import COURSES, PHIS, STATIONARY, generator
from benchmarks.calibration.tables import Cell, Promise, Table

LENGTHS = (24, 72, 288)
INSIDE = (0.0, -0.5, 1.0, 2.0, 3.0, 4.0)
"""How many standard deviations of one iteration the true mean is inside the limit."""
HEIGHTS = (3, 4, 8, 9, 12, 20)
PROMISED_HEIGHTS = (4, 8, 12, 20)
VOLUMES = (0.25, 0.5, 1.0, 1.5)
REFERENCE_LENGTH = 72
PHI_COLUMNS = [f"φ {phi:g}" for phi in PHIS]


def place(inside: float) -> str:
    if inside == 0.0:
        return "at the limit"
    return f"{inside:g} sd inside" if inside > 0.0 else f"{-inside:g} sd outside"


def runs_of(course: str, n: int, phi: float, runs: int) -> noise.Floats:
    return COURSES[course](generator(course, n, phi), runs, n, phi)


@cache
def judged(course: str, n: int, phi: float, runs: int) -> replica.Bounds:
    return replica.judge(runs_of(course, n, phi, runs))


@cache
def judged_with_reference(course: str, n: int, phi: float, runs: int) -> replica.Bounds:
    """The reference of every run is a tuner-off run of 72 iterations with the same noise."""
    level = STATIONARY.get(course, noise.normal)
    quiet = level(generator("reference", course, phi), runs, REFERENCE_LENGTH, phi)
    reference = replica.References(
        replica.fit_lines(quiet).phi, quiet.std(axis=1, ddof=1), REFERENCE_LENGTH
    )
    return replica.judge(runs_of(course, n, phi, runs), reference=reference)


@cache
def judged_healed(height: float, n: int, phi: float, runs: int) -> replica.Bounds:
    return replica.judge(noise.healed(generator("healed", n, height, phi), runs, n, phi, height))


@cache
def judged_ratio(sigma: float, n: int, phi: float, runs: int) -> replica.Bounds:
    """A ratio of sums; the logarithm of an iteration's volume has standard deviation ``sigma``."""
    rng = generator("ratio", sigma, n, phi)
    values = noise.normal(rng, runs, n, phi)
    return replica.judge(values, weights=np.exp(sigma * rng.standard_normal(values.shape)))


@cache
def passed_alone(n: int, phi: float, runs: int) -> float:
    """Share of runs with a PASS by a single iteration: the rest of the window is outside.

    Runs are at the limit; an iteration of the last 8 is 4 sd inside, with 10,000 times the volume.
    """
    rng = generator("dominant", n, phi)
    values = noise.normal(rng, runs, n, phi)
    weights = np.ones_like(values)
    run, at = np.arange(runs), n - 1 - rng.integers(0, 8, runs)
    values[run, at] = 0.0
    others = values[:, -max(8, n // 3) :].sum(axis=1)
    values[run, at] = -4.0
    weights[run, at] = 1e4
    passes = replica.judge(values, weights=weights).passes(0.0)
    return float((passes & (others > 0.0)).mean())


def tables(runs: int) -> Iterator[Table]:
    yield _pass_table(runs, "normal", INSIDE)
    for course in list(COURSES)[1:]:
        yield _pass_table(runs, course, (0.0, -0.5, 2.0))
    table = Table(
        "P(PASS), healed: a ramp of H sd until 60 % of the run, then 3 sd inside", PHI_COLUMNS
    )
    for n in LENGTHS:
        for height in HEIGHTS:
            cells = [judged_healed(height, n, phi, runs).passes(3.0).mean() for phi in PHIS]
            table.add(f"{n} iterations, H {height}", cells)
    yield table
    table = Table("P(FAIL), normal noise", PHI_COLUMNS)
    for inside in (0.5, 1.0, 2.0):
        for n in LENGTHS:
            cells = [judged("normal", n, phi, runs).fails(inside).mean() for phi in PHIS]
            table.add(f"{n} iterations, {place(inside)}", cells)
    yield table
    table = Table("P(PASS) at the limit with a reference of 72 iterations", PHI_COLUMNS)
    for course in COURSES:
        for n in LENGTHS:
            shares = [judged_with_reference(course, n, phi, runs).passes(0.0) for phi in PHIS]
            table.add(f"{course}, {n} iterations", [share.mean() for share in shares])
    yield table
    table = Table("P(PASS) of a ratio of sums with lognormal volumes (σ)", PHI_COLUMNS)
    for inside in (0.0, 2.0):
        for sigma in VOLUMES:
            for n in LENGTHS:
                ratios = [judged_ratio(sigma, n, phi, runs).passes(inside) for phi in PHIS]
                label = f"{place(inside)}, σ {sigma:g}, {n} iterations"
                table.add(label, [ratio.mean() for ratio in ratios])
    yield table
    table = Table("PASS by a single dominant iteration", PHI_COLUMNS)
    for n in LENGTHS:
        alone = [passed_alone(n, phi, runs) for phi in PHIS]
        table.add(f"{n} iterations", [f"{100.0 * share:.2f}" for share in alone])
    yield table
    yield from _rivals(runs)


def _pass_table(runs: int, course: str, places: tuple[float, ...]) -> Table:
    note = ", the mean of its last 8" if course == "worsening" else ""
    table = Table(f"P(PASS), {course}{note}", PHI_COLUMNS)
    for inside in places:
        for n in LENGTHS:
            cells = [judged(course, n, phi, runs).passes(inside).mean() for phi in PHIS]
            table.add(f"{place(inside)}, {n} iterations", cells)
    return table


def _rivals(runs: int) -> Iterator[Table]:
    """The gate, the earlier rule, and k6's threshold on the mean of the run, on the same runs."""
    for title, course, inside in (
        ("normal, at the limit", "normal", 0.0),
        ("lognormal, at the limit", "lognormal", 0.0),
        ("worsening, the last 8 at the limit", "worsening", 0.0),
        ("normal, 2 sd inside", "normal", 2.0),
    ):
        table = Table(f"P(PASS) by three rules, {title}", PHI_COLUMNS)
        for n in LENGTHS:
            cells = [judged(course, n, phi, runs).passes(inside).mean() for phi in PHIS]
            table.add(f"{n} iterations, the gate", cells)
            table.add(f"{n} iterations, last 8, φ of the run", _earlier(course, n, inside, runs))
            table.add(f"{n} iterations, mean of the run", _whole(course, n, inside, runs))
        yield table
    table = Table("P(PASS) by three rules, healed by H 8, 3 sd inside", PHI_COLUMNS)
    for n in LENGTHS:
        healed = [noise.healed(generator("healed", n, 8, p), runs, n, p, 8) for p in PHIS]
        cells = [judged_healed(8, n, phi, runs).passes(3.0).mean() for phi in PHIS]
        table.add(f"{n} iterations, the gate", cells)
        bounds = [replica.earlier_bound(values)[1] for values in healed]
        table.add(f"{n} iterations, last 8, φ of the run", [(b <= 3.0).mean() for b in bounds])
        means = [values.mean(axis=1) for values in healed]
        table.add(f"{n} iterations, mean of the run", [(m <= 3.0).mean() for m in means])
    yield table


def _earlier(course: str, n: int, inside: float, runs: int) -> list[float]:
    bounds = [replica.earlier_bound(runs_of(course, n, phi, runs))[1] for phi in PHIS]
    return [float((bound <= inside).mean()) for bound in bounds]


def _whole(course: str, n: int, inside: float, runs: int) -> list[float]:
    means = [runs_of(course, n, phi, runs).mean(axis=1) for phi in PHIS]
    return [float((mean <= inside).mean()) for mean in means]


def promises(runs: int) -> Iterator[Promise]:
    yield from _at_the_limit(runs)
    yield _power(runs)
    yield from _healed(runs)
    for n, most in ((72, 0.02), (288, 0.012)):
        promise = Promise(f"P(FAIL) 1 sd inside, normal, {n} iterations, φ to .6", most)
        for phi in (0.0, 0.3, 0.6):
            share = judged("normal", n, phi, runs).fails(1.0).mean()
            promise.add(f"φ {phi:g}", share, runs)
        yield promise
    promise = Promise("with a reference, at the limit, level noise, φ to .7", 0.055)
    for course, n, phi in _cells(STATIONARY, 0.7):
        share = judged_with_reference(course, n, phi, runs).passes(0.0).mean()
        promise.add(f"{course}, {n}, φ {phi:g}", share, runs)
    yield promise
    promise = Promise("with a reference, the last 8 at the limit, worsening, φ to .7", 0.095)
    for course, n, phi in _cells({"worsening": noise.worsening}, 0.7):
        share = judged_with_reference(course, n, phi, runs).passes(0.0).mean()
        promise.add(f"{n}, φ {phi:g}", share, runs)
    yield promise
    promise = Promise("ratio of sums, volumes with σ to 1, at the limit, φ to .7", 0.06)
    for sigma in (0.25, 0.5, 1.0):
        for _, n, phi in _cells({"normal": noise.normal}, 0.7):
            share = judged_ratio(sigma, n, phi, runs).passes(0.0).mean()
            promise.add(f"σ {sigma:g}, {n}, φ {phi:g}", share, runs)
    yield promise
    promise = Promise("PASS by a single dominant iteration, φ to .8", 0.0)
    for _, n, phi in _cells({"normal": noise.normal}, 0.8):
        promise.add(f"{n}, φ {phi:g}", passed_alone(n, phi, runs), runs)
    yield promise


def _cells(courses: dict[str, noise.Noise], most_phi: float) -> Iterator[tuple[str, int, float]]:
    for course in courses:
        for n in LENGTHS:
            for phi in PHIS:
                if phi <= most_phi:
                    yield course, n, phi


def _at_the_limit(runs: int) -> Iterator[Promise]:
    promise = Promise("at the limit, every course and length, φ to .7", 0.095)
    late = Promise("at the limit, every course, 288 iterations, φ to .8", 0.06)
    outside = Promise("½ sd outside, every course and length, φ to .7", 0.02)
    for course, n, phi in _cells(COURSES, 0.8):
        row = f"{course}, {n}, φ {phi:g}"
        result = judged(course, n, phi, runs)
        if phi <= 0.7:
            promise.add(row, result.passes(0.0).mean(), runs)
            outside.add(row, result.passes(-0.5).mean(), runs)
        if n == 288:
            late.add(row, result.passes(0.0).mean(), runs)
    yield from (promise, late, outside)


def _power(runs: int) -> Promise:
    """The power that a longer run loses; negative if it gains."""
    promise = Promise("power lost by a longer run, level noise, 1 to 4 sd inside", 0.03)
    for course in STATIONARY:
        for phi in PHIS:
            for inside in INSIDE[2:]:
                shares = [judged(course, n, phi, runs).passes(inside).mean() for n in LENGTHS]
                for i, j in ((0, 1), (0, 2), (1, 2)):
                    row = f"{course}, {LENGTHS[i]} to {LENGTHS[j]}, φ {phi:g}, {place(inside)}"
                    a, b = float(shares[i]), float(shares[j])
                    error = ((a * (1.0 - a) + b * (1.0 - b)) / runs) ** 0.5
                    promise.cells.append(Cell(row, a - b, error))
    return promise


def _healed(runs: int) -> Iterator[Promise]:
    for n, least in ((72, 0.95), (288, 0.99)):
        text = f"healed by 4, 8, 12 or 20 sd, 3 sd inside, {n} iterations, φ to .8"
        promise = Promise(text, least, at_most=False)
        for height in PROMISED_HEIGHTS:
            for phi in PHIS[:5]:
                share = judged_healed(height, n, phi, runs).passes(3.0).mean()
                promise.add(f"H {height}, φ {phi:g}", share, runs)
        yield promise
