"""``pytest_soak.statistics`` for many runs at once, in numpy.

The product judges one KPI of one lane in a millisecond; a calibration table needs a million
judgements. ``tests/unit/statistics/test_replica.py`` shows that both give the same figures.

Shapes: ``values`` is ``(runs, n)``, one judged iteration per column, NaN without data; larger is
worse. All other arrays have one entry per run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import special

from pytest_soak.statistics import PHI_MAX, worst_case_factor
from pytest_soak.statistics.worst_case import LEAST_PROBABILITY, WORST_PHI

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Lines:
    """The least-squares line of every run."""

    count: Ints
    """Number of values."""
    slope: Floats
    residuals: Floats
    """``(runs, n)``, 0 without data."""
    there: Bools
    """``(runs, n)``: whether there is a value."""
    from_mean: Floats
    """``(runs, n)``: time since the mean time of the values."""
    spread: Floats
    squares: Floats
    phi: Floats


@dataclass(frozen=True)
class Slopes:
    slope: Floats
    error: Floats
    df: Floats
    phi: Floats

    def rises(self, alpha: float) -> Bools:
        return (self.phi < PHI_MAX) & (
            self.slope - t_quantile(1.0 - alpha, self.df) * self.error > 0
        )

    def falls(self, alpha: float) -> Bools:
        return (self.phi < PHI_MAX) & (
            self.slope + t_quantile(1.0 - alpha, self.df) * self.error < 0
        )


@dataclass(frozen=True)
class References:
    """The noise of one tuner-off run for every run."""

    phi: Floats
    sd: Floats
    n: int


@dataclass(frozen=True)
class Bounds:
    """Figure and bounds of every run; an infinite bound means that there is none."""

    figure: Floats
    estimated: Floats
    worst_case: Floats
    other: Floats
    n_eff: Floats
    error: Floats
    df: Floats
    phi: Floats
    fallback: Bools
    worsens: Bools

    @property
    def bound(self) -> Floats:
        return np.minimum(self.estimated, self.worst_case)

    def passes(self, limit: float) -> Bools:
        """Whether the KPI's verdict is PASS under an upper limit."""
        return (self.figure <= limit) & (self.bound <= limit)

    def fails(self, limit: float) -> Bools:
        return self.figure > limit


def t_quantile(p: float, df: Floats) -> Floats:
    return np.asarray(special.stdtrit(df, p))


def effective_size(n: Floats | Ints | int, phi: Floats) -> Floats:
    rest = 1.0 - phi
    return np.asarray(n / (1.0 + 2.0 * phi * (n * rest - (1.0 - phi**n)) / (n * rest * rest)))


def _dot(a: Floats, b: Floats) -> Floats:
    """The sum of the products of every row."""
    return np.asarray(np.einsum("ij,ij->i", a, b))


def fit_lines(values: Floats) -> Lines:
    """The line of each run; every run has at least 6 values."""
    there = ~np.isnan(values)
    count = there.sum(axis=1)
    times = np.arange(values.shape[1], dtype=np.float64)
    mean_t = (there @ times) / count
    tau = np.where(there, times - mean_t[:, None], 0.0)
    filled = np.where(there, values, 0.0)
    mean_v = filled.sum(axis=1) / count
    centered = np.where(there, values - mean_v[:, None], 0.0)
    spread = _dot(tau, tau)
    slope = _dot(tau, centered) / spread
    residuals = centered - slope[:, None] * tau
    squares = _dot(residuals, residuals)
    dust = 1e-12 * np.abs(filled).max(axis=1)
    noiseless = squares <= count * dust * dust
    residuals[noiseless], squares[noiseless] = 0.0, 0.0
    phi = _lag_one(residuals, there, count)
    phi[noiseless] = 0.0
    return Lines(count, slope, residuals, there, tau, spread, squares, phi)


