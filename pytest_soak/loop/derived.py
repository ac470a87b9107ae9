"""KPIs that are computed from several fields of a report: the functions behind ``derive:``.

A new one is a function here with its entry in ``DERIVED``, and its name in
:data:`pytest_soak.profile.kpi.Derived`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from pytest_soak.canonical import number
from pytest_soak.json_types import Finite
from pytest_soak.loop.model import LARGEST, Reading
from pytest_soak.loop.words import described

MOCK_DEFAULT = 0.9
FALLBACK = 0.6
PLACEHOLDER_SOURCES = ("mock_default", "fallback")
"""Sources of a maker/taker ratio that are no measurement; ``mock_default`` is data in mock."""

_SECONDS_PER_HOUR = 3600.0


class Circumstances(Struct, frozen=True):
    """What a derived KPI may use beside the report."""

    interval_s: Finite
    """Target time of the iteration, seconds."""
    mock: bool
    """``--soak-mock`` is on: stand-ins of the mock are data."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A derived KPI."""

    read: Callable[[Mapping[str, Any], Circumstances], Reading]
    """Report and circumstances to the reading; it never raises."""
    needs_interval: bool = False
    """A summary without the length of its interval does not give it."""


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
    return _MOCK_DEFAULT if mock else _FALLBACK


_MOCK_DEFAULT = Reading(MOCK_DEFAULT, "mock_default")
_FALLBACK = Reading(
    FALLBACK,
    "fallback",
    placeholder=True,
    why="the report has no fills, by volume or by count, and no other source of the share",
)


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
    reading = reading_of(value, "", name)
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
        return Reading(None, "weekly_rollup", why=f"{name} is {percent:.12g}, outside 0 to 100")
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
    return reading_of((maker + taker) * _SECONDS_PER_HOUR / interval_s, "fills", "fills per hour")


def _section(report: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = report.get(name)
    return section if isinstance(section, Mapping) else {}


def _amount(value: Any) -> float | None:
    """A count or a volume; None if it is not a number of at least 0."""
    converted = number(value)
    return converted if converted is not None and 0 <= converted <= LARGEST else None


def reading_of(value: Any, source: str, name: str) -> Reading:
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


DERIVED: Mapping[str, Derived] = {
    "maker_taker_ratio": Derived(
        lambda report, around: maker_taker_reading(report, mock=around.mock)
    ),
    "fills_per_hour": Derived(
        lambda report, around: _fills_per_hour(report, around.interval_s), needs_interval=True
    ),
}
"""Name in ``derive:`` to how it is computed."""
