"""DELTA_VERIFY_REPORT.md: what was requested, applied and withheld, key by key, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_soak.gate.delta import DeltaCheck, DeltaReport
from pytest_soak.gate.figures import figure
from pytest_soak.loop.model import Decision, History, Iteration, Outcome
from pytest_soak.profile.parameter import Parameter
from pytest_soak.report.deltas import delta_figures
from pytest_soak.report.layout import moved_text
from pytest_soak.report.markdown import bullet, cell
from pytest_soak.report.summary import guard_of

_RULE = "|---|---|---|---|---|"
MOST_ROWS = 200
"""Iterations in the table; DELTA_VERIFY.json and TUNING_REPORT.json have all."""


@dataclass(slots=True)
class _OfKey:
    """What became of the requests for one parameter."""

    requested: int = 0
    moved: int = 0
    in_part: int = 0
    withheld: Counter[str] = field(default_factory=Counter)
    """Guard to the number of iterations in which it withheld all or a part."""


def delta_report(history: History, delta: DeltaReport) -> str:
    """The text of ``DELTA_VERIFY_REPORT.md``."""
    lines = [
        f"# Delta verification of {cell(history.lane.id)}: {delta.verdict}",
        "",
        cell(delta.reason.removeprefix("delta_quality: ")),
        "",
        "| figure | value |",
        "|---|---|",
        *(f"| {name} | {_value(value)} |" for name, value in delta_figures(delta).items()),
        "",
        "## Unexplained",
        "",
        *(map(bullet, delta.failures) if delta.failures else ["Every change is explained."]),
        "",
        *_section("Requested, applied, withheld", _by_key(history)),
        *_section("Iterations", _by_iteration(history, delta)),
    ]
    return "\n".join(lines)


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *lines, ""]


def _by_key(history: History) -> list[str]:
    """One row for each parameter that was requested to move."""
    keys: dict[str, _OfKey] = {}
    for decision in _decisions(history):
        reasons = withheld_of(decision)
        for key in {*decision.requested, *reasons, *(item.key for item in decision.outcomes)}:
            of_key = keys.setdefault(key, _OfKey())
            of_key.requested += 1
            moved = any(item.key == key and item.applied != 0.0 for item in decision.outcomes)
            of_key.moved += moved
            of_key.in_part += moved and key in reasons
            if key in reasons:
                of_key.withheld[guard_of(reasons[key])] += 1
    if not keys:
        return ["No rule and no proposer requested a move."]
    would = "A dry run: “applied” is what would have been applied."
    note = [would, ""] if history.dry_run else []
    rows = [
        f"| {cell(key)} | {item.requested} | {item.moved - item.in_part} | {item.in_part} "
        f"| {_guards(item.withheld)} |"
        for key, item in sorted(keys.items())
    ]
    head = ["| key | requested | applied in full | in part | withheld by |", _RULE]
    return [*note, *head, *rows]


def _guards(withheld: Mapping[str, int]) -> str:
    ordered = sorted(withheld.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(cell(f"{name} ({count})") for name, count in ordered) or "–"


def _by_iteration(history: History, delta: DeltaReport) -> list[str]:
    """One row for each iteration in which something was requested, or is wrong."""
    checks = {check.iteration: check for check in delta.checks}
    rows = [
        _row(history.profile.parameters, item, checks.get(item.number))
        for item in history.iterations
    ]
    if 0 in checks:
        rows.insert(0, _cells(0, checks[0].status, "", "", "; ".join(_problems(checks[0]))))
    shown = [row for row in rows if row]
    if not shown:
        return ["Nothing was requested in any iteration."]
    left_out = len(shown) - MOST_ROWS
    more = [
        "",
        f"The first {left_out} of them are left out here; `DELTA_VERIFY.json` and "
        "`TUNING_REPORT.json` have all.",
    ]
    head = ["| iteration | status | applied | withheld by | not as it should be |", _RULE]
    return [*head, *shown[-MOST_ROWS:], *(more if left_out > 0 else [])]


def _applied(table: Mapping[str, Parameter], item: Outcome) -> str:
    """``base_spread_bps +0.05``, ``sync local -> remote``."""
    if item.key in table and table[item.key].choices:
        return moved_text(table, item.key, item.before, item.after)
    return f"{item.key} {item.applied:+.4g}"


def _row(table: Mapping[str, Parameter], iteration: Iteration, check: DeltaCheck | None) -> str:
    decision = iteration.decision
    if decision is None or not (decision.requested or decision.outcomes or check):
        return ""
    applied = ", ".join(_applied(table, item) for item in decision.outcomes if item.applied != 0.0)
    by_guard: dict[str, list[str]] = {}
    for key, reason in sorted(withheld_of(decision).items()):
        by_guard.setdefault(reason, []).append(key)
    withheld = "; ".join(f"{reason}: {', '.join(keys)}" for reason, keys in by_guard.items())
    problems = "; ".join(_problems(check)) if check else ""
    status = check.status if check else ("none" if withheld or not applied else "")
    return _cells(iteration.number, status, applied, withheld, problems)


def _problems(check: DeltaCheck) -> list[str]:
    """The keys alone: their values stand once, under *Unexplained*."""
    kinds = {"unexplained": check.problems, "not confirmed by the echo": check.echoes}
    return [
        f"{kind}: {', '.join(dict.fromkeys(text.partition(':')[0] for text in texts))}"
        for kind, texts in kinds.items()
        if texts
    ]


def _cells(number: int, *texts: str) -> str:
    return f"| {number} | " + " | ".join(cell(text) or "–" for text in texts) + " |"


def withheld_of(decision: Decision) -> dict[str, str]:
    """Key to the guard that withheld, cut or refused its move."""
    refused = {item.key: item.reason for item in decision.outcomes if item.outcome != "APPLIED"}
    return {**decision.withheld, **refused}


def _decisions(history: History) -> list[Decision]:
    return [item.decision for item in history.iterations if item.decision is not None]


def _value(value: Any) -> str:
    if value is None:
        return "not applicable"
    if isinstance(value, dict):
        return ", ".join(cell(f"{name} {count}") for name, count in value.items())
    return figure(value) if isinstance(value, float) else str(value)
