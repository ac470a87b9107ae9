"""ROLLBACK: a key whose change hurt beyond doubt goes back to its value before (§8-§10).

A rollback is a proposal like any other, and the guards decide; only oscillation and velocity do not
apply to it. If a guard leaves it no headroom, it stays pending and is tried again.
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
from pytest_soak.profile.parameter import round_value

ROLLBACK = "ROLLBACK"


@dataclass(frozen=True, slots=True)
class Suspension:
    """A rule does not move a key in this direction, because its move there was rolled back."""

    direction: int
    until: int
    """The first iteration whose decision may move the key in this direction again."""


def pending_after(
    state: LaneState, attributed: Sequence[Attribution]
) -> dict[str, PendingRollback]:
    """Key to its pending rollback, with those that ``attributed`` adds."""
    guard, now = state.profile.guards.rollback, deciding(state)
    if guard is None:
        return {}
    pending = {
        key: rollback
        for key, rollback in state.attribution.pending.items()
        if now - rollback.since < guard.once_in
    }
    for attribution in attributed:
        lost = {
            effect.kpi: -(effect.gain or 0.0) for effect in attribution.effects if effect.doubtless
        }
        for key, (before, _) in attribution.keys.items() if attribution.beyond_doubt else ():
            last_rollback = state.attribution.rolled_back.get(key)
            recently = last_rollback is not None and now - last_rollback.iteration < guard.once_in
            if not recently and key not in pending and state.values[key] != before:
                pending[key] = PendingRollback(
                    before, attribution.rule, attribution.iteration, now, lost
                )
    return pending


def with_rollbacks(
    state: LaneState, requested: Requested, attributed: Sequence[Attribution]
) -> Requested:
    """``requested`` with the pending rollbacks; of two moves of a key the safer one is proposed."""
    pending = pending_after(state, attributed)
    if not pending:
        return requested
    withheld, overruled = dict(requested.withheld), list(requested.overruled)
    proposals, deltas = list(requested.proposals), dict(requested.deltas)
    proposed = False
    for key, rollback in sorted(pending.items()):
        delta = round_value(rollback.value - state.values[key])
        reason = closed_by(state, key)
        if reason:
            withheld[key] = reason
            deltas.setdefault(key, delta)
            continue
        reversal = Proposal(key, delta, ROLLBACK, tuple(rollback.lost))
        others = [other for other in proposals if other.key == key]
        # A proposal of the rule whose change hurt cannot prevent that the change is rolled back.
        safer = [
            proposal
            for proposal in others
            if proposal.rule != rollback.rule and _is_safer(state.profile, proposal, reversal)
        ]
        if safer:
            overruled.append(f"{key}: ROLLBACK {reversal.delta:+g} gives way to {safer[0].rule}")
            continue
        overruled += [f"{key}: {other.rule} gives way to ROLLBACK" for other in others]
        proposals = [other for other in proposals if other.key != key]
        deltas[key] = delta
        withheld.pop(key, None)  # the withheld part belongs to a proposal that is replaced
        if reason := _nodata(state, rollback):
            # The rollback stays pending. The proposals that gave way to it are dropped all the
            # same: an applied move of the key would end the pending rollback.
            withheld[key] = reason
            continue
        proposals.append(reversal)
        proposed = True
    return replace(
        requested,
        proposals=tuple(sorted(proposals, key=lambda proposal: proposal.key)),
        rules=(*requested.rules, ROLLBACK) if proposed else requested.rules,
        withheld=withheld,
        overruled=tuple(overruled),
        deltas=deltas,
    )


def _nodata(state: LaneState, rollback: PendingRollback) -> str:
    """``nodata`` if a KPI has no data: whether it is still bad is not known. Else empty."""
    readings = state.observed.readings if state.observed is not None else {}
    return "nodata" if any(usable_value(readings, kpi) is None for kpi in rollback.lost) else ""


def _is_safer(profile: Profile, other: Proposal, reversal: Proposal) -> bool:
    """Whether the other move of the key is the safer one; a delta that is no number is not."""
    delta = number(other.delta)
    sign = 1 if profile.parameters[reversal.key].safer == "up" else -1
    return delta is not None and sign * delta > sign * reversal.delta


def rollback_text(profile: Profile, key: str, rollback: PendingRollback) -> str:
    """``base_spread_bps back to 0.5: MINE of iteration 20 hurt net_bps``."""
    return (
        f"{key} back to {profile.parameters[key].text(rollback.value)}: "
        f"{rollback.rule or 'a proposal'} of iteration {rollback.changed} "
        f"hurt {', '.join(rollback.lost)}"
    )


def suspensions_of(state: LaneState) -> Mapping[tuple[str, str], Suspension]:
    """``(rule, key)`` to the suspension after a rollback.

    It lasts for ``rollback.once_in`` iterations. After a rollback that did not improve the KPIs it
    lasts as long as the oscillation guard would refuse the rule's move anyway.
    """
    guards, now = state.profile.guards, deciding(state)
    if guards.rollback is None:
        return {}
    memory = 0 if guards.oscillation is None else guards.oscillation.forget_after + 1
    suspensions = {
        (rollback.rule, key): Suspension(
            rollback.direction,
            rollback.iteration + (guards.rollback.once_in if rollback.suspends else memory),
        )
        for key, rollback in state.attribution.rolled_back.items()
    }
    return {
        rule_and_key: suspension
        for rule_and_key, suspension in suspensions.items()
        if now < suspension.until
    }


def rolled_back_after(
    state: LaneState,
    attributed: Sequence[Attribution],
    pending: Mapping[str, PendingRollback],
    applied: Sequence[Outcome],
) -> dict[str, RolledBack]:
    """Key to its last rollback, with those of ``applied``.

    A rollback that did not improve a KPI by at least half of what was lost shows that the change
    was not the cause, so its rule is not suspended for long. Half of the loss is a safe threshold:
    what is lost beyond doubt is far larger than the noise.
    """
    guard, now = state.profile.guards.rollback, deciding(state)
    if guard is None:
        return {}
    kept = {
        key: rollback
        for key, rollback in state.attribution.rolled_back.items()
        if now - rollback.iteration < guard.once_in
    }
    for attribution in attributed:
        gains = {
            effect.kpi: effect.gain for effect in attribution.effects if effect.gain is not None
        }
        for key in attribution.keys if attribution.rule == ROLLBACK else ():
            lost = kept[key].lost if key in kept else {}
            if measured := lost.keys() & gains.keys():
                remedied = any(gains[kpi] >= lost[kpi] / 2 for kpi in measured)
                kept[key] = replace(kept[key], suspends=remedied)
    for outcome in applied:
        if outcome.rule == ROLLBACK and outcome.key in pending:
            rollback = pending[outcome.key]
            direction: Literal[-1, 1] = -1 if outcome.applied > 0 else 1
            kept[outcome.key] = RolledBack(rollback.rule, direction, now, rollback.lost)
    return kept
