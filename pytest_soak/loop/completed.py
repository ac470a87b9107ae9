"""The state after a decision is in force: readings, streaks, and what its moves are charged."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from pytest_soak.loop.attribution import aims_of, effect_window, is_disturbed
from pytest_soak.loop.conditions import first_count, recent_count
from pytest_soak.loop.entries import EntryError
from pytest_soak.loop.evidence import comparable
from pytest_soak.loop.missing import is_measured
from pytest_soak.loop.model import Decision, Iteration, Outcome, Verdict
from pytest_soak.loop.rollback import pending_after, rolled_back_after
from pytest_soak.loop.scenarios import is_excluded
from pytest_soak.loop.state import (
    EXTERNAL,
    UNCHARGED_RULES,
    Change,
    ChangeMemory,
    Charges,
    LaneState,
    Memory,
    Moved,
    Streaks,
    Timers,
    evolved,
)
from pytest_soak.loop.verdict import all_hold, facts_of
from pytest_soak.profile.model import FreezeGuard, Profile


def completed(state: LaneState, decision: Decision) -> LaneState:
    """The state once the decision is in force. Raises EntryError without an observation."""
    observed = state.observed
    if observed is None:
        raise EntryError(f"iteration {decision.iteration} has no observation")
    applied = _applied_outcomes(decision)
    state = _with_changes(state, decision, applied)
    freeze = state.profile.guards.freeze
    stable = freeze is not None and _is_stable(state, freeze, observed)
    stable = stable and not _is_warm(state, observed)
    restarts = restarts_between(state.profile, observed.values, decision.values)
    state = _with_readings(state, observed)
    state = _with_streaks(state, decision, stable=stable)
    state = _with_charges(state, decision, applied)
    state = _after_panic(state, decision)
    return evolved(
        state,
        done=decision.iteration,
        observed=None,
        intent=None,
        values=decision.values,
        state_hash=decision.state_hash,
        restarted=decision.iteration + 1 if restarts else state.restarted,
        rules=evolved(state.rules, stopped=decision.stopped),
    )


def restarts_between(
    profile: Profile, before: Mapping[str, float], after: Mapping[str, float]
) -> bool:
    """Whether a parameter for which the target is restarted has another value."""
    return any(
        parameter.restart and before[key] != after[key]
        for key, parameter in profile.parameters.items()
    )


def _is_stable(state: LaneState, freeze: FreezeGuard, observed: Iteration) -> bool:
    recent = (*comparable(state), observed.readings)
    first = (*state.memory.first, observed.readings)
    facts = facts_of(state.profile, freeze.stable, recent, first, state.values)
    return all_hold(freeze.stable, facts)


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
    pinned, past = state.edits.pinned, state.attribution
    return evolved(
        state,
        edits=evolved(
            state.edits,
            pinned={**pinned, **dict.fromkeys(keys, last)} if length != 0 else pinned,
        ),
        attribution=ChangeMemory(
            changes=tuple(
                replace(change, spoiled=change.spoiled or spoiled)
                if change.keys.keys() & set(keys)
                else _shared_with(change, {EXTERNAL})
                for change in past.changes
            ),
            changed=_latest_rules(state, (EXTERNAL,), seen),
            pending={key: rollback for key, rollback in past.pending.items() if key not in keys},
            rolled_back=past.rolled_back,
        ),
    )


def _applied_outcomes(decision: Decision) -> list[Outcome]:
    """The outcomes that moved a key. A dry run moves nothing."""
    if decision.dry_run or not decision.changes:
        return []
    return [outcome for outcome in decision.outcomes if outcome.outcome != "SKIPPED"]


def _with_changes(state: LaneState, decision: Decision, applied: Sequence[Outcome]) -> LaneState:
    """The state with changes whose effect is not reported yet, pending rollbacks and rollbacks."""
    past = state.attribution
    if not (applied or past.changes or past.pending or past.rolled_back):
        return state  # a shortcut: so it is in most iterations
    reported = {(attribution.iteration, attribution.rule) for attribution in decision.attributed}
    rules = tuple(sorted({outcome.rule for outcome in applied}))
    waiting = [
        _shared_with(change, {*rules} - {change.rule})
        for change in past.changes
        if (change.iteration, change.rule) not in reported
    ]
    pending = pending_after(state, decision.attributed)
    moved = {outcome.key for outcome in applied}
    return evolved(
        state,
        attribution=ChangeMemory(
            changes=(*waiting, *_new_changes(state, decision, applied, rules)),
            changed=_latest_rules(state, rules, decision.iteration),
            pending={key: rollback for key, rollback in pending.items() if key not in moved},
            rolled_back=rolled_back_after(state, decision.attributed, pending, applied),
        ),
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
            for proposal in decision.proposed
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
                since=max(
                    (at for name, at in state.attribution.changed if name != rule), default=0
                ),
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
    names = {**dict(reversed(state.attribution.changed)), **dict.fromkeys(rules, iteration)}
    latest = sorted(names.items(), key=lambda entry: entry[1], reverse=True)
    return tuple(latest[:2])


def _is_warm(state: LaneState, observed: Iteration) -> bool:
    """Whether the iteration belongs to the warm-up, whose figures are no evidence."""
    return observed.number <= state.profile.gate.warmup_iterations


def _with_readings(state: LaneState, observed: Iteration) -> LaneState:
    rules = state.profile.rules
    longest = max((rule.evidence.over for rule in rules), default=1) - 1
    longest = max(longest, recent_count(state.profile))
    attribution = state.profile.guards.attribution
    if attribution is not None:
        window = max((rule.dwell for rule in rules), default=0)
        longest = max(longest, attribution.memory + max(window, attribution.least) - 1)
    readings, number = observed.readings, observed.number
    past = state.memory
    recent, first = (*past.recent, readings), past.first
    # Those of all iterations are in it until it is full; then it needs no further look.
    warm, before = _is_warm(state, observed), state.profile.gate.warmup_iterations
    if not warm and len(first) == state.done - before and len(first) < first_count(state.profile):
        first = (*first, readings)
    oldest = number - longest
    disturbed = [iteration for iteration in past.disturbed if iteration > oldest]
    restarted = number == state.restarted
    if warm or restarted or is_disturbed(observed):
        disturbed.append(number)
    excluded = [iteration for iteration in past.excluded if iteration > oldest]
    if warm or restarted or is_excluded(state, observed):
        excluded.append(number)
    return evolved(
        state,
        memory=Memory(
            recent=recent[max(0, len(recent) - longest) :],
            first=first,
            disturbed=tuple(disturbed),
            excluded=tuple(excluded),
            measured=past.measured or (number if is_measured(observed) else 0),
        ),
    )


def _with_streaks(state: LaneState, decision: Decision, *, stable: bool) -> LaneState:
    """The state with its streaks and freeze. Missing data ends a good streak but not a bad one."""
    past, timers = state.streaks, state.timers
    fail = past.fail
    if decision.verdict is Verdict.FAIL:
        fail += 1
    elif decision.verdict is not Verdict.INCONCLUSIVE:
        fail = 0
    freeze, stable_streak = state.profile.guards.freeze, 0
    if freeze is not None and stable and decision.iteration > timers.frozen_until:
        stable_streak = past.stable + 1
        if stable_streak >= freeze.after:
            stable_streak = 0
            timers = evolved(timers, frozen_until=decision.iteration + freeze.iterations)
    passed = past.passed + 1 if decision.verdict is Verdict.PASS else 0
    return evolved(
        state, streaks=Streaks(fail=fail, stable=stable_streak, passed=passed), timers=timers
    )


def _with_charges(state: LaneState, decision: Decision, applied: Sequence[Outcome]) -> LaneState:
    """The state with what applied moves are charged: velocity, oscillation, dwell and cooldown.

    A dry run moves nothing, so nothing is charged.
    """
    past = state.charges
    if not (applied or past.moves or past.before):
        return state  # a shortcut: so it is in most iterations
    guards, now = state.profile.guards, decision.iteration
    window, interval_s = guards.velocity_window_s, state.lane.interval_s
    # The window is half-open: a move exactly one window before the next decision has left it.
    moves = [move for move in past.moves if (now + 1 - move.iteration) * interval_s < window]
    memory = guards.oscillation.forget_after if guards.oscillation is not None else 0
    before = {
        key: (value, changed)
        for key, (value, changed) in past.before.items()
        if now + 1 - changed <= memory
    }
    if not applied:
        return evolved(state, charges=evolved(past, moves=tuple(moves), before=before))
    acted = dict(state.rules.acted)
    known_rules = {rule.name for rule in state.profile.rules}
    for outcome in applied:
        if outcome.rule not in UNCHARGED_RULES and interval_s < window:
            moves.append(Moved(outcome.key, now, _charged(state, outcome)))
        before[outcome.key] = (state.values[outcome.key], now)
        if outcome.rule in known_rules:
            acted[outcome.rule] = now
    cooldown = guards.cooldown
    cooling = now + cooldown.iterations if cooldown is not None and decision.large else 0
    return evolved(
        state,
        charges=Charges(moves=tuple(moves), before=before, signature=decision.signature),
        rules=evolved(state.rules, acted=acted),
        timers=evolved(state.timers, cooldown_until=max(state.timers.cooldown_until, cooling)),
    )


def _charged(state: LaneState, outcome: Outcome) -> float:
    """The size of an applied move, as the caps measure it."""
    parameter = state.profile.parameters[outcome.key]
    if parameter.log and outcome.before is not None and outcome.after is not None:
        return parameter.size(outcome.before, outcome.after)
    return abs(outcome.applied)


def _after_panic(state: LaneState, decision: Decision) -> LaneState:
    panic = decision.panic
    if panic is None:
        return state
    if panic.would:
        return evolved(state, streaks=evolved(state.streaks, fail=0))
    spoiled = f"panic at iteration {decision.iteration}"
    paused_until = max(state.timers.paused_until, panic.paused_until or 0)
    return evolved(
        state,
        streaks=Streaks(),
        timers=Timers(frozen_until=0, cooldown_until=0, paused_until=paused_until),
        charges=Charges(moves=state.charges.moves, before={}, signature=None),
        attribution=ChangeMemory(
            changes=tuple(
                replace(change, spoiled=change.spoiled or spoiled)
                for change in state.attribution.changes
            ),
            changed=_latest_rules(state, ("PANIC",), decision.iteration),
            pending={},
            rolled_back=state.attribution.rolled_back,
        ),
    )
