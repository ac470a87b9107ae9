"""What one iteration leaves behind, as frozen data. See ``docs/journal.md`` for the entries."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from pytest_soak.profile.model import Profile
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.protocol import Lane

Entry = Mapping[str, Any]
"""One journal entry without its checksum: ``{"seq": n, "type": ..., ...}``, JSON values only."""

GUARD_ORDER = (
    "panic",
    "nodata",
    "invalid",
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
"""Reasons, the primary one of a key being the first that holds."""


PROPOSER_FAILED = "the proposer failed"
"""How the note of a decision begins whose proposer raised."""


LARGEST = 1e100
"""Figures beyond it are no data: sums and squares of what is smaller stay finite."""


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
    """The worst verdict; ``default`` where there is none."""
    return max(verdicts, key=lambda verdict: verdict.severity, default=default)


@dataclass(frozen=True, slots=True)
class Reading:
    """One KPI of one iteration."""

    value: float | None
    """None is NODATA."""
    source: str
    """``totals.net_bps``, ``fills_volume``, ``block_reasons``, ``audit``, ``recorded``, …"""
    numerator: float | None = None
    denominator: float | None = None
    """Of a ratio whose sums are known: a window's figure is the ratio of the sums."""
    placeholder: bool = False
    """The value is a stand-in that rules and gate take for NODATA."""
    weak: bool = False
    """No evidence on one iteration (a weekly rollup): WARN at best in the gate."""
    why: str = ""
    """Why there is no data, for people: ``totals.p95_ms is a text, '300ms'``.

    Also of a share of 0 of 0, which is data, but no part of a ratio of sums.
    """

    @property
    def usable(self) -> float | None:
        """The value as rules and gate see it."""
        return None if self.placeholder else self.value


Readings = Mapping[str, Reading]


@dataclass(frozen=True, slots=True)
class IterationVerdict:
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
    """The guard that ends the room on either side."""
    value: float = math.nan
    """In force now: the move starts here."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One wanted change. ``delta`` is what a proposer said, so it may be anything."""

    key: str
    delta: Any
    rule: str
    kpis: tuple[str, ...] = ()
    """The KPIs that the proposal is based on."""


@dataclass(frozen=True, slots=True)
class Requested:
    """What the tuner says of one iteration."""

    proposals: tuple[Proposal, ...] = ()
    rules: tuple[str, ...] = ()
    """Every rule that fired, in the profile's order."""
    withheld: Mapping[str, str] = field(default_factory=dict)
    """Key to reason: what it wanted and left out, whole or in part."""
    waiting: Mapping[str, str] = field(default_factory=dict)
    """Rule to reason: it would fire on this iteration alone, but its evidence, hysteresis or
    dwell says not yet."""
    overruled: tuple[str, ...] = ()
    """``"KEY: RULE +x gives way to RULE +y"``."""
    stopped: tuple[str, ...] = ()
    """Rules that their hysteresis has stopped, after this iteration."""
    log: tuple[str, ...] = ()
    """Lines for run.log, without the leading ``| iter_watch |``… they carry it themselves."""
    note: str = ""
    """What was odd about a proposer's answer; it goes into the decision's note."""
    by_rules: bool = False
    """The profile's rules were asked; else a user's proposer, or nobody (the tuner is off)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the guards made of one proposed key."""

    key: str
    outcome: Literal["APPLIED", "CLIPPED", "SKIPPED"]
    proposed: Any
    """A finite number, or the text of what was no such number."""
    applied: float
    """The move that is made; 0 when SKIPPED."""
    before: float | None
    after: float | None
    """Values of the key before and after; None for an unknown key."""
    reason: str = ""
    """Primary reason, one of GUARD_ORDER; empty when APPLIED."""
    also: tuple[str, ...] = ()
    note: str = ""
    """For people: ``frozen until iteration 9``, ``0.02 of 0.2 per hour left``."""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Panic:
    revert_to: str
    moves: Mapping[str, float]
    """Key to value after the revert, changed keys only."""
    would: bool
    """With the tuner off or in a dry run it is recorded only."""
    paused_until: int | None
    """Last iteration of the pause; None when the safe profile was in force already."""
    pins: tuple[str, ...] = ()
    """Keys that an operator had pinned and that the revert moves (or would) all the same."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What happened to one KPI with a change, in the KPI's unit."""

    kpi: str
    aim: Literal["up", "down"]
    """Where the change wanted it."""
    before: float | None
    after: float | None
    """Means of the iterations before and after; None without data."""
    low: float | None
    high: float | None
    """Two-sided interval of after - before; None where the noise is not known."""
    n_before: int
    n_after: int
    doubtless: bool = False
    """It went the wrong way beyond doubt: against the mean before, and against the trend."""

    @property
    def gain(self) -> float | None:
        """By how much it went where it was wanted, negative for a loss; None without data."""
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
    """What came of one applied change: of what one rule moved in one decision."""

    iteration: int
    """After which the change was decided."""
    rule: str
    keys: Mapping[str, tuple[float, float]]
    """Key to its values before and after the change."""
    effects: tuple[Effect, ...]
    """On the KPIs that it aimed at."""
    shared: tuple[str, ...] = ()
    """Other rules that moved something before its effect could be told apart."""
    note: str = ""
    """Why there is no evidence, where the figures do not say it."""

    @property
    def verdict(self) -> Literal["helped", "no evidence", "hurt"]:
        verdicts = {effect.verdict for effect in self.effects}
        if "hurt" in verdicts:
            return "hurt"
        return "helped" if "helped" in verdicts else "no evidence"

    @property
    def beyond_doubt(self) -> bool:
        """It hurt, it stood alone, and chance or a trend do not explain it."""
        return not self.shared and any(effect.doubtless for effect in self.effects)


