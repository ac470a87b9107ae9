"""KPIs of one iteration, read from what the target reported. Missing is not zero."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_soak.canonical import number
from pytest_soak.loop.model import Reading, Readings
from pytest_soak.profile.model import Kpi, Profile

MOCK_DEFAULT = 0.9
FALLBACK = 0.6
PLACEHOLDER_SOURCES = ("mock_default", "fallback")
"""Sources of a maker/taker ratio that stand in for one; ``mock_default`` is data in mock."""

_SECONDS_PER_HOUR = 3600.0
_SLACK = 1e-9
_SILENT = object()


def read_kpis(
    profile: Profile,
    report: Mapping[str, Any],
    audit: Mapping[str, int] | None,
    *,
    interval_s: float,
    mock: bool,
    recorded: Mapping[str, Any] | None = None,
) -> Readings:
    """One reading for each KPI that the profile declares, and one for each recorded name.

    ``audit`` counts BLOCK events by reason (see :func:`count_blocks`), None where there was no
    audit. ``interval_s`` is the target time of the iteration in seconds. A value that is absent,
    null, NaN, infinite, a bool or a text is NODATA; nothing in a report raises.
    """
    blocks, block_source = _blocks(profile, report, audit)
    readings = {
        name: Reading(number(value), "recorded") for name, value in (recorded or {}).items()
    }
    for name, kpi in profile.kpis.items():
        if kpi.recorded:
            readings.setdefault(name, Reading(None, "recorded"))
        elif kpi.share_of_blocks:
            readings[name] = _block_share(blocks, block_source, kpi.share_of_blocks)
        elif kpi.derive == "maker_taker_ratio":
            readings[name] = maker_taker_reading(report, mock=mock)
        elif kpi.derive == "fills_per_hour":
            readings[name] = _fills_per_hour(report, interval_s)
        else:
            readings[name] = _read(report, kpi)
    return readings


def count_blocks(audit: Iterable[Any]) -> dict[str, int]:
    """BLOCK events by reason, reasons in the order of their names; rows that are none are left."""
    counts: dict[str, int] = {}
    for row in audit:
        if isinstance(row, Mapping) and row.get("event") == "BLOCK":
            reason = row.get("reason")
            if isinstance(reason, str) and reason:
                counts[reason] = counts.get(reason, 0) + 1
    return dict(sorted(counts.items()))


def window_figure(readings: Sequence[Reading | None]) -> float | None:
    """The figure of several iterations: the ratio of the sums where they are known, else the mean.

    None if one of them has no data, or there is none. Sums are pooled only when all come from the
    same source: volumes and counts do not add up.
    """
    values: list[float] = []
    for reading in readings:
        evidence = reading.evidence if reading is not None else None
        if evidence is None:
            return None
        values.append(evidence)
    if not values:
        return None
    return _pooled([reading for reading in readings if reading is not None], values)


def _pooled(readings: Sequence[Reading], values: Sequence[float]) -> float:
    if len({reading.source for reading in readings}) == 1:
        above = [reading.numerator for reading in readings]
        below = [reading.denominator for reading in readings]
        if None not in above and None not in below:
            total = _sum([part for part in below if part is not None])
            share = _sum([part for part in above if part is not None])
            if 0 < total < math.inf:
                return share / total
    return mean(values)


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean, never outside the values, without overflow. ``values`` is not empty."""
    total = _sum(values)
    # Huge values: dividing first loses a digit, but stays finite.
    middle = (
        total / len(values) if math.isfinite(total) else _sum([v / len(values) for v in values])
    )
    return min(max(middle, min(values)), max(values))


def _sum(values: Sequence[float]) -> float:
    try:
        return math.fsum(values)
    except OverflowError:
        return math.inf


def _amount(value: Any) -> float | None:
    """A count or a volume: a number that is not negative."""
    converted = number(value)
    return converted if converted is not None and converted >= 0 else None


