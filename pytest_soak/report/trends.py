"""The course of each KPI over a lane: where it began and ended, its slope, and where it leads."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pytest_soak.gate.figures import figure, figure_by, with_unit
from pytest_soak.gate.judge import LaneJudgement
from pytest_soak.gate.window import KpiWindow, LaneWindow
from pytest_soak.loop.model import Verdict
from pytest_soak.profile.condition import Comparison
from pytest_soak.report.layout import difference
from pytest_soak.report.markdown import cell
from pytest_soak.statistics import (
    KpiSeries,
    Slope,
    first_quarter_figure,
    fit,
    onset,
    remaining_iterations,
    slope_of,
)

ALPHA = 0.025
"""Of each side: the interval of a slope is a two-sided one of 95 %."""
_FEWEST = 24
"""A part of the run is used alone if at least this many of its iterations have a value."""
_HALF_FROM = 36
_SURE = 0.005
"""Of each side: the last half alone needs an interval of 99 %, as in the drift test of the gate."""
_FARTHEST = 10
"""A forecast beyond this many times the length of the run is not made."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the line of a KPI reaches its limit, as iteration numbers."""

    at: int
    earliest: int
    """By the steeper end of the slope's interval."""
    latest: int | None
    """By its flatter end; None if that is beyond any forecast."""


@dataclass(frozen=True, slots=True)
class Trend:
    """One KPI over a lane, in the KPI's unit."""

    kpi: str
    unit: str
    """As it follows a figure: `` ms``."""
    limit: Comparison | None
    """The limit of the gate; None for a KPI that is not gated."""
    begin: float | None
    """The figure of the first quarter."""
    window: KpiWindow
    slope: Slope | None
    """Per iteration; None with fewer than 12 values."""
    first: int
    last: int
    """The iterations of the slope."""
    word: str
    """better, worse, steady, rises, falls, wanders, or why there is none."""
    start: int
    """The first iteration that is looked at: of the run, or after the last change."""
    since: int | None
    """About the last iteration before a KPI that gets worse began to; None for any other KPI."""
    outside: tuple[int, ...]
    """The iterations at the end, in a row, whose value is beyond the limit of the gate."""
    scattered: tuple[int, int, int]
    """How many values of the window are beyond the limit, of how many, and the first such iteration
    of the run (0 without)."""
    forecast: Forecast | None
    inside_since: int | None
    """The first iteration from which on every value is inside the limit of the gate, if the figure
    of the first quarter is outside; else None."""

    @property
    def worse(self) -> bool:
        """It gets worse, and the interval of its slope excludes 0."""
        return self.word == "worse"

    def shown(self, value: float | None) -> str:
        """A figure in as many digits as its limit needs, with its unit."""
        if value is None:
            return figure(None)
        text = figure(value) if self.limit is None else figure_by(value, self.limit)
        return text + self.unit

    @property
    def began(self) -> int | None:
        """About the iteration after which it began to get worse; None if from the start on."""
        return self.since if self.since is not None and self.since > self.start else None

    @property
    def slope_text(self) -> str:
        """``-0.051 (-0.053 to -0.049)``; empty without a slope."""
        if self.slope is None or self.slope.wanders:
            return ""
        if self.slope.slope == self.slope.error == 0.0:
            return "0, constant"
        ends = f"{difference(self.slope.low(ALPHA))} to {difference(self.slope.high(ALPHA))}"
        return f"{difference(self.slope.slope + 0.0)} ({ends})"

    @property
    def forecast_text(self) -> str:
        """What the slope means for the limit, in a few words; empty if it means nothing."""
        limit, value = self.limit, self.window.figure
        if limit is None or value is None:
            return ""
        if is_outside(limit, value):
            return "outside its limit"
        if self.inside_since is not None:
            return f"inside its limit since iteration {self.inside_since}"
        if not self.worse:
            return ""
        if self.forecast is None:
            return f"its limit is not near (over {_FARTHEST} times this run)"
        if self.forecast.at <= self.last:
            return "at this rate the limit is reached now"
        latest = self.forecast.latest
        until = f"and {latest}" if latest is not None else f"and over {_FARTHEST} times this run"
        return (
            f"at this rate the limit is reached in iteration {self.forecast.at} "
            f"(between {self.forecast.earliest} {until})"
        )


