"""The state of a lane between two entries of its journal (:mod:`pytest_soak.loop.fold`).

The size of the state is bounded, however many iterations the lane has. It is made of structs of
msgspec, because a journal of 5,000 iterations makes 30,000 states: :func:`evolved`, the state with
other values, takes a tenth of the time of ``dataclasses.replace``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace as evolved

from pytest_soak.canonical import to_json
from pytest_soak.loop.model import Decision, Halt, Iteration, Readings
from pytest_soak.profile.model import Profile
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.protocol import Lane

__all__ = [
    "EXTERNAL",
    "RESERVED_RULES",
    "UNCHARGED_RULES",
    "Change",
    "ChangeMemory",
    "Charges",
    "Edits",
    "LaneState",
    "Memory",
    "Moved",
    "PendingRollback",
    "RolledBack",
    "RuleMemory",
    "Streaks",
    "Timers",
    "evolved",
    "tuning_state",
]

UNCHARGED_RULES = ("PANIC", "ROLLBACK")
"""Rules whose moves are not charged to velocity and do not count as oscillation."""

EXTERNAL = "EXTERNAL"
"""The name of an edit by hand where rules that moved something are listed."""

RESERVED_RULES = (*UNCHARGED_RULES, EXTERNAL)
"""Rule names that no proposal may have: they would free it from the velocity cap, or be untrue."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One applied move, as the velocity guard needs it."""

    key: str
    iteration: int
    size: float


@dataclass(frozen=True, slots=True)
class Change:
    """What one rule moved in one decision, until its effect is reported."""

    iteration: int
    rule: str
    keys: Mapping[str, tuple[float, float]]
    """Key to its values before and after."""
    aims: tuple[tuple[str, Literal["up", "down"]], ...]
    """The KPIs that it should move, and in which direction."""
    due: int
    """The iteration whose decision reports the effect."""
    since: int
    """The last iteration after which another rule moved something; 0 if none did. Only iterations
    after it are compared with those after the change."""
    shared: tuple[str, ...] = ()
    """Rules that moved something in the same decision, or between it and ``due``."""
    spoiled: str = ""
    """Why its effect cannot be measured any more; empty while it can."""


@dataclass(frozen=True, slots=True)
class PendingRollback:
    """A key that must go back to the value that it had before a change that hurt."""

    value: float
    rule: str
    """The rule that made the change."""
    changed: int
    """The iteration of that change."""
    since: int
    """The iteration whose decision found that the change hurt."""
    lost: Mapping[str, float]
    """KPI to how much worse the change made it, in the KPI's unit."""


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A rollback that was carried out."""

    rule: str
    """The rule whose change was rolled back."""
    direction: Literal[-1, 1]
    """The direction of the change that was rolled back."""
    iteration: int
    """The iteration whose decision rolled it back."""
    lost: Mapping[str, float]
    """As in :class:`PendingRollback`."""
    suspends: bool = True
    """The rule is suspended on the key for the whole of ``rollback.once_in``. False once it is
    known that the rollback did not improve the KPIs: then the change was not the cause."""


class Streaks(Struct, frozen=True):
    """How many of the last completed iterations in a row …"""

    fail: int = 0
    """… had the verdict FAIL. Missing data does not end this streak."""
    stable: int = 0
    """… met the conditions of the freeze."""
    passed: int = 0
    """… had the verdict PASS."""


class Timers(Struct, frozen=True):
    """Iterations up to which decisions move nothing, or not all keys; 0 if none was set so far."""

    frozen_until: int = 0
    """The frozen keys, after stable iterations."""
    cooldown_until: int = 0
    """Every key, after a large change."""
    paused_until: int = 0
    """Every key, after a panic revert."""


class Charges(Struct, frozen=True):
    """What the applied moves count against the next ones."""

    moves: tuple[Moved, ...] = ()
    """Charged moves in the velocity window of the next decision, oldest first."""
    before: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    """Key to the value before its last applied change, and the iteration of that change."""
    signature: str | None = None
    """The signature of the last applied change."""


class RuleMemory(Struct, frozen=True):
    """What is remembered of the profile's rules."""

    acted: Mapping[str, int] = field(default_factory=dict)
    """Rule to the iteration whose decision last applied one of its deltas."""
    stopped: tuple[str, ...] = ()
    """Rules that are stopped by their hysteresis."""


