"""The guards: whether each proposed move is applied, clipped or skipped, and why (§10).

``GUARDS`` is the table of the guards, in the order of the reasons. A guard checks one move of one
key and does not depend on the other guards; the first that objects gives the primary reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pytest_soak.canonical import compute_json_hash, number, to_json
from pytest_soak.loop.headroom import (
    deciding,
    is_cooling,
    is_frozen,
    is_late,
    is_paused,
    is_pinned,
    is_warming,
    panic_of,
    velocity_left,
)
from pytest_soak.loop.model import Outcome, Panic, Proposal, Readings
from pytest_soak.loop.state import UNCHARGED_RULES, LaneState
from pytest_soak.loop.verdict import usable_value
from pytest_soak.profile.parameter import Parameter, round_value


@dataclass(frozen=True, slots=True)
class ProposedMove:
    """The proposed move of one key, with all that the guards need to check it."""

    state: LaneState
    readings: Readings
    panic: Panic | None
    proposal: Proposal
    parameter: Parameter | None
    """None for an unknown key."""
    delta: float
    """NaN if the proposed delta is not a finite number."""
    values: Mapping[str, float]
    """The values in force, with those that this decision gives to keys before this one."""
    signature: str | None = None
    """The signature of the whole change, of all keys; None until it is known."""

    @property
    def before(self) -> float:
        """The value in force; NaN for an unknown key."""
        return self.state.values.get(self.proposal.key, math.nan)

    @property
    def size(self) -> float:
        """The size of the whole move, as caps measure it."""
        if self.parameter is None or not self.parameter.log:
            return abs(self.delta)
        return self.parameter.size(self.before, self.before + self.delta)

    def part(self, size: float) -> float:
        """The longest part of the move, with its sign, that is no larger than ``size``."""
        parameter, before = self.parameter, self.before
        if parameter is None or not (parameter.log or parameter.step):
            return math.copysign(size, self.delta)
        return self.until(parameter.moved(before, size, up=self.delta > 0.0))

    def until(self, end: float) -> float:
        """The part of the move, with its sign, up to the value ``end``; 0 if that is behind it."""
        parameter, before = self.parameter, self.before
        if parameter is None or (end - before) * self.delta <= 0.0:
            return 0.0
        return parameter.toward(before, end) - before if parameter.step else end - before

    @property
    def target(self) -> float:
        """The value after the whole move; NaN if that is not a finite number."""
        return self.after(self.delta)

    def after(self, delta: float) -> float:
        """The value of the key after ``delta``, rounded, and exactly on a bound that it reaches."""
        if self.parameter is None:
            return math.nan
        return self.parameter.fitted(self.before + delta)


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a guard refuses a move, or a part of it."""

    note: str = ""
    left: float = 0.0
    """The part of the move that the guard allows, with its sign."""


Guard = Callable[[ProposedMove], Objection | None]


@dataclass(frozen=True, slots=True)
class Guarded:
    """One outcome per proposed key, sorted by key, and the signature of the applied change."""

    outcomes: tuple[Outcome, ...]
    signature: str | None
    """None when nothing is applied."""


def _panic(move: ProposedMove) -> Objection | None:
    if move.panic is not None:
        return Objection(f"reverting to {move.panic.revert_to}")
    if is_paused(move.state):
        return Objection(f"paused until iteration {move.state.timers.paused_until}")
    return None


def _nodata(move: ProposedMove) -> Objection | None:
    missing = [kpi for kpi in move.proposal.kpis if usable_value(move.readings, kpi) is None]
    return Objection(f"no data of {', '.join(missing)}") if missing else None


def _invalid(move: ProposedMove) -> Objection | None:
    if move.parameter is None:
        return Objection("no such parameter in the profile")
    if not math.isfinite(move.delta):
        return Objection("the delta is no finite number")
    if not math.isfinite(move.target):
        return Objection("the value would be no finite number")
    return None


def _warmup(move: ProposedMove) -> Objection | None:
    last = move.state.profile.gate.warmup_iterations
    return Objection(f"warm-up until iteration {last}") if is_warming(move.state) else None


def _late(move: ProposedMove) -> Objection | None:
    last = move.state.iterations
    return Objection(f"too close to the end, iteration {last}") if is_late(move.state) else None


def _pin(move: ProposedMove) -> Objection | None:
    if not is_pinned(move.state, move.proposal.key):
        return None
    last = move.state.edits.pinned[move.proposal.key]
    until = "for the rest of the run" if last is None else f"until iteration {last}"
    return Objection(f"pinned {until}, edited by hand")


