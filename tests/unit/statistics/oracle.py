"""A second implementation of the formulas of docs/gate.md: numpy, scipy, double sums.

Nothing here is shared with the product. Slow and without any care for extreme figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]


def t_quantile(p: float, df: float) -> float:
    return float(stats.t.ppf(p, df))


def effective_size(n: int, phi: float) -> float:
    return n / (1.0 + 2.0 * sum((1.0 - k / n) * phi**k for k in range(1, n)))


def residuals(times: Floats, values: Floats) -> Floats:
    slope, level = np.polyfit(times, values, 1)
    return np.asarray(values - slope * times - level)


def phi_of(times: Floats, e: Floats) -> float:
    n = len(e)
    pairs = [(a, b) for a in range(n) for b in range(n) if times[b] - times[a] == 1]
    if not pairs:
        return 0.95
    raw = 2 * sum(e[a] * e[b] for a, b in pairs) / sum(e[a] ** 2 + e[b] ** 2 for a, b in pairs)
    return float(np.clip((raw + 2 / n) / (1 - 4 / n), 0.0, 0.95))


@dataclass(frozen=True)
class SlopeParts:
    slope: float
    error: float
    df: float
    phi: float

    def proves(self, direction: int, alpha: float) -> bool:
        if self.phi >= 0.95:
            return False
        return direction * self.slope - t_quantile(1 - alpha, self.df) * self.error > 0


def slope_parts(times: Floats, values: Floats) -> SlopeParts:
    n = len(values)
    e = residuals(times, values)
    phi = phi_of(times, e)
    tau = times - times.mean()
    spread = float((tau**2).sum())
    lags = {
        k: sum(
            tau[a] * tau[b] for a in range(n) for b in range(a + 1, n) if times[b] - times[a] == k
        )
        for k in range(1, int(times[-1] - times[0]) + 1)
    }
    inflation = 1 + 2 * sum(phi**k * g / spread for k, g in lags.items())
    n_eff = effective_size(n, phi)
    c = max(n_eff, 2.5) / max(n_eff - 2, 0.5) * (n - 2) / n
    s2 = float((e**2).sum()) / (n - 2)
    slope = float(np.polyfit(times, values, 1)[0])
    return SlopeParts(slope, (s2 * inflation * c / spread) ** 0.5, max(n_eff - 2, 0.3), phi)


@dataclass(frozen=True)
class Reference:
    phi: float
    sd: float
    n: int


@dataclass(frozen=True)
class Answer:
    figure: float
    estimated: float | None
    worst_case: float | None
    fallback: bool


def judge(
    numbers: Sequence[int],
    values: Sequence[float | None],
    factor: dict[int, float],
    weights: Sequence[float | None] | None = None,
    window: int = 8,
    confidence: float = 0.95,
    reference: Reference | None = None,
) -> Answer:
    """For an upper limit; ``factor`` has c(w). The run has enough values in every part."""
    x = np.array([np.nan if value is None else value for value in values])
    t = np.array(numbers, dtype=float)
    u = np.ones(len(x)) if weights is None else np.array(weights, dtype=float)
    weighted = weights is not None
    there = ~np.isnan(x)
    n = int(there.sum())
    e = residuals(t[there], x[there])
    phi = phi_of(t[there], e) if reference is None else reference.phi
    n_known = effective_size(n if reference is None else reference.n, phi)
    sigma = (float((e**2).mean()) / max(1 - 2 / n_known, 0.2)) ** 0.5
    if reference is not None:
        sigma = max(sigma, reference.sd)
    w_iterations = max(window, len(x) // 3)

    def part(count: int) -> tuple[Floats, Floats]:
        last = slice(len(x) - count, len(x))
        return x[last][there[last]], u[last][there[last]]

    def kish(weight: Floats) -> float:
        return float(weight.sum() ** 2 / (weight**2).sum())

    recent = slice(0, len(x)) if n <= 24 else slice(len(x) // 3, len(x))
    recent_t, recent_x = t[recent][there[recent]], x[recent][there[recent]]
    rises = falls = False
    if n > 24:
        test = slope_parts(recent_t, recent_x)
        rises, falls = test.proves(1, 0.05), test.proves(-1, 0.05)
    g_recent = max(0.0, float(stats.skew(residuals(recent_t, recent_x))))

    def worst(count: int) -> float | None:
        xs, us = part(count)
        s = float(xs.std(ddof=1))
        if s < 1e-13:
            return None
        c = factor[len(xs)] * ((len(xs) / kish(us)) ** 0.5 if weighted else 1.0)
        return float(np.average(xs, weights=us)) + c * s * (1 + g_recent)

    xs, us = part(w_iterations)
    worst_case = worst(w_iterations)
    if rises:
        short = worst(window)
        worst_case = None if worst_case is None or short is None else max(worst_case, short)
    if rises or falls:
        xs, us = part(window)
        m = float(np.average(xs, weights=us))
        size = effective_size(len(xs), phi)
        if weighted:
            size = min(size, kish(us))
        s = max(float(xs.std(ddof=1)), (float((e**2).sum()) / (n - 2)) ** 0.5)
        if reference is not None:
            s = max(s, reference.sd)
        bound = m + t_quantile(confidence, max(size - 1, 0.02)) * s / size**0.5
        return Answer(m, bound, worst_case, True)
    m = float(np.average(xs, weights=us))
    w = len(xs)
    size = effective_size(w, phi)
    df = max(n_known - 2, 0.3)
    if weighted:
        size = min(size, kish(us))
        if kish(us) < w / 2:
            df = min(df, max(kish(us) - 1, 0.3))
    se2 = sigma**2 / size
    if n >= 72:
        length = n // 12
        means = e[n - 12 * length :].reshape(12, length).mean(axis=1)
        block = length * float((means**2).sum()) / 10
        if block / w > se2:
            se2, df = block / w, min(df, 10)
    q = t_quantile(confidence, df)
    g = max(0.0, float(stats.skew(e)))
    bound = m + q * se2**0.5 + g * se2 / (6 * sigma) * (1 + 2 * min(q, 3) ** 2)
    return Answer(m, bound, worst_case, False)
