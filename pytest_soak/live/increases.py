"""What becomes of the samples of several scrapes: increases over resets, and figures. Pure but for
the state of one span."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from pytest_soak.canonical import escaped
from pytest_soak.live.exposition import Exposition, Labels
from pytest_soak.loop.histogram import quantile_reading
from pytest_soak.loop.kpis import START_TIME
from pytest_soak.loop.words import hint, names
from pytest_soak.profile.kpi import Metric, labels_text

FEWEST = 10
"""A quantile of fewer observations is no data."""
_JITTER_S = 1.0
"""Some libraries compute the start of their process anew each time, from a clock in seconds."""
_COUNTS = ("counter", "histogram", "summary", "unknown", "untyped", "gaugehistogram", "")
"""Types of metrics that only rise, as far as that can be seen."""
_MOST = 3
_BUCKET = "_bucket"


class NoFigureError(Exception):
    """Why a metric has no figure; a sentence for people."""


class _Series:
    """One counter since the first scrape: pieces between two resets, each from its base on."""

    __slots__ = ("base", "done", "last")

    def __init__(self, base: float, last: float) -> None:
        self.base, self.last, self.done = base, last, 0.0

    @property
    def increase(self) -> float:
        return self.done + (self.last - self.base)

    def move(self, value: float, *, began_anew: bool) -> None:
        if began_anew:
            self.done += self.last - self.base
            self.base = 0.0
        self.last = value


class Increases:
    """The increases of all series of some counters, from one scrape to the next."""

    def __init__(self, counters: Collection[str]) -> None:
        self.resets: Counter[str] = Counter()
        """Name of the sample to how often one of its series fell; a restart of the process, which
        sets all back, counts once as ``process_start_time_seconds``."""
        self.scrapes = 0
        self._counters = tuple(counters)
        self._series: dict[str, dict[Labels, _Series]] = {name: {} for name in counters}
        self._bad: dict[tuple[str, Labels], float] = {}
        self._started: float | None = None

    def add(self, scrape: Exposition) -> None:
        """Add the next scrape. A series that is not there is at 0: its process has not counted
        yet, or counts anew."""
        started = _started(scrape)
        restarted = _is_other_start(self._started, started)
        self._started = self._started if started is None else started
        if restarted:
            self.resets[START_TIME] += 1
        for name in self._counters:
            if (
                self._move(name, scrape.samples.get(name, {}), restarted=restarted)
                and not restarted
            ):
                self.resets[name] += 1
        self.scrapes += 1

    def _move(self, name: str, now: Mapping[Labels, float], *, restarted: bool) -> bool:
        """Whether a series fell."""
        series = self._series[name]
        usable: dict[Labels, float] = {}
        for labels, value in now.items():
            if math.isfinite(value) and value >= 0.0:
                usable[labels] = value
            else:
                self._bad[name, labels] = value
        fell = {
            _histogram(name, labels)
            for labels, counter in series.items()
            if usable.get(labels, 0.0) < counter.last and (name, labels) not in self._bad
        }
        for labels, counter in series.items():
            began_anew = restarted or _histogram(name, labels) in fell
            counter.move(usable.get(labels, 0.0), began_anew=began_anew)
        for labels in usable.keys() - series.keys():
            base = usable[labels] if self.scrapes == 0 else 0.0
            series[labels] = _Series(base, usable[labels])
        return bool(fell)

    def of(self, name: str, labels: Labels) -> dict[Labels, float]:
        """The increase of every series of a sample that has these labels. Raises NoFigureError."""
        for (bad, of_bad), value in self._bad.items():
            if bad == name and _has(of_bad, labels):
                series = f"{name}{labels_text(of_bad)}"
                raise NoFigureError(f"{series} was {_text(value)}, which no counter is")
        return {
            of_labels: series.increase
            for of_labels, series in self._series[name].items()
            if _has(of_labels, labels)
        }


def _histogram(name: str, labels: Labels) -> Labels:
    """What series begin anew together: the buckets of one histogram, else each alone."""
    return _without_bound(labels) if name.endswith(_BUCKET) else labels


def _without_bound(labels: Labels) -> Labels:
    return tuple(pair for pair in labels if pair[0] != "le")


def counters_of(metrics: Collection[Metric]) -> tuple[str, ...]:
    """The samples whose increases are needed."""
    return tuple(sorted({sample_of(item) for item in metrics if item.take != "value"}))


def sample_of(metric: Metric) -> str:
    """The sample of a metric: of a quantile that of its buckets."""
    if metric.take == "quantile":
        return metric.sample.removesuffix(_BUCKET) + _BUCKET
    return metric.sample


def value_of(metric: Metric, newest: Exposition) -> float:
    """The value of the one series of a metric. Raises NoFigureError."""
    present = _present(metric, newest)
    if len(present) > 1:
        few = _few(sorted(present))
        raise NoFigureError(
            f"{metric.series} has {len(present)} series ({few}); name the labels of the one "
            "that is meant, or take the increase of a counter"
        )
    ((_, value),) = present.items()
    if not math.isfinite(value):
        raise NoFigureError(f"{metric.series} is {_text(value)}")
    return value


def increase_of(metric: Metric, newest: Exposition, increases: Increases) -> float:
    """The increase of all series of a counter together. Raises NoFigureError."""
    return math.fsum(_increases(metric, newest, increases).values())


def quantile_of(metric: Metric, newest: Exposition, increases: Increases) -> float:
    """The quantile of what a histogram counted since the first scrape, all series together.

    Raises NoFigureError.
    """
    given = _increases(metric, newest, increases)
    bounds = _buckets(metric, given)
    total = bounds[math.inf]
    if total < FEWEST:
        plural = "" if total == 1 else "s"
        raise NoFigureError(
            f"{metric.series} counts {total:g} observation{plural} in the span; "
            f"a quantile needs {FEWEST}"
        )
    as_texts = {"+Inf" if math.isinf(bound) else repr(bound): bounds[bound] for bound in bounds}
    reading = quantile_reading(as_texts, metric.q, "cumulative", metric.series)
    if reading.value is None:
        raise NoFigureError(reading.why)
    return reading.value


def _buckets(metric: Metric, given: Mapping[Labels, float]) -> dict[float, float]:
    """Upper bound to the cumulative count of all series."""
    by_series: dict[Labels, dict[float, float]] = {}
    for labels, count in given.items():
        by_series.setdefault(_without_bound(labels), {})[_bound(metric, dict(labels).get("le"))] = (
            count
        )
    every = list(by_series.values())
    if any(series.keys() != every[0].keys() for series in every):
        raise NoFigureError(f"{metric.series} has series with different buckets; name the labels")
    if math.inf not in every[0]:
        raise NoFigureError(f"{metric.series} has no bucket +Inf, which counts all observations")
    return {bound: math.fsum(series[bound] for series in every) for bound in sorted(every[0])}


def _bound(metric: Metric, text: str | None) -> float:
    try:
        bound = float(text or "")
    except ValueError:
        bound = math.nan
    if math.isnan(bound):
        shown = "no label le" if text is None else f"the bound {escaped(text[:40])!r}"
        raise NoFigureError(f"{metric.series} has a bucket with {shown}")
    return bound


def _increases(metric: Metric, newest: Exposition, increases: Increases) -> dict[Labels, float]:
    name = sample_of(metric)
    kind = newest.types.get(name, "")
    if kind == "summary" and not name.endswith(("_count", "_sum")):
        kind = "quantile of a summary"
    if kind not in _COUNTS:
        raise NoFigureError(
            f"{name} is a {kind}; only what never falls has {_article(metric.take)}, because a "
            "fall is taken for a restart"
        )
    given = increases.of(name, metric.labels)
    if not given:
        _present(metric, newest)  # raises with what there is
    _check_twice(metric, newest)
    if increases.scrapes < 2:
        raise NoFigureError(f"{_article(metric.take)} needs two scrapes; the span has 1")
    return given


def _article(take: str) -> str:
    return f"an {take}" if take == "increase" else f"a {take}"


def _present(metric: Metric, newest: Exposition) -> dict[Labels, float]:
    """The series of a metric in a scrape; at least one. Raises NoFigureError."""
    name = sample_of(metric)
    series = newest.samples.get(name, {})
    present = {labels: value for labels, value in series.items() if _has(labels, metric.labels)}
    _check_twice(metric, newest)
    if present:
        return present
    if series:
        of_name = f"{name} has no series with {labels_text(metric.labels)}"
        raise NoFigureError(f"{of_name}; it has {_few(sorted(series))}")
    every = newest.names()
    near = hint(name, every)
    there = "" if near else f"; there are {names(every)}" if every else "; the text is empty"
    raise NoFigureError(f"no sample {name}{near}{there}")


def _check_twice(metric: Metric, newest: Exposition) -> None:
    name = sample_of(metric)
    twice = [labels for of, labels in newest.twice if of == name and _has(labels, metric.labels)]
    if twice:
        raise NoFigureError(f"{name}{labels_text(min(twice))} is there twice")


def _text(value: float) -> str:
    """As the text of metrics has it."""
    if math.isfinite(value):
        return f"{value:.12g}"
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _has(labels: Labels, needed: Labels) -> bool:
    return all(pair in labels for pair in needed)


def _few(series: Sequence[Labels]) -> str:
    texts = [labels_text(labels)[:80] or "{}" for labels in series[:_MOST]]
    more = len(series) - len(texts)
    return ", ".join(texts) + (f" and {more} more" if more else "")


def _started(scrape: Exposition) -> float | None:
    """The start of the process; None if there is none, or several, as behind a gateway."""
    given = scrape.samples.get(START_TIME, {})
    value = next(iter(given.values())) if len(given) == 1 else math.nan
    return value if math.isfinite(value) else None


def _is_other_start(before: float | None, now: float | None) -> bool:
    return before is not None and now is not None and abs(now - before) > _JITTER_S
