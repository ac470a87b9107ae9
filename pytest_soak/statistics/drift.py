"""Whether a KPI drifts towards its limit, and in how many iterations it reaches the limit.

Three stretches of the judged iterations are tested: the whole run, its last half, and the
iterations after the last applied change. A significant slope in the bad direction (``slope.py``) is
extrapolated: if it reaches the limit soon, compared with the length of the stretch, it is an alarm.
``docs/gate.md`` has the rules and their error rates.
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
"""A stretch needs at least this many values."""
HALF_FROM = 36
"""The last half is tested if the run has at least this many values."""


class Alarm(IntEnum):
    """The severity of a drift; a larger value is worse."""

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
    """The significance level of its WARN."""
    proved: bool
    """The slope is in the bad direction, significant at ``alpha``."""
    surely: bool
    """The slope is in the bad direction, significant at a fifth of the KPI's own level."""
    remaining: float | None
    """Iterations after the end of the run until the line reaches the limit, 0 if it is there
    already; None without a slope in the bad direction or without a limit."""
    first_figure: float | None
    """Figure of the first quarter of its values."""
    last_figure: float | None
    """Figure of the last third of its values, at least ``gate.window``."""
    alarm: Alarm

    @property
    def length(self) -> int:
        """The number of iterations from its first to its last."""
        return self.last - self.first + 1

    @property
    def lost(self) -> float | None:
        """The loss from the first to the last figure, as a ratio of the first; negative for a gain.

        None unless the first figure is positive.
        """
        if self.first_figure is None or self.last_figure is None or self.first_figure <= 0.0:
            return None
        return (self.first_figure - self.last_figure) / self.first_figure


@dataclass(frozen=True, slots=True)
class Drift:
    """Every stretch that was long enough to be tested; there may be none."""

    stretches: tuple[Stretch, ...]

    @property
    def alarm(self) -> Alarm:
        return max((stretch.alarm for stretch in self.stretches), default=Alarm.NONE)

    @property
    def worst(self) -> Stretch | None:
        """The stretch with the worst alarm; of equal ones that which reaches the limit first."""
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
        """Whether φ of at least one stretch is too high for any significant slope."""
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

    WARN: a stretch's slope is significant at ``alpha`` and reaches the limit within the stretch's
    own length after the end of the run. FAIL: it is significant at a fifth of ``alpha`` and reaches
    the limit within half of that length. The last half is tested at a fifth of ``alpha`` and can
    only WARN.
    """
    return Drift(
        tuple(
            _limit_alarm(_stretch(part, limit, window, upper=upper), part)
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
    """WARN if a throughput falls, significantly at a fifth of ``alpha``, and has lost too much.

    A throughput has no limit. A stretch has lost too much if the figure of its last third (at least
    ``window`` values) is below that of its first quarter by more than ``most_lost`` of it.
    """
    return Drift(
        tuple(
            _loss_alarm(_stretch(part, None, window, upper=False), most_lost)
            for part in _parts(series, last_change, alpha)
        )
    )


def first_quarter_figure(series: KpiSeries) -> float | None:
    """The figure of the first quarter of the values; a drift budget is added to it."""
    return series.first_values(max(1, len(series.present) // 4)).figure()


@dataclass(frozen=True, slots=True)
class _Part:
    """A stretch before its slope is computed, and the levels at which it is tested."""

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


def _stretch(part: _Part, limit: float | None, window: int, *, upper: bool) -> Stretch:
    """The stretch with its slope, its alarm not set yet."""
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
        remaining=None
        if limit is None
        else remaining_iterations(recent, slope.slope, limit, upper=upper),
        first_figure=series.first_values(part.values // 4).figure(),
        last_figure=recent.figure(),
        alarm=Alarm.NONE,
    )


def remaining_iterations(
    recent: KpiSeries, slope: float, limit: float, *, upper: bool
) -> float | None:
    """``max(0, (limit - m) / b - time since the middle of the last third)`` in iterations.

    ``recent`` is the last third. That time is (w - 1) / 2 for w values without a gap up to the end
    of the run. None if the slope does not lead to the limit.
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