def _lag_one(residuals: Floats, there: Bools, count: Ints) -> Floats:
    near = there[:, :-1] & there[:, 1:]
    a = np.where(near, residuals[:, :-1], 0.0)
    b = np.where(near, residuals[:, 1:], 0.0)
    energy = _dot(a, a) + _dot(b, b)
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = 2.0 * _dot(a, b) / energy
        phi = np.clip((raw + 2.0 / count) / (1.0 - 4.0 / count), 0.0, PHI_MAX)
    return np.where(near.any(axis=1), phi, PHI_MAX)


def slopes_of(lines: Lines) -> Slopes:
    n = lines.count
    n_eff = effective_size(n, lines.phi)
    correction = np.maximum(n_eff, 2.5) / np.maximum(n_eff - 2.0, 0.5) * (n - 2) / n
    variance = lines.squares / (n - 2) * _inflation(lines) * correction / lines.spread
    return Slopes(
        lines.slope, np.sqrt(np.maximum(variance, 0.0)), np.maximum(n_eff - 2.0, 0.3), lines.phi
    )


def _inflation(lines: Lines) -> Floats:
    carried = np.zeros(len(lines.phi))
    total = np.zeros(len(lines.phi))
    columns = np.ascontiguousarray(lines.from_mean.T)
    for before, tau in pairwise(columns):
        carried = lines.phi * (carried + before)
        total += tau * carried
    return 1.0 + 2.0 * total / lines.spread


def skewness(residuals: Floats, count: Ints) -> Floats:
    squares = residuals * residuals
    m2 = squares.sum(axis=1) / count
    m3 = _dot(squares, residuals) / count
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(m2 > 0.0, m3 / m2**1.5, 0.0)