def trends_of(lane: LaneWindow, only: Collection[str] | None = None) -> Iterator[Trend]:
    """The trend of every KPI that has data (or of those in ``only``), gated ones first."""
    for kpi in dict.fromkeys((*gated(lane), *lane.history.profile.kpis)):
        if (only is None or kpi in only) and lane.judged_series(kpi).present:
            yield trend_of(lane, kpi)


def gated(lane: LaneWindow) -> list[str]:
    """The KPIs that have a limit in the gate."""
    return [criterion.kpi for criterion in lane.limits.criteria]


def trend_of(lane: LaneWindow, kpi: str) -> Trend:
    """The trend of one KPI over the iterations that are judged.

    The slope is that of the iterations since the last applied change if these are enough, since a
    line through a change is none; else that of the whole run, or of its last half if only that has
    a slope.
    """
    series = lane.judged_series(kpi)
    since_change = _since_the_last_change(lane, series)
    part = _with_a_slope(since_change)
    slope, limit = slope_of(fit(part)), lane.comparison(kpi)
    declared = lane.history.profile.kpis.get(kpi)
    better = "none" if declared is None else declared.better
    word = _word(slope, better, len(part.present))
    begin = first_quarter_figure(series)
    return Trend(
        kpi=kpi,
        unit=with_unit("" if declared is None else declared.unit),
        limit=limit,
        begin=begin,
        window=lane.kpi(kpi),
        slope=slope,
        first=part.numbers[0] if part.numbers else 0,
        last=part.numbers[-1] if part.numbers else 0,
        start=since_change.numbers[0] if since_change.numbers else 0,
        word=word,
        since=onset(since_change) if word == "worse" else None,
        outside=_outside_at_the_end(series, limit),
        scattered=_scattered(series, limit, len(lane.long)),
        forecast=_forecast(lane, part, slope, limit) if word == "worse" else None,
        inside_since=_inside_since(series, limit, begin),
    )


def _since_the_last_change(lane: LaneWindow, series: KpiSeries) -> KpiSeries:
    if lane.last_change is None:
        return series
    after = series.after(lane.last_change)
    return after if len(after.present) >= _FEWEST else series


