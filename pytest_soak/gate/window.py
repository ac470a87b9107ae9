"""A lane in the gate: the iterations that count, and each KPI over them, computed once.

Criteria, delta quality, recovery, sweep and reports all use the windows of this module, so that
they cannot select different iterations.
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
    """A gated or ungated KPI over the window that it is judged by."""

    kpi: str
    upper: bool
    """Larger is worse: the limit is an upper one, or, without a limit, the KPI should fall."""
    bounds: Bounds
    why: str
    """Why the last iteration without data has none; empty if all have data."""
    weak: bool
    """A reading in it is not from its iteration alone (a weekly rollup)."""
    range: tuple[float | None, float | None]
    """The range of the KPI; bounds are shown within it."""

    @property
    def figure(self) -> float | None:
        """None without data."""
        return self.bounds.figure

    @property
    def deciding(self) -> float | None:
        """The bound towards the limit that decides between PASS and WARN; None without one."""
        return self.bounds.best(upper=self.upper)

    @property
    def low(self) -> float | None:
        """The lower bound as it is shown, within the range of the KPI; None with too few values."""
        return self._away if self.upper else self.towards

    @property
    def high(self) -> float | None:
        """The upper bound as it is shown, within the range of the KPI; None with too few values."""
        return self.towards if self.upper else self._away

    @property
    def towards(self) -> float | None:
        """The deciding bound as it is shown; None if it is the estimated one of too few values."""
        worst_case = self.deciding == self.bounds.worst_case
        return self._shown(self.deciding) if self.bounds.printable or worst_case else None

    @property
    def _away(self) -> float | None:
        return self._shown(self.bounds.other) if self.bounds.printable else None

    def _shown(self, bound: float | None) -> float | None:
        return None if bound is None else clipped(bound, *self.range)


@dataclass(frozen=True)
class LaneWindow:
    """The iterations of one lane, by how the gate uses them."""

    history: History
    reference: Reference | None = None
    mock: bool = False
    """The mock limits are used, not those of production."""
    excluded: Mapping[int, str] = field(default_factory=dict)
    """Iteration that is measured but not judged to the scenario that is the cause."""

    @property
    def limits(self) -> GateLimits:
        return self.history.profile.gate

    def without(self, excluded: Mapping[int, str]) -> LaneWindow:
        """The same lane with these iterations left out."""
        return replace(self, excluded=excluded)

    # -- iterations ------------------------------------------------------------------------------

    @cached_property
    def measured(self) -> tuple[Iteration, ...]:
        """The iterations that have an observation *and* a decision; one that a crash ended has
        none."""
        return tuple(item for item in self.history.iterations if item.decision is not None)

    @cached_property
    def judged(self) -> tuple[Iteration, ...]:
        """The measured iterations that are not excluded."""
        return tuple(item for item in self.measured if item.number not in self.excluded)

    @cached_property
    def last(self) -> tuple[Iteration, ...]:
        """The last ``gate.window`` judged iterations."""
        return self.judged[-self.limits.window :]

    @cached_property
    def long(self) -> tuple[Iteration, ...]:
        """The window of the KPIs: the last third of the judged iterations, at least
        ``gate.window``."""
        return self.judged[-max(self.limits.window, len(self.judged) // 3) :]

    @cached_property
    def undisturbed(self) -> tuple[Iteration, ...]:
        """The measured iterations in which no scenario ran."""
        return tuple(item for item in self.measured if not fired_in(item))

    def undisturbed_before(self, number: int) -> tuple[Iteration, ...]:
        """Up to ``gate.window`` undisturbed iterations just before iteration ``number``."""
        return tuple(item for item in self.undisturbed if item.number < number)[
            -self.limits.window :
        ]

    def undisturbed_after(self, number: int) -> tuple[Iteration, ...]:
        """The undisturbed iterations after iteration ``number``."""
        return tuple(item for item in self.undisturbed if item.number > number)

    def undisturbed_just_after(self, number: int) -> tuple[Iteration, ...]:
        """Up to ``gate.window`` undisturbed iterations just after iteration ``number``."""
        return self.undisturbed_after(number)[: self.limits.window]

    # -- KPIs ------------------------------------------------------------------------------------

    def series(self, kpi: str) -> list[float | None]:
        """One value for every measured iteration; None without data and for an excluded one."""
        values = series_of(self.measured, kpi)
        if not self.excluded:
            return values
        pairs = zip(self.measured, values, strict=True)
        return [None if item.number in self.excluded else value for item, value in pairs]

    def judged_series(self, kpi: str) -> KpiSeries:
        """The KPI over the judged iterations, with the sums of a ratio if they are known."""
        if kpi not in self._series:
            self._series[kpi] = _series_of(self.judged, kpi)
        return self._series[kpi]

    @cached_property
    def _series(self) -> dict[str, KpiSeries]:
        return {}

    def count_with_data(self, kpi: str) -> int:
        """The number of measured iterations with data, including excluded ones."""
        return sum(value is not None for value in series_of(self.measured, kpi))

    @property
    def last_change(self) -> int | None:
        """The iteration after which the last change or panic revert was applied; None without."""
        changing = [
            item.number
            for item in self.measured
            if item.decision is not None and item.decision.changes
        ]
        return changing[-1] if changing else None

    def comparison(self, kpi: str) -> Comparison | None:
        """The limit of the KPI in the gate; None for a KPI that is not gated."""
        for criterion in self.limits.criteria:
            if criterion.kpi == kpi:
                return criterion.mock if self.mock else criterion.production
        return None

    def noise(self, kpi: str) -> KpiNoise | None:
        """The noise of the KPI in the reference; None without one."""
        return self.reference.kpis.get(kpi) if self.reference is not None else None

    def kpi(self, name: str) -> KpiWindow:
        """The KPI over the window, computed at the first call."""
        if name not in self._kpi_windows:
            self._kpi_windows[name] = self._kpi(name)
        return self._kpi_windows[name]

    @property
    def kpis(self) -> Mapping[str, KpiWindow]:
        """Every KPI of the profile."""
        return {name: self.kpi(name) for name in self.history.profile.kpis}

    @cached_property
    def _kpi_windows(self) -> dict[str, KpiWindow]:
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
        """The iterations of the window that are neither PASS nor WARN."""
        passing = (Verdict.PASS, Verdict.WARN)
        return tuple(item for item in self.last if item.verdict not in passing)

    @property
    def pass_count(self) -> int:
        """The number of PASS and WARN iterations of the window."""
        return len(self.last) - len(self.not_passing)

    @property
    def left_out(self) -> str:
        """The end of a reason: the excluded iterations; empty if there are none."""
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
    # Sums of different sources cannot be added, so only those of the last source are used.
    source = sources[-1] if sources else None
    same = [item if item is not None and item.source == source else None for item in readings]
    below = tuple(None if item is None else item.denominator for item in same)
    above = tuple(None if item is None else item.numerator for item in same)
    has_sums = any(value is not None for value in below)
    return KpiSeries(
        tuple(item.number for item in iterations),
        tuple(None if item is None else item.usable for item in readings),
        below if has_sums else None,
        above if has_sums else None,
    )


def _why(iterations: Sequence[Iteration], kpi: str) -> str:
    """Why the last iteration without data has none."""
    for item in reversed(iterations):
        reading = item.readings.get(kpi)
        if reading is None or reading.usable is None:
            return reading.why if reading is not None else ""
    # Each iteration has data, but all ratios are 0 to 0, so the window has no ratio.
    reasons = [reading.why for item in iterations if (reading := item.readings.get(kpi))]
    return reasons[-1] if reasons else ""


def _is_weak(iterations: Sequence[Iteration], kpi: str) -> bool:
    readings = [item.readings.get(kpi) for item in iterations]
    return any(reading is not None and reading.weak for reading in readings)
