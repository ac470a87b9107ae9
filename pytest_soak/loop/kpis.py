"""The KPIs of one iteration, read from the report of the target. A missing value is not zero."""

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
"""Sources of a maker/taker ratio that are no measurement; ``mock_default`` is data in mock."""

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
    """One reading for each KPI of the profile, and one for each recorded name.

    ``audit`` is the result of :func:`pytest_soak.loop.blocks.count_audit`, None without an audit.
    ``interval_s`` is the target time of the iteration in seconds. A value that is absent, null,
    NaN, infinite, a bool, a text or larger than ``LARGEST`` is NODATA, and its reading says why.
    Never raises, whatever the report has.
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
    """The reading; without data if its value lies outside the range of its KPI."""
    low, high = kpi.range
    value = reading.value
    below = value is not None and low is not None and value < low
    above = value is not None and high is not None and value > high
    if not (below or above):
        return reading
    ends = f"{'-inf' if low is None else f'{low:g}'} to {'inf' if high is None else f'{high:g}'}"
    return Reading(None, reading.source, why=f"{kpi.name} is {value:.6g}, outside {ends}")


def _reading(value: Any, source: str, name: str) -> Reading:
    """The value as a reading. If it is no data, the reason is a sentence that begins with
    ``name``."""
    finite = number(value)
    if finite is None:
        return Reading(None, source, why=f"{name} is {described(value)}")
    if abs(finite) > LARGEST:
        return Reading(
            None, source, why=f"{name} is {finite:.3g}, and figures end at {LARGEST:.0e}"
        )
    return Reading(finite, source)


def _amount(value: Any) -> float | None:
    """A count or a volume; None if it is not a number of at least 0."""
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
    """The ratio of maker fills to all fills, from the first source that is there.

    The sources in order: ``fills`` by volume, ``fills`` by count, ``weekly_rollup`` (weak), the
    target's own ``summary.maker_fills``/``taker_fills``, and a placeholder. The next source is used
    if one is absent, null or without any fill. If a source is there and unusable, the ratio is no
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
    """The reading of each source, the best source first; None for a source that is not there."""
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
    """Why a value is not a count or a volume; empty if it is one."""
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


def ensure_maker_taker_ratio(summary: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """Set ``maker_taker_ratio`` and ``maker_taker_source`` in ``summary``, and return it.

    ``summary`` holds the KPIs itself or under ``"summary"``. ``context`` has the sections of an
    EDGE_REPORT (``fills``, ``weekly_rollup``, ``summary``), and ``mock`` (bool). A ratio in [0, 1]
    that is there already stays, unless it is a placeholder and a better source exists. The ratio is
    None where the first source that exists is unusable.
    """
    inner = summary.get("summary")
    kpis = inner if isinstance(inner, dict) else summary
    mock = context.get("mock") is True
    present = number(kpis.get("maker_taker_ratio"))
    source = kpis.get("maker_taker_source")
    if present is not None and 0 <= present <= 1 and source not in PLACEHOLDER_SOURCES:
        kpis["maker_taker_source"] = source if isinstance(source, str) and source else "summary"
        return summary
    report = {**kpis, **context}
    report["summary"] = {**kpis, **_section(context, "summary")}
    reading = maker_taker_reading(report, mock=mock)
    kpis["maker_taker_ratio"], kpis["maker_taker_source"] = reading.value, reading.source
    return summary
