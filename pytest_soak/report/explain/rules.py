"""What a rule of the profile saw in one iteration: it fires, it waits, or it is quiet.

Nothing is decided here: ``loop.evidence.rule_status`` evaluates each condition by itself, and
whatever else prevents a rule from firing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pytest_soak.loop.attribution import aims_of
from pytest_soak.loop.conditions import (
    Evaluation,
    condition_text,
    first_means,
    special_limits,
)
from pytest_soak.loop.evidence import RuleStatus, results_of, rule_status
from pytest_soak.loop.headroom import deciding, is_warming
from pytest_soak.loop.model import Readings
from pytest_soak.loop.moves import step
from pytest_soak.loop.state import LaneState, evolved
from pytest_soak.profile.condition import Comparison, Condition, When
from pytest_soak.profile.conditions import kpis_in
from pytest_soak.profile.model import Evidence, Rule
from pytest_soak.report.layout import kept, reading

HOOK = "pytest_soak_propose"
Word = Literal["FIRES", "idle", "waits", "quiet"]
"""``FIRES``: it requests a change. ``idle``: it may fire, but every key is already where it moves
it. ``waits``: this iteration alone meets the conditions, but the evidence, dwell or hysteresis
does not allow it yet. ``quiet``: this iteration alone does not meet the conditions."""


@dataclass(frozen=True, slots=True)
class Part:
    """One comparison of one KPI: over the rule's window, and in this iteration alone."""

    kpi: str
    limit: str
    """``<= 0.4``, ``>= 330 by 10``, ``>= 0.5 of its first 4 (6000)``."""
    comparisons: tuple[Comparison, ...]
    over: float | None
    """The figure over the window; None if an iteration of it has no data."""
    alone: float | None
    holds_over: bool
    holds_alone: bool
    aimed: bool
    """The rule acts to improve this KPI; the other conditions only permit it."""
    sentence: str = ""
    """Of a condition that is no comparison of one KPI, its result in words; then ``kpi`` is the
    condition in words, and there are neither limit nor figures."""

    @property
    def holds(self) -> bool:
        return self.holds_over and self.holds_alone


@dataclass(frozen=True, slots=True)
class RuleView:
    """The status of one rule, and what it requests if it fires."""

    rule: Rule
    word: Word
    window: tuple[int, int]
    """First and last iteration of its evidence."""
    parts: tuple[Part, ...]
    delay: str
    """Dwell, hysteresis, or too few iterations; empty if none of these delays it."""
    requests: Mapping[str, float]
    """Key to its step, before headroom reduces it; keys that it does not move are left out."""


def rule_views(state: LaneState, readings: Readings) -> tuple[RuleView, ...]:
    """Every rule of the profile, in its order, on the state just before the decision."""
    return tuple(rule_view(rule, state, readings) for rule in state.profile.rules)


def rule_view(rule: Rule, state: LaneState, readings: Readings) -> RuleView:
    """One rule, on the state just before the decision."""
    status = rule_status(rule, state, readings)
    now, size = deciding(state), min(rule.evidence.over, len(state.memory.recent) + 1)
    requests = requests_of(rule, state, status.figures) if status.fires else {}
    word: Word = "waits" if status.waiting else "quiet"
    if status.fires:
        word = "FIRES" if requests else "idle"
    return RuleView(
        rule=rule,
        word=word,
        window=(now - size + 1, now),
        parts=tuple(_parts(rule, _as_if_warm(state), readings)),
        delay=_delay(rule, state, readings),
        requests=requests,
    )


def _as_if_warm(state: LaneState) -> LaneState:
    """The state with the figures of an iteration of the warm-up as evidence, to show them."""
    if not is_warming(state):
        return state
    profile = state.profile
    gate = replace(profile.gate, warmup_iterations=0)
    return evolved(state, profile=replace(profile, gate=gate))


def _delay(rule: Rule, state: LaneState, readings: Readings) -> str:
    # Without its conditions, a rule waits only for dwell, hysteresis or more iterations.
    status = rule_status(replace(rule, when=()), state, readings)
    figures = [f"{item.kpi} is {reading(status.figures.get(item.kpi))}" for item in rule.hysteresis]
    return status.waiting + (f" ({', '.join(figures)})" if status.stopped else "")


def requests_of(rule: Rule, state: LaneState, figures: Mapping[str, float]) -> dict[str, float]:
    """Key to the rule's step from the values in force; keys that it does not move are left out."""
    parameters = state.profile.parameters
    steps = {
        move.key: step(move, parameters[move.key], state.values[move.key], figures)
        for move in rule.moves
    }
    return {key: delta for key, delta in steps.items() if delta}


