"""Blocks by reason: from ``block_reasons`` of the report, else counted from its audit.

A reason that the profile does not list, or a row that cannot be read, never counts as zero: then
the block ratios of that iteration have no data, and their readings say why.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from msgspec import Struct

from pytest_soak.canonical import number, scrubbed, to_json
from pytest_soak.json_types import Finite, Whole
from pytest_soak.loop.model import LARGEST, Reading
from pytest_soak.loop.words import described, hint
from pytest_soak.profile.model import Profile
from pytest_soak.profile.reading import IDENTIFIER

EVENTS = ("PLACE", "REPLACE", "CANCEL", "FILL", "BLOCK")
"""The kinds of audit events that a bot may write."""

UNREADABLE = 0.01
"""If a larger part of the audit rows cannot be read, the number of blocks is not known."""

_MOST_NAMES = 50
_LONGEST_NAME = 100
_LONGEST_LINE = 10_000


class Blocks(Struct, frozen=True):
    """The blocks of one iteration, by reason."""

    counts: Mapping[str, Finite] | None
    """Reason to count, for listed reasons; None if the counts are not known."""
    source: str
    why: str = ""
    """Why the counts are not known."""
    absent: bool = False
    """The counts are not known because the report has none, not because they are unusable."""

    def share(self, reason: str) -> Reading:
        """The ratio of the blocks with ``reason`` to all blocks.

        In an iteration that counts no block at all the ratio is 0 (0 to 0). Such an iteration adds
        nothing to the sums of a window, and a window without any block has no data. The reading
        says so.
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
    """The blocks of a report. ``audit`` is the result of :func:`count_audit`, or None.

    The audit is used if ``block_reasons``, or a count in it, is absent or null. It is not used if
    they are there and unusable.
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


class AuditCounts(TypedDict):
    """The counts of an audit that the journal keeps (:func:`count_audit`)."""

    rows: Whole
    unreadable: Whole
    example: str
    events: dict[str, Whole]
    blocks: dict[str, Whole]
    others: NotRequired[dict[str, Whole]]
    left_out: NotRequired[Whole]


@dataclass(frozen=True, slots=True)
class CountedAudit:
    """An audit whose rows were counted where they were read; a report may have it as ``audit``."""

    counts: AuditCounts


def count_audit(audit: Any, listed: Collection[str] | None = None) -> AuditCounts | None:
    """The counts of an audit that the journal keeps; None without an audit.

    ``{"rows", "unreadable", "example", "events": {kind: count}, "blocks": {reason: count}}``, names
    in alphabetical order. A row is readable if it is a mapping with a text ``event``, and with a
    text ``reason`` if the event is BLOCK. A row with a misspelt BLOCK is not readable. If all rows
    are texts, a last row without a newline is still being written and is not counted.

    ``others``, present only if there are such rows, counts the rows of an unknown kind by their
    ``reason`` if that could be the reason of a block. ``left_out``, present only if it is not 0, is
    the number of rows whose reason was not counted by name: at most 50 names are kept. The reasons
    in ``listed``, those of the profile, are always counted by name. ``listed`` is None if the
    profile is not known.
    """
    if audit is None:
        return None
    if isinstance(audit, CountedAudit):
        return audit.counts
    if not isinstance(audit, (list, tuple)):
        problem = f"the audit is {described(to_json(audit))}, not a list of events"
        return {"rows": 1, "unreadable": 1, "example": problem, "events": {}, "blocks": {}}
    return count_rows(audit, listed)


def count_rows(rows: Iterable[Any], listed: Collection[str] | None = None) -> AuditCounts:
    """As :func:`count_audit`, of rows that are read once, one after another, and not kept."""
    return count_tally(((row, 1) for row in _without_half_a_line(rows)), listed)


def count_tally(
    tally: Iterable[tuple[Any, int]], listed: Collection[str] | None = None
) -> AuditCounts:
    """As :func:`count_rows`, of complete rows, each with how often it occurs."""
    events, blocks, others = _Names(EVENTS), _Names(listed or ()), _Names(listed or ())
    count, unreadable, example = 0, 0, ""
    for row, times in tally:
        count += times
        problem, event, reason = _read(row)
        if problem:
            unreadable, example = unreadable + times, example or problem
            continue
        events.add(event, times)
        if event == "BLOCK":
            blocks.add(reason, times)
        elif event not in EVENTS and _may_be_listed(reason, listed):
            others.add(reason, times)
    counted: AuditCounts = {
        "rows": count,
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


def _without_half_a_line(rows: Iterable[Any]) -> Iterator[Any]:
    """The rows; of two or more lines of text without the last, if it is still being written."""
    before: list[Any] = []  # the row whose successor is not known yet, if there is one
    are_lines, is_alone = True, True
    for row in rows:
        if before:
            yield before[0]
            is_alone = False
        are_lines = are_lines and isinstance(row, str)
        before = [row]
    if before and (is_alone or not are_lines or _is_whole(before[0])):
        yield before[0]


def _is_whole(line: str) -> bool:
    text = str.__str__(line)
    return len(text) > _LONGEST_LINE or any(end in text for end in "\r\n")


class _Names:
    """How often each name occurs: all ``always_named``, and the first 50 others."""

    def __init__(self, always_named: Collection[str]) -> None:
        self.counts: dict[str, int] = {}
        self.left_out = 0
        """How many were not counted by name."""
        self._always_named = always_named
        self._others = 0

    def add(self, name: str, times: int) -> None:
        name = scrubbed(name)[:_LONGEST_NAME]
        if name not in self.counts and name not in self._always_named:
            if self._others >= _MOST_NAMES:
                self.left_out += times
                return
            self._others += 1
        self.counts[name] = self.counts.get(name, 0) + times

    def sorted(self) -> dict[str, int]:
        return dict(sorted(self.counts.items()))


def _may_be_listed(reason: str, listed: Collection[str] | None) -> bool:
    return IDENTIFIER.fullmatch(reason) is not None if listed is None else reason in listed


def _read(row: Any) -> tuple[str, str, str]:
    """Why a row cannot be read (empty if it can), its event, and its reason if that is a text."""
    try:
        if problem := _problem(row):
            return problem, "", ""
        event, reason = row.get("event"), row.get("reason")
        # The method of str itself: a subclass of str may return anything.
        return "", str.__str__(event), str.__str__(reason) if isinstance(reason, str) else ""
    except Exception as error:  # rows are objects of the target, which may raise
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
    """The kinds of events that are not in :data:`EVENTS`."""
    return (name for name in audit["events"] if name not in EVENTS)
