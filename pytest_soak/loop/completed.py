"""The state after a decision is in force: readings, streaks, and what its moves are charged."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from pytest_soak.loop.attribution import aims_of, effect_window, is_disturbed
from pytest_soak.loop.conditions import first_count
from pytest_soak.loop.entries import EntryError
from pytest_soak.loop.model import Decision, Iteration, Outcome, Verdict
from pytest_soak.loop.rollback import pending_after, rolled_back_after
from pytest_soak.loop.scenarios import is_excluded
from pytest_soak.loop.state import (
    EXTERNAL,
    UNCHARGED_RULES,
    Change,
    LaneState,
    Moved,
    evolved,
)
from pytest_soak.loop.verdict import all_hold


def completed(state: LaneState, decision: Decision) -> LaneState:
    """The state once the decision is in force. Raises EntryError without an observation."""
    observed = state.observed
    if observed is None:
        raise EntryError(f"iteration {decision.iteration} has no observation")
    applied = _applied_outcomes(decision)
    state = _with_changes(state, decision, applied)
    freeze = state.profile.guards.freeze
    first = (*state.first, observed.readings)
    stable = freeze is not None and all_hold(freeze.stable, observed.readings, first)
    state = _with_readings(state, observed)
    state = _with_streaks(state, decision, stable=stable)
    state = _with_charges(state, decision, applied)
    return evolved(
        _after_panic(state, decision),
        done=decision.iteration,
        observed=None,
        intent=None,
        values=decision.values,
        state_hash=decision.state_hash,
        stopped=decision.requested.stopped,
    )


def after_edit(state: LaneState, iteration: int, keys: Collection[str]) -> LaneState:
    """The state after an operator edited ``keys`` after ``iteration``.

    The keys are pinned, so that the tuner does not move them. Earlier changes of these keys can no
    longer be measured, and pending rollbacks of these keys are dropped.
    """
    if not keys:
        return state
    length = state.profile.guards.pin.iterations
    last = None if length is None else iteration + length
    seen = iteration + (state.observed is not None)
    spoiled = f"{', '.join(sorted(keys))} edited by hand after iteration {iteration}"
    return evolved(
        state,
        pinned={**state.pinned, **dict.fromkeys(keys, last)} if length != 0 else state.pinned,
        changes=tuple(
            replace(change, spoiled=change.spoiled or spoiled)
            if change.keys.keys() & set(keys)
            else _shared_with(change, {EXTERNAL})
            for change in state.changes
        ),
        changed=_latest_rules(state, (EXTERNAL,), seen),
        pending={key: rollback for key, rollback in state.pending.items() if key not in keys},
    )


def _applied_outcomes(decision: Decision) -> list[Outcome]:
    """The outcomes that moved a key. A dry run moves nothing."""
    if decision.dry_run or not decision.changes:
        return []
    return [outcome for outcome in decision.outcomes if outcome.outcome != "SKIPPED"]


def _with_changes(state: LaneState, decision: Decision, applied: Sequence[Outcome]) -> LaneState:
    """The state with changes whose effect is not reported yet, pending rollbacks and rollbacks."""
    if not (applied or state.changes or state.pending or state.rolled_back):
        return state  # a shortcut: so it is in most iterations
    reported = {(attribution.iteration, attribution.rule) for attribution in decision.attributed}
    rules = tuple(sorted({outcome.rule for outcome in applied}))
    waiting = [
        _shared_with(change, {*rules} - {change.rule})
        for change in state.changes
        if (change.iteration, change.rule) not in reported
    ]
    pending = pending_after(state, decision.attributed)
    moved = {outcome.key for outcome in applied}
    return evolved(
        state,
        changes=(*waiting, *_new_changes(state, decision, applied, rules)),
        changed=_latest_rules(state, rules, decision.iteration),
        pending={key: rollback for key, rollback in pending.items() if key not in moved},
        rolled_back=rolled_back_after(state, decision.attributed, pending, applied),
    )


def _new_changes(
    state: LaneState, decision: Decision, applied: Sequence[Outcome], rules: Sequence[str]
) -> list[Change]:
    changes = []
    for rule in rules:
        window = effect_window(state.profile, rule)
        if not window:
            continue
        own = [outcome for outcome in applied if outcome.rule == rule]
        keys = {outcome.key for outcome in own}
        proposals = [
            proposal
            for proposal in decision.requested.proposals
            if proposal.key in keys and proposal.rule == rule
        ]
        changes.append(
            Change(
                iteration=decision.iteration,
                rule=rule,
                keys={
                    outcome.key: (state.values[outcome.key], decision.values[outcome.key])
                    for outcome in own
                },
                aims=aims_of(state.profile, rule, proposals),
                due=decision.iteration + window,
                since=max((at for name, at in state.changed if name != rule), default=0),
                shared=tuple(other for other in rules if other != rule),
            )
        )
    return changes


def _shared_with(change: Change, others: set[str]) -> Change:
    return replace(change, shared=tuple(sorted({*change.shared, *others})))


def _latest_rules(
    state: LaneState, rules: Collection[str], iteration: int
) -> tuple[tuple[str, int], ...]:
    """The last two rules that moved something, with these rules added.

    Two are enough to find, for any rule, the last iteration in which another rule moved something.
    """
    names = {**dict(reversed(state.changed)), **dict.fromkeys(rules, iteration)}
    latest = sorted(names.items(), key=lambda entry: entry[1], reverse=True)
    return tuple(latest[:2])


def _with_readings(state: LaneState, observed: Iteration) -> LaneState:
    rules = state.profile.rules
    longest = max((rule.evidence.over for rule in rules), default=1) - 1
    attribution = state.profile.guards.attribution
    if attribution is not None:
        window = max((rule.dwell for rule in rules), default=0)
        longest = max(longest, attribution.memory + max(window, attribution.least) - 1)
    readings, number = observed.readings, observed.number
    recent = (*state.recent, readings)
    first = state.first
    if len(first) < first_count(state.profile):
        first = (*first, readings)
    oldest = number - longest
    disturbed = [iteration for iteration in state.disturbed if iteration > oldest]
    if is_disturbed(observed):
        disturbed.append(number)
    excluded = [iteration for iteration in state.excluded if iteration > oldest]
    if is_excluded(state, observed):
        excluded.append(number)
    return evolved(
        state,
        recent=recent[max(0, len(recent) - longest) :],
        first=first,
        disturbed=tuple(disturbed),
        excluded=tuple(excluded),
    )


def _with_streaks(state: LaneState, decision: Decision, *, stable: bool) -> LaneState:
    """The state with its streaks and freeze. Missing data ends a good streak but not a bad one."""
    fail_streak = state.fail_streak
    if decision.verdict is Verdict.FAIL:
        fail_streak += 1
    elif decision.verdict is not Verdict.INCONCLUSIVE:
        fail_streak = 0
    pass_streak = state.pass_streak + 1 if decision.verdict is Verdict.PASS else 0
    state = evolved(state, fail_streak=fail_streak, pass_streak=pass_streak)
    freeze = state.profile.guards.freeze
    if freeze is None:
        return state
    if decision.iteration <= state.frozen_until or not stable:
        return evolved(state, stable_streak=0)
    if state.stable_streak + 1 < freeze.after:
        return evolved(state, stable_streak=state.stable_streak + 1)
    return evolved(state, stable_streak=0, frozen_until=decision.iteration + freeze.iterations)


def _with_charges(state: LaneState, decision: Decision, applied: Sequence[Outcome]) -> LaneState:
    """The state with what applied moves are charged: velocity, oscillation, dwell and cooldown.

    A dry run moves nothing, so nothing is charged.
    """
    if not (applied or state.moves or state.before):
        return state  # a shortcut: so it is in most iterations
    guards, now = state.profile.guards, decision.iteration
    window, interval_s = guards.velocity_window_s, state.lane.interval_s
    # The window is half-open: a move exactly one window before the next decision has left it.
    moves = [move for move in state.moves if (now + 1 - move.iteration) * interval_s < window]
    memory = guards.oscillation.forget_after if guards.oscillation is not None else 0
    before = {key: past for key, past in state.before.items() if now + 1 - past[1] <= memory}
    state = evolved(state, moves=tuple(moves), before=before)
    if not applied:
        return state
    acted = dict(state.acted)
    known_rules = {rule.name for rule in state.profile.rules}
    for outcome in applied:
        if outcome.rule not in UNCHARGED_RULES and interval_s < window:
            moves.append(Moved(outcome.key, now, abs(outcome.applied)))
        before[outcome.key] = (state.values[outcome.key], now)
        if outcome.rule in known_rules:
            acted[outcome.rule] = now
    cooldown = guards.cooldown
    cooling = now + cooldown.iterations if cooldown is not None and decision.large else 0
    return evolved(
        state,
        moves=tuple(moves),
        before=before,
        acted=acted,
        last_signature=decision.signature,
        cooldown_until=max(state.cooldown_until, cooling),
    )


def _after_panic(state: LaneState, decision: Decision) -> LaneState:
    panic = decision.panic
    if panic is None:
        return state
    if panic.would:
        return evolved(state, fail_streak=0)
    spoiled = f"panic at iteration {decision.iteration}"
    return evolved(
        state,
        fail_streak=0,
        stable_streak=0,
        pass_streak=0,
        frozen_until=0,
        cooldown_until=0,
        last_signature=None,
        before={},
        changes=tuple(
            replace(change, spoiled=change.spoiled or spoiled) for change in state.changes
        ),
        changed=_latest_rules(state, ("PANIC",), decision.iteration),
        pending={},
        paused_until=max(state.paused_until, panic.paused_until or 0),
    )
