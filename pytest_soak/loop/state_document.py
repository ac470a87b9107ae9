"""TUNING_STATE.json: the state of the guards at the end of a lane, as a JSON document."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal, TypedDict

from pytest_soak.canonical import to_json
from pytest_soak.json_types import Finite, NotNegative
from pytest_soak.loop.state import Change, LaneState, PendingRollback, RolledBack


class CountedMove(TypedDict):
    """A move that counts towards the caps."""

    key: str
    iteration: NotNegative
    size: Finite


class ValueBefore(TypedDict):
    """The value before the last change of a key."""

    value: Finite
    iteration: NotNegative


class TuningState(TypedDict):
    """An iteration is 0 if there was none yet."""

    iteration: NotNegative
    state_hash: str
    fail_streak: NotNegative
    stable_streak: NotNegative
    pass_streak: NotNegative
    frozen_until_iter: NotNegative
    frozen_keys: list[str]
    cooldown_until_iter: NotNegative
    paused_until_iter: NotNegative
    last_signature: str | None
    stopped: list[str]
    acted: dict[str, NotNegative]
    moves: list[CountedMove]
    values_before_last_change: dict[str, ValueBefore]
    pinned: dict[str, Literal["run"] | NotNegative]
    waiting_for_effect: list[Change]
    pending_rollbacks: dict[str, PendingRollback]
    rolled_back: dict[str, RolledBack]


def tuning_state(state: LaneState) -> TuningState:
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
            key: to_json(asdict(back))
            for key, back in sorted(state.attribution.rolled_back.items())
        },
    }
