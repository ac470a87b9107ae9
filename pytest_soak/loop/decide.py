"""The decision after an iteration: judge, propose, guard, and the values in force from then on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pytest_soak.canonical import number, to_json
from pytest_soak.loop.attribution import attributions
from pytest_soak.loop.entries import state_hash_of
from pytest_soak.loop.evidence import stopped_rules
from pytest_soak.loop.guards import guard, plain_proposals
from pytest_soak.loop.headroom import headroom_of, panic_of
from pytest_soak.loop.model import (
    PROPOSER_FAILED,
    Decision,
    Headroom,
    Outcome,
    Panic,
    Readings,
    Requested,
)
from pytest_soak.loop.rollback import with_rollbacks
from pytest_soak.loop.state import RESERVED_RULES, LaneState
from pytest_soak.loop.tuner import propose
from pytest_soak.profile.model import Profile
from pytest_soak.profile.parameter import SLACK

Proposer = Callable[[LaneState, Readings, Mapping[str, Headroom]], Requested]
"""``propose(state, readings, headroom)``: the built-in tuner, or one of the user's."""


def decide(
    state: LaneState,
    proposer: Proposer | None = None,
    passing: tuple[type[BaseException], ...] = (),
) -> Decision:
    """The decision that is due. ``proposer`` replaces the built-in tuner.

    If the proposer raises, the decision has a note and no proposals. Exceptions in ``passing`` are
    raised again. Raises ValueError if no iteration is observed, or its decision is taken already.
    """
    observed = state.observed
    if observed is None or state.intent is not None:
        raise ValueError(f"no decision is due after iteration {state.done}")
    panic = panic_of(state)
    attributed = attributions(state, observed.readings)
    requested = with_rollbacks(
        state, _requested_by(state, observed.readings, proposer, passing), attributed
    )
    guarded = guard(state, observed.readings, requested.proposals)
    values, signature, large = dict(state.values), None, False
    if panic is not None and not panic.would:
        values.update(panic.moves)
    elif not state.dry_run:
        applied = [outcome for outcome in guarded.outcomes if outcome.outcome != "SKIPPED"]
        values.update(
            {outcome.key: outcome.after for outcome in applied if outcome.after is not None}
        )
        signature, large = guarded.signature, _is_large(state.profile, applied)
    return Decision(
        iteration=observed.number,
        verdict=observed.verdict,
        reasons=observed.reasons,
        by_rules=requested.by_rules,
        rules=requested.rules,
        proposed=requested.proposals,
        requested=requested.deltas,
        withheld=requested.withheld,
        waiting=requested.waiting,
        overruled=requested.overruled,
        stopped=requested.stopped,
        outcomes=guarded.outcomes,
        panic=panic,
        values=values,
        old_hash=state.state_hash,
        state_hash=_hash_after(state, values),
        signature=signature,
        large=large,
        dry_run=state.dry_run,
        note="; ".join(text for text in (_panic_note(state, panic), requested.note) if text),
        attributed=attributed,
    )


def _hash_after(state: LaneState, values: Mapping[str, float]) -> str:
    """The hash of the decided values. Most decisions move nothing: theirs is the hash in force."""
    return state.state_hash if values == state.values else state_hash_of(state.profile, values)


def _requested_by(
    state: LaneState,
    readings: Readings,
    proposer: Proposer | None,
    passing: tuple[type[BaseException], ...],
) -> Requested:
    """What the proposer requests, as plain values. An error of the proposer becomes a note."""
    if state.tune and proposer is None:
        return propose(state, readings, headroom_of(state))
    stopped = stopped_rules(state, readings)
    if not state.tune or proposer is None:
        return Requested(stopped=stopped)
    try:
        requested = proposer(state, readings, headroom_of(state))
        if not isinstance(requested, Requested):
            raise TypeError(f"a proposer answers Requested, not {type(requested).__name__}")
        return replace(_plain(requested, state.profile), stopped=stopped)
    except passing:
        raise
    except Exception as error:
        return Requested(stopped=stopped, note=f"{PROPOSER_FAILED}: {to_json(error)}")


def _plain(requested: Requested, profile: Profile) -> Requested:
    """The proposals as plain values, without rule names that they may not have.

    The name of a rule brings its exemption from oscillation, its dwell, and the KPIs by which its
    changes are measured. So only the rule itself may have it.
    """
    reserved = {*RESERVED_RULES}
    if not requested.by_rules:
        reserved.update(rule.name for rule in profile.rules)
    plain = plain_proposals(requested.proposals)
    claimed = sorted({proposal.rule for proposal in plain} & reserved)
    notes = [
        str(to_json(requested.note)),
        *(f"the rule name {name} is reserved" for name in claimed),
    ]
    return replace(
        requested,
        proposals=tuple(
            replace(proposal, rule="") if proposal.rule in reserved else proposal
            for proposal in plain
        ),
        rules=tuple(name for name in _texts(requested.rules) if name not in reserved),
        withheld=_texts_by_key(requested.withheld),
        waiting=_texts_by_key(requested.waiting),
        overruled=_texts(requested.overruled),
        deltas=_amounts(requested.deltas, profile),
        note="; ".join(note for note in notes if note),
    )


def _texts(items: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(to_json(item)) for item in items)


def _amounts(deltas: Mapping[str, float], profile: Profile) -> dict[str, float]:
    amounts = ((key, number(delta)) for key, delta in deltas.items() if key in profile.parameters)
    return {key: amount for key, amount in amounts if amount is not None}


def _texts_by_key(items: Mapping[str, str]) -> dict[str, str]:
    return {str(to_json(key)): str(to_json(value)) for key, value in items.items()}


def _is_large(profile: Profile, applied: Sequence[Outcome]) -> bool:
    cooldown = profile.guards.cooldown
    if cooldown is None:
        return False
    return _total(profile, applied) > cooldown.large + SLACK


def total_move(profile: Profile, decision: Decision) -> float:
    """The sum of |move| / (max - min) over the moves that the decision applies."""
    return _total(profile, [item for item in decision.outcomes if item.outcome != "SKIPPED"])


def _total(profile: Profile, applied: Sequence[Outcome]) -> float:
    return sum(
        profile.parameters[outcome.key].share(outcome.before, outcome.after)
        for outcome in applied
        if outcome.before is not None and outcome.after is not None
    )


def _panic_note(state: LaneState, panic: Panic | None) -> str:
    if panic is None:
        return ""
    streak = f"{state.streaks.fail + 1} FAIL iterations in a row"
    if not panic.moves:
        return f"panic: {streak}, {panic.revert_to} is in force already"
    over = f", over the pins of {', '.join(panic.pins)}" if panic.pins else ""
    if panic.would:
        return f"panic: {streak}, would revert to {panic.revert_to}{over}"
    return (
        f"panic: {streak}, reverted to {panic.revert_to}{over}, paused until {panic.paused_until}"
    )
