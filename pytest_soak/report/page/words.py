"""Words and figures of the page."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_soak.gate.figures import figure
from pytest_soak.report.layout import cut, shown_by, sides_of
from pytest_soak.report.view.model import (
    EventKind,
    GateRowView,
    LaneView,
    RunView,
    StateWord,
    VerdictWord,
)

_STATISTICS = re.compile(r" \(n [0-9]+(?:, [^()]{0,60})?\)")
_LONGEST_UNIT = 20

MARKS: dict[VerdictWord, str] = {
    "PASS": "dot",
    "WARN": "triangle",
    "INCONCLUSIVE": "square",
    "FAIL": "cross",
}
"""The shape of an iteration's point."""

GLYPHS = {
    "dot": "●",
    "triangle": "▲",
    "square": "□",
    "cross": "✕",
    "diamond": "◆",
    "down": "▼",
    "ring": "○",
}
"""The shapes of a picture as characters, for its legend."""

VERDICT_GLYPHS: dict[VerdictWord, str] = {"WARN": "▲", "INCONCLUSIVE": "?", "FAIL": "✕"}
"""A verdict where no word has space; PASS has none."""

SYMBOLS: dict[EventKind, str] = {
    "halt": "H",
    "end_of_data": "N",
    "panic": "P",
    "fault": "F",
    "check": "C",
    "restart": "R",
    "rollback": "B",
    "edit": "E",
    "scenario": "S",
    "refusal": "◦",
    "rule": "•",
    "effect": "Δ",
    "resume": "U",
}
"""The symbol of an event below a panel."""

EVENT_WORDS: dict[EventKind, str] = {
    "halt": "the lane halted",
    "end_of_data": "no more data",
    "panic": "panic: the safe profile is put into force",
    "fault": "fault of the target",
    "check": "failed check",
    "restart": "restart of a process",
    "rollback": "rollback",
    "edit": "edited by hand",
    "scenario": "scenario",
    "refusal": "a guard refused or withheld a move",
    "rule": "a rule moved parameters",
    "effect": "the effect of a move was measured",
    "resume": "resumed",
}

STATES: dict[StateWord, str] = {
    "running": "The run goes on. What is judged here is information, no verdict.",
    "lost": "The worker of a lane died before its last planned iteration.",
    "halted": "A lane halted before its last planned iteration.",
    "interrupted": "The session was interrupted before the last planned iteration.",
    "planned": "No iteration was measured yet.",
    "ended": "The data ended before the last planned iteration.",
    "done": "Every planned iteration was measured.",
}


def headline(view: RunView) -> str:
    """The largest words of the page."""
    if view.state == "running":
        return "RUNNING"
    return view.verdict or "NOT JUDGED"


def duration(seconds: float | None) -> str:
    """``2 d 3 h``, ``3 h 20 min``, ``45 s``, in two units at most; empty if unknown."""
    if seconds is None or not 0.0 <= seconds < 1e12:
        return ""
    if seconds < 1.0:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10.0:
        return f"{seconds:.1f} s"
    left = round(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {unit}")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if not part.startswith("0 "))


def moment(text: str | None) -> str:
    """``2026-11-29 23:16:57 UTC`` of an ISO text; another text as it is."""
    if not text:
        return "unknown"
    for end in ("+00:00", "Z"):
        if text.endswith(end) and len(text) >= 19:
            return text[:19].replace("T", " ") + " UTC"
    return text


def with_unit(text: str, unit: str) -> str:
    """A figure with its unit, which is cut to a readable length; no figure has none."""
    return f"{text} {cut(unit, _LONGEST_UNIT)}" if unit and text not in ("", "-") else text


def row_figure(row: GateRowView, value: float | None) -> str:
    """A figure of a criterion, in as many digits as its limit needs."""
    limits = sides_of(row.limit)
    if value is None or not limits:
        return figure(value)
    whole = value.is_integer() and all(limit.limit.is_integer() for limit in limits)
    if row.bound is None and whole:
        return f"{value:.0f}" if abs(value) < 1e15 else figure(value)
    return shown_by(value, limits)


def row_bounds(row: GateRowView) -> str:
    """``2.91 to 3.2``, ``up to 3.2``, ``at least 2.91``; empty without bounds."""
    if row.low is not None and row.high is not None:
        return f"{row_figure(row, row.low)} to {row_figure(row, row.high)}"
    if row.low is not None:
        return f"at least {row_figure(row, row.low)}"
    return "" if row.high is None else f"up to {row_figure(row, row.high)}"


def row_margin(row: GateRowView) -> str:
    """The distance to the limit with its sign, as many decimals as the value has, and its unit."""
    if row.margin is None:
        return ""
    value = row_figure(row, row.value)
    if "e" in value or not 1e-3 <= abs(row.margin) < 1e9:
        text = "0" if row.margin == 0.0 else figure(row.margin)
        return with_unit(text, row.unit)
    decimals = len(value.partition(".")[2])
    while round(row.margin, decimals) == 0.0:
        decimals += 1
    return with_unit(f"{row.margin:+.{decimals}f}", row.unit)


def without_statistics(text: str) -> str:
    """A reason without the numbers of its statistics, for the top of the page."""
    return _STATISTICS.sub("", text)


def target_time(lane: LaneView) -> str:
    """``24 × 5 min = 2 h``: the time that the iterations stand for in the target."""
    if not 0.0 < lane.interval_s < 1e9:
        return ""
    total = duration(lane.interval_s * lane.measured)
    return f"{lane.measured:,} × {duration(lane.interval_s)} = {total or '0 s'}"


def counted(count: int, what: str) -> str:
    """``1 iteration``, ``3 iterations``, ``12,000 iterations``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def stretch(numbers: Sequence[int]) -> str:
    """``12`` or ``12–20``."""
    return f"{numbers[0]}" if numbers[0] == numbers[-1] else f"{numbers[0]}–{numbers[-1]}"
