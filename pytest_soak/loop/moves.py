"""From rules that fire to proposals: one step of each move, conflicts, and the room (§9)."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_soak.loop.evidence import RuleStatus
from pytest_soak.loop.headroom import SLACK
from pytest_soak.loop.model import Headroom, Proposal, Requested
from pytest_soak.loop.rollback import Suspension
from pytest_soak.profile.model import Move, Parameter, Profile, Rule
from pytest_soak.profile.parameters import round_value

SMALLEST_SHARE = 0.001
"""A move below this share of the key's range is dropped: not worth a change (§9)."""

Fired = Sequence[tuple[Rule, RuleStatus]]
NO_SUSPENSIONS: Mapping[tuple[str, str], Suspension] = {}


@dataclass(frozen=True, slots=True)
class _Wish:
    rule: Rule
    delta: float


def step(move: Move, parameter: Parameter, value: float) -> float:
    """The change that ``move`` makes to ``value``, within its step limits; 0 for none."""
    if move.kind == "add":
        delta = move.amount
    elif move.kind == "mul":
        delta = value * (move.amount - 1)
    else:
        distance = parameter.start - value
        snaps = abs(distance) <= move.snap * parameter.span
        delta = distance if snaps else move.amount * distance
    return round_value(_limited(move, parameter, value, delta))


def _limited(move: Move, parameter: Parameter, value: float, delta: float) -> float:
    """``delta`` cut back by the limits of one step, never turned round by them."""
    lowest, highest = -math.inf, math.inf
    if move.max_factor is not None:
        most = value * move.max_factor
        highest = max(most if move.max_floor is None else max(most, move.max_floor), value) - value
    if move.min_factor is not None:
        lowest = min(value * move.min_factor, value) - value
    if move.not_past_start:
        distance = parameter.start - value
        lowest, highest = max(lowest, min(distance, 0.0)), min(highest, max(distance, 0.0))
    return min(max(delta, lowest), highest)


def assemble(
    profile: Profile,
    values: Mapping[str, float],
    fired: Fired,
    headroom: Mapping[str, Headroom],
    suspensions: Mapping[tuple[str, str], Suspension] = NO_SUSPENSIONS,
) -> Requested:
    """What the rules that fire want, one proposal a key, trimmed to the room.

    Two rules on one key: the safest move wins. A rule is named if a key that it moves is proposed;
    what was trimmed, whole or in part, is in ``withheld``. ``rests``: ``(rule, key)`` to the
    direction in which a rule is suspended on a key, because its move there was rolled back.
    """
    wishes, withheld = _wishes(profile, values, fired, suspensions)
    proposals, overruled = [], []
    statuses = {rule.name: rule_status for rule, rule_status in fired}
    for key, contenders in sorted(wishes.items()):
        parameter = profile.parameters[key]
        winner = _safest(parameter, contenders)
        overruled += [
            f"{key}: {other.rule.name} {other.delta:+g} gives way to"
            f" {winner.rule.name} {winner.delta:+g}"
            for other in contenders
            if other is not winner
        ]
        left, reason = _trimmed(parameter, headroom[key], winner.delta)
        if reason:
            withheld[key] = reason
        if left:
            name = winner.rule.name
            proposals.append(Proposal(key, left, name, statuses[name].kpis))
    proposed = {proposal.key for proposal in proposals}
    acting = [
        (rule, rule_status)
        for rule, rule_status in fired
        if any(wish.rule is rule for key in proposed for wish in wishes[key])
    ]
    return Requested(
        proposals=tuple(proposals),
        rules=tuple(rule.name for rule, _ in acting),
        withheld=withheld,
        overruled=tuple(overruled),
        log=tuple(_log_line(rule, rule_status, proposals) for rule, rule_status in acting),
    )


def _wishes(
    profile: Profile,
    values: Mapping[str, float],
    fired: Fired,
    suspensions: Mapping[tuple[str, str], Suspension],
) -> tuple[dict[str, list[_Wish]], dict[str, str]]:
    """By key what each rule wants, and what a rule withholds while it is suspended."""
    wishes: dict[str, list[_Wish]] = {}
    withheld: dict[str, str] = {}
    for rule, _ in fired:
        for move in rule.moves:
            delta = step(move, profile.parameters[move.key], values[move.key])
            suspension = suspensions.get((rule.name, move.key))
            if delta and suspension is not None and delta * suspension.direction > 0:
                until = f"is suspended until iteration {suspension.until}"
                withheld[move.key] = f"rollback: {rule.name} {until}"
            elif delta:
                wishes.setdefault(move.key, []).append(_Wish(rule, delta))
    return wishes, withheld


def _safest(parameter: Parameter, contenders: Sequence[_Wish]) -> _Wish:
    sign = 1 if parameter.safer == "up" else -1
    return max(contenders, key=lambda wish: sign * wish.delta)


def _trimmed(parameter: Parameter, headroom: Headroom, delta: float) -> tuple[float, str]:
    """What the room leaves of the move, and why it is less; 0 where that is too little."""
    left = min(max(delta, headroom.down), headroom.up)
    trimmed = abs(delta - left) > SLACK * parameter.span
    reason = (headroom.reason_up if delta > 0 else headroom.reason_down) if trimmed else ""
    # The slack keeps a move of exactly the smallest share from being lost to its own rounding.
    if abs(left) < (SMALLEST_SHARE - SLACK) * parameter.span:
        return 0.0, reason or "small"
    return (round_value(left), reason) if trimmed else (delta, "")


def _log_line(rule: Rule, rule_status: RuleStatus, proposals: Sequence[Proposal]) -> str:
    deltas = sum(proposal.rule == rule.name for proposal in proposals)
    text = _filled(rule.log or "deltas={deltas}", {**rule_status.figures, "deltas": deltas})
    return f"| iter_watch | {rule.name} | {text} |"


def _filled(template: str, figures: Mapping[str, float]) -> str:
    """The template with its fields filled in by name; it is data, so nothing else is looked up."""
    text = ""
    for literal, name, spec, _ in string.Formatter().parse(template):
        text += literal
        if name is not None:
            text += format(figures[name], spec or "g") if name in figures else "no data"
    return text
