"""The data of one iteration: readings, verdict, proposals, outcomes, decision (all frozen).

Decision and Halt are journal entries themselves; proposals, outcomes, effects, … are parts of a
decision. So their types are those of the journal's values, and reading checks them
(:mod:`pytest_soak.loop.entries`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from msgspec import Struct

from pytest_soak.json_types import Finite, Whole
from pytest_soak.profile.model import Profile
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.protocol import Lane

GUARD_ORDER = (
    "panic",
    "nodata",
    "invalid",
    "warmup",
    "late",
    "pin",
    "freeze",
    "cooldown",
    "duplicate",
    "oscillation",
    "velocity",
    "bounds",
    "no_op",
)
"""The reasons of outcomes. The primary reason of a key is the first in this order that applies."""


PROPOSER_FAILED = "the proposer failed"
"""The note of a decision begins with this text if its proposer raised."""


LARGEST = 1e100
"""Larger figures are no data, so that sums and squares of figures stay finite."""


class Verdict(StrEnum):
    """Ordered by ``worst_of``: FAIL > INCONCLUSIVE > WARN > PASS."""

    PASS = "PASS"  # noqa: S105
    WARN = "WARN"
    INCONCLUSIVE = "INCONCLUSIVE"
    FAIL = "FAIL"

    @property
    def severity(self) -> int:
        return list(Verdict).index(self)


def worst_of(verdicts: Sequence[Verdict], default: Verdict = Verdict.PASS) -> Verdict:
    """The worst of the verdicts; ``default`` if there are none."""
    return max(verdicts, key=lambda verdict: verdict.severity, default=default)


class Reading(Struct, frozen=True):
    """One KPI of one iteration. A struct, because it is made for each KPI of each iteration."""

    value: Finite | None
    """None is NODATA."""
    source: str
    """``totals.net_bps``, ``fills_volume``, ``block_reasons``, ``audit``, ``recorded``, …"""
    numerator: Finite | None = None
    denominator: Finite | None = None
    """The two sums of a ratio, if they are known: a window's figure is the ratio of the sums."""
    placeholder: bool = False
    """The value stands in for missing data; rules and gate use it as NODATA."""
    weak: bool = False
    """The value is not from this iteration alone (a weekly rollup): WARN at best in the gate."""
    why: str = ""
    """Why there is no data, as a sentence: ``totals.p95_ms is a text, '300ms'``.

    A ratio of 0 to 0 has one too: it is data, but adds nothing to a ratio of sums.
    """

    @property
    def usable(self) -> float | None:
        """The value that rules and gate may use; None for a placeholder."""
        return None if self.placeholder else self.value


Readings = Mapping[str, Reading]


class IterationVerdict(Struct, frozen=True):
    """The verdict of an iteration and the reasons for it."""

    verdict: Verdict
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Headroom:
    """How far one key may move now: ``down <= move <= up``, with ``down <= 0 <= up``."""

    key: str
    down: float
    up: float
    reason_down: str = ""
    reason_up: str = ""
    """The guard that limits the move in either direction."""
    value: float = math.nan
    """The value in force, from which the move starts."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One requested change. ``delta`` is the proposer's answer, so it may have any type."""

    key: str
    delta: Any
    rule: str
    kpis: tuple[str, ...] = ()
    """The KPIs that the proposal is based on."""


@dataclass(frozen=True, slots=True)
class Requested:
    """What the tuner requests after one iteration."""

    proposals: tuple[Proposal, ...] = ()
    rules: tuple[str, ...] = ()
    """Every rule that fired, in the profile's order."""
    withheld: Mapping[str, str] = field(default_factory=dict)
    """Key to the reason why a move that a rule requested is not proposed, wholly or in part."""
    waiting: Mapping[str, str] = field(default_factory=dict)
    """Rule to the reason why it does not fire yet, although its conditions hold on this iteration:
    its evidence, hysteresis or dwell."""
    overruled: tuple[str, ...] = ()
    """``"KEY: RULE +x gives way to RULE +y"``."""
    stopped: tuple[str, ...] = ()
    """Rules that are stopped by their hysteresis after this iteration."""
    deltas: Mapping[str, float] = field(default_factory=dict)
    """Key to the move that was requested, before anything trimmed it, in the key's unit."""
    log: tuple[str, ...] = ()
    """A line for each rule that fired; each begins with ``| iter_watch |``."""
    note: str = ""
    """What was wrong with a proposer's answer; it becomes part of the decision's note."""
    by_rules: bool = False
    """The proposals are from the profile's rules. False: from a user's proposer, or the tuner is
    off."""