def _freeze(move: ProposedMove) -> Objection | None:
    if is_frozen(move.state, move.proposal.key):
        return Objection(f"frozen until iteration {move.state.timers.frozen_until}")
    return None


def _cooldown(move: ProposedMove) -> Objection | None:
    if is_cooling(move.state):
        return Objection(f"cooldown_active until iteration {move.state.timers.cooldown_until}")
    return None


def _duplicate(move: ProposedMove) -> Objection | None:
    if move.signature is not None and move.signature == move.state.charges.signature:
        return Objection(f"the change {move.signature} was the last one applied")
    return None


def _oscillation(move: ProposedMove) -> Objection | None:
    guard, past = (
        move.state.profile.guards.oscillation,
        move.state.charges.before.get(move.proposal.key),
    )
    if guard is None or past is None or move.parameter is None:
        return None
    value, iteration = past
    exempt = (*guard.exempt, *UNCHARGED_RULES)
    if move.proposal.rule in exempt or deciding(move.state) - iteration > guard.forget_after:
        return None
    # Neither the proposed move nor the part that the limits allow may end at the earlier value.
    ends = (move.target, move.after(_left(move)))
    if any(move.parameter.same(end, value) for end in ends):
        return Objection(f"back to {move.parameter.text(value)}, left at iteration {iteration}")
    return None


def _velocity(move: ProposedMove) -> Objection | None:
    if move.parameter is None or move.proposal.rule in UNCHARGED_RULES:
        return None
    left = velocity_left(move.state, move.parameter)
    if not move.size > left + move.parameter.slack:
        return None
    return Objection(_cap_note(move.parameter, left), move.part(left))


def _cap_note(parameter: Parameter, left: float) -> str:
    """What is left of the cap; of a ``log`` parameter as factors."""
    cap, per = parameter.cap_per_hour, "hour"
    if left == parameter.cap_per_iteration:
        cap, per = left, "iteration"
    if parameter.log:
        return f"a factor of {math.exp(left):.4g} of {math.exp(cap):.4g} per {per} left"
    return f"{left:g} of {cap:g} per {per} left"


def _bounds(move: ProposedMove) -> Objection | None:
    parameter = move.parameter
    if parameter is None:
        return None
    (low, high), end = parameter.limits(move.values), move.before + move.delta
    if end > high and not parameter.same(end, high):
        return Objection(f"at most {parameter.text(high)}", move.until(high))
    if end < low and not parameter.same(end, low):
        return Objection(f"at least {parameter.text(low)}", move.until(low))
    return None


def _no_op(move: ProposedMove) -> Objection | None:
    if move.parameter is not None and not _is_move(move.parameter, move.before, move.target):
        return Objection("the value does not change")
    return None


GUARDS: dict[str, Guard] = {
    "panic": _panic,
    "nodata": _nodata,
    "invalid": _invalid,
    "warmup": _warmup,
    "late": _late,
    "pin": _pin,
    "freeze": _freeze,
    "cooldown": _cooldown,
    "duplicate": _duplicate,
    "oscillation": _oscillation,
    "velocity": _velocity,
    "bounds": _bounds,
    "no_op": _no_op,
}
"""In the order of ``model.GUARD_ORDER``."""

_CLIPPING = ("velocity", "bounds")
"""The guards that may allow a part of a move."""


def guard(state: LaneState, readings: Readings, proposals: Iterable[Proposal]) -> Guarded:
    """One outcome for every proposed key. The order of the proposals does not matter.

    Of several proposals for one key the safest counts. If the delta of one of them is no number,
    that one counts, so that the key is refused.
    """
    panic, values = panic_of(state), dict(state.values)
    proposed: list[ProposedMove] = []
    outcomes: list[Outcome] = []
    for group in _by_key(plain_proposals(proposals)):
        move = _proposed_move(state, readings, panic, group, dict(values))
        outcome = _outcome(move)
        if outcome.after is not None:
            values[outcome.key] = outcome.after
        proposed.append(move)
        outcomes.append(outcome)
    signature = _signature(state, outcomes)
    # A duplicate is a property of the whole change, so every part of it is checked again.
    again = [
        _outcome(replace(move, signature=signature)) if outcome.outcome != "SKIPPED" else outcome
        for move, outcome in zip(proposed, outcomes, strict=True)
    ]
    return Guarded(tuple(again), _signature(state, again))


def plain_proposals(proposals: Iterable[Any]) -> tuple[Proposal, ...]:
    """Proposals as sorted plain values: a delta that is no number is kept as its text.

    A proposal that raises while it is read becomes a proposal that the guards refuse.
    """

    def sort_key(proposal: Proposal) -> tuple[str, str, str, tuple[str, ...]]:
        return proposal.key, proposal.rule, str(proposal.delta), proposal.kpis

    plain = [_plain(proposal) for proposal in proposals]
    return tuple(sorted(plain, key=sort_key))