@dataclass(frozen=True, slots=True)
class Decision:
    """All that is decided after iteration ``iteration``; the values in force from the next on."""

    iteration: int
    verdict: Verdict
    reasons: tuple[str, ...]
    requested: Requested
    outcomes: tuple[Outcome, ...]
    """One per proposed key, sorted by key."""
    panic: Panic | None
    values: Mapping[str, float]
    """The runtime after it, flat; equal to the one before when nothing was applied."""
    old_hash: str
    state_hash: str
    signature: str | None
    """Of the applied change; None when nothing was applied."""
    large: bool = False
    dry_run: bool = False
    note: str = ""
    attributed: tuple[Attribution, ...] = ()
    """What came of earlier changes, those whose time to tell has come."""

    @property
    def changes(self) -> bool:
        return self.state_hash != self.old_hash


@dataclass(frozen=True, slots=True)
class Iteration:
    """One iteration as gate and report see it: a projection of the journal."""

    number: int
    values: Mapping[str, float]
    """The runtime in force during the iteration, flat."""
    state_hash: str
    readings: Readings
    report: Mapping[str, Any]
    decision: Decision | None
    """None while it is still to be taken."""
    verdict: Verdict
    reasons: tuple[str, ...]
    failed_checks: tuple[str, ...] = ()
    echo_mismatch: Mapping[str, str] = field(default_factory=dict)
    """Key to what ``effective_params`` says of it, where that is not the value in force."""
    external: bool = False
    """The runtime file was edited from outside before this iteration."""
    edited: Mapping[str, float] | None = None
    """The values that the decision starts from, where an edit came during the iteration."""
    edits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """What was edited by hand since the decision before: key to its values before and after."""

    @property
    def basis(self) -> Mapping[str, float]:
        """The values that the decision starts from."""
        return self.values if self.edited is None else self.edited


HaltKind = Literal["error", "timeout", "contract", "write", "end_of_data"]


@dataclass(frozen=True, slots=True)
class Halt:
    iteration: int
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
    """Why it ended before its plan; None when it did not, or was stopped from outside."""
    scenarios: tuple[Scheduled, ...] = ()
    """The disturbances that were planned, in the order of time."""
    halts: tuple[Halt, ...] = ()
    """Every halt, those that the lane was resumed after included, in the order of time."""
