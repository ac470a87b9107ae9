"""From rules that fire to proposals: one step of each move, conflicts, and the headroom (§9)."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_soak.loop.evidence import RuleStatus
from pytest_soak.loop.model import Headroom, Proposal, Requested
from pytest_soak.loop.rollback import Suspension
from pytest_soak.profile.model import Move, Profile, Rule
from pytest_soak.profile.parameter import SLACK, Parameter, round_value

Fired = Sequence[tuple[Rule, RuleStatus]]
NO_FIGURES: Mapping[str, float] = {}
NO_SUSPENSIONS: Mapping[tuple[str, str], Suspension] = {}


@dataclass(frozen=True, slots=True)
class _RuleMove:
    """The move of one key that a rule requests."""

    rule: Rule
    delta: float


def step(
    move: Move, parameter: Parameter, value: float, figures: Mapping[str, float] = NO_FIGURES
) -> float:
    """The change that ``move`` makes to ``value``, within its step limits; 0 for none.

    ``figures`` are those of the rule's evidence, KPI to figure, for a proportional move.
    """
    delta = _delta(move, parameter, value, figures)
    limited = _limited(move, parameter, value, delta)
    if not parameter.step:
        return round_value(limited)
    return _whole_step(parameter, value, limited, is_limited=limited != delta)


def _delta(move: Move, parameter: Parameter, value: float, figures: Mapping[str, float]) -> float:
    """The change before its step limits."""
    match move.kind:
        case "add":
            return move.amount
        case "mul":
            return value * (move.amount - 1)
        case "set":
            return move.amount - value
        case "step":
            return move.amount * parameter.step
        case "proportional":
            figure = None if move.excess is None else figures.get(move.excess.kpi)
            if move.excess is None or figure is None:
                return 0.0
            return move.amount * move.excess.of(figure)
        case "toward_start":
            snaps = parameter.share(value, parameter.start) <= move.snap
            return parameter.part_of_way(value, parameter.start, 1.0 if snaps else move.amount)


def _whole_step(parameter: Parameter, value: float, delta: float, *, is_limited: bool) -> float:
    """The change to the nearest value that the parameter may have, at least one step.

    Otherwise a share of a small number would never move it. A limit of one step is not passed by
    rounding.
    """
    if not delta or not parameter.span:
        return 0.0
    end = value + delta
    after = parameter.toward(value, end) if is_limited else parameter.fitted(end)
    return round_value(after - value or math.copysign(parameter.step, delta))


def _limited(move: Move, parameter: Parameter, value: float, delta: float) -> float:
    """``delta`` limited to one step. The limits shorten a move but do not change its direction."""
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
    """What the rules that fire request: one proposal per key, trimmed to the headroom.

    If several rules move one key, the safest move is proposed. ``rules`` has the rules with a move
    of a proposed key. ``withheld`` has the keys whose move was trimmed, wholly or in part.
    ``suspensions``: ``(rule, key)`` to the direction in which the rule must not move the key,
    because its move there was rolled back.
    """
    moves_by_key, withheld, deltas = _moves_by_key(profile, values, fired, suspensions)
    proposals, overruled = [], []
    statuses = {rule.name: rule_status for rule, rule_status in fired}
    for key, contenders in sorted(moves_by_key.items()):
        parameter = profile.parameters[key]
        winner = _safest(parameter, contenders)
        deltas[key] = winner.delta
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
        if any(rule_move.rule is rule for key in proposed for rule_move in moves_by_key[key])
    ]
    return Requested(
        proposals=tuple(proposals),
        rules=tuple(rule.name for rule, _ in acting),
        withheld=withheld,
        overruled=tuple(overruled),
        deltas=deltas,
        log=tuple(
            f"| iter_watch | {rule.name} | {rule_text(rule, rule_status.figures, proposals)} |"
            for rule, rule_status in acting
        ),
    )


def _moves_by_key(
    profile: Profile,
    values: Mapping[str, float],
    fired: Fired,
    suspensions: Mapping[tuple[str, str], Suspension],
) -> tuple[dict[str, list[_RuleMove]], dict[str, str], dict[str, float]]:
    """Key to the moves of the rules; of suspended rules: key to the reason, and to the move."""
    moves_by_key: dict[str, list[_RuleMove]] = {}
    withheld: dict[str, str] = {}
    suspended: dict[str, float] = {}
    for rule, status in fired:
        for move in rule.moves:
            parameter = profile.parameters[move.key]
            delta = step(move, parameter, values[move.key], status.figures)
            suspension = suspensions.get((rule.name, move.key))
            if delta and suspension is not None and delta * suspension.direction > 0:
                until = f"is suspended until iteration {suspension.until}"
                withheld[move.key] = f"rollback: {rule.name} {until}"
                suspended[move.key] = delta
            elif delta:
                moves_by_key.setdefault(move.key, []).append(_RuleMove(rule, delta))
    return moves_by_key, withheld, suspended


def _safest(parameter: Parameter, contenders: Sequence[_RuleMove]) -> _RuleMove:
    sign = 1 if parameter.safer == "up" else -1
    return max(contenders, key=lambda rule_move: sign * rule_move.delta)


def _trimmed(parameter: Parameter, headroom: Headroom, delta: float) -> tuple[float, str]:
    """The part of the move within the headroom, 0 if it is too small, and the reason if trimmed."""
    left = min(max(delta, headroom.down), headroom.up)
    trimmed = abs(delta - left) > SLACK * abs(parameter.maximum - parameter.minimum)
    reason = (headroom.reason_up if delta > 0 else headroom.reason_down) if trimmed else ""
    # With the slack, a rounding error does not drop a move of exactly the smallest share.
    if parameter.is_too_small(headroom.value, left):
        return 0.0, reason or "small"
    return (round_value(left), reason) if trimmed else (delta, "")


def rule_text(rule: Rule, figures: Mapping[str, float], proposals: Sequence[Proposal]) -> str:
    """A rule that fired, in the words of its ``log``: with its figures and number of moves."""
    deltas = sum(proposal.rule == rule.name for proposal in proposals)
    return _filled(rule.log or "deltas={deltas}", {**figures, "deltas": deltas})


def _filled(template: str, figures: Mapping[str, float]) -> str:
    """The template with its fields filled in by name.

    A template is data from a profile, so it must not reach attributes or items of a figure.
    """
    text = ""
    for literal, name, spec, _ in string.Formatter().parse(template):
        text += literal
        if name is not None:
            text += format(figures[name], spec or "g") if name in figures else "no data"
    return text
