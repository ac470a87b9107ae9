"""Names in a report that the profile does not have: each is listed once per run.

Such a field never changes a figure. A misspelt field would be missing without any message, so it is
listed in the audit and at the end of the session.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pytest_soak.canonical import escaped
from pytest_soak.loop.blocks import unknown_events
from pytest_soak.loop.derived import DERIVED
from pytest_soak.loop.echo import FIELD as ECHO
from pytest_soak.loop.echo import KEYS as ECHO_KEYS
from pytest_soak.loop.echo import unknown_echoes
from pytest_soak.loop.kpis import FAULT, METRIC_RESETS, METRICS_MISSING
from pytest_soak.loop.model import History, Iteration
from pytest_soak.loop.scenarios import FIELD as SCENARIOS
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.loop.words import hint
from pytest_soak.profile.model import Profile

_FIELDS: Mapping[str, tuple[str, ...]] = {
    "totals": (
        *("net_bps", "gross_bps", "fees_bps", "adverse_bps_p95", "slippage_bps_p95"),
        *("inventory_bps", "p95_latency_ms", "hit_ratio"),
    ),
    "fills": ("maker_count", "taker_count", "maker_volume", "taker_volume"),
    "weekly_rollup": ("taker_share_pct",),
}
"""The fields of the sections that the KPIs of a trading bot are read from."""

_SECTIONS = (
    *("totals", "block_reasons", ECHO, ECHO_KEYS, SCENARIOS, FAULT, "audit", "summary"),
    *(METRICS_MISSING, METRIC_RESETS),
)
_LONGEST = 120


def notices(history: History) -> dict[str, int]:
    """Unknown name, as a text, to the first iteration that had it; in the order of iterations."""
    first: dict[str, int] = {}
    for iteration in history.iterations:
        for text in unknown_names(history, iteration):
            first.setdefault(escaped(text[:_LONGEST]), iteration.number)
    return first


def unknown_names(history: History, iteration: Iteration) -> Iterator[str]:
    """The names of one report that the profile does not have, each with the nearest valid name."""
    profile, report = history.profile, iteration.report
    trades = any(kpi.derive in DERIVED for kpi in profile.kpis.values())
    sections = (*_SECTIONS, *(_FIELDS if trades else ()))
    for name in report:
        if name not in sections and not _is_read(profile, (name,)) and hint(name, sections):
            yield f"{name}{hint(name, sections)}"
    for section, fields in _FIELDS.items():
        given = report.get(section)
        if isinstance(given, Mapping):
            yield from _unknown_fields(profile, section, given, fields if trades else ())
    yield from unknown_echoes(profile, report.get(ECHO))
    audit = report.get("audit")
    if isinstance(audit, Mapping):
        yield from (f"audit event {name!r}" for name in unknown_events(audit))
    scheduled = {item.name for item in history.scenarios}
    for fired in fired_in(iteration):
        if fired.name not in scheduled:
            yield f"scenario {fired.name!r}, which is not scheduled{hint(fired.name, scheduled)}"


def _unknown_fields(
    profile: Profile, section: str, given: Mapping[str, Any], fields: Collection[str]
) -> Iterator[str]:
    """Without ``fields`` the section may have anything; what is like a field of a KPI is named."""
    for name in given:
        if name not in fields and not _is_read(profile, (section, name)):
            read = [
                str(kpi.path[1])
                for kpi in profile.kpis.values()
                if len(kpi.path) > 1 and kpi.path[0] == section
            ]
            readable = (*fields, *read)  # made for an unknown name only: few reports have one
            nearest = hint(name, readable)
            if fields or nearest:
                yield f"{section}.{name}{nearest}"


def _is_read(profile: Profile, path: tuple[str, ...]) -> bool:
    return any(kpi.path[: len(path)] == path for kpi in profile.kpis.values())
