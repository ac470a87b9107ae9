"""The report of an iteration, made of what its sources gave. Pure.

What differs from run to run, such as numbers of deliveries, times and paths, is left out: the
journal records the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET

from pytest_soak.canonical import scrubbed
from pytest_soak.live.attempt import Collected
from pytest_soak.live.faults import Fault
from pytest_soak.live.merging import at, merged
from pytest_soak.live.plan import LivePlan
from pytest_soak.live.sections import ReportFields
from pytest_soak.loop.blocks import CountedAudit
from pytest_soak.loop.kpis import FAULT, METRIC_RESETS, METRICS_MISSING, RESTARTS, reset_texts

_SECTIONS = (
    *("totals", "fills", "block_reasons", "weekly_rollup", "summary", "scenarios"),
    *(METRICS_MISSING, METRIC_RESETS),
)
"""The sections of a report that KPIs, checks and the gate read."""
ECHO = "effective_params"
ECHO_KEYS = "echo_keys"
BELONGS_BY = "belongs_by"


def lost_report(fault: Fault, details: Sequence[str]) -> dict[str, Any]:
    """The report of an iteration without data."""
    return {"totals": {}, FAULT: fault.label, "details": list(details)}


def with_restarts(report: dict[str, Any], restarts: Mapping[str, int]) -> dict[str, Any]:
    """The report with the processes that were started again, if there are any."""
    return {**report, RESTARTS: dict(restarts)} if restarts else report


def fault_in(reports: Sequence[Mapping[str, Any]]) -> str | None:
    """The fault that the bot itself reports, as a text; None if it reports none."""
    faults = (report.get(FAULT) for report in reports)
    return next((scrubbed(str(fault)) for fault in faults if fault is not None), None)


def report_of(
    plan: LivePlan,
    collected: Sequence[Collected],
    answered: Mapping[str, Any] | None,
    audit: CountedAudit | None,
    details: Sequence[str],
) -> dict[str, Any]:
    """The report: the sections of all sources, the later ones over the earlier.

    ``answered`` is what the destination itself answered to the delivery; the echo of a report
    counts more, because it is newer.
    """
    kept = {*_SECTIONS, *(str(kpi.path[0]) for kpi in plan.profile.kpis.values() if kpi.path)}
    report: dict[str, Any] = {}
    given = (answered or {}).get(ECHO)
    echo = dict(given) if isinstance(given, Mapping) else None
    keys: list[str] | None = None
    for (fields, _), source in zip(plan.readers, collected, strict=True):
        whole = merged(source.reports, plan.profile.kpis.values())
        for name in sorted(kept & whole.keys()):
            report[name] = _over(report.get(name), whole[name])
        reported, reported_keys = echo_of(fields, whole)
        if reported is not None:
            echo = {**(echo or {}), **reported}
            keys = reported_keys if keys is None else [*keys, *(reported_keys or [])]
    if echo is not None:
        report[ECHO] = echo
        if (confirmable := keys or _keys_of(plan)) is not None:
            report[ECHO_KEYS] = sorted(set(confirmable))
    by_seq = all(source.by == "applied_seq" for source in collected)
    report[BELONGS_BY] = "applied_seq" if by_seq else "replaced"
    if audit is not None:
        report["audit"] = audit
    if details := [*details, *reset_texts(report)]:
        report["details"] = details
    return report


def _over(below: Any, above: Any) -> Any:
    both = isinstance(below, Mapping) and isinstance(above, Mapping)
    return {**below, **above} if both else above


def echo_of(
    fields: ReportFields, report: Mapping[str, Any]
) -> tuple[Mapping[str, Any] | None, list[str] | None]:
    """The echo of one report, and the parameters that it can confirm (None: all)."""
    where = fields.echo
    if where is UNSET:
        given = report.get(ECHO)
        return (given, None) if isinstance(given, Mapping) else (None, None)
    if isinstance(where, str):
        given = at(report, where.split("."))
        return (given, None) if isinstance(given, Mapping) else (None, None)
    paths = {key: path for key, path in where.items() if isinstance(path, str)}
    echo = {key: at(report, path.split(".")) for key, path in paths.items()}
    if len(paths) < len(where):  # metrics: the reader has them under the keys of the parameters
        echo = {key: at(report, (ECHO, key)) for key in where}
    return {key: value for key, value in echo.items() if value is not None}, list(where)


def _keys_of(plan: LivePlan) -> list[str] | None:
    """The parameters that a YAML file has at all; None where every parameter is delivered."""
    keys = plan.section.parameters.keys
    return list(keys) if keys else None
