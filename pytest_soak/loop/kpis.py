"""The KPIs of one iteration, read from the report of the target. A missing value is not zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from msgspec import structs

from pytest_soak.canonical import number
from pytest_soak.loop.blocks import blocks_of
from pytest_soak.loop.derived import (
    DERIVED,
    PLACEHOLDER_SOURCES,
    Circumstances,
    maker_taker_reading,
    reading_of,
)
from pytest_soak.loop.histogram import quantile_reading
from pytest_soak.loop.model import Reading, Readings
from pytest_soak.loop.words import described, hint, names
from pytest_soak.profile.kpi import METRICS, Kpi, Metric, path_text
from pytest_soak.profile.model import Profile

FAULT = "fault"
"""A report with this field has no data; its text names what went wrong (docs/targets.md)."""
RESTARTS = "restarts"
"""A report may have the processes that were started again: name to how often."""
METRICS_MISSING = "metrics_missing"
"""A report may have why a metric has no figure: name of the KPI, or path of a field, to a text."""
METRIC_RESETS = "metric_resets"
"""A report may have the metrics that began anew within its span: name to how often."""
START_TIME = "process_start_time_seconds"
"""The metric by which client libraries of Prometheus show when their process started."""
FAULT_WHY = "the target had a fault: "
"""A reading without data for that reason begins with it."""


def read_kpis(
    profile: Profile,
    report: Mapping[str, Any],
    audit: Mapping[str, Any] | None,
    *,
    interval_s: float,
    mock: bool,
    recorded: Mapping[str, Any] | None = None,
) -> Readings:
    """One reading for each KPI of the profile, and one for each recorded name.

    ``audit`` is the result of :func:`pytest_soak.loop.blocks.count_audit`, None without an audit.
    ``interval_s`` is the target time of the iteration in seconds. A value that is absent, null,
    NaN, infinite, a bool, a text or larger than ``LARGEST`` is NODATA, and its reading says why.
    Never raises, whatever the report has.
    """
    if (fault := report.get(FAULT)) is not None:
        return _without_data(profile, str(fault), recorded or {})
    blocks = blocks_of(profile, report, audit)
    around = Circumstances(interval_s, mock)
    readings = {
        name: reading_of(value, "recorded", "the recorded value")
        for name, value in (recorded or {}).items()
    }
    for name, kpi in profile.kpis.items():
        if kpi.metric is not None:
            reading = _of_metrics(report, kpi, kpi.metric)
        elif kpi.path:
            reading = _read(report, kpi)
        elif kpi.block_ratio:
            reading = blocks.share(kpi.block_ratio)
        elif kpi.recorded:
            reading = readings.get(name) or _NOT_RECORDED
        elif kpi.derive:
            reading = DERIVED[kpi.derive].read(report, around)
        else:
            reading = _NOT_COMPUTED
        readings[name] = _within_range(_with_missing_input(reading, report), kpi)
    for name, kpi in profile.kpis.items():
        if kpi.parts:
            readings[name] = _within_range(_computed(kpi, readings), kpi)
    return readings


def _computed(kpi: Kpi, readings: Readings) -> Reading:
    """The ratio or the difference of two KPIs; without data if one of them has none.

    A ratio keeps both figures: over several iterations it is the ratio of their sums.
    """
    first, second = kpi.parts
    a, b = readings[first], readings[second]
    source = f"{first} {'/' if kpi.ratio else '-'} {second}"
    for part, reading in ((first, a), (second, b)):
        if reading.value is None:
            because = f": {reading.why}" if reading.why else ""
            return Reading(None, source, why=f"{part} has no data{because}")
    x, y = a.value or 0.0, b.value or 0.0
    if kpi.ratio and y == 0.0:
        return Reading(None, source, why=f"{second} is 0")
    result = reading_of(x / y if kpi.ratio else x - y, source, source)
    has_sums = kpi.ratio and y > 0.0 and result.value is not None
    return structs.replace(
        result,
        numerator=x if has_sums else None,
        denominator=y if has_sums else None,
        placeholder=a.placeholder or b.placeholder,
        weak=a.weak or b.weak,
    )


def _without_data(profile: Profile, fault: str, recorded: Mapping[str, Any]) -> Readings:
    """The readings of an iteration whose target had a fault: no data but what checks recorded."""
    nothing = Reading(None, FAULT, why=FAULT_WHY + fault)
    readings = {
        name: reading_of(value, "recorded", "the recorded value")
        for name, value in recorded.items()
    }
    for name, kpi in profile.kpis.items():
        if not (kpi.recorded and name in readings):
            readings[name] = nothing
    return readings


_NOT_COMPUTED = Reading(None, "")
"""Keeps the place of a KPI that is computed once the others are read."""
_NOT_RECORDED = Reading(None, "recorded", why="no check recorded it")


def _within_range(reading: Reading, kpi: Kpi) -> Reading:
    """The reading; without data if its value lies outside the range of its KPI."""
    low, high = kpi.range
    value = reading.value
    if value is None:
        return reading
    below = low is not None and value < low
    above = high is not None and value > high
    if not (below or above):
        return reading
    ends = f"{'-inf' if low is None else f'{low:g}'} to {'inf' if high is None else f'{high:g}'}"
    return Reading(None, reading.source, why=f"{kpi.name} is {value:.12g}, outside {ends}")


def _read(report: Mapping[str, Any], kpi: Kpi) -> Reading:
    value, source = cast(Any, report), path_text(kpi.path)
    for depth, step in enumerate(kpi.path):
        if isinstance(step, int):
            if not isinstance(value, (list, tuple)):
                why = f"{_above(kpi.path, depth)} is {described(value)}, not a list"
                return Reading(None, source, why=why)
            if step >= len(value):
                why = f"{_above(kpi.path, depth)} has {len(value)} items, none at place {step}"
                return Reading(None, source, why=why)
        elif type(value) is not dict and not isinstance(value, Mapping):  # the ABC's check is slow
            why = f"{_above(kpi.path, depth)} is {described(value)}, not a mapping"
            return Reading(None, source, why=why)
        elif step not in value:
            return _absent(kpi.path, depth, tuple(value))
        value = value[step]
    if kpi.quantile is not None:
        reading = quantile_reading(value, kpi.quantile.q, kpi.quantile.buckets, source)
    else:
        reading = reading_of(value, source, source)
    return _scaled(reading, kpi)


def _scaled(reading: Reading, kpi: Kpi) -> Reading:
    if kpi.scale == 1.0 or reading.value is None:
        return reading
    source = reading.source
    return reading_of(reading.value * kpi.scale, source, f"{source} times {kpi.scale:g}")


def _of_metrics(report: Mapping[str, Any], kpi: Kpi, metric: Metric) -> Reading:
    """The figure of a metric; without one the reason that its reader gives."""
    source, figures = metric.text, report.get(METRICS)
    if isinstance(figures, Mapping) and kpi.name in figures:
        return _scaled(reading_of(figures[kpi.name], source, source), kpi)
    why = _missing_in(report).get(kpi.name)
    if not isinstance(why, str):
        why = f"the report has no figure of {source}; 'report: {{prometheus: URL}}' reads metrics"
    return Reading(None, source, why=why)


def _with_missing_input(reading: Reading, report: Mapping[str, Any]) -> Reading:
    """The reading; its reason has why the metric that it is computed from has no figure."""
    if reading.value is not None or not reading.why:
        return reading
    for place, why in _missing_in(report).items():
        if "." in place and place in reading.why:
            return structs.replace(reading, why=f"{reading.why}: {why}")
    return reading


def reset_texts(report: Mapping[str, Any]) -> list[str]:
    """A sentence for each metric that began anew within the span of a report."""
    resets = report.get(METRIC_RESETS)
    return [
        f"the service of the metrics was started again, times: {count}"
        if name == START_TIME
        else f"the counter {name} began anew, times: {count}"
        for name, count in (resets.items() if isinstance(resets, Mapping) else ())
    ]


def _missing_in(report: Mapping[str, Any]) -> Mapping[str, Any]:
    missing = report.get(METRICS_MISSING)
    return missing if isinstance(missing, Mapping) else {}


def _above(path: Sequence[str | int], depth: int) -> str:
    return path_text(path[:depth]) or "the report"


@lru_cache(maxsize=1024)
def _absent(path: tuple[str | int, ...], depth: int, fields: tuple[str, ...]) -> Reading:
    """The reading without the field ``path[depth]``.

    It is shared: a field that is absent is absent in every iteration.
    """
    step, above = str(path[depth]), _above(path, depth)
    has = f"{above} has {names(fields)}" if fields else f"{above} is empty"
    return Reading(None, path_text(path), why=f"no field {step}{hint(step, fields)}; {has}")


def ensure_maker_taker_ratio(summary: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """Set ``maker_taker_ratio`` and ``maker_taker_source`` in ``summary``, and return it.

    ``summary`` holds the KPIs itself or under ``"summary"``. ``context`` has the sections of an
    EDGE_REPORT (``fills``, ``weekly_rollup``, ``summary``), and ``mock`` (bool). A ratio in [0, 1]
    that is there already stays, unless it is a placeholder and a better source exists. The ratio is
    None where the first source that exists is unusable.
    """
    inner = summary.get("summary")
    kpis = inner if isinstance(inner, dict) else summary
    mock = context.get("mock") is True
    present = number(kpis.get("maker_taker_ratio"))
    source = kpis.get("maker_taker_source")
    if present is not None and 0 <= present <= 1 and source not in PLACEHOLDER_SOURCES:
        kpis["maker_taker_source"] = source if isinstance(source, str) and source else "summary"
        return summary
    report = {**kpis, **context}
    given = context.get("summary")
    inner_summary = given if isinstance(given, Mapping) else {}
    report["summary"] = {**kpis, **inner_summary}
    reading = maker_taker_reading(report, mock=mock)
    kpis["maker_taker_ratio"], kpis["maker_taker_source"] = reading.value, reading.source
    return summary
