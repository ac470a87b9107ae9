"""Whether a rule may fire: evidence over several iterations, freshness, dwell, hysteresis (§9).

A single observation is noise. What is known of one iteration alone decides nothing in a session;
it only tells which rules are *waiting* for more of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_soak.loop.kpis import window_figure
from pytest_soak.loop.model import Reading, Readings
from pytest_soak.loop.room import deciding
from pytest_soak.loop.state import LaneState
from pytest_soak.profile.model import Condition, Hysteresis, Rule


@dataclass(frozen=True, slots=True)
class Standing:
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


@dataclass(frozen=True, slots=True)
class _Check:
    """One condition on one figure."""

    holds: bool
    read: bool
    """False while it holds because a mean of the first iterations is not known."""
    problem: str


def standing(rule: Rule, state: LaneState, readings: Readings) -> Standing:
    """Where ``rule`` stands, given the readings of the iteration to be decided."""
    now = deciding(state)
    window = (*state.recent, readings)[-rule.evidence.over :]
    firsts = _first_means(rule, state, readings)
    figures = _figures(rule, window)
    checks = [
        _check(condition, figures.get(condition.kpi), firsts.get(condition.kpi), margin=True)
        for condition in rule.when
    ]
    enough = len(window) == rule.evidence.over or rule.evidence.early
    stopped = _is_stopped(rule, figures if enough else {}, rule.name in state.stopped)
    delay = (
        _stopped_text(rule, stopped)
        or _dwell_text(rule, state, now)
        or _window_text(rule, state, now, len(window))
        or next((check.problem for check in checks if not check.holds), "")
    )
    return Standing(
        fires=not delay,
        kpis=_read_kpis(rule, checks),
        figures=figures,
        stopped=stopped,
        waiting=delay if delay and _holds_alone(rule, readings, firsts) else "",
    )


def stopped_rules(state: LaneState, readings: Readings) -> tuple[str, ...]:
    """The rules that their hysteresis has stopped after this iteration, whoever proposes."""
    rules = (rule for rule in state.profile.rules if rule.hysteresis)
    return tuple(rule.name for rule in rules if standing(rule, state, readings).stopped)


def standing_alone(rule: Rule, readings: Readings) -> Standing:
    """Where ``rule`` stands when there is no history: by ``when`` on these readings alone."""
    figures = _figures(rule, (readings,))
    checks = [
        _check(condition, figures.get(condition.kpi), None, margin=False) for condition in rule.when
    ]
    fires = all(check.holds for check in checks)
    return Standing(fires, _read_kpis(rule, checks), figures, stopped=False, waiting="")


def _figures(rule: Rule, window: Sequence[Readings]) -> dict[str, float]:
    """The figure over the window of every KPI of the rule that has data in all of it."""
    names = [condition.kpi for condition in rule.when] + [item.kpi for item in rule.hysteresis]
    figures = {}
    for kpi in dict.fromkeys(names):
        figure = window_figure([readings.get(kpi) for readings in window])
        if figure is not None:
            figures[kpi] = figure
    return figures


def _first_means(rule: Rule, state: LaneState, readings: Readings) -> dict[str, float]:
    """Means over the first n iterations of the KPIs that are held against theirs, once known.

    Iterations without data are left out; if all are, the mean is not known.
    """
    means = {}
    for condition in rule.when:
        if condition.share_of_first is None:
            continue
        count = condition.share_of_first[1]
        first = (*state.first, readings) if deciding(state) <= count else state.first
        if len(first) < count:
            continue
        known: list[Reading | None] = [
            reading
            for one in first[:count]
            if (reading := one.get(condition.kpi)) is not None and reading.evidence is not None
        ]
        figure = window_figure(known)
        if figure is not None:
            means[condition.kpi] = figure
    return means


def _check(
    condition: Condition, figure: float | None, first_mean: float | None, *, margin: bool
) -> _Check:
    unknown_first = condition.share_of_first is not None and first_mean is None
    if unknown_first and not condition.comparisons:
        return _Check(True, False, "")
    if figure is None:
        return _Check(False, True, f"evidence: {condition.kpi} has no data")
    for comparison in condition.comparisons:
        holds = comparison.holds_with_margin if margin else comparison.holds
        if not holds(figure):
            beyond = f" by {comparison.margin:g}" if margin and comparison.margin else ""
            return _Check(
                False, True, f"evidence: {condition.kpi} {figure:.6g} is not {comparison}{beyond}"
            )
    if condition.share_of_first is not None and first_mean is not None:
        share, count = condition.share_of_first
        if not figure >= share * first_mean:
            least = f"{share:g} of its first {count}, {first_mean:.6g}"
            return _Check(
                False, True, f"evidence: {condition.kpi} {figure:.6g} is less than {least}"
            )
    return _Check(True, True, "")


def _read_kpis(rule: Rule, checks: Sequence[_Check]) -> tuple[str, ...]:
    read = [condition.kpi for condition, check in zip(rule.when, checks, strict=True) if check.read]
    return tuple(sorted(set(read)))


def _holds_alone(rule: Rule, readings: Readings, firsts: Mapping[str, float]) -> bool:
    return all(
        _check(
            condition,
            window_figure([readings.get(condition.kpi)]),
            firsts.get(condition.kpi),
            margin=False,
        ).holds
        for condition in rule.when
    )


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
