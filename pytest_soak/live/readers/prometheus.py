"""Reports made of the metrics that a service shows at its own ``/metrics``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_soak.canonical import scrubbed
from pytest_soak.json_types import WrongValueError
from pytest_soak.live.channels import ChannelFault, Context
from pytest_soak.live.exposition import Exposition, Scanner
from pytest_soak.live.http_client import HttpClient, http_client
from pytest_soak.live.increases import (
    Increases,
    NoFigureError,
    counters_of,
    increase_of,
    quantile_of,
    sample_of,
    value_of,
)
from pytest_soak.live.report import ECHO
from pytest_soak.live.sections import ReportFields
from pytest_soak.loop.kpis import METRIC_RESETS, METRICS_MISSING, START_TIME
from pytest_soak.loop.words import hint, names
from pytest_soak.messages import nearest, shown
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.kpi import METRICS, Metric
from pytest_soak.profile.kpis import metric_of
from pytest_soak.profile.sections import SeriesFields

_ACCEPT = "text/plain;version=0.0.4,*/*;q=0.1"
"""OpenMetrics is read, and not asked for: some services would send it, whatever its weight."""
_OPEN_METRICS = "application/openmetrics-text"
_FILLS = ("maker_count", "taker_count", "maker_volume", "taker_volume")
_TOO_SHORT_S = 1e-3


@dataclass(frozen=True, slots=True)
class Needed:
    """A figure, and where in the report it stands."""

    path: tuple[str, str]
    """``("metrics", KPI)``, ``("fills", "maker_count")``, ``("effective_params", PARAMETER)``."""
    metric: Metric

    @property
    def name(self) -> str:
        """The KPI, else the path, for messages."""
        return self.path[1] if self.path[0] == METRICS else ".".join(self.path)


class ReportMetrics:
    """A reader (:class:`pytest_soak.live.channels.Reader`) that scrapes one URL over the span.

    Its report is of the time from the first scrape since ``begin`` to the newest.
    """

    covers_span = True

    def __init__(
        self,
        client: HttpClient,
        every_s: float | None,
        needed: Sequence[Needed],
        timeout_s: float = 10.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.place = client.endpoint.place
        self.sources: tuple[str, ...] = (client.endpoint.canonical,)
        self.every_s = every_s
        self.raw = b""
        self._client = client
        self._now = now
        self._needed = tuple(needed)
        metrics = [item.metric for item in needed]
        self._samples = sorted({sample_of(metric) for metric in metrics})
        self._counters = counters_of(metrics)
        self._scanner = Scanner((*self._samples, START_TIME), timeout_s)
        self._has_answered = False
        self.begin()

    def begin(self) -> None:
        """Count from the next scrape on."""
        self._increases = Increases(self._counters)
        self._first_at: float | None = None
        self._missed = 0
        self._ever = False

    def poll(self) -> dict[str, Any]:
        """The figures from the first scrape of the span to now. Raises ChannelFault."""
        at = self._now()
        try:
            answer = self._client.exchange("GET")
            self._has_answered, self.raw = True, answer.body
            is_open = answer.kind.partition(";")[0].strip().lower() == _OPEN_METRICS
            scrape = self._scanner.read(
                answer.body, self.place, is_open_metrics=is_open, is_whole=answer.is_whole
            )
        except ChannelFault:
            self._missed += self._first_at is None
            raise
        self._increases.add(scrape)
        self._first_at = at if self._first_at is None else self._first_at
        self._ever = self._ever or any(name in scrape.samples for name in self._samples)
        if not self._ever:
            raise ChannelFault("metric_missing", self.place, self._nothing(scrape))
        return self._report(scrape, at - self._first_at)

    def exists(self) -> bool:
        return self._has_answered

    def _nothing(self, scrape: Exposition) -> str:
        every, (first, *others) = scrape.names(), self._samples
        which = "other that is" if len(others) == 1 else "others that are"
        also = f", nor {len(others)} {which} read" if others else ""
        near = hint(first, every)
        there = "" if near else f"; it has {names(every)}" if every else "; it is empty"
        return f"has no sample {first}{near}{also}{there}"

    def _report(self, scrape: Exposition, span_s: float) -> dict[str, Any]:
        report: dict[str, Any] = {"totals": {}, METRICS: {}}
        missing: dict[str, str] = {}
        for item in self._needed:
            section, key = item.path
            try:
                figure = self._figure(item.metric, scrape, span_s)
            except NoFigureError as problem:
                missing[item.name] = scrubbed(str(problem))
                if section not in (METRICS, ECHO):  # no field would count as 0 blocks
                    report.setdefault(section, {})[key] = None
                continue
            report.setdefault(section, {})[key] = figure
        if missing:
            report[METRICS_MISSING] = missing
        if self._increases.resets:
            report[METRIC_RESETS] = dict(sorted(self._increases.resets.items()))
        return report

    def _figure(self, metric: Metric, scrape: Exposition, span_s: float) -> float:
        """Raises NoFigureError."""
        if metric.take == "value":
            return value_of(metric, scrape)
        if metric.take == "quantile":
            return quantile_of(metric, scrape, self._increases)
        increase = increase_of(metric, scrape, self._increases)
        if metric.take == "increase":
            if self._missed:
                scrapes = "scrape" if self._missed == 1 else f"{self._missed} scrapes"
                text = f"the first {scrapes} of the span failed, so an increase is not known"
                raise NoFigureError(text)
            return increase
        if span_s < _TOO_SHORT_S:
            raise NoFigureError("the two scrapes are at one time, so a rate is not known")
        return increase / span_s


def make_prometheus(fields: ReportFields, context: Context, every_s: float) -> ReportMetrics:
    """Raises WrongValueError, with the path within the source."""
    needed = (
        *(Needed((METRICS, kpi), metric) for kpi, metric in context.metrics.items()),
        *_inputs(fields, context),
        *_echo(fields, context),
    )
    if not needed:
        problem = (
            "nothing reads its metrics; a KPI does with 'read: {metric: NAME, take: increase}'"
        )
        raise WrongValueError(("prometheus",), problem)
    client = http_client(
        str(fields.prometheus), fields.headers, fields.allow_hosts, fields.timeout_s, context,
        field="prometheus", accept=_ACCEPT,
    )  # fmt: skip
    return ReportMetrics(client, every_s, needed, fields.timeout_s)


def _inputs(fields: ReportFields, context: Context) -> Iterator[Needed]:
    """The fields of the report that derived KPIs and block ratios are computed from."""
    inputs: Mapping[str, tuple[str, ...]] = {
        "fills": _FILLS,
        "block_reasons": context.block_reasons,
    }
    for place, given in fields.inputs.items():
        section, _, key = place.partition(".")
        if key not in inputs.get(section, ()):
            every = [f"{name}.{item}" for name, items in inputs.items() for item in items]
            problem = f"{shown(place)} is no input{nearest(place, every)}; there are "
            raise WrongValueError(("inputs",), f"{problem}{', '.join(every)}")
        at = ("inputs", place)
        try:
            yield Needed((section, key), metric_of(given, at))
        except Invalid as error:
            raise WrongValueError(error.path, error.problem) from None


def _echo(fields: ReportFields, context: Context) -> Iterator[Needed]:
    for key, given in fields.echo.items() if isinstance(fields.echo, dict) else ():
        if key not in context.paths:
            near = nearest(key, context.paths)
            raise WrongValueError(("echo",), f"unknown parameter {shown(key)}{near}")
        if isinstance(given, SeriesFields):
            labels = tuple(sorted(given.labels.items()))
            yield Needed((ECHO, key), Metric(given.metric, labels))
