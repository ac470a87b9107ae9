"""The KPIs of a profile, from its section ``kpis``: what several fields say together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from msgspec import UNSET, UnsetType

from pytest_soak.messages import shown
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.kpi import METRICS, Kpi, Metric, Quantile, Take
from pytest_soak.profile.model import Criterion
from pytest_soak.profile.reading import check_known
from pytest_soak.profile.sections import (
    A_PATH,
    PATH,
    HistogramQuantileFields,
    KpiFields,
    MetricFields,
)

Path = tuple[str, ...]

RESERVED_NAMES = {
    "deltas": "log lines",
    "any": "conditions",
    "not": "conditions",
    "parameter": "conditions",
}
"""Names that no KPI can have, and where they have a meaning of their own."""

_PATH = re.compile(PATH)


def kpis_of(given: Mapping[str, KpiFields]) -> dict[str, Kpi]:
    """Every KPI. Raises Invalid."""
    kpis = {name: _kpi(name, fields) for name, fields in given.items()}
    for name, kpi in kpis.items():
        for place, part in enumerate(kpi.parts):
            at = ("kpis", name, "ratio" if kpi.ratio else "difference", str(place))
            check_known(part, kpis, "KPI", at)
            if kpis[part].parts:
                raise Invalid(at, f"{part} is computed from other KPIs itself; name what it uses")
    return kpis


def with_directions(
    kpis: Mapping[str, Kpi], given: Mapping[str, KpiFields], criteria: Mapping[str, Criterion]
) -> dict[str, Kpi]:
    """The KPIs; one without ``better`` is better on the side of its limit in the gate.

    With a lower and an upper limit it is better neither up nor down.
    """
    return {
        name: replace(kpi, better=_direction(criteria[name]))
        if given[name].better is UNSET and name in criteria
        else kpi
        for name, kpi in kpis.items()
    }


def _direction(criterion: Criterion) -> Literal["up", "down", "none"]:
    if len(criterion.production.sides) > 1:
        return "none"
    return "down" if criterion.production.sides[0].upper else "up"


def _kpi(name: str, fields: KpiFields) -> Kpi:
    at = ("kpis", name)
    values = {
        "read": fields.read,
        "block_ratio": fields.block_ratio,
        "derive": fields.derive,
        "quantile": fields.quantile,
        "ratio": fields.ratio,
        "difference": fields.difference,
    }
    sources = [source for source, value in values.items() if value is not UNSET]
    if len(sources) != 1:
        raise Invalid(
            at, f"a KPI has one of {', '.join(values)}; here is {' and '.join(sources) or 'none'}"
        )
    if name in RESERVED_NAMES:
        where = RESERVED_NAMES[name]
        raise Invalid(at, f"{name!r} has a meaning of its own in {where}; choose another name")
    _check_aggregate(at, fields)
    low, high = fields.range
    if low is not None and high is not None and low >= high:
        raise Invalid((*at, "range"), f"{low:g} is not below {high:g}")
    metric = None
    if isinstance(fields.read, MetricFields):
        metric = metric_of(fields.read, (*at, "read"))
    return Kpi(
        name=name,
        unit=fields.unit,
        better=fields.better or "none",
        read=(METRICS, name) if metric else _steps(fields.read, (*at, "read")),
        metric=metric,
        block_ratio=fields.block_ratio or "",
        derive=fields.derive or "",
        quantile=_quantile(fields, (*at, "quantile")),
        ratio=fields.ratio or (),
        difference=fields.difference or (),
        scale=_scale(fields, (*at, "scale")),
        aggregate=fields.aggregate or "",
        weight=_steps(fields.weight, (*at, "weight")),
        range=fields.range,
    )


def metric_of(given: MetricFields, at: Path) -> Metric:
    """What is read of a metric. Raises Invalid, with the path ``at`` before that of the field."""
    take: Take
    if isinstance(given.take, HistogramQuantileFields):
        take, q = "quantile", given.take.histogram_quantile
        if "le" in given.labels:
            raise Invalid((*at, "labels", "le"), "a quantile is of all buckets; leave it out")
    else:
        take, q = given.take, 0.0
    return Metric(given.metric, tuple(sorted(given.labels.items())), take, q)


def _steps(
    given: str | tuple[str | int, ...] | MetricFields | UnsetType, at: Path
) -> tuple[str | int, ...]:
    """The keys and places that lead to a value; empty without a path."""
    if isinstance(given, (UnsetType, MetricFields)):
        return ()
    if isinstance(given, str):
        if _PATH.fullmatch(given) is None:
            raise Invalid(at, f"{shown(given)} is no {A_PATH}")
        return tuple(given.split("."))
    if isinstance(given[0], int):
        raise Invalid((*at, "0"), f"{given[0]} is not a text; a report is a mapping")
    return given


def _quantile(fields: KpiFields, at: Path) -> Quantile | None:
    if fields.quantile is UNSET:
        return None
    given = fields.quantile
    return Quantile(_steps(given.histogram, (*at, "histogram")), given.q, given.buckets)


def _scale(fields: KpiFields, at: Path) -> float:
    if fields.scale is UNSET:
        return 1.0
    if fields.read is UNSET and fields.quantile is UNSET:
        raise Invalid(at, "belongs to a KPI with 'read' or 'quantile'")
    if fields.scale == 0.0:
        raise Invalid(at, "0 would make every value 0")
    return fields.scale


def _check_aggregate(at: Path, fields: KpiFields) -> None:
    if fields.quantile and fields.aggregate not in (UNSET, "last", "sum"):
        raise Invalid((*at, "aggregate"), "a histogram has 'last' or 'sum'")
    if fields.aggregate and isinstance(fields.read, MetricFields):
        raise Invalid((*at, "aggregate"), "is of several reports; 'take' is what a metric has")
    if fields.aggregate and not fields.read and not fields.quantile:
        raise Invalid((*at, "aggregate"), "is for a KPI that is read from the report")
    if fields.aggregate == "weighted_mean" and fields.weight is UNSET:
        raise Invalid(
            (*at, "aggregate"), "weighted_mean needs 'weight', a path such as 'fills.count'"
        )
    if fields.aggregate != "weighted_mean" and fields.weight is not UNSET:
        raise Invalid(
            (*at, "weight"), "the path of the weight belongs to 'aggregate: weighted_mean'"
        )
