"""A lane as the gate looks at it: which iterations count, and each KPI over them, made once.

Criteria, delta quality, recovery, sweep and reports take the window that is made here, so that
they cannot slice a run in different ways.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from pytest_soak.gate.figures import series_of
from pytest_soak.gate.noise import KpiNoise, Reference
from pytest_soak.loop.model import History, Iteration, Verdict
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.profile.model import Comparison, GateLimits
from pytest_soak.statistics import Bounds, KpiSeries, clipped, judge_bounds


@dataclass(frozen=True, slots=True)
class KpiWindow:
    """What a gated or ungated KPI did over the window that it is judged by."""

    kpi: str
    upper: bool
    """Larger is worse: the limit is an upper one, or, without a limit, the KPI should fall."""
    bounds: Bounds
    why: str
    """Why the last iteration without data has none; empty where all have some."""
    weak: bool
    """A reading in it is no evidence on one iteration."""
    range: tuple[float | None, float | None]
    """Of the KPI: bounds are shown within it."""

    @property
    def figure(self) -> float | None:
        """None without data."""
        return self.bounds.figure

    @property
    def deciding(self) -> float | None:
        """The bound towards the limit that decides between PASS and WARN; None without one."""
        return self.bounds.best(self.upper)

    @property
    def low(self) -> float | None:
        """As it is shown: within the range of the KPI; None where it rests on too few values."""
        return self._away if self.upper else self.towards

    @property
    def high(self) -> float | None:
        """As it is shown: within the range of the KPI; None where it rests on too few values."""
        return self.towards if self.upper else self._away

    @property
    def towards(self) -> float | None:
        """The deciding bound as it is shown: the estimated one only where it may be."""
        worst_case = self.deciding == self.bounds.worst_case
        return self._shown(self.deciding) if self.bounds.printable or worst_case else None

    @property
    def _away(self) -> float | None:
        return self._shown(self.bounds.other) if self.bounds.printable else None

    def _shown(self, bound: float | None) -> float | None:
        return None if bound is None else clipped(bound, *self.range)


@dataclass(frozen=True)
class LaneWindow:
    """The iterations of one lane by their part in the judgement."""

    history: History
    reference: Reference | None = None
    mock: bool = False
    """The mock limits are used, not those of production."""
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
    def long(self) -> tuple[Iteration, ...]:
        """The window of the KPIs: the last third of the judged ones, ``gate.window`` at least."""
        return self.judged[-max(self.limits.window, len(self.judged) // 3) :]

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

    def judged_series(self, kpi: str) -> KpiSeries:
        """The KPI over the judged iterations, with the sums of a ratio where they are known."""
        if kpi not in self._series:
            self._series[kpi] = _series_of(self.judged, kpi)
        return self._series[kpi]

    @cached_property
    def _series(self) -> dict[str, KpiSeries]:
        return {}

    def known(self, kpi: str) -> int:
        """How many measured iterations have data, those that are left out included."""
        return sum(value is not None for value in series_of(self.measured, kpi))

    @property
    def last_change(self) -> int | None:
        """The last iteration before the last applied change, or panic, took effect."""
        changing = [
            item.number
            for item in self.measured
            if item.decision is not None and item.decision.changes
        ]
        return changing[-1] if changing else None

    def comparison(self, kpi: str) -> Comparison | None:
        """The limit that the gate holds the KPI against; None for one that is not gated."""
        for criterion in self.limits.criteria:
            if criterion.kpi == kpi:
                return criterion.mock if self.mock else criterion.production
        return None

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
        kpi, comparison = self.history.profile.kpis.get(name), self.comparison(name)
        upper = kpi is not None and kpi.better == "down"
        if comparison is not None:
            upper = comparison.upper
        bounds = judge_bounds(
            self.judged_series(name),
            upper=upper,
            window=self.limits.window,
            confidence=self.limits.confidence,
            reference=self.noise(name),
        )
        window = self.judged[-bounds.long_iterations :] if bounds.long_iterations else ()
        return KpiWindow(
            name,
            upper,
            bounds,
            _why(window, name) if bounds.no_data or bounds.figure is None else "",
            _is_weak(window, name),
            (None, None) if kpi is None else kpi.range,
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


def _series_of(iterations: Sequence[Iteration], kpi: str) -> KpiSeries:
    readings = [item.readings.get(kpi) for item in iterations]
    sources = [item.source for item in readings if item is not None and item.usable is not None]
    # Sums of different kinds do not add up: those of another source than the last count as none.
    source = sources[-1] if sources else None
    same = [item if item is not None and item.source == source else None for item in readings]
    below = tuple(None if item is None else item.denominator for item in same)
    above = tuple(None if item is None else item.numerator for item in same)
    known = any(value is not None for value in below)
    return KpiSeries(
        tuple(item.number for item in iterations),
        tuple(None if item is None else item.usable for item in readings),
        below if known else None,
        above if known else None,
    )


def _why(iterations: Sequence[Iteration], kpi: str) -> str:
    """Why the last of these iterations without data has none."""
    for item in reversed(iterations):
        reading = item.readings.get(kpi)
        if reading is None or reading.usable is None:
            return reading.why if reading is not None else ""
    # Measured in each of them, and there was nothing to take a share of.
    said = [reading.why for item in iterations if (reading := item.readings.get(kpi))]
    return said[-1] if said else ""


def _is_weak(iterations: Sequence[Iteration], kpi: str) -> bool:
    readings = [item.readings.get(kpi) for item in iterations]
    return any(reading is not None and reading.weak for reading in readings)