class Memory(Struct, frozen=True):
    """What is remembered of completed iterations."""

    recent: tuple[Readings, ...] = ()
    """Readings of the last completed iterations, as many as evidence and attribution need."""
    first: tuple[Readings, ...] = ()
    """Readings of the first iterations after the warm-up, as many as the conditions with
    ``share_of_first`` need."""
    disturbed: tuple[int, ...] = ()
    """Those of the recent iterations that are not comparable: a scenario fired, the target reported
    that it ran with other values, or they belong to the warm-up."""
    excluded: tuple[int, ...] = ()
    """Remembered iterations that the gate excludes, since a scenario ran or they belong to the
    warm-up: they are no evidence for a rule."""
    measured: int = 0
    """The first completed iteration with a report of the target; 0 if there was none so far."""


class ChangeMemory(Struct, frozen=True):
    """Applied changes: whose effect is awaited, and which must go back or went back."""

    changes: tuple[Change, ...] = ()
    """Applied changes whose effect is not reported yet, oldest first."""
    changed: tuple[tuple[str, int], ...] = ()
    """The last two different rules that moved something: rule and iteration, latest first."""
    pending: Mapping[str, PendingRollback] = field(default_factory=dict)
    """Key to its pending rollback."""
    rolled_back: Mapping[str, RolledBack] = field(default_factory=dict)
    """Key to its last rollback, for ``rollback.once_in`` iterations."""


class Edits(Struct, frozen=True):
    """Edits of the runtime from outside."""

    unobserved: bool = False
    """The runtime was edited since the last observation."""
    moved: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The edits since the last observation: key to its values before and after."""
    pinned: Mapping[str, int | None] = field(default_factory=dict)
    """Key that an operator edited to the last iteration whose decision does not move it; None: no
    decision of the run moves it."""


class LaneState(Struct, frozen=True):
    """A lane between two entries of its journal."""

    lane: Lane
    profile: Profile
    target: str
    mock: bool
    tune: bool
    dry_run: bool
    start_values: Mapping[str, float]
    values: Mapping[str, float]
    """The parameters in force, flat."""
    state_hash: str
    scenarios: tuple[Scheduled, ...] = ()
    """The disturbances that are planned."""
    done: int = 0
    """The last completed iteration."""
    observed: Iteration | None = None
    """The iteration that is observed and whose decision is not in force yet."""
    intent: Decision | None = None
    """The decision that is journaled and may not have reached the runtime file yet."""
    halt: Halt | None = None
    """The last halt, until the lane is resumed."""
    halts: tuple[Halt, ...] = ()
    """Every halt so far, including those after which the lane was resumed."""
    restarted: int = 0
    """The last iteration for which the target is stopped and started, because a parameter with
    ``restart`` changed before it; 0 if there was none."""
    target_state: Any = None
    streaks: Streaks = Streaks()
    timers: Timers = Timers()
    charges: Charges = Charges()
    rules: RuleMemory = RuleMemory()
    memory: Memory = Memory()
    attribution: ChangeMemory = ChangeMemory()
    edits: Edits = Edits()

    @property
    def iterations(self) -> int:
        """How many iterations are planned."""
        return self.lane.iterations

    @property
    def next_iteration(self) -> int:
        return self.done + 1


def tuning_state(state: LaneState) -> dict[str, Any]:
    """The content of TUNING_STATE.json: the state of the guards. An iteration is 0 if none was."""
    freeze = state.profile.guards.freeze
    return {
        "iteration": state.done,
        "state_hash": state.state_hash,
        "fail_streak": state.streaks.fail,
        "stable_streak": state.streaks.stable,
        "pass_streak": state.streaks.passed,
        "frozen_until_iter": state.timers.frozen_until,
        "frozen_keys": list(freeze.keys)
        if freeze is not None and state.timers.frozen_until > state.done
        else [],
        "cooldown_until_iter": state.timers.cooldown_until,
        "paused_until_iter": state.timers.paused_until,
        "last_signature": state.charges.signature,
        "stopped": list(state.rules.stopped),
        "acted": dict(sorted(state.rules.acted.items())),
        "moves": [
            {"key": move.key, "iteration": move.iteration, "size": move.size}
            for move in state.charges.moves
        ],
        "values_before_last_change": {
            key: {"value": value, "iteration": iteration}
            for key, (value, iteration) in sorted(state.charges.before.items())
        },
        "pinned": {
            key: "run" if last is None else last
            for key, last in sorted(state.edits.pinned.items())
            if last is None or last > state.done
        },
        "waiting_for_effect": [to_json(asdict(change)) for change in state.attribution.changes],
        "pending_rollbacks": {
            key: to_json(asdict(pending))
            for key, pending in sorted(state.attribution.pending.items())
        },
        "rolled_back": {
            key: asdict(back) for key, back in sorted(state.attribution.rolled_back.items())
        },
    }