def _section(report: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = report.get(name)
    return section if isinstance(section, Mapping) else {}


def _read(report: Mapping[str, Any], kpi: Kpi) -> Reading:
    value: Any = report
    for step in kpi.read:
        value = value.get(step) if isinstance(value, Mapping) else None
    return Reading(number(value), ".".join(kpi.read))


def maker_taker_reading(report: Mapping[str, Any], *, mock: bool) -> Reading:
    """Share of maker fills, from the first source that has data (in the order of the code).

    ``fills`` by volume, ``fills`` by count, ``weekly_rollup`` (weak), the target's own
    ``summary.maker_fills``/``taker_fills``, and a placeholder.
    """
    fills = _section(report, "fills")
    weekly = number(_section(report, "weekly_rollup").get("taker_share_pct"))
    reading = _maker_share(fills, "maker_volume", "taker_volume", "fills_volume")
    reading = reading or _maker_share(fills, "maker_count", "taker_count", "fills_count")
    if reading is None and weekly is not None and 0 <= weekly <= 100:
        reading = Reading(1 - weekly / 100, "weekly_rollup", weak=True)
    for place in (_section(report, "summary"), report):
        reading = reading or _maker_share(place, "maker_fills", "taker_fills", "internal_fills")
    if reading is not None:
        return reading
    if mock:
        return Reading(MOCK_DEFAULT, "mock_default")
    return Reading(FALLBACK, "fallback", placeholder=True)


def _maker_share(
    fills: Mapping[str, Any], maker_key: str, taker_key: str, source: str
) -> Reading | None:
    maker, taker = _amount(fills.get(maker_key)), _amount(fills.get(taker_key))
    if maker is None or taker is None:
        return None
    total = maker + taker
    if not 0 < total < math.inf:
        return None
    return Reading(maker / total, source, numerator=maker, denominator=total)


def _fills_per_hour(report: Mapping[str, Any], interval_s: float) -> Reading:
    fills = _section(report, "fills")
    maker, taker = _amount(fills.get("maker_count")), _amount(fills.get("taker_count"))
    if maker is None or taker is None:
        return Reading(None, "fills")
    return Reading(number((maker + taker) * _SECONDS_PER_HOUR / interval_s), "fills")


def _blocks(
    profile: Profile, report: Mapping[str, Any], audit: Mapping[str, int] | None
) -> tuple[Mapping[str, float] | None, str]:
    """Blocks by reason and where they were counted; None where they were not."""
    declared = {kpi.share_of_blocks for kpi in profile.kpis.values()}
    for source, raw in (("block_reasons", report.get("block_reasons")), ("audit", audit)):
        if not isinstance(raw, Mapping):
            continue
        counts = {reason: _amount(value) for reason, value in raw.items()}
        # A bad count of a reason that matters leaves the total unknown; a field of another name
        # that is no number is not a count.
        if all(counts[reason] is not None for reason in counts if reason in declared):
            known = {reason: count for reason, count in counts.items() if count is not None}
            if math.isfinite(_sum(list(known.values()))):
                return known, source
    return None, "block_reasons"


def _block_share(blocks: Mapping[str, float] | None, source: str, reason: str) -> Reading:
    if blocks is None:
        return Reading(None, source)
    total, count = _sum(list(blocks.values())), blocks.get(reason, 0.0)
    # Counted and none: that is a share of zero, not missing data.
    return Reading(count / total if total else 0.0, source, count, total)


def echo_mismatch(profile: Profile, values: Mapping[str, float], echo: Any) -> tuple[str, ...]:
    """Keys that the target says it runs with other values than ``values`` (flat).

    ``echo`` is the report's ``effective_params``, flat or nested; a key that it leaves out is no
    mismatch, one that is no number is.
    """
    if not isinstance(echo, Mapping):
        return ()
    different = []
    for key, parameter in profile.parameters.items():
        said: Any = echo
        for step in (key,) if key in echo else parameter.path:
            said = said.get(step, _SILENT) if isinstance(said, Mapping) else _SILENT
        if said is _SILENT:
            continue
        value = number(said)
        if value is None or abs(value - values[key]) > _SLACK * parameter.span:
            different.append(key)
    return tuple(different)


def ensure_maker_taker_ratio(
    summary: Mapping[str, Any], context: Mapping[str, Any]
) -> dict[str, Any]:
    """A copy of ``summary`` with ``maker_taker_ratio`` and ``maker_taker_source`` filled in.

    ``summary`` holds the KPIs itself or under ``"summary"``. ``context`` is what is known besides:
    the sections of an EDGE_REPORT (``fills``, ``weekly_rollup``, ``summary``), and ``mock`` (bool).
    A ratio in [0, 1] that is there already stays, unless it is a placeholder and there is better.
    """
    inner = summary.get("summary")
    nested = isinstance(inner, Mapping)
    kpis = dict(inner) if isinstance(inner, Mapping) else dict(summary)
    mock = context.get("mock") is True
    present = number(kpis.get("maker_taker_ratio"))
    source = kpis.get("maker_taker_source")
    if present is not None and 0 <= present <= 1 and source not in PLACEHOLDER_SOURCES:
        kpis["maker_taker_source"] = source if isinstance(source, str) and source else "summary"
    else:
        known = {**kpis, **context}
        known["summary"] = {**kpis, **_section(context, "summary")}
        reading = maker_taker_reading(known, mock=mock)
        kpis["maker_taker_ratio"], kpis["maker_taker_source"] = reading.value, reading.source
    return {**summary, "summary": kpis} if nested else kpis
