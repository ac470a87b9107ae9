"""A lane in the gate: the iterations that count, and each KPI over them, computed once.

Criteria, delta quality, recovery, sweep and reports all use the windows of this module, so that
they cannot select different iterations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

from pytest_soak.gate.figures import series_of
from pytest_soak.gate.noise import KpiNoise, Reference
from pytest_soak.loop.completed import restarts_between
from pytest_soak.loop.model import History, Iteration, Verdict
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.profile.condition import Comparison
from pytest_soak.profile.model import Between, GateLimits, Limit
from pytest_soak.statistics import Bounds, KpiSeries, clipped, judge_bounds

RESTART = "restart"
"""Why the iteration after a restart of the target, for a parameter that needs it, is not judged."""
WARMUP = "warm-up"
"""Why an iteration of the warm-up is not judged."""


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
    facing: KpiWindow | None = None
    """For a KPI with two limits: the same window, seen towards the other limit."""

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
        if self.facing is not None:
            return self.facing.towards
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
        return tuple(item for item in self.measured if self._counts(item))

    def _counts(self, item: Iteration) -> bool:
        return item.number > self.warmup and item.number not in self.excluded

    @property
    def warmup(self) -> int:
        """The last iteration of the warm-up, which is not judged; 0 without one."""
        return self.limits.warmup_iterations

    @cached_property
    def warm(self) -> tuple[Iteration, ...]:
        """The measured iterations of the warm-up, without those that a scenario excludes."""
        return tuple(
            item
            for item in self.measured
            if item.number <= self.warmup and item.number not in self.excluded
        )

    @property
    def not_judged(self) -> Mapping[int, str]:
        """Every measured iteration that is not judged to the cause: ``warm-up``, or a scenario."""
        warm = {item.number: WARMUP for item in self.measured if item.number <= self.warmup}
        return {**self.excluded, **warm}

    @cached_property
    def restarts(self) -> Mapping[int, str]:
        """The measured iterations that began with a restart of the target, to that cause."""
        profile = self.history.profile
        if not any(parameter.restart for parameter in profile.parameters.values()):
            return {}
        return {
            item.number: RESTART
            for before, item in pairwise(self.measured)
            if restarts_between(profile, before.values, item.values)
        }

    @cached_property
    def last(self) -> tuple[Iteration, ...]:
        """The last ``gate.window`` judged iterations."""
        return self.judged[-self.limits.window :]

    @cached_property
    def long(self) -> tuple[Iteration, ...]:
        """The window of the KPIs: the last third of the judged iterations, at least
        ``gate.window``."""
        return self.judged[-max(self.limits.window, len(self.judged) // 3) :]

    def last_judged(self, count: int) -> tuple[Iteration, ...]:
        """The last ``count`` judged iterations, at most all."""
        return self.judged[max(0, len(self.judged) - count) :]

    @cached_property
    def undisturbed(self) -> tuple[Iteration, ...]:
        """The measured iterations after the warm-up in which no scenario ran."""
        return tuple(
            item for item in self.measured if item.number > self.warmup and not fired_in(item)
        )

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
        """One value for every measured iteration; None without data and for one not judged."""
        values = series_of(self.measured, kpi)
        if not (self.excluded or self.warmup):
            return values
        pairs = zip(self.measured, values, strict=True)
        return [value if self._counts(item) else None for item, value in pairs]

    def judged_series(self, kpi: str) -> KpiSeries:
        """The KPI over the judged iterations, with the sums of a ratio if they are known."""
        if kpi not in self._series:
            self._series[kpi] = series_over(self.judged, kpi)
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

    def limit(self, kpi: str) -> Limit | None:
        """The limit of the KPI in the gate; None for a KPI that is not gated."""
        criterion = self.limits.criterion(kpi)
        return None if criterion is None else criterion.limit(mock=self.mock)

    def comparison(self, kpi: str) -> Comparison | None:
        """The limit of the KPI in the gate; of two limits that which decides (``kpi``)."""
        limit = self.limit(kpi)
        if isinstance(limit, Between):
            return limit.high if self.kpi(kpi).upper else limit.low
        return limit

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
        limit, kpi = self.limit(name), self.history.profile.kpis.get(name)
        if limit is None:
            return self._towards(name, upper=kpi is not None and kpi.better == "down")
        sides = [(side, self._towards(name, upper=side.upper)) for side in limit.sides]
        (_, window), *others = sorted(sides, key=_by_doubt)
        return window if not others else replace(window, facing=others[0][1])

    def _towards(self, name: str, *, upper: bool) -> KpiWindow:
        kpi, criterion = self.history.profile.kpis.get(name), self.limits.criterion(name)
        bounds = judge_bounds(
            self.judged_series(name),
            upper=upper,
            window=self.limits.window,
            confidence=self.limits.confidence,
            reference=self.noise(name),
            length=None if criterion is None else criterion.window,
        )
        window = self.judged[-bounds.long_iterations :] if bounds.long_iterations else ()
        return KpiWindow(
            name,
            upper,
            bounds,
            why_no_data(window, name) if bounds.no_data or bounds.figure is None else "",
            is_weak(window, name),
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
        numbers: dict[str, list[str]] = {}
        if warm := [number for number, cause in self.not_judged.items() if cause == WARMUP]:
            first, last = min(warm), max(warm)
            numbers[WARMUP] = [str(first) if first == last else f"{first} to {last}"]
        for number, scenario in sorted(self.excluded.items()):
            if number > self.warmup:
                numbers.setdefault(scenario, []).append(str(number))
        texts = [
            f"iteration{'s' * (len(items) > 1 or ' ' in items[0])} {', '.join(items)} ({cause})"
            for cause, items in numbers.items()
        ]
        return f"; left out: {', '.join(texts)}" if texts else ""


def _by_doubt(side: tuple[Comparison, KpiWindow]) -> tuple[bool, bool, float]:
    """Of two limits that decides which the figure is beyond; else which it may be beyond; else
    the nearer one."""
    limit, window = side
    figure, bound = window.figure, window.deciding
    if figure is None:
        return False, False, 0.0
    certain = bound is not None and limit.holds(bound)
    return limit.holds(figure), certain, limit.distance(figure)


def series_over(iterations: Sequence[Iteration], kpi: str) -> KpiSeries:
    """The KPI over these iterations, with the sums of a ratio if they are known."""
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


def why_no_data(iterations: Sequence[Iteration], kpi: str) -> str:
    """Why the last iteration without data has none."""
    for item in reversed(iterations):
        reading = item.readings.get(kpi)
        if reading is None or reading.usable is None:
            return reading.why if reading is not None else ""
    # Each iteration has data, but all ratios are 0 to 0, so the window has no ratio.
    reasons = [reading.why for item in iterations if (reading := item.readings.get(kpi))]
    return reasons[-1] if reasons else ""


def is_weak(iterations: Sequence[Iteration], kpi: str) -> bool:
    readings = [item.readings.get(kpi) for item in iterations]
    return any(reading is not None and reading.weak for reading in readings)
