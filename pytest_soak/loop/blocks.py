"""Blocks by reason: from ``block_reasons`` of the report, else counted from its audit.

A reason that the profile does not list, or a row that cannot be read, is never a zero: the shares
of that iteration have no data then, and say why.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_soak.canonical import number, scrubbed, to_json
from pytest_soak.loop.model import LARGEST, Reading
from pytest_soak.loop.words import described, hint
from pytest_soak.profile.model import Profile
from pytest_soak.profile.reading import IDENTIFIER

EVENTS = ("PLACE", "REPLACE", "CANCEL", "FILL", "BLOCK")
"""The kinds of audit events that a bot may write."""

UNREADABLE = 0.01
"""Share of audit rows above which those that cannot be read leave the blocks unknown."""

_MOST_NAMES = 50
_LONGEST_NAME = 100
_LONGEST_LINE = 10_000


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks of one iteration."""

    counts: Mapping[str, float] | None
    """Reason to count, listed reasons only; None where they are not known."""
    source: str
    why: str = ""
    """Why they are not known."""
    absent: bool = False
    """They are not known because the report does not say, not because what it says is unusable."""

    def share(self, reason: str) -> Reading:
        """The share of ``reason`` among all blocks.

        Counted and none is a share of zero, 0 of 0, in that iteration. It adds nothing to the sums
        of a window; one that has no block in it at all has no ratio of sums. The reading says so.
        """
        if self.counts is None:
            return Reading(None, self.source, why=self.why)
        total, count = math.fsum(self.counts.values()), self.counts.get(reason, 0.0)
        if not total:
            why = "counts no blocks at all, and a share of none over a window is no data"
            return Reading(0.0, self.source, count, total, why=f"{self.source} {why}")
        return Reading(count / total, self.source, count, total)


def blocks_of(
    profile: Profile, report: Mapping[str, Any], audit: Mapping[str, Any] | None
) -> Blocks:
    """The blocks of a report; ``audit`` is what :func:`count_audit` made of its audit, or None.

    The audit stands in for ``block_reasons``, or a count in it, that is absent or null, never for
    one that is there and unusable.
    """
    declared = _declared(profile, report.get("block_reasons"))
    return _audited(profile, audit) if declared.absent and audit is not None else declared


def _declared(profile: Profile, given: Any) -> Blocks:
    source = "block_reasons"
    if given is None:
        why = "the report has neither block_reasons nor an audit"
        return Blocks(None, source, why, absent=True)
    if not isinstance(given, Mapping):
        return Blocks(None, source, f"block_reasons is {described(given)}, not a mapping")
    counts: dict[str, float] = {}
    absent = ""
    for reason, value in sorted(given.items()):
        if reason not in profile.block_reasons:
            return Blocks(None, source, _unlisted(profile, source, reason))
        count = number(value)
        if value is None:
            absent = absent or f"block_reasons.{reason} is null"
        elif count is None or not 0 <= count <= LARGEST:
            below = ", below 0" if count is not None and count < 0 else ""
            return Blocks(None, source, f"block_reasons.{reason} is {described(value)}{below}")
        else:
            counts[reason] = count
    if absent:
        return Blocks(None, source, absent, absent=True)
    return Blocks(counts, source)


def _audited(profile: Profile, audit: Mapping[str, Any]) -> Blocks:
    rows, unreadable = audit["rows"], audit["unreadable"]
    if unreadable and (unreadable == rows or unreadable > UNREADABLE * rows):
        return Blocks(
            None, "audit", f"{unreadable} of {rows} audit rows cannot be read: {audit['example']}"
        )
    for reason in audit["blocks"]:
        if reason not in profile.block_reasons:
            return Blocks(None, "audit", _unlisted(profile, "audit", reason))
    for reason, count in audit.get("others", {}).items():
        if reason in profile.block_reasons:
            why = f"have an unknown event and the reason {reason!r}: they may be blocks"
            return Blocks(None, "audit", f"{count} of {rows} audit rows {why}")
    if left_out := audit.get("left_out", 0):
        why = f"have reasons beyond the first {_MOST_NAMES}, not counted by name"
        return Blocks(None, "audit", f"{left_out} of {rows} audit rows {why}")
    return Blocks({reason: float(count) for reason, count in audit["blocks"].items()}, "audit")


def _unlisted(profile: Profile, source: str, reason: str) -> str:
    if not profile.block_reasons:
        return f"{source} has the reason {reason!r}, and the profile lists none"
    return (
        f"{source} has the reason {reason!r}, which the profile does not list"
        f"{hint(reason, profile.block_reasons)}"
    )


