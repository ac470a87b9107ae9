"""A lane as the gate looks at it: which iterations count, and each KPI over them, made once.

Criteria, delta quality, recovery, sweep and reports take the window that is made here, so that
they cannot slice a run in different ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from pytest_soak.gate.figures import mean_of, series_of
from pytest_soak.gate.noise import KpiNoise, Reference
from pytest_soak.loop.model import History, Iteration, Verdict
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.profile.model import GateLimits
from pytest_soak.statistics import Interval, ar1_coefficient, mean_interval


@dataclass(frozen=True, slots=True)
class KpiWindow:
    """What a gated or ungated KPI did over the last iterations."""

    kpi: str
    iterations: int
    """How many iterations the window has (up to ``gate.window``)."""
    no_data: int
    why: str
    """Why the last iteration without data has none; empty where all have some."""
    interval: Interval | None
    """None without any data."""
    weak: bool
    """A reading in it is no evidence on one iteration."""


@dataclass(frozen=True)
class LaneWindow:
    """The iterations of one lane by their part in the judgement."""

    history: History
    reference: Reference | None = None
    excluded: Mapping[int, str] = field(default_factory=dict)
    """Iterations that are measured and not judged, and the scenario that they are left out for."""

    @property
    def limits(self) -> GateLimits:
        return self.history.profile.gate

    def without(self, excluded: Mapping[int, str]) -> LaneWindow:
        """The same lane with these iterations left out."""
        return replace(self, excluded=excluded)

    # -- iterations ------------------------------------------------------------------------------

    @cached_property
    def measured(self) -> tuple[Iteration, ...]:
        """Those that were observed *and* decided on: one that a crash cut short is not."""
        return tuple(item for item in self.history.iterations if item.decision is not None)

    @cached_property
    def judged(self) -> tuple[Iteration, ...]:
        """The measured ones without those that are left out."""
        return tuple(item for item in self.measured if item.number not in self.excluded)

    @cached_property
    def last(self) -> tuple[Iteration, ...]:
        """The last ``gate.window`` judged ones."""
        return self.judged[-self.limits.window :]

    @cached_property
    def calm(self) -> tuple[Iteration, ...]:
        """The measured ones in which no scenario ran."""
        return tuple(item for item in self.measured if not fired_in(item))

    def calm_before(self, number: int) -> tuple[Iteration, ...]:
        """Up to ``gate.window`` undisturbed ones just before iteration ``number``."""
        return tuple(item for item in self.calm if item.number < number)[-self.limits.window :]

    def calm_after(self, number: int) -> tuple[Iteration, ...]:
        """The undisturbed ones after iteration ``number``."""
        return tuple(item for item in self.calm if item.number > number)

    def calm_just_after(self, number: int) -> tuple[Iteration, ...]:
        """Up to ``gate.window`` of these."""
        return self.calm_after(number)[: self.limits.window]

    # -- KPIs ------------------------------------------------------------------------------------

    def series(self, kpi: str) -> list[float | None]:
        """A value for every measured iteration; one that is left out is a gap, as no data is."""
        values = series_of(self.measured, kpi)
        if not self.excluded:
            return values
        pairs = zip(self.measured, values, strict=True)
        return [None if item.number in self.excluded else value for item, value in pairs]

    def noise(self, kpi: str) -> KpiNoise | None:
        """What the reference says of the KPI; None without."""
        return self.reference.kpis.get(kpi) if self.reference is not None else None

    def kpi(self, name: str) -> KpiWindow:
        """The KPI over the window, made at the first call."""
        if name not in self._made:
            self._made[name] = self._kpi(name)
        return self._made[name]

    @property
    def kpis(self) -> Mapping[str, KpiWindow]:
        """Every KPI of the profile."""
        return {name: self.kpi(name) for name in self.history.profile.kpis}

    @cached_property
    def _made(self) -> dict[str, KpiWindow]:
        return {}

    def _kpi(self, name: str) -> KpiWindow:
        values = [value for value in series_of(self.last, name) if value is not None]
        center = mean_of(self.last, name)
        interval = None
        if center is not None:
            noise = self.noise(name)
            interval = mean_interval(
                values,
                noise.phi if noise is not None else ar1_coefficient(self.series(name)),
                confidence=self.limits.confidence,
                center=center,
                sd_floor=noise.sd if noise is not None else 0.0,
            )
        missing = len(self.last) - len(values)
        return KpiWindow(
            name,
            len(self.last),
            missing,
            _why(self.last, name) if missing else "",
            interval,
            _is_weak(self.last, name),
        )

    # -- verdicts of iterations --------------------------------------------------------------------

    @property
    def not_passing(self) -> tuple[Iteration, ...]:
        """Those of the window that are neither PASS nor WARN."""
        passing = (Verdict.PASS, Verdict.WARN)
        return tuple(item for item in self.last if item.verdict not in passing)

    @property
    def pass_count(self) -> int:
        """PASS and WARN iterations of the window."""
        return len(self.last) - len(self.not_passing)

    @property
    def left_out(self) -> str:
        """The end of a reason that names what the window leaves out; empty for nothing."""
        if not self.excluded:
            return ""
        numbers: dict[str, list[str]] = {}
        for number, scenario in sorted(self.excluded.items()):
            numbers.setdefault(scenario, []).append(str(number))
        return "; left out: " + ", ".join(
            f"iteration{'s' * (len(items) > 1)} {', '.join(items)} ({scenario})"
            for scenario, items in numbers.items()
        )


def _why(iterations: Sequence[Iteration], kpi: str) -> str:
    """Why the last of these iterations without data has none."""
    for item in reversed(iterations):
        reading = item.readings.get(kpi)
        if reading is None or reading.evidence is None:
            return reading.why if reading is not None else ""
    return ""


def _is_weak(iterations: Sequence[Iteration], kpi: str) -> bool:
    readings = [item.readings.get(kpi) for item in iterations]
    return any(reading is not None and reading.weak for reading in readings)