def _parts(rule: Rule, state: LaneState, readings: Readings) -> list[Part]:
    parts = []
    aims = {kpi for kpi, _ in aims_of(state.profile, rule.name, ())}
    for condition in rule.when:
        if not isinstance(condition, Condition) or condition.rising or condition.falling:
            parts.append(_worded(rule, condition, aims, state, readings))
            continue
        pieces = [replace(condition, comparisons=(single,)) for single in condition.comparisons]
        if condition.of_first:
            pieces = [condition]
        for piece in pieces:
            over = _status_of(rule, piece, rule.evidence.over, state, readings)
            bare = tuple(replace(comparison, margin=0.0) for comparison in piece.comparisons)
            alone = _status_of(rule, replace(piece, comparisons=bare), 1, state, readings)
            parts.append(
                Part(
                    kpi=piece.kpi,
                    limit=_limit(piece, state, readings),
                    comparisons=piece.comparisons,
                    over=over.figures.get(piece.kpi),
                    alone=alone.figures.get(piece.kpi),
                    holds_over=over.fires,
                    holds_alone=alone.fires,
                    aimed=piece.kpi in aims,
                )
            )
    return parts


def _worded(
    rule: Rule, condition: When, aims: Collection[str], state: LaneState, readings: Readings
) -> Part:
    """The part of a condition that is no comparison of one KPI."""
    over = _result_of(rule, condition, rule.evidence.over, state, readings)
    alone = _result_of(rule, condition, 1, state, readings)
    now = "" if alone.holds or not over.holds else " now"
    return Part(
        kpi=condition_text(condition, state.profile.parameters),
        limit="",
        comparisons=(),
        over=None,
        alone=None,
        holds_over=over.holds,
        holds_alone=alone.holds,
        aimed=any(kpi in aims for kpi in kpis_in([condition])),
        sentence=(alone if now else over).sentence + now,
    )


def _result_of(
    rule: Rule, condition: When, over: int, state: LaneState, readings: Readings
) -> Evaluation:
    """One condition over so many iterations; over one alone, without a margin."""
    only = Rule(rule.name, (condition,), (), Evidence(over=over, fresh=False, early=True))
    (result,) = results_of(only, state, readings, margin=over > 1)
    return result


def _status_of(
    rule: Rule, piece: Condition, over: int, state: LaneState, readings: Readings
) -> RuleStatus:
    """The status of a rule with this one condition, and without freshness, dwell or hysteresis."""
    evidence = Evidence(over=over, fresh=False, early=True)
    only = Rule(name=rule.name, when=(piece,), moves=(), evidence=evidence)
    return rule_status(only, state, readings)


def _limit(piece: Condition, state: LaneState, readings: Readings) -> str:
    if not piece.of_first:
        return " and ".join(
            f"{comparison} by {comparison.margin:g}" if comparison.margin else str(comparison)
            for comparison in piece.comparisons
        )
    mean = first_means([piece], (*state.memory.first, readings)).get((piece.kpi, piece.of_first))
    first_mean = "not known yet, so it holds" if mean is None else reading(mean)
    return " and ".join(special_limits(piece, f" ({first_mean})"))


def rule_text(view: RuleView) -> str:
    """Why a rule fires, waits or is quiet: figures, limits and iterations."""
    first, last = view.window
    span = f"iterations {first}-{last}" if first < last else ""
    if view.word in ("FIRES", "idle"):
        limits: dict[str, list[str]] = {}
        for part in view.parts:
            head = part.sentence or f"{part.kpi} {_over(part)}"
            limits.setdefault(head, []).extend([part.limit] if part.limit else ())
        conditions = ", ".join(
            kept(f"{head} {' and '.join(texts)}") if texts else head
            for head, texts in limits.items()
        )
        return f"{span}: {conditions}" if span else conditions
    unmet = [_unmet(part, span) for part in view.parts if not part.holds]
    if view.word == "waits":
        return "; ".join(text for text in (view.delay, *unmet) if text)
    # A condition that this iteration alone does not meet is the reason; a delay adds nothing.
    return "; ".join(dict.fromkeys(unmet))


def _unmet(part: Part, span: str) -> str:
    alone, limit = reading(part.alone, *part.comparisons), part.limit
    if part.sentence:
        return part.sentence
    if part.alone is None:
        return f"{part.kpi} has no data"
    if not span:
        return f"{part.kpi} {alone} is not {limit}"
    if part.over is None:
        return f"{part.kpi} lacks data in {span} (now {alone})"
    if part.holds_over:
        return f"{part.kpi} now {alone} is not {limit} ({_over(part)} in {span})"
    return f"{part.kpi} {_over(part)} in {span} is not {limit} (now {alone})"


def _over(part: Part) -> str:
    return reading(part.over, *part.comparisons)
