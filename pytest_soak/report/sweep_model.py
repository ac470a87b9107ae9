"""The figures of a sweep as data: points, KPIs at a point, and the best window of points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_soak.profile.model import Limit, LimitSet
from pytest_soak.profile.parameter import Parameter


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its two-sided 95 % interval, in the KPI's unit."""

    mean: float
    low: float
    high: float

    @property
    def differs(self) -> bool:
        """Whether 0 lies outside the interval: of a difference, that there is one."""
        return self.low > 0.0 or self.high < 0.0


@dataclass(frozen=True, slots=True)
class KpiAtPoint:
    """One KPI at one point, over all its seeds and iterations."""

    figure: Estimate | None
    """None without data."""
    by_seed: Mapping[int, float]
    difference: Estimate | None
    """Against the reference point, paired by seed; None at it, and without a pair."""
    meets: bool
    """The mean meets the limit; True for a KPI without one."""
    certain: bool
    """So does the whole interval."""
    shortfall: float
    """How far the mean is beyond the limit, as a ratio of the limit; 0 where it meets it."""


@dataclass(frozen=True, slots=True)
class Point:
    """One value per swept parameter."""

    values: tuple[float, ...]
    kpis: Mapping[str, KpiAtPoint]
    seeds: int
    measured: int
    """Iterations, over all seeds."""
    planned: int
    complete: bool
    """Every lane measured what it planned, or ended with its data."""

    @property
    def missed(self) -> tuple[str, ...]:
        """The gated KPIs whose mean does not meet its limit."""
        return tuple(name for name, kpi in self.kpis.items() if not kpi.meets)

    @property
    def meets(self) -> bool:
        return self.complete and not self.missed

    @property
    def certain(self) -> bool:
        return self.meets and all(kpi.certain for kpi in self.kpis.values())


@dataclass(frozen=True, slots=True)
class Region:
    """The best window: neighbouring points that meet every limit."""

    points: frozenset[int]
    """Indices of :attr:`Sweep.points`."""
    best: int
    """The index of the point that ranks highest."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """The points of one profile and symbol."""

    profile: str
    symbol: str
    keys: tuple[str, ...]
    """The swept parameters, one or two."""
    parameters: tuple[Parameter, ...]
    axes: tuple[tuple[float, ...], ...]
    """The values of each, rising. ``points`` has their product, the last one fastest."""
    points: tuple[Point, ...]
    start: tuple[float, ...]
    """The start values that the sweep replaced."""
    reference: int
    """The point at the start values, else the one nearest to them."""
    limits: Mapping[str, Limit]
    """Gated KPI to the limit it is judged by."""
    units: Mapping[str, str]
    """KPI to unit, in the order of the report: the gated ones, then the volume."""
    rank: str
    """The KPI that ranks windows of the same size, and the points in a window."""
    rank_down: bool
    """Less of it is better."""
    window: Region | None
    nearest: int | None
    """Without a window: the complete point with the smallest worst shortfall."""
    seeds: tuple[int, ...]
    iterations: int
    interval_s: float
    target: str
    limit_set: LimitSet
    tune: bool

    @property
    def at_start(self) -> bool:
        """Whether the reference is the start itself."""
        return self.points[self.reference].values == self.start
