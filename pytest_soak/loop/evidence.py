"""Whether a rule may fire: evidence over several iterations, freshness, dwell, hysteresis (§9).

A single observation is noise. What is known of one iteration alone decides nothing in a session;
it only tells which rules are *waiting* for more of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_soak.loop.conditions import Evaluation, evaluate, first_means
from pytest_soak.loop.headroom import deciding
from pytest_soak.loop.model import Readings
from pytest_soak.loop.pooling import window_figure
from pytest_soak.loop.state import LaneState
from pytest_soak.profile.model import Hysteresis, Rule


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """Where one rule stands after an iteration."""

    fires: bool
    kpis: tuple[str, ...]
    """What its conditions read."""
    figures: Mapping[str, float]
    """Of these, over its evidence."""
    stopped: bool
    """By its hysteresis."""
    waiting: str
    """Why it does not fire although this iteration alone would do; else empty."""


def rule_status(rule: Rule, state: LaneState, readings: Readings) -> RuleStatus:
    """Where ``rule`` stands, given the readings of the iteration to be decided."""
    now = deciding(state)
    window = (*state.recent, readings)[-rule.evidence.over :]
    firsts = first_means(rule.when, (*state.first, readings))
    figures = _figures(rule, window)
    results = _evaluated(rule, figures, firsts, margin=True)
    enough = len(window) == rule.evidence.over or rule.evidence.early
    stopped = _is_stopped(rule, figures if enough else {}, rule.name in state.stopped)
    delay = (
        _stopped_text(rule, stopped)
        or _dwell_text(rule, state, now)
        or _window_text(rule, state, now, len(window))
        or next((f"evidence: {result.text}" for result in results if not result.holds), "")
    )
    return RuleStatus(
        fires=not delay,
        kpis=_used_kpis(rule, results),
        figures=figures,
        stopped=stopped,
        waiting=delay if delay and _holds_alone(rule, readings, firsts) else "",
    )


def stopped_rules(state: LaneState, readings: Readings) -> tuple[str, ...]:
    """The rules that their hysteresis has stopped after this iteration, whoever proposes."""
    rules = (rule for rule in state.profile.rules if rule.hysteresis)
    return tuple(rule.name for rule in rules if rule_status(rule, state, readings).stopped)


def status_alone(rule: Rule, readings: Readings) -> RuleStatus:
    """Where ``rule`` stands when there is no history: by ``when`` on these readings alone."""
    figures = _figures(rule, (readings,))
    results = _evaluated(rule, figures, {}, margin=False)
    fires = all(result.holds for result in results)
    return RuleStatus(fires, _used_kpis(rule, results), figures, stopped=False, waiting="")


def in_need(rule: Rule, iterations: Sequence[Readings], firsts: Mapping[str, float]) -> bool:
    """Whether the rule's own conditions ask for it after the last of these iterations.

    They do where they hold over its evidence, and on that iteration alone. ``iterations`` are the
    last ones, as many as there are up to its evidence.
    """
    window = iterations[-rule.evidence.over :]
    if not window or (len(window) < rule.evidence.over and not rule.evidence.early):
        return False
    results = _evaluated(rule, _figures(rule, window), firsts, margin=True)
    return all(result.holds for result in results) and _holds_alone(rule, window[-1], firsts)


def _figures(rule: Rule, window: Sequence[Readings]) -> dict[str, float]:
    """The figure over the window of every KPI of the rule that has data in all of it."""
    names = [condition.kpi for condition in rule.when] + [item.kpi for item in rule.hysteresis]
    figures = {}
    for kpi in dict.fromkeys(names):
        figure = window_figure([readings.get(kpi) for readings in window])
        if figure is not None:
            figures[kpi] = figure
    return figures


def _evaluated(
    rule: Rule, figures: Mapping[str, float], firsts: Mapping[str, float], *, margin: bool
) -> list[Evaluation]:
    """Every condition of the rule, in its order; a first mean that is not known holds nothing back.

    The floor on fills of a rule, say, is no reason to wait before there is a start to compare with.
    """
    return [
        evaluate(
            condition,
            figures.get(condition.kpi),
            firsts=firsts,
            unknown_first=True,
            margin=margin,
        )
        for condition in rule.when
    ]


def _used_kpis(rule: Rule, results: Sequence[Evaluation]) -> tuple[str, ...]:
    pairs = zip(rule.when, results, strict=True)
    return tuple(sorted({condition.kpi for condition, result in pairs if result.used}))


def _holds_alone(rule: Rule, readings: Readings, firsts: Mapping[str, float]) -> bool:
    figures = _figures(rule, (readings,))
    return all(result.holds for result in _evaluated(rule, figures, firsts, margin=False))


def _dwell_text(rule: Rule, state: LaneState, now: int) -> str:
    acted = state.acted.get(rule.name)
    if acted is None or now - acted >= rule.dwell:
        return ""
    return f"dwell: acted at iteration {acted}, may act again at {acted + rule.dwell}"


def _window_text(rule: Rule, state: LaneState, now: int, available: int) -> str:
    over, acted = rule.evidence.over, state.acted.get(rule.name)
    if available < over and not rule.evidence.early:
        return f"evidence: {available} of {over} iterations"
    if rule.evidence.fresh and acted is not None and now - available + 1 <= acted:
        return f"evidence: {now - acted} of {available} iterations since it acted at {acted}"
    return ""


def _is_stopped(rule: Rule, figures: Mapping[str, float], before: bool) -> bool:
    """Stopped by any of its hystereses; free again when all of them are back at their start."""
    sides = [_side(item, figures.get(item.kpi)) for item in rule.hysteresis]
    if "stop" in sides:
        return True
    return before and not all(side == "start" for side in sides)


def _side(item: Hysteresis, figure: float | None) -> str:
    if figure is None:
        return ""
    sign = 1 if item.stop > item.start else -1
    if sign * figure >= sign * item.stop:
        return "stop"
    return "start" if sign * figure <= sign * item.start else ""


def _stopped_text(rule: Rule, stopped: bool) -> str:
    if not stopped:
        return ""
    back = [
        f"{item.kpi} {'<=' if item.stop > item.start else '>='} {item.start:g}"
        for item in rule.hysteresis
    ]
    return f"hysteresis: stopped until {' and '.join(back)}"
