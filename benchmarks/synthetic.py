"""A synthetic target: KPIs with known truth and known noise, for benchmarks of the tuner.

    KPI = healthy value + fault + effects of the parameters + AR(1) noise

The truth is the KPI without noise. Without response curves it depends on no parameter (the A/A
target of ``false_alarms.py``); with the curves of ``recovery.py`` the tuner's moves change it.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.driving import INTERVAL_S, Step, drive, lane_of
from pytest_soak.profile.conditions import leaves
from pytest_soak.profile.model import Profile
from pytest_soak.profile.parameters import get_all_params

BLOCKS = 1000.0
SD = {
    "net_bps": 0.35,
    "risk_ratio": 0.03,
    "maker_taker_ratio": 0.04,
    "p95_latency_ms": 18.0,
    "adverse_bps_p95": 0.78,
    "slippage_bps_p95": 0.10,
    "min_interval_ratio": 0.007,
}
"""Standard deviation of one iteration. The first four are the largest that are allowed; the
others are those of the mock market, which ``false_alarms.py --noise`` prints."""
WORSE_DOWN = ("net_bps", "maker_taker_ratio")
SHARES = ("risk_ratio", "maker_taker_ratio", "min_interval_ratio")
"""KPIs between 0 and 1."""
KPIS = (
    "maker_taker_ratio", "risk_ratio", "net_bps", "p95_latency_ms",
    "adverse_bps_p95", "slippage_bps_p95", "min_interval_ratio", "fills_per_hour",
)  # fmt: skip
START = (0.6823, 0.3796, 2.964, 323.7, 2.049, 0.4065, 0.0880, 17281)
"""The KPIs with every parameter at its start."""
# Printed by `recovery.py --curves`: one parameter moved, the others at the start values of
# `market_maker.yaml`, mean over 6 seeds of 4 iterations, as in benchmarks/response.py. Here are
# only the keys that rules move, with values on the side of the start to which rules move them.
MEASURED: Mapping[str, Mapping[float, Sequence[float]]] = {
    "base_spread_bps": {
        0.5: START,
        0.75: (0.7486, 0.3226, 4.462, 322.6, 2.007, 0.4060, 0.1016, 15684),
        1: (0.8155, 0.2652, 5.980, 322.3, 2.012, 0.4114, 0.1240, 13768),
        1.5: (0.9068, 0.2103, 8.553, 313.6, 2.067, 0.5186, 0.1747, 9644),
        2: (0.9446, 0.2226, 10.496, 299.0, 2.136, 0.6337, 0.2295, 6822),
    },
    "impact_cap_ratio": {
        0.02: (0.8229, 0.3820, 6.469, 322.9, 1.976, 0.2438, 0.0871, 17575),
        0.05: (0.7710, 0.3890, 4.999, 323.7, 2.035, 0.3173, 0.0858, 17624),
        0.1: START,
    },
    "max_delta_ratio": {
        0.02: (0.7304, 0.2857, 4.035, 321.8, 2.083, 0.4024, 0.0905, 11938),
        0.05: (0.6985, 0.3241, 3.336, 323.4, 2.053, 0.4009, 0.0863, 15436),
        0.1: (0.6870, 0.3596, 3.101, 321.9, 2.065, 0.4050, 0.0856, 16829),
        0.15: START,
    },
    "slippage_penalty_coef": {
        0: START,
        0.25: (0.6960, 0.3804, 3.189, 320.8, 2.036, 0.3974, 0.0871, 17474),
        0.5: (0.7019, 0.3784, 3.305, 323.3, 2.049, 0.3917, 0.0875, 17446),
        1: (0.7118, 0.3777, 3.572, 324.7, 2.043, 0.3810, 0.0856, 17570),
        2: (0.7303, 0.3688, 3.970, 322.4, 2.035, 0.3646, 0.0874, 17626),
    },
    "replace_rate_per_min": {
        60: (0.8586, 0.1786, 4.902, 241.0, 1.874, 0.3960, 0.0318, 7182),
        200: (0.7747, 0.2526, 4.238, 265.5, 2.009, 0.3965, 0.0587, 13508),
        300: (0.7250, 0.3242, 3.514, 288.6, 2.068, 0.4037, 0.0736, 15766),
        400: START,
    },
    "concurrency_limit": {
        1: (0.7047, 0.2509, 3.456, 280.7, 2.015, 0.4044, 0.0638, 15608),
        1.25: (0.7004, 0.2914, 3.290, 300.2, 2.020, 0.4038, 0.0709, 16480),
        1.5: (0.6885, 0.3263, 3.054, 314.0, 2.044, 0.4051, 0.0783, 17122),
        1.75: (0.6792, 0.3582, 2.956, 321.4, 2.049, 0.3991, 0.0833, 17346),
        2: START,
    },
    "tail_age_ms": {
        600: START,
        1500: (0.6753, 0.3980, 2.909, 322.4, 2.059, 0.4067, 0.0921, 17510),
        5000: (0.6687, 0.4379, 2.850, 320.7, 2.049, 0.4038, 0.1035, 18039),
    },
    "min_interval_ms": {
        50: START,
        75: (0.6777, 0.4333, 2.937, 323.6, 2.047, 0.4047, 0.0888, 17186),
        100: (0.6760, 0.5393, 2.949, 321.1, 2.037, 0.4057, 0.1084, 17282),
        150: (0.7049, 0.7773, 3.309, 295.9, 2.045, 0.4047, 0.1631, 16144),
        300: (0.8008, 0.8480, 4.520, 259.5, 2.027, 0.3941, 0.1520, 12300),
        1000: (0.8942, 0.8979, 6.149, 244.2, 1.961, 0.3858, 0.1021, 6109),
    },
}
EFFECTS: Mapping[str, Sequence[str]] = {
    "base_spread_bps": (*KPIS[:4], *KPIS[5:]),
    "impact_cap_ratio": ("maker_taker_ratio", "net_bps", "slippage_bps_p95"),
    "max_delta_ratio": ("maker_taker_ratio", "risk_ratio", "net_bps", "fills_per_hour"),
    "slippage_penalty_coef": ("maker_taker_ratio", "net_bps", "slippage_bps_p95"),
    "replace_rate_per_min": (*KPIS[:5], *KPIS[6:]),
    "concurrency_limit": (*KPIS[:4], *KPIS[6:]),
    "tail_age_ms": ("maker_taker_ratio", "risk_ratio", "net_bps", "fills_per_hour"),
    "min_interval_ms": (*KPIS[:4], *KPIS[6:]),
}
"""The effects in ``MEASURED`` that are larger than its noise."""

PROPORTION = {"min_interval_ms": "replace_rate_per_min"}
"""The interval between requests counts in proportion to the request rate."""
Values = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Signal:
    """One KPI of a healthy target."""

    healthy: float
    sd: float
    """Marginal standard deviation of one iteration."""
    low: float = 0.0
    high: float = math.inf
    ratios: bool = False
    """The effects of the parameters multiply, as with a rate; otherwise they add up."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The effect of one parameter on one KPI: linear between the points, constant beyond them."""

    kpi: str
    key: str
    points: tuple[tuple[float, float], ...]
    """(parameter, KPI), as measured; only the difference to the start value is used."""
    times: str = ""
    """Another parameter that scales this one: the curve is read at
    ``value * other / other at the start``."""

    def at(self, values: Values, start: Values) -> float:
        value = values[self.key]
        if self.times:
            value *= values[self.times] / start[self.times]
        return interpolated(self.points, value)