def _with_a_slope(series: KpiSeries) -> KpiSeries:
    """The series, or its last half if only that rises or falls."""
    n = len(series.present)
    if n < _HALF_FROM or _word(slope_of(fit(series)), "none", n) in ("rises", "falls"):
        return series
    half = series.last_values(max(_FEWEST, n - n // 2))
    slope = slope_of(fit(half))
    sure = slope is not None and (slope.rises(_SURE) or slope.falls(_SURE))
    return half if sure else series


def _word(slope: Slope | None, better: str, values: int) -> str:
    if slope is None:
        return f"{values} values are too few"
    if slope.wanders:
        return "wanders"
    if slope.low(ALPHA) <= 0.0 <= slope.high(ALPHA):
        return "steady"
    way = "up" if slope.slope > 0.0 else "down"
    if better == "none":
        return "rises" if way == "up" else "falls"
    return "better" if way == better else "worse"


def is_outside(limit: Comparison, value: float) -> bool:
    """Whether a figure is beyond a limit of the gate."""
    return not limit.holds(value)


def _outside_at_the_end(series: KpiSeries, limit: Comparison | None) -> tuple[int, ...]:
    numbers: list[int] = []
    if limit is None:
        return ()
    for position in reversed(series.present):
        value = series.values[position]
        if value is None or not is_outside(limit, value):
            break
        numbers.append(series.numbers[position])
    return tuple(reversed(numbers))


def _scattered(series: KpiSeries, limit: Comparison | None, window: int) -> tuple[int, int, int]:
    if limit is None:
        return 0, 0, 0
    last = series.last(window).present_values
    first = next(
        (
            number
            for number, value in zip(series.numbers, series.values, strict=True)
            if value is not None and is_outside(limit, value)
        ),
        0,
    )
    return sum(is_outside(limit, value) for value in last), len(last), first


def _inside_since(series: KpiSeries, limit: Comparison | None, begin: float | None) -> int | None:
    if limit is None or begin is None or not is_outside(limit, begin):
        return None
    first: int | None = None
    for position in reversed(series.present):
        value = series.values[position]
        if value is None or is_outside(limit, value):
            break
        first = series.numbers[position]
    return first


def _forecast(
    lane: LaneWindow, part: KpiSeries, slope: Slope | None, limit: Comparison | None
) -> Forecast | None:
    """When the line through the last third reaches the limit, by the slope and its interval."""
    if slope is None or limit is None:
        return None
    recent = part.last_values(max(lane.limits.window, len(part.present) // 3))
    last, farthest = part.numbers[-1], _FARTHEST * len(lane.measured)

    def reached(rate: float) -> int | None:
        left = remaining_iterations(recent, rate, limit.limit, upper=limit.upper)
        return None if left is None or left > farthest else last + round(left)

    ends = sorted((slope.low(ALPHA), slope.high(ALPHA)), key=abs)
    at, latest, earliest = reached(slope.slope), reached(ends[0]), reached(ends[1])
    return None if at is None or earliest is None else Forecast(at, earliest, latest)


# -- text ----------------------------------------------------------------------------------------


def trend_table(lane: LaneJudgement) -> list[str]:
    """The table of the audit: a row for each KPI with data."""
    window = lane.window
    rows = [_row(trend) for trend in trends_of(window)]
    without = [kpi for kpi in window.history.profile.kpis if not window.judged_series(kpi).present]
    lines = [f"Without data: {cell(', '.join(without))}."] if without else []
    if not rows:
        return lines or ["No KPI has data."]
    return [
        "| KPI | first quarter | window | iterations | slope per iteration (95 %) | trend |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        f"The window is the last {len(window.long)} judged iterations. Better and worse need a "
        "slope whose interval excludes 0; a KPI that wanders shows none.",
        *([""] if lines else []),
        *lines,
    ]


def _row(trend: Trend) -> str:
    forecast = trend.forecast_text
    word = f"{trend.word}; {forecast}" if forecast else trend.word
    return (
        f"| {cell(trend.kpi)} | {cell(trend.shown(trend.begin))} "
        f"| {cell(trend.shown(trend.window.figure))} | {trend.first}-{trend.last} "
        f"| {trend.slope_text or '-'} | {word} |"
    )


def onsets(lane: LaneJudgement) -> list[int]:
    """The iterations in which KPIs that are a reason for the verdict began to get worse."""
    reasons = {
        item.name.removeprefix("drift:")
        for item in lane.criteria
        if item.verdict in (Verdict.FAIL, Verdict.WARN)
    }
    return sorted(
        {trend.since for trend in trends_of(lane.window, reasons) if trend.since is not None}
    )


def decline_text(trend: Trend) -> str:
    """A KPI that gets worse: since when, from where to where, and how fast."""
    since = "the start"
    if trend.began is not None:
        since = f"about iteration {trend.began}"
    return (
        f"{trend.kpi} gets steadily worse since {since}: {trend.shown(trend.begin)} in the first "
        f"quarter of the run, {trend.shown(trend.window.figure)} in the window; slope "
        f"{trend.slope_text}{trend.unit} an iteration"
    )


def since_text(trend: Trend) -> str:
    """Since when a KPI is beyond its limit, or how often; empty if it is never."""
    if len(trend.outside) > 1:
        first, count = trend.outside[0], len(trend.outside)
        return f"every value since iteration {first} is outside ({count} in a row)"
    count, values, first = trend.scattered
    if not first:
        return ""
    window = f"{count} of the {values} values in the window are outside"
    text = f"{window}; the first of the run is that of iteration {first}"
    inside = trend.inside_since
    return text if inside is None else f"{text}, and all since iteration {inside} are inside"
