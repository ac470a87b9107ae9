"""Several reports of one iteration as one: per KPI by its ``aggregate``. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from pytest_soak.canonical import number
from pytest_soak.profile.kpi import Kpi, Steps

_COUNTS = ("fills", "block_reasons")
"""Sections of counts, which derived KPIs and block ratios read: those of all reports add up."""
_PLAIN: Mapping[str, Callable[[Sequence[float]], float]] = {
    "sum": math.fsum,
    "min": min,
    "max": max,
    "mean": lambda values: math.fsum(values) / len(values),
}


def merged(reports: Sequence[Mapping[str, Any]], kpis: Iterable[Kpi]) -> dict[str, Any]:
    """The newest report, with the value of each KPI aggregated over all.

    ``reports`` are in the order in which they came, at least one. A KPI without ``aggregate`` has
    the value of the newest report. A report without the value of a KPI takes no part in it; where
    none has it, it stays absent.
    """
    result = deepcopy(dict(reports[-1]))
    if len(reports) == 1:
        return result
    for section in _COUNTS:
        counts = [report[section] for report in reports if isinstance(report.get(section), Mapping)]
        if counts:
            result[section] = _added(counts)
    for kpi in kpis:
        if kpi.quantile is not None and kpi.aggregate == "sum":
            _add_histograms(result, reports, kpi.path)
            continue
        if not kpi.read or kpi.aggregate in (None, "last"):
            continue
        pairs = [
            (value, report) for report in reports if (value := at(report, kpi.read)) is not None
        ]
        numbers = [(float(value), report) for value, report in pairs if number(value) is not None]
        if len(numbers) < len(pairs):
            continue  # a text or an infinity: the newest value stays, and its reading says why
        value = _aggregate(kpi, numbers)
        if value is not None:
            _put(result, kpi.read, value)
    return result


def _add_histograms(
    result: dict[str, Any], reports: Sequence[Mapping[str, Any]], path: Steps
) -> None:
    """Bucket by bucket the sum; the newest histogram stays if they have different bounds."""
    given = [value for report in reports if (value := at(report, path)) is not None]
    histograms = [value for value in given if isinstance(value, Mapping)]
    same = all(item.keys() == histograms[0].keys() for item in histograms)
    if histograms and same and len(histograms) == len(given):
        _put(result, path, _added(histograms))


def _added(sections: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Field by field the sum; a field that is no number somewhere has its newest value."""
    result: dict[str, Any] = {}
    for name in dict.fromkeys(name for section in sections for name in section):
        values = [section[name] for section in sections if name in section]
        are_numbers = all(number(value) is not None for value in values)
        result[name] = sum(values) if are_numbers else values[-1]
    return result


def at(report: Any, path: Sequence[str | int]) -> Any:
    """The value at a path of mappings and lists; None if it is absent or null."""
    for step in path:
        if isinstance(step, int):
            has_it = isinstance(report, (list, tuple)) and step < len(report)
            report = report[step] if has_it else None
        else:
            report = report.get(step) if isinstance(report, Mapping) else None
    return report


def span_s(report: Mapping[str, Any]) -> float | None:
    """Seconds that a report covers, by the clock of the bot; None if it does not say."""
    begin, end = number(report.get("from_unix")), number(report.get("to_unix"))
    return None if begin is None or end is None or end <= begin else end - begin


def _aggregate(kpi: Kpi, values: Sequence[tuple[float, Mapping[str, Any]]]) -> float | None:
    if not values:
        return None
    if (plain := _PLAIN.get(kpi.aggregate or "")) is not None:
        return plain([value for value, _ in values])
    if kpi.aggregate == "rate":
        spans = [span_s(report) for _, report in values]
        if any(span is None for span in spans):
            return None
        return math.fsum(value for value, _ in values) / math.fsum(span or 0.0 for span in spans)
    weights = [number(at(report, kpi.weight)) for _, report in values]
    if any(weight is None or weight < 0 for weight in weights):
        return None
    total = math.fsum(weight or 0.0 for weight in weights)
    if total == 0.0:
        return None
    pairs = zip(values, weights, strict=True)
    return math.fsum(value * (weight or 0.0) for (value, _), weight in pairs) / total


def _put(report: Any, path: Steps, value: Any) -> None:
    """Sets the value at a path; a place that its list does not have stays away."""
    for step in path[:-1]:
        if isinstance(step, int):
            if not isinstance(report, list) or step >= len(report):
                return
            report = report[step]
            continue
        if not isinstance(report, dict):
            return
        inner = report.get(step)
        if not isinstance(inner, (dict, list)):
            inner = report[step] = {}
        report = inner
    last = path[-1]
    if isinstance(last, int):
        if isinstance(report, list) and last < len(report):
            report[last] = value
    elif isinstance(report, dict):
        report[last] = value
