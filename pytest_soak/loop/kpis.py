"""KPIs of one iteration, read from what the target reported. Missing is not zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pytest_soak.canonical import number
from pytest_soak.loop.blocks import blocks_of
from pytest_soak.loop.model import LARGEST, Reading, Readings
from pytest_soak.loop.words import described, hint, names
from pytest_soak.profile.model import Kpi, Profile

MOCK_DEFAULT = 0.9
FALLBACK = 0.6
PLACEHOLDER_SOURCES = ("mock_default", "fallback")
"""Sources of a maker/taker ratio that stand in for one; ``mock_default`` is data in mock."""

_SECONDS_PER_HOUR = 3600.0


def read_kpis(
    profile: Profile,
    report: Mapping[str, Any],
    audit: Mapping[str, Any] | None,
    *,
    interval_s: float,
    mock: bool,
    recorded: Mapping[str, Any] | None = None,
) -> Readings:
    """One reading for each KPI that the profile declares, and one for each recorded name.

    ``audit`` is what :func:`pytest_soak.loop.blocks.count_audit` made of the audit, None where
    there was none. ``interval_s`` is the target time of the iteration in seconds. A value that is
    absent, null, NaN, infinite, a bool, a text or beyond ``LARGEST`` is NODATA, and its reading
    says why; nothing in a report raises.
    """
    blocks = blocks_of(profile, report, audit)
    readings = {
        name: _reading(value, "recorded", "the recorded value")
        for name, value in (recorded or {}).items()
    }
    for name, kpi in profile.kpis.items():
        if kpi.recorded:
            readings.setdefault(name, Reading(None, "recorded", why="no check recorded it"))
        elif kpi.share_of_blocks:
            readings[name] = blocks.share(kpi.share_of_blocks)
        elif kpi.derive == "maker_taker_ratio":
            readings[name] = maker_taker_reading(report, mock=mock)
        elif kpi.derive == "fills_per_hour":
            readings[name] = _fills_per_hour(report, interval_s)
        else:
            readings[name] = _read(report, kpi)
        readings[name] = _within_range(readings[name], kpi)
    return readings


def _within_range(reading: Reading, kpi: Kpi) -> Reading:
    """The reading; one that lies beyond the range of its KPI has no data."""
    low, high = kpi.range
    value = reading.value
    below = value is not None and low is not None and value < low
    above = value is not None and high is not None and value > high
    if not (below or above):
        return reading
    ends = f"{'-inf' if low is None else f'{low:g}'} to {'inf' if high is None else f'{high:g}'}"
    return Reading(None, reading.source, why=f"{kpi.name} is {value:.6g}, outside {ends}")


def _reading(value: Any, source: str, name: str) -> Reading:
    """The value as a reading; where it is no data, ``name`` begins the sentence that says why."""
    finite = number(value)
    if finite is None:
        return Reading(None, source, why=f"{name} is {described(value)}")
    if abs(finite) > LARGEST:
        return Reading(
            None, source, why=f"{name} is {finite:.3g}, and figures end at {LARGEST:.0e}"
        )
    return Reading(finite, source)


def _amount(value: Any) -> float | None:
    """A count or a volume: a number that is not negative."""
    converted = number(value)
    return converted if converted is not None and 0 <= converted <= LARGEST else None


def _section(report: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = report.get(name)
    return section if isinstance(section, Mapping) else {}


def _read(report: Mapping[str, Any], kpi: Kpi) -> Reading:
    source, value = ".".join(kpi.read), cast(Any, report)
    for depth, step in enumerate(kpi.read):
        above = ".".join(kpi.read[:depth]) or "the report"
        if not isinstance(value, Mapping):
            return Reading(None, source, why=f"{above} is {described(value)}, not a mapping")
        if step not in value:
            has = f"{above} has {names(value)}" if value else f"{above} is empty"
            return Reading(None, source, why=f"no field {step}{hint(step, value)}; {has}")
        value = value[step]
    return _reading(value, source, source)


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
    why = "the report has no fills, by volume or by count, and no other source of the share"
    return Reading(FALLBACK, "fallback", placeholder=True, why=why)


def _maker_share(
    fills: Mapping[str, Any], maker_key: str, taker_key: str, source: str
) -> Reading | None:
    maker, taker = _amount(fills.get(maker_key)), _amount(fills.get(taker_key))
    if maker is None or taker is None:
        return None
    total = maker + taker
    if total <= 0:
        return None
    return Reading(maker / total, source, numerator=maker, denominator=total)


def _fills_per_hour(report: Mapping[str, Any], interval_s: float) -> Reading:
    fills = _section(report, "fills")
    maker, taker = _amount(fills.get("maker_count")), _amount(fills.get("taker_count"))
    if maker is None or taker is None:
        name = "taker_count" if maker is not None else "maker_count"
        value = fills.get(name)
        is_ = "is missing" if value is None else f"is {described(value)}"
        return Reading(None, "fills", why=f"fills.{name} {is_}")
    return _reading((maker + taker) * _SECONDS_PER_HOUR / interval_s, "fills", "fills per hour")


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
