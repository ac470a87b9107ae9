"""The state of a lane between two entries of its journal (:mod:`pytest_soak.loop.fold`).

The memory of a lane is bounded, whatever its length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pytest_soak.canonical import to_json
from pytest_soak.loop.model import Decision, Halt, Iteration, Readings
from pytest_soak.profile.model import Profile
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.protocol import Lane

UNCHARGED_RULES = ("PANIC", "ROLLBACK")
"""Rules whose moves are not charged to velocity, and are no oscillation."""

EXTERNAL = "EXTERNAL"
"""How an edit by hand is called among the rules that moved something."""

RESERVED_RULES = (*UNCHARGED_RULES, EXTERNAL)
"""Names that no proposal may claim: they would free a move from its cap, or tell a falsehood."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One applied move, as the velocity guard remembers it."""

    key: str
    iteration: int
    size: float


@dataclass(frozen=True, slots=True)
class Change:
    """What one rule moved in one decision, until its effect is told."""

    iteration: int
    rule: str
    keys: Mapping[str, tuple[float, float]]
    """Key to its values before and after."""
    aims: tuple[tuple[str, Literal["up", "down"]], ...]
    """The KPIs it aimed at, and where it wanted them."""
    due: int
    """The iteration whose decision tells the effect."""
    since: int
    """Another rule moved something after this iteration, so what was before does not compare."""
    shared: tuple[str, ...] = ()
    """Rules that moved something else with it, or after it."""
    spoiled: str = ""
    """Why its effect cannot be told any more."""


@dataclass(frozen=True, slots=True)
class PendingRollback:
    """A key to be taken back to the value that it had before a change that hurt."""

    value: float
    rule: str
    """Whose change it was."""
    changed: int
    """The iteration of that change."""
    since: int
    """The iteration whose decision found that it hurt."""
    lost: Mapping[str, float]
    """The KPIs that it hurt, and by how much each got worse, in its unit."""


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A rollback that was made."""

    rule: str
    direction: Literal[-1, 1]
    """Of the change that was taken back."""
    iteration: int
    lost: Mapping[str, float]
    """As of :class:`PendingRollback`."""
    suspends: bool = True
    """It gave something back, as far as is known, so the rule is suspended on the key that long."""


@dataclass(frozen=True, slots=True)
class LaneState:
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
    done: int = 0
    """The last completed iteration."""
    observed: Iteration | None = None
    """Observed, and its decision not in force yet."""
    intent: Decision | None = None
    """Journaled, but the runtime file is not known to have it."""
    halt: Halt | None = None
    halts: tuple[Halt, ...] = ()
    """Every halt so far, those that the lane was resumed after included."""
    target_state: Any = None
    fail_streak: int = 0
    stable_streak: int = 0
    pass_streak: int = 0
    frozen_until: int = 0
    """Decisions up to this iteration leave the frozen keys alone; 0: none ever was."""
    cooldown_until: int = 0
    paused_until: int = 0
    last_signature: str | None = None
    moves: tuple[Moved, ...] = ()
    """Charged moves in the velocity window of the next decision, oldest first."""
    before: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    """Key to the value before its last applied change, and the iteration of that change."""
    acted: Mapping[str, int] = field(default_factory=dict)
    """Rule to the iteration whose decision last applied one of its deltas."""
    stopped: tuple[str, ...] = ()
    """Rules that their hysteresis has stopped."""
    recent: tuple[Readings, ...] = ()
    """Of the last completed iterations, as many as the longest evidence and attribution need."""
    first: tuple[Readings, ...] = ()
    """Of the first iterations, as many as a ``share_of_first`` needs."""
    edited: bool = False
    """Edited from outside since the last observation."""
    edits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Of these edits: key to its values before and after."""
    pinned: Mapping[str, int | None] = field(default_factory=dict)
    """Key that an operator edited to the last decision that leaves it alone; None: all do."""
    changes: tuple[Change, ...] = ()
    """Applied, their effect not told yet; oldest first."""
    changed: tuple[tuple[str, int], ...] = ()
    """The last two that moved something, by different names: rule and iteration, latest first."""
    disturbed: tuple[int, ...] = ()
    """Remembered iterations that compare with no others: a scenario fired, or the target says that
    it ran with other values."""
    pending: Mapping[str, PendingRollback] = field(default_factory=dict)
    """Key to the rollback that is due."""
    rolled_back: Mapping[str, RolledBack] = field(default_factory=dict)
    scenarios: tuple[Scheduled, ...] = ()
    """The disturbances that are planned."""

    @property
    def iterations(self) -> int:
        """How many iterations are planned."""
        return self.lane.iterations

    @property
    def next_iteration(self) -> int:
        return self.done + 1


def tuning_state(state: LaneState) -> dict[str, Any]:
    """TUNING_STATE.json: what the guards remember. Iterations are 0 where there was none yet."""
    freeze = state.profile.guards.freeze
    return {
        "iteration": state.done,
        "state_hash": state.state_hash,
        "fail_streak": state.fail_streak,
        "stable_streak": state.stable_streak,
        "pass_streak": state.pass_streak,
        "frozen_until_iter": state.frozen_until,
        "frozen_keys": list(freeze.keys)
        if freeze is not None and state.frozen_until > state.done
        else [],
        "cooldown_until_iter": state.cooldown_until,
        "paused_until_iter": state.paused_until,
        "last_signature": state.last_signature,
        "stopped": list(state.stopped),
        "acted": dict(sorted(state.acted.items())),
        "moves": [
            {"key": move.key, "iteration": move.iteration, "size": move.size}
            for move in state.moves
        ],
        "values_before_last_change": {
            key: {"value": value, "iteration": iteration}
            for key, (value, iteration) in sorted(state.before.items())
        },
        "pinned": {
            key: "run" if last is None else last
            for key, last in sorted(state.pinned.items())
            if last is None or last > state.done
        },
        "waiting_for_effect": [to_json(asdict(change)) for change in state.changes],
        "pending_rollbacks": {
            key: to_json(asdict(pending)) for key, pending in sorted(state.pending.items())
        },
        "rolled_back": {key: asdict(back) for key, back in sorted(state.rolled_back.items())},
    }
