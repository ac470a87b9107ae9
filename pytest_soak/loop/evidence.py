"""Whether a rule may fire: evidence over several iterations, freshness, dwell, hysteresis (§9).

A single observation is noise, so one iteration alone does not make a rule fire. It only shows which
rules are *waiting*: their conditions hold on it, and more iterations may confirm that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_soak.loop.conditions import Evaluation, Facts, evaluate, first_means
from pytest_soak.loop.headroom import deciding, is_warming
from pytest_soak.loop.model import Readings
from pytest_soak.loop.pooling import window_figure
from pytest_soak.loop.scenarios import is_excluded
from pytest_soak.loop.state import LaneState
from pytest_soak.profile.conditions import kpis_in
from pytest_soak.profile.model import Hysteresis, Rule
from pytest_soak.profile.parameter import Parameter


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """The status of one rule after an iteration."""

    fires: bool
    kpis: tuple[str, ...]
    """The KPIs that its conditions use."""
    figures: Mapping[str, float]
    """KPI to its figure over the iterations of its evidence."""
    stopped: bool
    """The rule is stopped by its hysteresis."""
    waiting: str
    """Why the rule does not fire although its conditions hold on this iteration; else empty."""


def rule_status(rule: Rule, state: LaneState, readings: Readings) -> RuleStatus:
    """The status of ``rule``, given the readings of the iteration whose decision is due."""
    now = deciding(state)
    window = _window(rule, state, readings)
    facts = _facts(rule, state, readings, window)
    figures = facts.figures
    results = _evaluated(rule, facts, margin=True)
    stopped = _is_stopped(rule, state, window, figures)
    delay = (
        _stopped_text(rule, stopped=stopped)
        or _dwell_text(rule, state, now)
        or _window_text(rule, state, now, len(window))
        or next((f"evidence: {result.text}" for result in results if not result.holds), "")
    )
    return RuleStatus(
        fires=not delay,
        kpis=_used_kpis(results),
        figures=figures,
        stopped=stopped,
        waiting=delay if delay and _holds_alone(rule, readings, facts) else "",
    )


def results_of(
    rule: Rule, state: LaneState, readings: Readings, *, margin: bool
) -> list[Evaluation]:
    """The result of every condition of the rule over the iterations of its evidence, in order."""
    facts = _facts(rule, state, readings, _window(rule, state, readings))
    return _evaluated(rule, facts, margin=margin)


def _facts(rule: Rule, state: LaneState, readings: Readings, window: Sequence[Readings]) -> Facts:
    return Facts(
        figures=figures_over(rule, window),
        firsts=first_means(rule.when, (*state.memory.first, readings)),
        recent=(*comparable(state), {} if now_excluded(state) else readings),
        values=state.values,
        parameters=state.profile.parameters,
    )


def comparable(state: LaneState) -> tuple[Readings, ...]:
    """The readings of the recent iterations; empty for one that the gate excludes."""
    recent, excluded = state.memory.recent, state.memory.excluded
    if not excluded:
        return recent
    first = state.done - len(recent) + 1
    return tuple(
        {} if number in excluded else item for number, item in enumerate(recent, start=first)
    )


def _window(rule: Rule, state: LaneState, readings: Readings) -> tuple[Readings, ...]:
    """The iterations of the rule's evidence, without those that the gate excludes.

    Their figures are those of a planned disturbance or of the warm-up. If the last iteration is
    excluded, the window is empty, and the rule waits.
    """
    recent = (*state.memory.recent, readings)[-rule.evidence.over :]
    now = deciding(state)
    if not state.memory.excluded and not now_excluded(state):
        return recent
    if now_excluded(state):
        return ()
    first = now - len(recent) + 1
    return tuple(
        item
        for number, item in enumerate(recent, start=first)
        if number not in state.memory.excluded
    )


def now_excluded(state: LaneState) -> bool:
    """Whether the iteration whose decision is due is one that the gate excludes: of the warm-up, or
    with a scenario that the gate excludes."""
    if is_warming(state):
        return True
    return state.observed is not None and is_excluded(state, state.observed)


def stopped_rules(state: LaneState, readings: Readings) -> tuple[str, ...]:
    """The rules that are stopped by their hysteresis after this iteration.

    They are known also while a user's proposer replaces the rules.
    """
    stopped = []
    for rule in state.profile.rules:
        if rule.hysteresis:
            window = _window(rule, state, readings)
            if _is_stopped(rule, state, window, figures_over(rule, window)):
                stopped.append(rule.name)
    return tuple(stopped)


def status_alone(
    rule: Rule,
    readings: Readings,
    values: Mapping[str, float],
    parameters: Mapping[str, Parameter],
) -> RuleStatus:
    """The status of ``rule`` without a history: by its ``when`` on these readings alone."""
    figures = figures_over(rule, (readings,))
    facts = Facts(figures, recent=(readings,), values=values, parameters=parameters)
    results = _evaluated(rule, facts, margin=False)
    fires = all(result.holds for result in results)
    return RuleStatus(fires, _used_kpis(results), figures, stopped=False, waiting="")


def in_need(rule: Rule, iterations: Sequence[Readings], facts: Facts) -> bool:
    """Whether the conditions of the rule hold after the last of these iterations.

    They must hold over the iterations of its evidence, and on the last iteration alone.
    ``iterations`` are the last ones, at most as many as its evidence needs. ``facts`` have
    everything but the figures.
    """
    window = iterations[-rule.evidence.over :]
    if not window or (len(window) < rule.evidence.over and not rule.evidence.early):
        return False
    over = replace(facts, figures=figures_over(rule, window))
    results = _evaluated(rule, over, margin=True)
    return all(result.holds for result in results) and _holds_alone(rule, window[-1], facts)


def figures_over(rule: Rule, window: Sequence[Readings]) -> dict[str, float]:
    """KPI to its figure over the window, for the KPIs of the rule with data in all of it."""
    names = [*kpis_in(rule.when), *(item.kpi for item in rule.hysteresis)]
    figures = {}
    for kpi in dict.fromkeys(names):
        figure = window_figure([readings.get(kpi) for readings in window])
        if figure is not None:
            figures[kpi] = figure
    return figures


def _evaluated(rule: Rule, facts: Facts, *, margin: bool) -> list[Evaluation]:
    """The result of every condition of the rule, in order.

    A condition on a first mean that is not known yet holds: for example, a lower limit on fills
    cannot make a rule wait before there are first iterations to compare with.
    """
    return [
        evaluate(condition, facts, unknown_first=True, margin=margin) for condition in rule.when
    ]


def _used_kpis(results: Sequence[Evaluation]) -> tuple[str, ...]:
    return tuple(sorted({kpi for result in results for kpi in result.kpis}))


def _holds_alone(rule: Rule, readings: Readings, facts: Facts) -> bool:
    alone = replace(facts, figures=figures_over(rule, (readings,)))
    return all(result.holds for result in _evaluated(rule, alone, margin=False))


def _dwell_text(rule: Rule, state: LaneState, now: int) -> str:
    acted = state.rules.acted.get(rule.name)
    if acted is None or now - acted >= rule.dwell:
        return ""
    return f"dwell: acted at iteration {acted}, may act again at {acted + rule.dwell}"


def _window_text(rule: Rule, state: LaneState, now: int, available: int) -> str:
    over, acted = rule.evidence.over, state.rules.acted.get(rule.name)
    if is_warming(state):
        last = state.profile.gate.warmup_iterations
        return f"warmup: iterations up to {last} are no evidence"
    if now_excluded(state):
        return "evidence: a scenario that the gate excludes ran in this iteration"
    if available < over and not rule.evidence.early:
        return f"evidence: {available} of {over} iterations"
    span = min(over, len(state.memory.recent) + 1)
    if rule.evidence.fresh and acted is not None and now - span + 1 <= acted:
        return f"evidence: {now - acted} of {span} iterations since it acted at {acted}"
    return ""


def _is_stopped(
    rule: Rule, state: LaneState, window: Sequence[Readings], figures: Mapping[str, float]
) -> bool:
    """Any hysteresis stops the rule; it may act again when all are back at their start level.

    ``figures`` are those of ``window``, the iterations of the rule's evidence. If it is too short,
    they count for nothing, and the rule stays as it was.
    """
    enough = len(window) == rule.evidence.over or rule.evidence.early
    sides = [_side(item, figures.get(item.kpi) if enough else None) for item in rule.hysteresis]
    if "stop" in sides:
        return True
    return rule.name in state.rules.stopped and not all(side == "start" for side in sides)


def _side(item: Hysteresis, figure: float | None) -> str:
    if figure is None:
        return ""
    sign = 1 if item.stop > item.start else -1
    if sign * figure >= sign * item.stop:
        return "stop"
    return "start" if sign * figure <= sign * item.start else ""


def _stopped_text(rule: Rule, *, stopped: bool) -> str:
    if not stopped:
        return ""
    back = [
        f"{item.kpi} {'<=' if item.stop > item.start else '>='} {item.start:g}"
        for item in rule.hysteresis
    ]
    return f"hysteresis: stopped until {' and '.join(back)}"
