"""What the reports of a live target have: the KPIs of the profile, and the echo of parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_soak.doctor.finding import Finding
from pytest_soak.doctor.sources import Source
from pytest_soak.live.attempt import Collected
from pytest_soak.live.belonging import Expected
from pytest_soak.live.clock import Span
from pytest_soak.live.plan import LivePlan
from pytest_soak.live.report import ECHO, fault_in, report_of
from pytest_soak.live.state import Channel
from pytest_soak.loop.echo import echo_mismatch, unconfirmed
from pytest_soak.loop.kpis import read_kpis
from pytest_soak.loop.missing import missing_kpis

_NOWHERE = Span(0.0, 0.0, 0.0, 0.0)


def report_from(plan: LivePlan, sources: Sequence[Source]) -> dict[str, Any]:
    """The report that an iteration would have, of what the sources gave last."""
    collected = []
    for source in sources:
        expected = Expected(0, plan.run_id, 0.0, 0.0)
        item = Collected(source.reader, expected, _NOWHERE, Channel(), take="last")
        item.reports = [] if source.report is None else [source.report]
        collected.append(item)
    return report_of(plan, collected, None, None, ())


def content_findings(plan: LivePlan, sources: Sequence[Source]) -> Iterator[Finding]:
    """KPIs without data, and the echo. All sources gave a report."""
    fault = fault_in([item.report for item in sources if item.report is not None])
    if fault is not None:
        advice = "the service says so itself, in the field 'fault' of its report"
        yield Finding("report fault", "FAIL", fault, advice)
        return
    report = report_from(plan, sources)
    yield from _kpis(plan, report)
    yield _echo(plan, report)


def _kpis(plan: LivePlan, report: Mapping[str, Any]) -> Iterator[Finding]:
    profile = plan.profile
    readings = read_kpis(profile, report, None, interval_s=plan.lane.interval_s, mock=False)
    of_audit = {
        name for name, kpi in profile.kpis.items() if kpi.block_ratio and plan.audit is not None
    }
    elsewhere = of_audit | {name for name, kpi in profile.kpis.items() if kpi.recorded}
    missing = [item for item in missing_kpis(profile, readings) if item.kpi not in elsewhere]
    for item in missing:
        readers = ", ".join(item.readers)
        advice = f"correct kpis.{item.kpi}, or let the service report it"
        yield Finding("KPI", "FAIL", f"{item.kpi} (read by {readers}): {item.why}", advice)
    if missing:
        return
    there = [name for name in profile.kpis if readings[name].usable is not None]
    left = f"; from checks or the audit: {', '.join(sorted(elsewhere))}" if elsewhere else ""
    yield Finding("KPIs", "OK", f"{len(there)} of {len(profile.kpis)} have data{left}")


def _echo(plan: LivePlan, report: Mapping[str, Any]) -> Finding:
    """Whether the report has the parameters that the service runs with."""
    table = plan.profile.parameters
    if not table:
        return Finding("echo", "OK", "there are no parameters")
    if report.get(ECHO) is None:
        advice = "report the parameters in force (target.report.echo); see docs/live.md"
        text = "the report has none, so a run cannot see whether a change has arrived"
        return Finding("echo", "WARN", text, advice)
    left_out = unconfirmed(plan.profile, report, table)
    if left_out:
        text = f"{len(table) - len(left_out)} of {len(table)} parameters; without: {_few(left_out)}"
        advice = "a change of these cannot be seen to arrive; report them too"
        return Finding("echo", "WARN", text, advice)
    start = {key: parameter.start for key, parameter in table.items()}
    others = echo_mismatch(plan.profile, start, report[ECHO])
    values = "all at their start values" if not others else f"not at the start: {_few([*others])}"
    return Finding("echo", "OK", f"all {len(table)} parameters; {values}")


def _few(names: Sequence[str], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
