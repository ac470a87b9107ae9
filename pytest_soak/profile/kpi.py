"""A KPI: where its value comes from, and in which range it can lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from pytest_soak.canonical import escaped
from pytest_soak.profile.reading import IDENTIFIER

Derived = Literal["maker_taker_ratio", "fills_per_hour"]
DERIVED_NAMES: tuple[str, ...] = get_args(Derived)
"""Values of ``derive:`` that are computed from a report (:mod:`pytest_soak.loop.derived`)."""
RECORDED = "recorded"
"""The value of ``derive:`` for a KPI that a check records (``soak_iteration.record``)."""

Aggregate = Literal["last", "sum", "min", "max", "mean", "weighted_mean", "rate"]
"""How the values of several reports become one: ``rate`` is their sum per second of the spans."""


Buckets = Literal["cumulative", "plain"]
"""``cumulative``: a bucket counts all values up to its bound, as Prometheus has it; ``plain``: only
those above the bound before it."""

Steps = tuple[str | int, ...]
"""The keys, and the places in lists, that lead to a value in a report."""


@dataclass(frozen=True, slots=True)
class Quantile:
    """The value below which ``q`` of the values of a histogram lie."""

    histogram: Steps
    """Path of a mapping of upper bound to count, ``{"0.1": 12, "0.5": 30, "+Inf": 31}``."""
    q: float
    buckets: Buckets = "cumulative"


METRICS = "metrics"
"""The field of a report in which the figures of metrics stand: name of the KPI to number."""

Take = Literal["value", "increase", "rate", "quantile"]
"""What is made of the samples of a metric over the measured span; ``rate`` is per second."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What is read of the metrics that a service shows at its own ``/metrics``."""

    sample: str
    """The name of the sample; for a quantile that of the histogram, also without ``_bucket``."""
    labels: tuple[tuple[str, str], ...] = ()
    """Those that a series must have, by name; others are as they are."""
    take: Take = "value"
    q: float = 0.0
    """For ``quantile``."""

    @property
    def series(self) -> str:
        """``orders_total{side="buy"}``, on one line."""
        return self.sample + labels_text(self.labels)

    @property
    def text(self) -> str:
        """``increase of orders_total``; only the name of the series for ``value``."""
        if self.take == "value":
            return self.series
        what = f"{self.q:g}-quantile" if self.take == "quantile" else self.take
        return f"{what} of {self.series}"


def labels_text(labels: Sequence[tuple[str, str]]) -> str:
    """``{side="buy"}``; empty without labels."""
    pairs = ",".join(f'{name}="{escaped(value)}"' for name, value in labels)
    return f"{{{pairs}}}" if pairs else ""


@dataclass(frozen=True, slots=True)
class Kpi:
    """Where a KPI comes from. Exactly one of the sources ``read`` to ``difference`` is set."""

    name: str
    unit: str
    better: Literal["up", "down", "none"]
    read: Steps = ()
    """Path in the report, e.g. ``("totals", "net_bps")``; of a metric ``("metrics", name)``."""
    metric: Metric | None = None
    """Of what the number at ``read`` is made."""
    block_ratio: str = ""
    """The share of this block reason among all blocks."""
    derive: str = ""
    """One of ``DERIVED_NAMES``, or ``RECORDED``."""
    quantile: Quantile | None = None
    ratio: tuple[str, str] | tuple[()] = ()
    """The first of two other KPIs, divided by the second."""
    difference: tuple[str, str] | tuple[()] = ()
    """The first of two other KPIs without the second."""
    scale: float = 1.0
    """What is read is multiplied by it."""
    aggregate: str = ""
    """How several reports of one iteration become one value; one of ``Aggregate``."""
    weight: Steps = ()
    """Path of the weight, for ``weighted_mean``."""
    range: tuple[float | None, float | None] = (None, None)
    """Where its values can lie; a value outside is *no data*. None: no limit on that side."""

    @property
    def recorded(self) -> bool:
        return self.derive == RECORDED

    @property
    def path(self) -> Steps:
        """Where in the report its value or its histogram is; empty for a KPI of another source."""
        return self.read if self.quantile is None else self.quantile.histogram

    @property
    def parts(self) -> tuple[str, ...]:
        """The KPIs that it is computed from."""
        return self.ratio or self.difference


def path_text(path: Sequence[str | int]) -> str:
    """``totals.p95_ms``, or ``routes."/api/v1".0.p95``, on one line."""
    return ".".join(
        step if isinstance(step, str) and IDENTIFIER.fullmatch(step) else _quoted(step)
        for step in path
    )


def _quoted(step: str | int) -> str:
    return str(step) if isinstance(step, int) else f'"{escaped(step)}"'
