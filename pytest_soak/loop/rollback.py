"""ROLLBACK: what hurt beyond doubt goes back to the last good value (§8-§10).

It is a proposal like any other, and the guards decide; only oscillation and velocity do not apply
to it. Where a guard leaves no room it is owed, and tried again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pytest_soak.canonical import number
from pytest_soak.loop.headroom import closed_by, deciding
from pytest_soak.loop.model import Attribution, Outcome, Proposal, Requested
from pytest_soak.loop.state import LaneState, PendingRollback, RolledBack
from pytest_soak.loop.verdict import usable_value
from pytest_soak.profile.model import Profile
from pytest_soak.profile.parameters import round_value

ROLLBACK = "ROLLBACK"


@dataclass(frozen=True, slots=True)
class Suspension:
    """A rule does not move a key in this direction: it was taken back there."""

    direction: int
    until: int
    """The first iteration whose decision may have it again."""


def pending_after(
    state: LaneState, attributed: Sequence[Attribution]
) -> dict[str, PendingRollback]:
    """Key to the rollback that is due, with what ``attributed`` adds."""
    guard, now = state.profile.guards.rollback, deciding(state)
    if guard is None:
        return {}
    pending = {key: one for key, one in state.pending.items() if now - one.since < guard.once_in}
    for one in attributed:
        lost = {each.kpi: -(each.gain or 0.0) for each in one.effects if each.doubtless}
        for key, (before, _) in one.keys.items() if one.beyond_doubt else ():
            back = state.rolled_back.get(key)
            recently = back is not None and now - back.iteration < guard.once_in
            if not recently and key not in pending and state.values[key] != before:
                pending[key] = PendingRollback(before, one.rule, one.iteration, now, lost)
    return pending


def with_rollbacks(
    state: LaneState, requested: Requested, attributed: Sequence[Attribution]
) -> Requested:
    """``requested`` and the rollbacks that are due; of two moves of a key the safer is proposed."""
    pending = pending_after(state, attributed)
    if not pending:
        return requested
    withheld, overruled, log = (
        dict(requested.withheld),
        list(requested.overruled),
        list(requested.log),
    )
    proposals = list(requested.proposals)
    made = False
    for key, one in sorted(pending.items()):
        reason = closed_by(state, key)
        if reason:
            withheld[key] = reason
            continue
        back = Proposal(key, round_value(one.value - state.values[key]), ROLLBACK, tuple(one.lost))
        others = [other for other in proposals if other.key == key]
        # The rule whose change hurt has no say in whether that is taken back.
        safer = [o for o in others if o.rule != one.rule and _is_safer(state.profile, o, back)]
        if safer:
            overruled.append(f"{key}: ROLLBACK {back.delta:+g} gives way to {safer[0].rule}")
            continue
        overruled += [f"{key}: {other.rule} gives way to ROLLBACK" for other in others]
        proposals = [other for other in proposals if other.key != key]
        withheld.pop(key, None)  # what was held is not what is proposed
        if reason := _nodata(state, one):
            withheld[key] = reason  # it waits, and what gave way to it does not end what is owed
            continue
        proposals.append(back)
        log.append(_log_line(key, one))
        made = True
    return replace(
        requested,
        proposals=tuple(sorted(proposals, key=lambda each: each.key)),
        rules=(*requested.rules, ROLLBACK) if made else requested.rules,
        withheld=withheld,
        overruled=tuple(overruled),
        log=tuple(log),
    )


def _nodata(state: LaneState, one: PendingRollback) -> str:
    """The guard that would refuse it: whether the KPI is still bad cannot be seen."""
    readings = state.observed.readings if state.observed is not None else {}
    return "nodata" if any(usable_value(readings, kpi) is None for kpi in one.lost) else ""


def _is_safer(profile: Profile, other: Proposal, back: Proposal) -> bool:
    """Whether the other move of the key is the safer one; what is no number is none."""
    delta = number(other.delta)
    sign = 1 if profile.parameters[back.key].safer == "up" else -1
    return delta is not None and sign * delta > sign * back.delta


def _log_line(key: str, one: PendingRollback) -> str:
    return (
        f"| iter_watch | ROLLBACK | {key} back to {one.value:g}: {one.rule or 'a proposal'} of "
        f"iteration {one.changed} hurt {', '.join(one.lost)} |"
    )


def suspensions_of(state: LaneState) -> Mapping[tuple[str, str], Suspension]:
    """``(rule, key)`` to the rest after a rollback.

    Without its reason it is as long as the oscillation guard remembers: until then the rule would
    only be refused.
    """
    guards, now = state.profile.guards, deciding(state)
    if guards.rollback is None:
        return {}
    memory = 0 if guards.oscillation is None else guards.oscillation.forget_after + 1
    suspensions = {
        (back.rule, key): Suspension(
            back.direction,
            back.iteration + (guards.rollback.once_in if back.suspends else memory),
        )
        for key, back in state.rolled_back.items()
    }
    return {
        whose: suspension for whose, suspension in suspensions.items() if now < suspension.until
    }


def rolled_back_after(
    state: LaneState,
    attributed: Sequence[Attribution],
    pending: Mapping[str, PendingRollback],
    made: Sequence[Outcome],
) -> dict[str, RolledBack]:
    """The rollbacks of late, with those that were made now.

    One that gave nothing back was no remedy, so what it took back was no fault: its rule need not
    rest. Half of the loss tells both apart best: what is lost beyond doubt is far more than noise.
    """
    guard, now = state.profile.guards.rollback, deciding(state)
    if guard is None:
        return {}
    kept = {
        k: back for k, back in state.rolled_back.items() if now - back.iteration < guard.once_in
    }
    for one in attributed:
        gains = {each.kpi: each.gain for each in one.effects if each.gain is not None}
        for key in one.keys if one.rule == ROLLBACK else ():
            lost = kept[key].lost if key in kept else {}
            if known := lost.keys() & gains.keys():
                remedied = any(gains[kpi] >= lost[kpi] / 2 for kpi in known)
                kept[key] = replace(kept[key], suspends=remedied)
    for outcome in made:
        if outcome.rule == ROLLBACK and outcome.key in pending:
            back = pending[outcome.key]
            direction: Literal[-1, 1] = -1 if outcome.applied > 0 else 1
            kept[outcome.key] = RolledBack(back.rule, direction, now, back.lost)
    return kept