def count_audit(audit: Any, listed: Collection[str] | None = None) -> dict[str, Any] | None:
    """What the journal keeps of an audit; None where there is none.

    ``{"rows", "unreadable", "example", "events": {kind: count}, "blocks": {reason: count}}``, names
    in the order of the alphabet. A row is readable if it is a mapping with a text ``event``, and a
    text ``reason`` where the event is BLOCK; a misspelt BLOCK is not. Where all rows are texts, a
    last one without a newline is a line that is still being written: it is not counted.

    ``others``, only where there are such rows, counts rows of an unknown kind by their ``reason``
    where it could be a block's. ``left_out``, only where it is not 0, is how many of the rows with
    a reason are in neither: no more than 50 names are kept. Reasons in ``listed``, those of the
    profile, are always counted by name; None is for a profile that is not known.
    """
    if audit is None:
        return None
    if not isinstance(audit, (list, tuple)):
        problem = f"the audit is {described(to_json(audit))}, not a list of events"
        return {"rows": 1, "unreadable": 1, "example": problem, "events": {}, "blocks": {}}
    rows = list(audit)
    if _ends_in_half_a_line(rows):
        rows.pop()
    events, blocks, others = _Names(EVENTS), _Names(listed or ()), _Names(listed or ())
    unreadable, example = 0, ""
    for row in rows:
        problem, event, reason = _read(row)
        if problem:
            unreadable, example = unreadable + 1, example or problem
            continue
        events.add(event)
        if event == "BLOCK":
            blocks.add(reason)
        elif event not in EVENTS and _may_be_listed(reason, listed):
            others.add(reason)
    counted = {
        "rows": len(rows),
        "unreadable": unreadable,
        "example": example,
        "events": events.sorted(),
        "blocks": blocks.sorted(),
    }
    if others.counts:
        counted["others"] = others.sorted()
    if left_out := blocks.left_out + others.left_out:
        counted["left_out"] = left_out
    return counted


def _ends_in_half_a_line(rows: Sequence[Any]) -> bool:
    """Whether these are lines of text, more than one, the last of them still being written."""
    if len(rows) < 2 or not all(isinstance(row, str) for row in rows):
        return False
    last = str.__str__(rows[-1])
    return len(last) <= _LONGEST_LINE and not any(end in last for end in "\r\n")


class _Names:
    """How often each name occurs; of those that are not ``known``, the first 50."""

    def __init__(self, known: Collection[str]) -> None:
        self.counts: dict[str, int] = {}
        self.left_out = 0
        """How many were not counted by name."""
        self._known = known
        self._unknown = 0

    def add(self, name: str) -> None:
        name = scrubbed(name)[:_LONGEST_NAME]
        if name not in self.counts and name not in self._known:
            if self._unknown >= _MOST_NAMES:
                self.left_out += 1
                return
            self._unknown += 1
        self.counts[name] = self.counts.get(name, 0) + 1

    def sorted(self) -> dict[str, int]:
        return dict(sorted(self.counts.items()))


def _may_be_listed(reason: str, listed: Collection[str] | None) -> bool:
    return IDENTIFIER.fullmatch(reason) is not None if listed is None else reason in listed


def _read(row: Any) -> tuple[str, str, str]:
    """Why a row cannot be read, empty for one that can; its event; its reason, if it is a text."""
    try:
        if problem := _problem(row):
            return problem, "", ""
        event, reason = row.get("event"), row.get("reason")
        # Asked of str itself: a class made from it may answer anything.
        return "", str.__str__(event), str.__str__(reason) if isinstance(reason, str) else ""
    except Exception as error:  # rows are objects of the target's
        return f"a row raised {type(error).__name__} while it was read", "", ""


def _problem(row: Any) -> str:
    if not isinstance(row, Mapping):
        return f"a row is {described(to_json(row))}, not a mapping"
    event = row.get("event")
    if event in EVENTS:
        if event != "BLOCK":
            return ""
        reason = row.get("reason")
        usable = isinstance(reason, str) and reason != ""
        return "" if usable else f"a BLOCK has no text reason, it is {described(to_json(reason))}"
    if not isinstance(event, str):
        return f"a row's event is {described(to_json(event))}"
    near = hint(event, EVENTS)
    return f"a row has the event {scrubbed(event)[:_LONGEST_NAME]!r}{near}" if near else ""


def unknown_events(audit: Mapping[str, Any]) -> Iterable[str]:
    """Kinds of events that are none of :data:`EVENTS`."""
    return (name for name in audit["events"] if name not in EVENTS)
