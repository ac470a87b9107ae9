"""The headroom of each key: how far it may move now, given to the tuner (§9, §10).

A decision after iteration t happens at target time t × interval. The guards refuse by the same
functions as here, so they do not refuse a proposal within its headroom for its size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from pytest_soak.loop.model import Headroom, Panic, Verdict
from pytest_soak.loop.state import LaneState
from pytest_soak.profile.parameter import Parameter


def deciding(state: LaneState) -> int:
    """The iteration whose decision is due."""
    return state.observed.number if state.observed is not None else state.next_iteration


def panic_of(state: LaneState) -> Panic | None:
    """The panic revert that is due, also where it is recorded only; None if none is due."""
    guard, observed = state.profile.guards.panic, state.observed
    if guard is None or observed is None or observed.verdict is not Verdict.FAIL:
        return None
    if state.streaks.fail + 1 < guard.after:
        return None
    moves = {
        key: guard.values[key]
        for key in state.profile.parameters
        if guard.values[key] != state.values[key]
    }
    return Panic(
        revert_to=guard.revert_to,
        moves=moves,
        would=state.dry_run or not state.tune,
        paused_until=observed.number + guard.pause if moves else None,
        pins=tuple(sorted(key for key in moves if is_pinned(state, key))),
    )


def is_paused(state: LaneState) -> bool:
    """Whether this decision lies within the pause after a panic revert."""
    return deciding(state) <= state.timers.paused_until


def is_warming(state: LaneState) -> bool:
    """Whether the iteration whose decision is due belongs to the warm-up."""
    return deciding(state) <= state.profile.gate.warmup_iterations


def is_late(state: LaneState) -> bool:
    return deciding(state) > state.iterations - state.profile.guards.hold_last


def is_pinned(state: LaneState, key: str) -> bool:
    """Whether the key is pinned, because an operator edited it by hand."""
    if key not in state.edits.pinned:
        return False
    last = state.edits.pinned[key]
    return last is None or deciding(state) <= last


def is_frozen(state: LaneState, key: str) -> bool:
    freeze = state.profile.guards.freeze
    return (
        freeze is not None and key in freeze.keys and deciding(state) <= state.timers.frozen_until
    )


def is_cooling(state: LaneState) -> bool:
    return deciding(state) <= state.timers.cooldown_until


def velocity_left(state: LaneState, parameter: Parameter) -> float:
    """The size of moves that the key has left in the half-open window (t - 1 h, t], at most its
    cap of one iteration; never negative."""
    spent = math.fsum(move.size for move in state.charges.moves if move.key == parameter.key)
    return min(max(0.0, parameter.cap_per_hour - spent), parameter.cap_per_iteration)


def closed_by(state: LaneState, key: str) -> str:
    """The first guard, in their order, that leaves the key no headroom now; "" for none."""
    if panic_of(state) is not None or is_paused(state):
        return "panic"
    if is_warming(state):
        return "warmup"
    if is_late(state):
        return "late"
    if is_pinned(state, key):
        return "pin"
    if is_frozen(state, key):
        return "freeze"
    return "cooldown" if is_cooling(state) else ""


def headroom_of(state: LaneState) -> Mapping[str, Headroom]:
    """Key to its headroom, for every parameter."""
    return {key: _headroom(state, state.profile.parameters[key]) for key in state.values}


def _headroom(state: LaneState, parameter: Parameter) -> Headroom:
    reason, value = closed_by(state, parameter.key), state.values[parameter.key]
    if reason:
        return Headroom(parameter.key, 0.0, 0.0, reason, reason, value)
    size, (low, high) = velocity_left(state, parameter), parameter.limits(state.values)
    left_down, left_up = _reach(parameter, value, size, up=False), _reach(parameter, value, size)
    down, up = max(0.0, value - low), max(0.0, high - value)
    return Headroom(
        parameter.key,
        down=-_whole(parameter, value, -min(left_down, down)),
        up=_whole(parameter, value, min(left_up, up)),
        reason_down="velocity" if left_down <= down else "bounds",
        reason_up="velocity" if left_up <= up else "bounds",
        value=value,
    )


def _reach(parameter: Parameter, value: float, size: float, *, up: bool = True) -> float:
    """How far the value may go by a move of this size, in the parameter's unit."""
    return size if not parameter.log else abs(parameter.moved(value, size, up=up) - value)


def _whole(parameter: Parameter, value: float, delta: float) -> float:
    """The amount of the longest move within ``delta`` to a value that the parameter may have."""
    if not parameter.step:
        return abs(delta)
    return abs(parameter.toward(value, value + delta) - value)
