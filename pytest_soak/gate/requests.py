"""What became of the tuner's requests: applied, withheld, or not made where they were needed."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.conditions import Facts, first_means, recent_count
from pytest_soak.loop.evidence import figures_over, in_need
from pytest_soak.loop.model import Decision, History, Iteration
from pytest_soak.loop.moves import step
from pytest_soak.profile.model import Needed, Rule


def withheld_ratio(lane: LaneWindow) -> float | None:
    """Of the iterations in which a move was requested: the ratio in which a key was withheld."""
    decisions = [item.decision for item in lane.measured if item.decision is not None]
    requesting = [
        decision
        for decision in decisions
        if decision.withheld or decision.proposed or decision.outcomes
    ]
    return (
        sum(bool(decision.withheld) for decision in requesting) / len(requesting)
        if requesting
        else None
    )


def requested_apply_ratio(lane: LaneWindow) -> float | None:
    """How much of the requested moves was applied; None if nothing was requested, or in a dry run.

    The sum of the applied moves by the sum of the requested ones, before they were trimmed to the
    headroom. Each move counts as a ratio of its key's range, at most 1.
    """
    history = lane.history
    if history.dry_run or not history.tune:
        return None
    parameters = history.profile.parameters
    requested, applied = [], []
    for item in lane.measured:
        if item.decision is None:
            continue
        deltas = item.decision.requested
        requested += [
            min(parameters[key].share(item.basis[key], item.basis[key] + delta), 1.0)
            for key, delta in deltas.items()
        ]
        applied += [
            min(parameters[outcome.key].share(outcome.before, outcome.after), 1.0)
            for outcome in item.decision.outcomes
            if outcome.key in deltas and outcome.before is not None and outcome.after is not None
        ]
    total = math.fsum(requested)
    return min(math.fsum(applied) / total, 1.0) if total else None


def proposes_when_needed(lane: LaneWindow, needed: Needed) -> float | None:
    """Of the iterations that need the rule: the ratio in which it proposed or had a reason not to.

    An iteration needs the rule if its conditions hold over its evidence. The rule has a reason if
    one of its keys is withheld, if it waits (dwell, hysteresis), or if its parameters already have
    the values that it would set.
    """
    history = lane.history
    rule = next((rule for rule in history.profile.rules if rule.name == needed.rule), None)
    if rule is None or not history.tune:
        return None
    iterations = history.iterations[lane.warmup :]
    readings = [item.readings for item in iterations]
    firsts = first_means(rule.when, readings)
    course = recent_count(history.profile)
    answers = []
    for place, iteration in enumerate(iterations, start=1):
        decision = iteration.decision
        facts = Facts(
            figures={},
            firsts={(kpi, count): mean for (kpi, count), mean in firsts.items() if count <= place},
            recent=readings[max(0, place - 1 - course) : place],
            values=iteration.basis,
            parameters=history.profile.parameters,
        )
        recent = readings[max(0, place - rule.evidence.over) : place]
        if decision is not None and in_need(rule, recent, facts):
            figures = figures_over(rule, recent)
            answers.append(_proposed_or_explained(history, rule, iteration, decision, figures))
    return sum(answers) / len(answers) if answers else None


def _proposed_or_explained(
    history: History,
    rule: Rule,
    iteration: Iteration,
    decision: Decision,
    figures: Mapping[str, float],
) -> bool:
    rules = {item.rule for item in decision.proposed} | {o.rule for o in decision.outcomes}
    proposed = rule.name in rules.union(decision.rules) or decision.panic is not None
    withheld = {move.key for move in rule.moves} & set(decision.withheld)
    if proposed or withheld or rule.name in decision.waiting:
        return True
    parameters = history.profile.parameters
    return not any(
        step(move, parameters[move.key], iteration.basis[move.key], figures) for move in rule.moves
    )