OutcomeWord = Literal["APPLIED", "CLIPPED", "SKIPPED"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the guards decided on one proposed key."""

    key: str
    outcome: OutcomeWord
    proposed: Any
    """A finite number, or the text of a value that is none."""
    applied: Finite
    """The move that is applied; 0 if SKIPPED."""
    before: Finite | None
    after: Finite | None
    """Values of the key before and after; None for an unknown key."""
    reason: str
    """Primary reason, one of GUARD_ORDER; empty when APPLIED."""
    also: tuple[str, ...]
    note: str
    """Details as a text: ``frozen until iteration 9``, ``0.02 of 0.2 per hour left``."""
    rule: str


@dataclass(frozen=True, slots=True)
class Panic:
    """The revert to a safe profile after several FAIL iterations in a row."""

    revert_to: str
    moves: Mapping[str, Finite]
    """Key to its value after the revert, for the keys that change."""
    would: bool
    """The revert is recorded but not carried out: the tuner is off, or it is a dry run."""
    paused_until: Whole | None
    """Last iteration of the pause; None if the safe profile was in force already."""
    pins: tuple[str, ...] = ()
    """Keys that the revert moves although an operator pinned them."""


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of a change on one KPI, in the KPI's unit."""

    kpi: str
    aim: Literal["up", "down"]
    """The direction in which the change should move the KPI."""
    before: Finite | None
    after: Finite | None
    """Means of the iterations before and after the change; None without data."""
    low: Finite | None
    high: Finite | None
    """Two-sided interval of after - before; None if the noise is not known."""
    n_before: Whole
    n_after: Whole
    doubtless: bool
    """The KPI got worse beyond doubt: than the mean before, and than the trend predicts."""

    @property
    def gain(self) -> float | None:
        """By how much the KPI moved in the direction of ``aim``; negative for a loss, None without
        data."""
        if self.before is None or self.after is None:
            return None
        moved = self.after - self.before
        return moved if self.aim == "up" else -moved

    @property
    def verdict(self) -> Literal["helped", "no evidence", "hurt"]:
        if self.low is None or self.high is None:
            return "no evidence"
        sign = 1.0 if self.aim == "up" else -1.0
        worst, best = sorted((sign * self.low, sign * self.high))
        if best < 0.0:
            return "hurt"
        return "helped" if worst > 0.0 else "no evidence"


@dataclass(frozen=True, slots=True)
class Attribution:
    """The effect of one applied change: of what one rule moved in one decision."""

    iteration: Whole
    """The iteration after which the change was decided."""
    rule: str
    keys: Mapping[str, tuple[Finite, Finite]]
    """Key to its values before and after the change."""
    effects: tuple[Effect, ...]
    """The effects on the KPIs that the change should move."""
    shared: tuple[str, ...]
    """Other rules that moved something before the effect was reported, so it may be theirs."""
    note: str
    """Why there is no evidence, if the figures do not show it."""

    @property
    def verdict(self) -> Literal["helped", "no evidence", "hurt"]:
        verdicts = {effect.verdict for effect in self.effects}
        if "hurt" in verdicts:
            return "hurt"
        return "helped" if "helped" in verdicts else "no evidence"

    @property
    def beyond_doubt(self) -> bool:
        """The change hurt, no other rule moved anything, and neither noise nor a trend explains
        it."""
        return not self.shared and any(effect.doubtless for effect in self.effects)


class Decision(Struct, frozen=True, kw_only=True, tag_field="type", tag="decision"):
    """The decision after iteration ``iteration``, with the values in force from the next one on.

    In the journal it is the *intent*: it is appended before the runtime file is written.
    """

    iteration: Whole
    verdict: Verdict
    reasons: tuple[str, ...]
    by_rules: bool = True
    """As in :class:`Requested`, like the fields up to ``stopped``."""
    rules: tuple[str, ...]
    proposed: tuple[Proposal, ...]
    requested: Mapping[str, Finite]
    """Key to the move that was requested, before anything trimmed it, in the key's unit."""
    withheld: Mapping[str, str]
    waiting: Mapping[str, str]
    overruled: tuple[str, ...]
    stopped: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    """One per proposed key, sorted by key."""
    panic: Panic | None
    values: Mapping[str, Finite]
    """The flat runtime after the decision; equal to the one before if nothing was applied."""
    old_hash: str
    state_hash: str
    signature: str | None
    """The signature of the applied change; None if nothing was applied."""
    large: bool
    dry_run: bool
    note: str
    attributed: tuple[Attribution, ...] = ()
    """The effects of earlier changes that this decision reports."""

    @property
    def changes(self) -> bool:
        return self.state_hash != self.old_hash


@dataclass(frozen=True, slots=True)
class Iteration:
    """One iteration, read from the journal: the input of gate and report."""

    number: int
    values: Mapping[str, float]
    """The runtime in force during the iteration, flat."""
    state_hash: str
    readings: Readings
    report: Mapping[str, Any]
    decision: Decision | None
    """None until it is journaled."""
    verdict: Verdict
    reasons: tuple[str, ...]
    failed_checks: tuple[str, ...] = ()
    echo_mismatch: Mapping[str, str] = field(default_factory=dict)
    """Key to its value in ``effective_params``, where that is not the value in force."""
    external: bool = False
    """The runtime file was edited from outside before this iteration."""
    edited: Mapping[str, float] | None = None
    """The values that the decision starts from, if an edit came during the iteration; else None."""
    edits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The edits by hand since the decision before: key to its values before and after."""

    @property
    def basis(self) -> Mapping[str, float]:
        """The values that the decision starts from."""
        return self.values if self.edited is None else self.edited


HaltKind = Literal["error", "timeout", "contract", "write", "end_of_data"]


class Halt(Struct, frozen=True, tag_field="type", tag="halt"):
    """The end of a lane before its planned iterations, and its cause."""

    iteration: Whole
    kind: HaltKind
    text: str


@dataclass(frozen=True, slots=True)
class History:
    """A whole lane, read from its journal: the input of verify, gate and report."""

    lane: Lane
    profile: Profile
    target: str
    mock: bool
    tune: bool
    dry_run: bool
    start_values: Mapping[str, float]
    iterations: tuple[Iteration, ...]
    halt: Halt | None
    """Why the lane ended early; None if it did not, or was stopped from outside."""
    scenarios: tuple[Scheduled, ...] = ()
    """The planned disturbances, in the order of time."""
    halts: tuple[Halt, ...] = ()
    """Every halt in the order of time, including those after which the lane was resumed."""
    freezes: tuple[int, ...] = ()
    """The iterations after which the freeze began."""
