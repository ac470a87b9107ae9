"""The guards: what becomes of each proposed key, and why (§10).

``GUARDS`` is the table, in the order of the reasons. A guard answers one question about one key
and knows nothing of the others; the first that objects gives the primary reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pytest_soak.canonical import compute_json_hash, number, to_json
from pytest_soak.loop.headroom import (
    SLACK,
    deciding,
    is_cooling,
    is_frozen,
    is_late,
    is_paused,
    is_pinned,
    panic_of,
    velocity_left,
)
from pytest_soak.loop.model import Outcome, Panic, Proposal, Readings
from pytest_soak.loop.state import UNCHARGED_RULES, LaneState
from pytest_soak.loop.verdict import usable_value
from pytest_soak.profile.model import Parameter
from pytest_soak.profile.parameters import round_value


@dataclass(frozen=True, slots=True)
class Ask:
    """One key's question to the guards."""

    state: LaneState
    readings: Readings
    panic: Panic | None
    proposal: Proposal
    parameter: Parameter | None
    """None for an unknown key."""
    delta: float
    """NaN where the proposed one is no finite number."""
    signature: str | None = None
    """Of the whole change that this key would be part of, once it is known."""

    @property
    def before(self) -> float:
        """The value in force; NaN for an unknown key."""
        return self.state.values.get(self.proposal.key, math.nan)

    @property
    def landing(self) -> float:
        """Where the whole move would end; NaN if that is no number."""
        return self.after(self.delta)

    def after(self, delta: float) -> float:
        """The value of the key after ``delta``, rounded, and exactly on a bound that it touches."""
        if self.parameter is None:
            return math.nan
        value = self.before + delta
        return _settled(self.parameter, value) if math.isfinite(value) else math.nan


@dataclass(frozen=True, slots=True)
class Objection:
    """What a guard has against a move."""

    note: str = ""
    left: float = 0.0
    """The part of the move that it lets through, with its sign."""


Guard = Callable[[Ask], Objection | None]


@dataclass(frozen=True, slots=True)
class Guarded:
    """One outcome per proposed key, sorted by key, and the signature of the applied change."""

    outcomes: tuple[Outcome, ...]
    signature: str | None
    """None when nothing is applied."""


def _panic(ask: Ask) -> Objection | None:
    if ask.panic is not None:
        return Objection(f"reverting to {ask.panic.revert_to}")
    if is_paused(ask.state):
        return Objection(f"paused until iteration {ask.state.paused_until}")
    return None


def _nodata(ask: Ask) -> Objection | None:
    missing = [kpi for kpi in ask.proposal.kpis if usable_value(ask.readings, kpi) is None]
    return Objection(f"no data of {', '.join(missing)}") if missing else None


def _invalid(ask: Ask) -> Objection | None:
    if ask.parameter is None:
        return Objection("no such parameter in the profile")
    if not math.isfinite(ask.delta):
        return Objection("the delta is no finite number")
    if not math.isfinite(ask.landing):
        return Objection("the value would be no finite number")
    return None


def _late(ask: Ask) -> Objection | None:
    last = ask.state.iterations
    return Objection(f"too close to the end, iteration {last}") if is_late(ask.state) else None


def _pin(ask: Ask) -> Objection | None:
    if not is_pinned(ask.state, ask.proposal.key):
        return None
    last = ask.state.pinned[ask.proposal.key]
    until = "for the rest of the run" if last is None else f"until iteration {last}"
    return Objection(f"pinned {until}, edited by hand")


def _freeze(ask: Ask) -> Objection | None:
    if is_frozen(ask.state, ask.proposal.key):
        return Objection(f"frozen until iteration {ask.state.frozen_until}")
    return None


def _cooldown(ask: Ask) -> Objection | None:
    if is_cooling(ask.state):
        return Objection(f"cooldown_active until iteration {ask.state.cooldown_until}")
    return None


def _duplicate(ask: Ask) -> Objection | None:
    if ask.signature is not None and ask.signature == ask.state.last_signature:
        return Objection(f"the change {ask.signature} was the last one applied")
    return None


def _oscillation(ask: Ask) -> Objection | None:
    guard, past = ask.state.profile.guards.oscillation, ask.state.before.get(ask.proposal.key)
    if guard is None or past is None or ask.parameter is None:
        return None
    value, iteration = past
    exempt = (*guard.exempt, *UNCHARGED_RULES)
    if ask.proposal.rule in exempt or deciding(ask.state) - iteration > guard.forget_after:
        return None
    # Neither the move as proposed nor what the limits leave of it may end there.
    ends = (ask.landing, ask.after(_left(ask)))
    if any(abs(end - value) <= SLACK * ask.parameter.span for end in ends):
        return Objection(f"back to {value:g}, left at iteration {iteration}")
    return None


def _velocity(ask: Ask) -> Objection | None:
    if ask.parameter is None or ask.proposal.rule in UNCHARGED_RULES:
        return None
    left = velocity_left(ask.state, ask.parameter)
    if not abs(ask.delta) > left + SLACK * ask.parameter.span:
        return None
    note = f"{left:g} of {ask.parameter.cap_per_hour:g} per hour left"
    return Objection(note, math.copysign(left, ask.delta))


def _bounds(ask: Ask) -> Objection | None:
    parameter = ask.parameter
    if parameter is None:
        return None
    value, slack = ask.before, SLACK * parameter.span
    end = value + ask.delta
    if end > parameter.maximum + slack:
        return Objection(f"at most {parameter.maximum:g}", max(0.0, parameter.maximum - value))
    if end < parameter.minimum - slack:
        return Objection(f"at least {parameter.minimum:g}", min(0.0, parameter.minimum - value))
    return None


