"""Whether a KPI drifts towards its limit, and how many iterations are left until it is there.

Three stretches of the judged iterations are looked at: the whole run, its last half, and what
follows the last applied change. A slope in the bad direction that is proved (``slope.py``) is
carried on: where it reaches the limit soon, beside the length of the stretch, it is an alarm.
``docs/gate.md`` has the rules and how often they are wrong.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum

from pytest_soak.statistics.kpi_series import KpiSeries
from pytest_soak.statistics.points import fit
from pytest_soak.statistics.slope import Slope, slope_of

ALPHA = 0.05
"""Level of a WARN; a FAIL, and every alarm of the last half, needs a fifth of it."""
SURER = 5.0
FEWEST = 24
"""No stretch of fewer values."""
HALF_FROM = 36
"""The last half is looked at from so many values on."""


class Alarm(IntEnum):
    """How bad a drift is; the larger one is the worse."""

    NONE = 0
    WARN = 1
    FAIL = 2


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a KPI's judged iterations and its slope."""

    name: str
    """``run``, ``last half`` or ``since the last change``."""
    first: int
    """Number of its first iteration."""
    last: int
    """Number of its last iteration."""
    slope: Slope
    alpha: float
    """The level of its WARN."""
    proved: bool
    """The slope is in the bad direction, at ``alpha``."""
    surely: bool
    """The same at a fifth of the KPI's own level."""
    remaining: float | None
    """Iterations after the end of the run until the line reaches the limit, 0 if it has; None
    without a slope in the bad direction or without a limit."""
    first_figure: float | None
    """Figure of the first quarter of its values."""
    last_figure: float | None
    """Figure of the last third of its values, ``gate.window`` at least."""
    alarm: Alarm

    @property
    def length(self) -> int:
        """Iterations from its first to its last."""
        return self.last - self.first + 1

    @property
    def lost(self) -> float | None:
        """How much of its first figure the last figure has lost, as a ratio; negative: gained.

        None unless the first figure is positive.
        """
        if self.first_figure is None or self.last_figure is None or self.first_figure <= 0.0:
            return None
        return (self.first_figure - self.last_figure) / self.first_figure


@dataclass(frozen=True, slots=True)
class Drift:
    """Every stretch that was long enough; none: nothing could be tested."""

    stretches: tuple[Stretch, ...]

    @property
    def alarm(self) -> Alarm:
        return max((stretch.alarm for stretch in self.stretches), default=Alarm.NONE)

    @property
    def worst(self) -> Stretch | None:
        """The stretch with the worst alarm, among equals the one that reaches the limit first."""
        return min(
            self.stretches,
            key=lambda item: (
                -item.alarm,
                not item.proved,
                float("inf") if item.remaining is None else item.remaining,
            ),
            default=None,
        )

    @property
    def wanders(self) -> bool:
        """In at least one stretch φ is too high for any proof."""
        return any(stretch.slope.wanders for stretch in self.stretches)


def drift(
    series: KpiSeries,
    *,
    limit: float,
    upper: bool,
    window: int = 8,
    last_change: int | None = None,
    alpha: float = ALPHA,
) -> Drift:
    """Whether a KPI drifts towards ``limit``, an upper one (``upper``) or a lower one.

    ``last_change`` is the number of the last iteration before the last applied change took effect,
    None without a change; ``window`` is ``gate.window``.

    WARN: a stretch's slope is proved at ``alpha`` and reaches the limit within the stretch's own
    length after the end of the run. FAIL: it is proved at a fifth of ``alpha`` and reaches it
    within half of that length. The last half takes a fifth of ``alpha`` and warns only.
    """
    return Drift(
        tuple(
            _limit_alarm(_stretch(part, limit, upper, window), part)
            for part in _parts(series, last_change, alpha)
        )
    )


def throughput_drift(
    series: KpiSeries,
    *,
    window: int = 8,
    last_change: int | None = None,
    alpha: float = ALPHA,
    most_lost: float = 0.5,
) -> Drift:
    """WARN where a throughput falls, proved at a fifth of ``alpha``, and has lost too much.

    A throughput has no limit. A stretch lost too much where the figure of its last third
    (``window`` values at least) is below that of its first quarter by over ``most_lost`` of it.
    """
    return Drift(
        tuple(
            _loss_alarm(_stretch(part, None, False, window), most_lost)
            for part in _parts(series, last_change, alpha)
        )
    )


def first_quarter_figure(series: KpiSeries) -> float | None:
    """The figure of the first quarter of the values: what a drift budget is added to."""
    return series.first_values(max(1, len(series.present) // 4)).figure()


@dataclass(frozen=True, slots=True)
class _Part:
    """A stretch before its slope is known, and at which levels it is tested."""

    name: str
    series: KpiSeries
    values: int
    alpha: float
    sure_alpha: float
    may_fail: bool


def _parts(series: KpiSeries, last_change: int | None, alpha: float) -> Iterator[_Part]:
    """The stretches that are long enough."""
    n = len(series.present)
    sure = alpha / SURER
    if n >= FEWEST:
        yield _Part("run", series, n, alpha, sure, may_fail=True)
    if n >= HALF_FROM:
        count = max(FEWEST, n - n // 2)
        yield _Part("last half", series.last_values(count), count, sure, sure, may_fail=False)
    if last_change is None:
        return
    after = series.after(last_change)
    count = len(after.present)
    if count >= FEWEST and len(after) < len(series):
        yield _Part("since the last change", after, count, alpha, sure, may_fail=True)


def _stretch(part: _Part, limit: float | None, upper: bool, window: int) -> Stretch:
    """A stretch without an alarm yet."""
    series = part.series
    slope = slope_of(fit(series))
    assert slope is not None  # a stretch has 24 values
    recent = series.last_values(max(window, part.values // 3))
    return Stretch(
        name=part.name,
        first=series.numbers[0],
        last=series.numbers[-1],
        slope=slope,
        alpha=part.alpha,
        proved=slope.rises(part.alpha) if upper else slope.falls(part.alpha),
        surely=slope.rises(part.sure_alpha) if upper else slope.falls(part.sure_alpha),
        remaining=None if limit is None else _remaining(recent, slope.slope, limit, upper),
        first_figure=series.first_values(part.values // 4).figure(),
        last_figure=recent.figure(),
        alarm=Alarm.NONE,
    )


def _remaining(recent: KpiSeries, slope: float, limit: float, upper: bool) -> float | None:
    """``max(0, (limit - m) / b - time since the middle of the last third)`` in iterations.

    That time is (w - 1) / 2 for w values without a gap up to the end of the run.
    """
    figure = recent.figure()
    if figure is None or (slope <= 0.0 if upper else slope >= 0.0):
        return None
    present = [recent.numbers[i] for i in recent.present]
    since = recent.numbers[-1] - sum(present) / len(present)
    ahead = (limit - figure) / slope - since
    return max(0.0, ahead) if math.isfinite(ahead) else None


def _limit_alarm(stretch: Stretch, part: _Part) -> Stretch:
    remaining = stretch.remaining
    alarm = Alarm.NONE
    if remaining is not None and stretch.proved and remaining <= stretch.length:
        alarm = Alarm.WARN
        if part.may_fail and stretch.surely and remaining <= stretch.length / 2:
            alarm = Alarm.FAIL
    return replace(stretch, alarm=alarm)


def _loss_alarm(stretch: Stretch, most_lost: float) -> Stretch:
    lost = stretch.lost
    alarms = stretch.surely and lost is not None and lost > most_lost
    return replace(stretch, alarm=Alarm.WARN if alarms else Alarm.NONE)
