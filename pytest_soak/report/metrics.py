"""POST_SOAK_METRICS.prom: the figures of a run for a metrics store, under one of two name sets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_soak.canonical import canonical_json, escaped
from pytest_soak.report.metric_names import LANE_LABELS, LANE_METRICS, RUN_METRICS, Metric, NameSet
from pytest_soak.report.metric_values import LaneFigures, Point, RunFigures

_SHORT_NAMES: Mapping[str, str] = {"maker_taker_ratio": "maker_taker"}
_PLACE = re.compile(r"<(\w+)>")


@dataclass(frozen=True, slots=True)
class Sample:
    """One value under its name in one of the sets."""

    metric: Metric
    name: str
    labels: Mapping[str, str]
    value: float | None
    """None if it is not known; then the file does not have it."""
    kpi: str = ""

    @property
    def lane(self) -> str | None:
        """None for a figure of the run."""
        return self.labels.get("lane")

    @property
    def help(self) -> str:
        return self.metric.help.replace("<kpi>", self.kpi) + "."


def samples(figures: RunFigures, names: NameSet) -> Iterator[Sample]:
    """Every value of a set of names, those that are not known included."""
    for lane in figures.lanes:
        if names == "original":
            yield from _original(lane)
        else:
            yield from _clean(lane)
    for metric in RUN_METRICS if names == "clean" else ():
        for point in metric.read_run(figures) if metric.read_run is not None else ():
            yield Sample(metric, metric.clean, _texts(point.labels), _number(point.value))


def metrics_text(figures: RunFigures, names: NameSet = "original") -> str:
    """The Prometheus text format, written by prometheus_client.

    The original set has no comments, so that ``grep NAME FILE | awk '{print $2}'`` gives the value
    and nothing else. The clean set has help and type of each metric.
    """
    from prometheus_client import generate_latest
    from prometheus_client.metrics_core import Metric as Family
    from prometheus_client.registry import Collector

    families: dict[str, Family] = {}
    for sample in samples(figures, names):
        if sample.value is None:
            continue
        family = families.get(sample.name)
        if family is None:
            counter = sample.metric.type == "counter"
            stem = sample.name.removesuffix("_total") if counter else sample.name
            family = families[sample.name] = Family(stem, sample.help, sample.metric.type)
        family.add_sample(sample.name, dict(sample.labels), sample.value)

    class Families(Collector):
        def collect(self) -> Iterator[Family]:
            yield from families.values()

    text = generate_latest(Families()).decode("utf-8")
    if names == "clean":
        return text
    return "".join(f"{line}\n" for line in text.split("\n") if line and line[0] != "#")


def metrics_lines(figures: RunFigures, names: NameSet = "original") -> str:
    """The same figures as JSON lines: ``{"lane", "metric", "value"}``, and ``labels`` if it has
    others than those of the lane."""
    return "".join(
        canonical_json(_row(sample)).decode() + "\n"
        for sample in samples(figures, names)
        if sample.value is not None
    )


def value_text(value: float) -> str:
    """A value as the file has it."""
    from prometheus_client.utils import floatToGoString

    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


def _row(sample: Sample) -> dict[str, Any]:
    others = {name: text for name, text in sample.labels.items() if name not in LANE_LABELS}
    return {
        "metric": sample.name,
        "value": sample.value,
        **({"lane": sample.lane} if sample.lane is not None else {}),
        **({"labels": others} if others else {}),
    }


def _original(lane: LaneFigures) -> Iterator[Sample]:
    names, labels = _original_kpis(lane), {"lane": lane.history.lane.id}
    for metric in LANE_METRICS:
        if not metric.original or metric.read is None:
            continue
        for point in metric.read(lane):
            places = {name: text.lower() for name, text in point.labels.items()}
            name = _filled(metric.original, {**places, "kpi": names.get(point.kpi, "")})
            yield Sample(metric, name, labels, _number(point.value), point.kpi)


def _clean(lane: LaneFigures) -> Iterator[Sample]:
    for metric in LANE_METRICS:
        for point in metric.read(lane) if metric.read is not None else ():
            labels = {**lane.labels, **_texts(point.labels)}
            name, value = _clean_name(metric, lane, point), _number(point.value)
            if point.kpi and value is not None:
                value = lane.kpis[point.kpi].converted(value)
            yield Sample(metric, name, labels, value, point.kpi)


def _clean_name(metric: Metric, lane: LaneFigures, point: Point) -> str:
    if not point.kpi:
        return metric.clean
    statistic = metric.clean.removeprefix("soak_kpi_<kpi>_").removesuffix("_<unit>")
    return lane.kpis[point.kpi].name(statistic)


def _filled(name: str, places: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda match: places[match[1]], name)


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _texts(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels whose values, which may be texts of others, move no cursor."""
    return {name: escaped(text) for name, text in labels.items()}


def _original_kpis(lane: LaneFigures) -> dict[str, str]:
    """KPI to its part of a metric's name; KPIs that would share a part are numbered."""
    names: dict[str, str] = {}
    for kpi in lane.history.profile.kpis:
        stem = re.sub(r"[^a-zA-Z0-9_]", "_", _SHORT_NAMES.get(kpi, kpi))
        name, number = stem, 2
        while name in names.values():
            name, number = f"{stem}_{number}", number + 1
        names[kpi] = name
    return names