def _plain(proposal: Any) -> Proposal:
    try:
        delta = to_json(proposal.delta)
        finite = number(delta)
        kpis = tuple(sorted({_text(kpi) for kpi in proposal.kpis}))
        key, rule = _text(proposal.key), _text(proposal.rule)
        return Proposal(key, _text(delta) if finite is None else finite, rule, kpis)
    except Exception as error:
        return Proposal(f"<{type(error).__name__}>", "a proposal that cannot be read", "")


def _text(value: Any) -> str:
    text = to_json(value)
    return text if isinstance(text, str) else str(text)


def _by_key(proposals: Sequence[Proposal]) -> list[list[Proposal]]:
    grouped: dict[str, list[Proposal]] = {}
    for proposal in proposals:
        grouped.setdefault(proposal.key, []).append(proposal)
    return [grouped[key] for key in sorted(grouped)]


def _proposed_move(
    state: LaneState,
    readings: Readings,
    panic: Panic | None,
    group: Sequence[Proposal],
    values: Mapping[str, float],
) -> ProposedMove:
    parameter = state.profile.parameters.get(group[0].key)
    chosen = _safest(group, parameter)
    kpis = tuple(sorted({kpi for proposal in group for kpi in proposal.kpis}))
    delta = number(chosen.delta)
    if parameter is not None and parameter.step and delta is not None:
        before = state.values[chosen.key]
        delta = parameter.fitted(before + delta) - before
    return ProposedMove(
        state=state,
        readings=readings,
        panic=panic,
        proposal=replace(chosen, kpis=kpis),
        parameter=parameter,
        delta=math.nan if delta is None else delta,
        values=values,
    )


def _safest(group: Sequence[Proposal], parameter: Parameter | None) -> Proposal:
    for proposal in group:
        if isinstance(proposal.delta, str):
            return proposal
    sign = 1 if parameter is not None and parameter.safer == "up" else -1
    return max(group, key=lambda proposal: sign * proposal.delta)


def _outcome(move: ProposedMove) -> Outcome:
    objections = {
        name: objection for name, guard_of in GUARDS.items() if (objection := guard_of(move))
    }
    reasons = tuple(objections)
    before = move.before if move.parameter is not None else None
    outcome = Outcome(
        key=move.proposal.key,
        outcome="SKIPPED",
        proposed=move.proposal.delta,
        applied=0.0,
        before=before,
        after=before,
        reason=reasons[0] if reasons else "",
        also=reasons[1:],
        note=objections[reasons[0]].note if reasons else "",
        rule=move.proposal.rule,
    )
    left = _left(move)
    if before is None or any(name not in _CLIPPING for name in reasons):
        return outcome
    if reasons and not _is_enough(move, left):
        return outcome
    after = move.after(left)
    word: Literal["APPLIED", "CLIPPED"] = "CLIPPED" if reasons else "APPLIED"
    return replace(outcome, outcome=word, applied=round_value(after - before), after=after)


def _left(move: ProposedMove) -> float:
    """The part of the move that velocity and bounds allow."""
    objections = [objection for name in _CLIPPING if (objection := GUARDS[name](move)) is not None]
    return min((objection.left for objection in objections), key=abs, default=move.delta)


def _is_enough(move: ProposedMove, left: float) -> bool:
    if move.parameter is None:
        return False
    least = move.state.profile.guards.clip_ratio * move.size
    size = move.parameter.size(move.before, move.before + left) if move.parameter.log else abs(left)
    is_move = _is_move(move.parameter, move.before, move.after(left))
    return is_move and size >= least - move.parameter.slack


def _is_move(parameter: Parameter, before: float, after: float) -> bool:
    # A change within the slack is no move: many such moves would else exceed the velocity cap.
    return not parameter.same(before, after)


def _signature(state: LaneState, outcomes: Sequence[Outcome]) -> str | None:
    applied: Mapping[str, float] = {
        outcome.key: outcome.applied for outcome in outcomes if outcome.outcome != "SKIPPED"
    }
    return signature_of(state.state_hash, applied)


def signature_of(old_hash: str, deltas: Mapping[str, float]) -> str | None:
    """The first 16 hexadecimal digits of a hash over ``old_hash`` and the sorted deltas."""
    if not deltas:
        return None
    return compute_json_hash([old_hash, sorted([key, delta] for key, delta in deltas.items())])[:16]
