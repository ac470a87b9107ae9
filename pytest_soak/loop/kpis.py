"""KPIs of one iteration, read from what the target reported. Missing is not zero."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
        elif kpi.block_ratio:
            readings[name] = blocks.share(kpi.block_ratio)
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
    """Share of maker fills, from the first source that is there (in the order of the code).

    ``fills`` by volume, ``fills`` by count, ``weekly_rollup`` (weak), the target's own
    ``summary.maker_fills``/``taker_fills``, and a placeholder. Another source stands in for one
    that is absent, null or without any fill, never for one that is there and unusable: that is no
    data, and the reading says why.
    """
    for reading in _maker_shares(report):
        if reading is not None:
            return reading
    if mock:
        return Reading(MOCK_DEFAULT, "mock_default")
    why = "the report has no fills, by volume or by count, and no other source of the share"
    return Reading(FALLBACK, "fallback", placeholder=True, why=why)


def _maker_shares(report: Mapping[str, Any]) -> Iterator[Reading | None]:
    """What each source says, the best first; None for one that is not there."""
    fills, summary = report.get("fills"), report.get("summary")
    yield _maker_share(fills, "fills", ("maker_volume", "taker_volume"), "fills_volume")
    yield _maker_share(fills, "fills", ("maker_count", "taker_count"), "fills_count")
    yield _weekly_share(report.get("weekly_rollup"))
    for place, name in ((summary, "summary"), (report, "")):
        yield _maker_share(place, name, ("maker_fills", "taker_fills"), "internal_fills")


def _maker_share(section: Any, name: str, keys: tuple[str, str], source: str) -> Reading | None:
    if section is None:
        return None
    if not isinstance(section, Mapping):
        return Reading(None, source, why=f"{name} is {described(section)}, not a mapping")
    given = {key: section[key] for key in keys if section.get(key) is not None}
    before = f"{name}." if name else ""
    for key, value in given.items():
        if problem := _no_amount(value, f"{before}{key}"):
            return Reading(None, source, why=problem)
    if len(given) == 1:
        (there,) = given
        missing = keys[there == keys[0]]
        why = f"{before}{missing} is missing, {before}{there} is there"
        return Reading(None, source, why=why)
    maker, taker = (_amount(given.get(key)) or 0.0 for key in keys)
    total = maker + taker
    if total <= 0:
        return None
    return Reading(maker / total, source, numerator=maker, denominator=total)


def _no_amount(value: Any, name: str) -> str:
    """Why a value is no count and no volume; empty for one that is."""
    reading = _reading(value, "", name)
    if reading.value is None:
        return reading.why
    return f"{name} is {reading.value:g}, below 0" if reading.value < 0 else ""


def _weekly_share(rollup: Any) -> Reading | None:
    if rollup is None:
        return None
    if not isinstance(rollup, Mapping):
        why = f"weekly_rollup is {described(rollup)}, not a mapping"
        return Reading(None, "weekly_rollup", why=why)
    value = rollup.get("taker_share_pct")
    if value is None:
        return None
    percent, name = number(value), "weekly_rollup.taker_share_pct"
    if percent is None:
        return Reading(None, "weekly_rollup", why=f"{name} is {described(value)}")
    if not 0 <= percent <= 100:
        return Reading(None, "weekly_rollup", why=f"{name} is {percent:.3g}, outside 0 to 100")
    return Reading(1 - percent / 100, "weekly_rollup", weak=True)


def _fills_per_hour(report: Mapping[str, Any], interval_s: float) -> Reading:
    given, fills = report.get("fills"), _section(report, "fills")
    if given is not None and not isinstance(given, Mapping):
        return Reading(None, "fills", why=f"fills is {described(given)}, not a mapping")
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
    The ratio is None where the first source that is there is unusable.
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
