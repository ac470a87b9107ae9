"""The name of a KPI in the clean set of metrics, and its unit there: a base unit of Prometheus.

Prometheus has one unit per kind of quantity: seconds, bytes, and ratios from 0 to 1, so that no
reader of a dashboard has to know a scale. A rate is per second. Basis points stay: they are the
unit of the field's limits and fees, and a page would show 0.00035 for 3.5. Their name is spelled
out, because ``bps`` is bits per second to a reader of Prometheus and Grafana.

A KPI may have any name, so every part of it is left out that ``promtool check metrics`` refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pytest_soak.profile.kpi import Kpi

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_TIMES = {
    **dict.fromkeys(("ns", "nanoseconds"), (1, 1_000_000_000)),
    **dict.fromkeys(("us", "µs", "μs", "microseconds"), (1, 1_000_000)),
    **dict.fromkeys(("ms", "millis", "milliseconds"), (1, 1_000)),
    **dict.fromkeys(("s", "sec", "second", "seconds"), (1, 1)),
    **dict.fromkeys(("min", "minute", "minutes"), (_MINUTE, 1)),
    **dict.fromkeys(("h", "hour", "hours"), (_HOUR, 1)),
    **dict.fromkeys(("d", "day", "days"), (_DAY, 1)),
}
"""Unit to how many seconds it is, as a numerator and a denominator."""
_SIZES = {
    **dict.fromkeys(("b", "byte", "bytes"), (1, 1)),
    **{f"{name}b": (10**power, 1) for name, power in zip("kmgt", (3, 6, 9, 12), strict=True)},
    **{f"{name}ib": (2**power, 1) for name, power in zip("kmgt", (10, 20, 30, 40), strict=True)},
}
_SHARES = {
    **dict.fromkeys(("share", "ratio", "fraction"), (1, 1)),
    **dict.fromkeys(("%", "percent", "pct"), (1, 100)),
}
_POINTS = dict.fromkeys(("bps", "bp", "basis_points"), (1, 1))
_KINDS: tuple[tuple[str, Mapping[str, tuple[int, int]]], ...] = (
    ("seconds", _TIMES),
    ("bytes", _SIZES),
    ("ratio", _SHARES),
    ("basis_points", _POINTS),
)

_BASE = "seconds|bytes|grams|meters|metres|bits|joules|volts|amperes|kelvin|celsius|moles"
_OTHER = "hours|minutes|days|weeks|fahrenheit|inches|feet|gallons|calories|percents?"
_PREFIX = "pico|nano|micro|milli|centi|deci|deca|hecto|k[iI]lo|kibi|mega|mebi|mibi|giga|gibi|tera"
_PREFIX += "|tebi|peta|pebi"
_REFUSED = re.compile(
    rf"s|ms|us|ns|sec|b|kb|mb|gb|tb|pb|m|h|d|gauge|counter|summary|untyped|histogram|grams|bits"
    rf"|(?:{_PREFIX})?(?:{_OTHER})|(?:{_PREFIX})(?:{_BASE})"
)
"""A part of a name that is the abbreviation of a unit, the type of a metric, or no base unit."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATORS = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class CleanKpi:
    """How the clean set shows a KPI."""

    stem: str
    """``p95_latency`` of ``soak_kpi_p95_latency_mean_seconds``."""
    unit: str
    """``seconds``, ``bytes``, ``ratio``, ``basis_points``, ``per_second``; empty for a number that
    has none of these units."""
    times: int = 1
    by: int = 1

    def converted(self, value: float) -> float:
        """A value in the KPI's unit, in the unit of the metric."""
        return value * self.times / self.by

    def name(self, statistic: str) -> str:
        """The name of the metric for ``mean``, ``last``, …; the unit is its last part."""
        return "_".join(filter(None, ("soak_kpi", self.stem, statistic, self.unit)))


def clean_kpis(kpis: Iterable[Kpi]) -> dict[str, CleanKpi]:
    """KPI to how it is shown. KPIs that would share a name are numbered in their order."""
    shown: dict[str, CleanKpi] = {}
    used: set[tuple[str, str]] = set()
    for kpi in kpis:
        unit, factor, words = _unit_of(kpi.unit)
        stem = "_".join(_parts(kpi.name, unit, words)) or "value"
        name, number = stem, 2
        while (name, unit) in used:
            name, number = f"{stem}_{number}", number + 1
        used.add((name, unit))
        shown[kpi.name] = CleanKpi(name, unit, *factor)
    return shown


def _unit_of(text: str) -> tuple[str, tuple[int, int], Iterable[str]]:
    """Base unit, factor, and the words of that kind of unit, which a name then need not have."""
    per, slash, time = text.strip().casefold().partition("/")
    if slash and per.strip() == "1" and time.strip() in _TIMES:
        times, by = _TIMES[time.strip()]
        return "per_second", (by, times), ()
    word = per.split(" ")[0] if not slash else ""
    for unit, words in _KINDS:
        if word in words and (word == per or unit == "ratio"):  # "share of spread" is a ratio
            return unit, words[word], words
    return "", (1, 1), ()


def _parts(name: str, unit: str, words: Iterable[str]) -> Iterator[str]:
    parts = _SEPARATORS.sub("_", _CAMEL.sub("_", name).lower()).strip("_").split("_")
    if unit == "per_second" and len(parts) > 2 and parts[-2] == "per" and parts[-1] in _TIMES:
        parts = parts[:-2]
    left_out = frozenset(words)
    for part in parts:
        if part and part not in left_out and not _REFUSED.fullmatch(part):
            yield part