@dataclass(frozen=True, slots=True)
class Fault:
    """From iteration ``at`` on, the truth of a KPI is multiplied by ``factor``, plus ``add``."""

    kpi: str
    at: int
    factor: float = 1.0
    add: float = 0.0


def curves() -> tuple[Curve, ...]:
    return tuple(
        Curve(
            kpi,
            key,
            tuple((value, row[KPIS.index(kpi)]) for value, row in sorted(MEASURED[key].items())),
            PROPORTION.get(key, ""),
        )
        for key, kpis in EFFECTS.items()
        for kpi in kpis
    )


def tightest(profile: Profile, kpi: str) -> float:
    """The first limit of verdict, rules and gate that a worsening value of ``kpi`` passes."""
    conditions = [*profile.verdict.fail, *profile.verdict.warn]
    conditions += [condition for rule in profile.rules for condition in rule.when]
    worse = "<" if kpi in WORSE_DOWN else ">"
    limits = [
        comparison.limit
        for condition, _ in leaves(conditions)
        if condition.kpi == kpi
        for comparison in condition.comparisons
        if comparison.op[0] == worse
    ]
    limits += [
        side.limit
        for item in profile.gate.criteria
        if item.kpi == kpi
        for side in item.production.sides
    ]
    return max(limits) if kpi in WORSE_DOWN else min(limits)