def judge(
    values: Floats,
    *,
    weights: Floats | None = None,
    window: int = 8,
    confidence: float = 0.95,
    reference: References | None = None,
    length: int | None = None,
) -> Bounds:
    """``judge_bounds`` for an upper limit; every run has 6 values in its last ``window``."""
    n = values.shape[1]
    window = window if length is None else min(window, length)
    whole = fit_lines(values)
    phi = whole.phi if reference is None else reference.phi
    short_runs = whole.count <= 24
    cut = np.where(short_runs, 0, n // 3)
    recent = fit_lines(np.where(np.arange(n) >= cut[:, None], values, np.nan))
    slopes = slopes_of(recent)
    rises, falls = slopes.rises(0.05) & ~short_runs, slopes.falls(0.05) & ~short_runs
    skew = np.maximum(0.0, skewness(recent.residuals, recent.count))
    long = _Part(values, weights, max(window, n // 3) if length is None else length)
    short = _Part(values, weights, window)
    worst = long.worst_case(skew, confidence, whole.squares)
    worst_short = short.worst_case(skew, confidence, whole.squares)
    worst = np.where(rises, np.maximum(worst, worst_short), worst)
    estimate = _estimate(whole, phi, long, confidence, reference)
    fallback = _fallback(whole, phi, short, confidence, reference)
    level = ~(rises | falls)

    def chosen(index: int) -> Floats:
        return np.where(level, estimate[index], fallback[index])

    return Bounds(
        figure=np.where(level, long.figure, short.figure),
        estimated=chosen(0),
        worst_case=worst,
        other=chosen(1),
        n_eff=chosen(2),
        error=chosen(3),
        df=chosen(4),
        phi=phi,
        fallback=~level,
        worsens=rises,
    )


class _Part:
    """The last ``count`` iterations of every run."""

    def __init__(self, values: Floats, weights: Floats | None, count: int) -> None:
        part = values[:, -count:]
        there = ~np.isnan(part)
        self.count = there.sum(axis=1)
        filled = np.where(there, part, 0.0)
        mean = filled.sum(axis=1) / self.count
        self.sd = np.sqrt(
            (np.where(there, part - mean[:, None], 0.0) ** 2).sum(axis=1) / (self.count - 1)
        )
        self.sd[self.sd <= 1e-12 * np.abs(filled).max(axis=1)] = 0.0
        self.kish: Floats | None = None
        self.figure = mean
        if weights is not None:
            u = np.where(there, weights[:, -count:], 0.0)
            self.kish = u.sum(axis=1) ** 2 / (u * u).sum(axis=1)
            self.figure = (u * filled).sum(axis=1) / u.sum(axis=1)

    def worst_case(self, skew: Floats, confidence: float, squares: Floats) -> Floats:
        factors = np.array([_factor(int(w), confidence) for w in range(self.count.max() + 1)])
        reach = factors[self.count] * self.sd * (1.0 + skew)
        if self.kish is not None:
            reach = reach * np.sqrt(self.count / self.kish)
        return np.where((self.sd == 0.0) & (squares > 0.0), np.inf, self.figure + reach)


@cache
def _factor(w: int, confidence: float) -> float:
    return worst_case_factor(w, confidence) if w >= 6 else np.inf


def _estimate(
    whole: Lines, phi: Floats, part: _Part, confidence: float, reference: References | None
) -> tuple[Floats, ...]:
    """Of the long window: the bound towards the limit, the other one, n_eff, error and df."""
    fitted = effective_size(whole.count if reference is None else reference.n, phi)
    sd = np.sqrt(whole.squares / whole.count / np.maximum(1.0 - 2.0 / fitted, 0.2))
    if reference is not None:
        sd = np.maximum(sd, reference.sd)
    df = np.maximum(fitted - 2.0, 0.3)
    n_eff = effective_size(part.count, phi)
    if part.kish is not None:
        n_eff = np.minimum(n_eff, part.kish)
        few = part.kish < part.count / 2
        df = np.where(few, np.minimum(df, np.maximum(part.kish - 1.0, 0.3)), df)
    se2 = sd * sd / n_eff
    block = _block_variance(whole) / part.count
    larger = block > se2
    se2 = np.where(larger, block, se2)
    df = np.where(larger, np.minimum(df, 10.0), df)
    q = t_quantile(confidence, df)
    with np.errstate(divide="ignore", invalid="ignore"):
        bend = se2 / (6.0 * sd) * (1.0 + 2.0 * np.minimum(q, 3.0) ** 2)
    bend = np.where(sd > 0.0, bend, 0.0)
    skew = skewness(whole.residuals, whole.count)
    reach = q * np.sqrt(se2)
    toward = part.figure + reach + np.maximum(0.0, skew) * bend
    away = part.figure - reach - np.maximum(0.0, -skew) * bend
    return toward, away, n_eff, np.sqrt(se2), df


def _block_variance(whole: Lines) -> Floats:
    """The variance of block means; 0 for runs with fewer than 72 values."""
    variance = np.zeros(len(whole.count))
    for n in np.unique(whole.count[whole.count >= 72]):
        runs = whole.count == n
        residuals = whole.residuals[runs][whole.there[runs]].reshape(-1, n)
        length = int(n) // 12
        means = residuals[:, n - 12 * length :].reshape(-1, 12, length).mean(axis=2)
        variance[runs] = length * (means**2).sum(axis=1) / 10.0
    return variance


def _fallback(
    whole: Lines, phi: Floats, part: _Part, confidence: float, reference: References | None
) -> tuple[Floats, ...]:
    n_eff = effective_size(part.count, phi)
    if part.kish is not None:
        n_eff = np.minimum(n_eff, part.kish)
    sd = np.maximum(part.sd, np.sqrt(whole.squares / (whole.count - 2)))
    if reference is not None:
        sd = np.maximum(sd, reference.sd)
    df, error = np.maximum(n_eff - 1.0, 0.02), sd / np.sqrt(n_eff)
    reach = t_quantile(confidence, df) * error
    return part.figure + reach, part.figure - reach, n_eff, error, df


def share_low(share: Floats, size: Floats, confidence: float) -> Floats:
    """``shares.share_low``: the lower bound of a share."""
    inside = share * size
    low = special.betaincinv(np.maximum(inside, 1e-300), size - inside + 1.0, 1.0 - confidence)
    return np.where(inside > 0.0, low, 0.0)


def certain_share(inside: Bools, aim: float, phi: Floats) -> Bools:
    """Whether the share of a run's values that are inside is surely ``aim`` at least.

    ``inside`` is ``(runs, values)``. The share has the two bounds of ``share_estimate``.
    """
    share, n = inside.mean(axis=1), inside.shape[1]
    bounds = (
        share_low(share, effective_size(n, phi), 0.95),
        share_low(share, effective_size(n, np.full(len(phi), WORST_PHI)), LEAST_PROBABILITY),
    )
    return np.asarray(np.maximum(*bounds) >= aim - 1e-9)


@dataclass(frozen=True)
class Alarms:
    """The drift criterion of every run: 0, 1 (WARN) or 2 (FAIL)."""

    alarm: Ints
    proved: Bools
    """Whether the slope of at least one part is proved to go in the bad direction."""


def drift(
    values: Floats, limit: float, *, window: int = 8, last_change: int | None = None
) -> Alarms:
    """``drift`` of the product for an upper limit; ``last_change`` counts columns."""
    n = (~np.isnan(values)).sum(axis=1)
    parts = [(values, np.asarray(n >= 24), 0.05, True)]
    if n.max() >= 36:
        kept = np.maximum(24, n - n // 2)
        parts.append((last_values(values, kept), np.asarray(n >= 36), 0.01, False))
    if last_change is not None:
        after = values[:, last_change:]
        enough = np.asarray((~np.isnan(after)).sum(axis=1) >= 24)
        if enough.any():
            parts.append((after, enough, 0.05, True))
    alarm = np.zeros(len(values), dtype=np.int64)
    proved = np.zeros(len(values), dtype=bool)
    for part, enough, alpha, may_fail in parts:
        slopes = slopes_of(fit_lines(part))
        remaining = _remaining(part, slopes.slope, limit, window)
        there = ~np.isnan(part)
        first = there.argmax(axis=1) if alpha == 0.01 else np.zeros(len(part))
        length = part.shape[1] - first
        warns = enough & slopes.rises(alpha)
        proved |= warns
        warns &= remaining <= length
        fails = warns & slopes.rises(0.01) & (remaining <= length / 2) & may_fail
        alarm = np.maximum(alarm, np.where(fails, 2, np.where(warns, 1, 0)))
    return Alarms(alarm, proved)


def throughput_alarms(values: Floats, *, window: int = 8, most_lost: float = 0.5) -> Bools:
    """``throughput_drift`` of the product, WARN or not, for runs without holes."""
    n = values.shape[1]
    parts = [values] if n < 36 else [values, values[:, -max(24, n - n // 2) :]]
    alarms = np.zeros(len(values), dtype=bool)
    for part in parts:
        count = part.shape[1]
        first = part[:, : count // 4].mean(axis=1)
        last = part[:, -max(window, count // 3) :].mean(axis=1)
        falls = slopes_of(fit_lines(part)).falls(0.01)
        alarms |= falls & (first > 0.0) & (first - last > most_lost * first)
    return alarms


def last_values(values: Floats, count: Ints) -> Floats:
    """NaN before the last ``count`` values of every run."""
    there = ~np.isnan(values)
    from_end = there[:, ::-1].cumsum(axis=1)[:, ::-1]
    return np.where(from_end <= count[:, None], values, np.nan)


def _remaining(part: Floats, slope: Floats, limit: float, window: int) -> Floats:
    n = (~np.isnan(part)).sum(axis=1)
    recent = last_values(part, np.maximum(window, n // 3))
    there = ~np.isnan(recent)
    times = np.arange(part.shape[1], dtype=np.float64)
    since = part.shape[1] - 1 - (there @ times) / there.sum(axis=1)
    figure = np.where(there, recent, 0.0).sum(axis=1) / there.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ahead = (limit - figure) / slope - since
    return np.where(slope > 0.0, np.maximum(0.0, ahead), np.inf)


def earlier_bound(
    values: Floats, window: int = 8, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Figure and bound of the earlier rule: the last 8 iterations, with φ of the whole run."""
    part = _Part(values, None, window)
    n_eff = effective_size(part.count, fit_lines(values).phi)
    reach = t_quantile(confidence, np.maximum(n_eff - 1.0, 1e-3)) * part.sd / np.sqrt(n_eff)
    return part.figure, part.figure + np.where(part.sd > 0.0, reach, 0.0)