def _no_op(ask: Ask) -> Objection | None:
    if ask.parameter is not None and not _moves(ask.parameter, ask.before, ask.landing):
        return Objection("the value stays what it is")
    return None


GUARDS: dict[str, Guard] = {
    "panic": _panic,
    "nodata": _nodata,
    "invalid": _invalid,
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
"""The guards that may let a part of a move through."""


def guard(state: LaneState, readings: Readings, proposals: Iterable[Proposal]) -> Guarded:
    """One outcome for every proposed key. The order of the proposals does not matter.

    Several proposals for one key count as its safest; one of them that is no number spoils the key.
    """
    panic = panic_of(state)
    asks = [
        _ask(state, readings, panic, same_key) for same_key in _by_key(plain_proposals(proposals))
    ]
    outcomes = [_outcome(ask) for ask in asks]
    signature = _signature(state, outcomes)
    # A duplicate is a property of the whole change, so every part of it is asked again.
    again = [
        _outcome(replace(ask, signature=signature)) if outcome.outcome != "SKIPPED" else outcome
        for ask, outcome in zip(asks, outcomes, strict=True)
    ]
    return Guarded(tuple(again), _signature(state, again))


def plain_proposals(proposals: Iterable[Any]) -> tuple[Proposal, ...]:
    """Proposals as sorted plain values: deltas are floats, or the text of what is no number.

    What cannot even be looked at is kept as a proposal that the guards refuse.
    """
    plain = [_plain(proposal) for proposal in proposals]
    return tuple(sorted(plain, key=lambda one: (one.key, one.rule, str(one.delta), one.kpis)))


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


def _ask(
    state: LaneState, readings: Readings, panic: Panic | None, same_key: Sequence[Proposal]
) -> Ask:
    parameter = state.profile.parameters.get(same_key[0].key)
    chosen = _safest(same_key, parameter)
    kpis = tuple(sorted({kpi for proposal in same_key for kpi in proposal.kpis}))
    delta = number(chosen.delta)
    return Ask(
        state=state,
        readings=readings,
        panic=panic,
        proposal=replace(chosen, kpis=kpis),
        parameter=parameter,
        delta=math.nan if delta is None else delta,
    )


def _safest(same_key: Sequence[Proposal], parameter: Parameter | None) -> Proposal:
    for proposal in same_key:
        if isinstance(proposal.delta, str):
            return proposal
    sign = 1 if parameter is not None and parameter.safer == "up" else -1
    return max(same_key, key=lambda proposal: sign * proposal.delta)


def _outcome(ask: Ask) -> Outcome:
    objections = {name: found for name, ask_guard in GUARDS.items() if (found := ask_guard(ask))}
    reasons = tuple(objections)
    before = ask.before if ask.parameter is not None else None
    outcome = Outcome(
        key=ask.proposal.key,
        outcome="SKIPPED",
        proposed=ask.proposal.delta,
        applied=0.0,
        before=before,
        after=before,
        reason=reasons[0] if reasons else "",
        also=reasons[1:],
        note=objections[reasons[0]].note if reasons else "",
        rule=ask.proposal.rule,
    )
    left = _left(ask)
    if before is None or any(name not in _CLIPPING for name in reasons):
        return outcome
    if reasons and not _enough(ask, left):
        return outcome
    after = ask.after(left)
    word: Literal["APPLIED", "CLIPPED"] = "CLIPPED" if reasons else "APPLIED"
    return replace(outcome, outcome=word, applied=round_value(after - before), after=after)


def _left(ask: Ask) -> float:
    """What velocity and bounds let through of the move."""
    objections = [found for name in _CLIPPING if (found := GUARDS[name](ask)) is not None]
    return min((objection.left for objection in objections), key=abs, default=ask.delta)


def _enough(ask: Ask, left: float) -> bool:
    if ask.parameter is None:
        return False
    share = ask.state.profile.guards.clip_ratio * abs(ask.delta)
    moves = _moves(ask.parameter, ask.before, ask.after(left))
    return moves and abs(left) >= share - SLACK * ask.parameter.span


def _moves(parameter: Parameter, before: float, after: float) -> bool:
    # What is within the slack is nothing: else a row of such moves would slip past the cap.
    return not abs(after - before) <= SLACK * parameter.span


def _settled(parameter: Parameter, value: float) -> float:
    """Rounded to 12 digits, and exactly on a bound that it misses by no more than the slack."""
    rounded, slack = round_value(value), SLACK * parameter.span
    if parameter.minimum - slack <= rounded < parameter.minimum:
        return parameter.minimum
    if parameter.maximum < rounded <= parameter.maximum + slack:
        return parameter.maximum
    return rounded


def _signature(state: LaneState, outcomes: Sequence[Outcome]) -> str | None:
    applied: Mapping[str, float] = {
        outcome.key: outcome.applied for outcome in outcomes if outcome.outcome != "SKIPPED"
    }
    return signature_of(state.state_hash, applied)


def signature_of(old_hash: str, deltas: Mapping[str, float]) -> str | None:
    """First 16 hexadecimal digits of a hash over the hash before and the sorted deltas."""
    if not deltas:
        return None
    return compute_json_hash([old_hash, sorted([key, delta] for key, delta in deltas.items())])[:16]