def healthy(profile: Profile) -> dict[str, Signal]:
    """The signals of all KPIs, each one standard deviation inside its tightest limit."""
    # Mean and standard deviation of the mock market; there is no limit of fills per hour.
    signals = {"fills_per_hour": Signal(18_400.0, 1_330.0, ratios=True)}
    for kpi, sd in SD.items():
        inside = tightest(profile, kpi) + (sd if kpi in WORSE_DOWN else -sd)
        low = -math.inf if kpi == "net_bps" else 0.0
        signals[kpi] = Signal(inside, sd, low, 1.0 if kpi in SHARES else math.inf)
    return signals


@dataclass(frozen=True)
class Plant:
    """The truth of every KPI, given iteration and parameters."""

    signals: Mapping[str, Signal]
    curves: Sequence[Curve] = ()
    fault: Fault | None = None
    start: Values = field(default_factory=dict)

    def truth(self, iteration: int, values: Values) -> dict[str, float]:
        """The KPIs without noise, each within its own range."""
        truth = {kpi: signal.healthy for kpi, signal in self.signals.items()}
        for curve in self.curves:
            now, then = curve.at(values, self.start), curve.at(self.start, self.start)
            if self.signals[curve.kpi].ratios:
                truth[curve.kpi] *= now / then
            else:
                truth[curve.kpi] += now - then
        fault = self.fault
        if fault is not None and iteration >= fault.at:
            truth[fault.kpi] = truth[fault.kpi] * fault.factor + fault.add
        return {kpi: self._within(kpi, value) for kpi, value in truth.items()}

    def noisy(self, truth: Values, noise: Values) -> dict[str, float]:
        """``noise`` is in standard deviations."""
        return {
            kpi: self._within(kpi, value + self.signals[kpi].sd * noise[kpi])
            for kpi, value in truth.items()
        }

    def _within(self, kpi: str, value: float) -> float:
        signal = self.signals[kpi]
        return min(max(value, signal.low), signal.high)


class SyntheticTarget:
    """A target whose ``run`` reports the KPIs of a plant with noise; a seed fixes the noise."""

    def __init__(self, plant: Plant, profile: Profile, phi: float, seed: int) -> None:
        self.plant = plant
        self._parameters = profile.parameters
        # A stream per KPI: they are independent, and a new KPI changes no other.
        self._noise = {kpi: ar1(phi, f"{seed} {kpi}") for kpi in plant.signals}

    def run(self, iteration: int, runtime: Mapping[str, Any]) -> dict[str, Any]:
        truth = self.plant.truth(iteration, get_all_params(runtime, self._parameters))
        noise = {kpi: next(stream) for kpi, stream in self._noise.items()}
        return edge_report(self.plant.noisy(truth, noise))


def lane_steps(profile: Profile, target: SyntheticTarget, iterations: int) -> Sequence[Step]:
    """The steps of one lane. Every lane has seed 1, because the noise comes from the target."""
    return drive(lane_of(profile, 1, iterations), profile, target).steps


def edge_report(kpis: Values) -> dict[str, Any]:
    """An EDGE_REPORT whose KPIs are ``kpis``."""
    risk, maker, fills = kpis["risk_ratio"], kpis["maker_taker_ratio"], kpis["fills_per_hour"]
    min_interval = min(kpis["min_interval_ratio"], 1.0 - risk)
    count = fills * INTERVAL_S / 3600.0
    totals = ("net_bps", "p95_latency_ms", "adverse_bps_p95", "slippage_bps_p95")
    return {
        "totals": {kpi: kpis[kpi] for kpi in totals},
        "block_reasons": {
            "risk": BLOCKS * risk,
            "min_interval": BLOCKS * min_interval,
            "concurrency": BLOCKS * max(0.0, 1.0 - risk - min_interval),
        },
        "fills": {"maker_count": count * maker, "taker_count": count * (1.0 - maker)},
    }


def ar1(phi: float, seed: str) -> Iterator[float]:
    """Stationary AR(1) noise with mean 0 and standard deviation 1."""
    rng = random.Random(seed)
    value = rng.gauss(0.0, 1.0)
    while True:
        yield value
        value = phi * value + math.sqrt(1.0 - phi * phi) * rng.gauss(0.0, 1.0)


def interpolated(points: Sequence[tuple[float, float]], at: float) -> float:
    """Linear between the points, which are sorted by their first item; constant beyond them."""
    index = bisect_right(points, at, key=lambda point: point[0])
    if index == 0:
        return points[0][1]
    if index == len(points):
        return points[-1][1]
    (x0, y0), (x1, y1) = points[index - 1], points[index]
    return y0 + (y1 - y0) * (at - x0) / (x1 - x0)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
