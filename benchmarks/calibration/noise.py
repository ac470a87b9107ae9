"""Simulated runs of a KPI: autocorrelated noise of several shapes, and courses over a run.

Every array is ``(runs, n)``, in standard deviations of one iteration; 0 is the limit, and larger is
worse. Noise that is not normal is a function of a normal AR(1) series; φ is that of the series.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]

PHIS = (0.0, 0.3, 0.6, 0.7, 0.8, 0.9)
SPIKES = 0.05
SPIKE_HEIGHT = 6.0
_LOGNORMAL_SIGMA = 0.75
_BETA_MEAN, _BETA_SD = 0.97, 0.03
_GRID: Floats = np.linspace(-6.0, 6.0, 6001)
"""Normal quantiles at which the quantiles of the other shapes are computed; linear between."""


def generator(*cell: object) -> np.random.Generator:
    """The random generator of a cell: fixed, and different for every cell."""
    return np.random.default_rng(zlib.crc32(repr(cell).encode()))


def ar1(rng: np.random.Generator, runs: int, n: int, phi: float) -> Floats:
    """Stationary AR(1) series of mean 0 and standard deviation 1."""
    series = rng.standard_normal((n, runs))
    series[1:] *= (1.0 - phi * phi) ** 0.5
    for t in range(1, n):
        series[t] += phi * series[t - 1]
    return np.ascontiguousarray(series.T)


def normal(rng: np.random.Generator, runs: int, n: int, phi: float) -> Floats:
    return ar1(rng, runs, n, phi)


def lognormal(rng: np.random.Generator, runs: int, n: int, phi: float) -> Floats:
    """Lognormal, σ of the logarithm .75, with its tail towards the limit."""
    variance = _LOGNORMAL_SIGMA**2
    x = np.exp(_LOGNORMAL_SIGMA * ar1(rng, runs, n, phi))
    mean = np.exp(variance / 2.0)
    return np.asarray((x - mean) / (mean * np.sqrt(np.expm1(variance))))


def beta(rng: np.random.Generator, runs: int, n: int, phi: float) -> Floats:
    """A ratio with mean .97, standard deviation .03 and a lower limit, with its tail towards it."""
    return np.interp(ar1(rng, runs, n, phi), _GRID, _beta_quantiles())


@cache
def _beta_quantiles() -> Floats:
    size = _BETA_MEAN * (1.0 - _BETA_MEAN) / _BETA_SD**2 - 1.0
    x = special.betaincinv(_BETA_MEAN * size, (1.0 - _BETA_MEAN) * size, special.ndtr(_GRID))
    return np.asarray((_BETA_MEAN - x) / _BETA_SD)


def spikes(rng: np.random.Generator, runs: int, n: int, phi: float) -> Floats:
    """5 % of the iterations are worse by 6 sd; the mean of all is 0."""
    high = rng.random((runs, n)) < SPIKES
    return ar1(rng, runs, n, phi) + SPIKE_HEIGHT * (high - SPIKES)


def student3(rng: np.random.Generator, runs: int, n: int, phi: float) -> Floats:
    """Student's t with 3 degrees of freedom, scaled to standard deviation 1."""
    return np.interp(ar1(rng, runs, n, phi), _GRID, _student3_quantiles())


@cache
def _student3_quantiles() -> Floats:
    return np.asarray(special.stdtrit(3.0, special.ndtr(_GRID)) / np.sqrt(3.0))


def worsening(rng: np.random.Generator, runs: int, n: int, phi: float) -> Floats:
    """Normal, worse by 4 sd over the run; the mean of the last 8 iterations is 0."""
    course: Floats = np.linspace(0.0, 4.0, n)
    return ar1(rng, runs, n, phi) + (course - float(course[-8:].mean()))


def healed(rng: np.random.Generator, runs: int, n: int, phi: float, height: float) -> Floats:
    """Normal; a ramp from ``height`` sd down to 0 at 60 % of the run, then level."""
    ramp = height * np.maximum(0.0, 1.0 - np.arange(n) / (0.6 * n))
    return ar1(rng, runs, n, phi) + ramp


Noise = Callable[[np.random.Generator, int, int, float], Floats]

STATIONARY: dict[str, Noise] = {
    "normal": normal,
    "lognormal": lognormal,
    "beta near 1": beta,
    "spikes": spikes,
}
COURSES: dict[str, Noise] = {**STATIONARY, "worsening": worsening}
