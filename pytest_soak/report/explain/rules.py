"""What a rule of the profile saw in one iteration: it fires, it waits, or it is quiet.

Nothing is decided here: each condition, and whatever else keeps a rule from firing, is asked of
``loop.evidence.rule_status`` by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pytest_soak.loop.attribution import aims_of
from pytest_soak.loop.conditions import first_means
from pytest_soak.loop.evidence import RuleStatus, rule_status
from pytest_soak.loop.headroom import deciding
from pytest_soak.loop.model import Readings
from pytest_soak.loop.moves import step
from pytest_soak.loop.state import LaneState
from pytest_soak.profile.model import Comparison, Condition, Evidence, Rule
from pytest_soak.report.layout import kept, reading

HOOK = "pytest_soak_propose"
Word = Literal["FIRES", "idle", "waits", "quiet"]
"""``idle``: it may fire, but every key is where it would take it. ``waits``: this iteration alone
would do, its evidence, dwell or hysteresis say not yet. ``quiet``: not even that."""


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
    """The rule acts because of it; the others only have to allow it."""

    @property
    def holds(self) -> bool:
        return self.holds_over and self.holds_alone


@dataclass(frozen=True, slots=True)
class RuleView:
    """Where one rule stands, and what it wants if it fires."""

    rule: Rule
    word: Word
    window: tuple[int, int]
    """First and last iteration of its evidence."""
    parts: tuple[Part, ...]
    brake: str
    """Dwell, hysteresis, or too few iterations; empty if none of these holds it."""
    wants: Mapping[str, float]
    """Key to the step it would make, before any room; keys that it would not move are left out."""


def rule_views(state: LaneState, readings: Readings) -> tuple[RuleView, ...]:
    """Every rule of the profile, in its order, on the state just before the decision."""
    return tuple(rule_view(rule, state, readings) for rule in state.profile.rules)


def rule_view(rule: Rule, state: LaneState, readings: Readings) -> RuleView:
    """One rule, on the state just before the decision."""
    found = rule_status(rule, state, readings)
    now, size = deciding(state), min(rule.evidence.over, len(state.recent) + 1)
    wants = wants_of(rule, state) if found.fires else {}
    word: Word = "waits" if found.waiting else "quiet"
    if found.fires:
        word = "FIRES" if wants else "idle"
    return RuleView(
        rule=rule,
        word=word,
        window=(now - size + 1, now),
        parts=tuple(_parts(rule, state, readings)),
        brake=_brake(rule, state, readings),
        wants=wants,
    )


def _brake(rule: Rule, state: LaneState, readings: Readings) -> str:
    # Without conditions of its own, only what else holds a rule is left to say.
    found = rule_status(replace(rule, when=()), state, readings)
    figures = [f"{item.kpi} is {reading(found.figures.get(item.kpi))}" for item in rule.hysteresis]
    return found.waiting + (f" ({', '.join(figures)})" if found.stopped else "")


def wants_of(rule: Rule, state: LaneState) -> dict[str, float]:
    """Key to the rule's step from the values in force; keys that it would not move are left out."""
    parameters = state.profile.parameters
    steps = {
        move.key: step(move, parameters[move.key], state.values[move.key]) for move in rule.moves
    }
    return {key: delta for key, delta in steps.items() if delta}


def _parts(rule: Rule, state: LaneState, readings: Readings) -> list[Part]:
    parts = []
    aims = {kpi for kpi, _ in aims_of(state.profile, rule.name, ())}
    for condition in rule.when:
        pieces = [replace(condition, comparisons=(each,)) for each in condition.comparisons]
        if condition.share_of_first is not None:
            pieces = [Condition(condition.kpi, (), condition.share_of_first)]
        for piece in pieces:
            over = _asked(rule, piece, rule.evidence.over, state, readings)
            bare = tuple(replace(each, margin=0.0) for each in piece.comparisons)
            alone = _asked(rule, replace(piece, comparisons=bare), 1, state, readings)
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


def _asked(
    rule: Rule, piece: Condition, over: int, state: LaneState, readings: Readings
) -> RuleStatus:
    """Where a rule would stand that had this one condition and nothing to hold it."""
    evidence = Evidence(over=over, fresh=False, early=True)
    only = Rule(name=rule.name, when=(piece,), moves=(), evidence=evidence)
    return rule_status(only, state, readings)


def _limit(piece: Condition, state: LaneState, readings: Readings) -> str:
    if piece.share_of_first is None:
        return " and ".join(
            f"{each} by {each.margin:g}" if each.margin else str(each) for each in piece.comparisons
        )
    share, count = piece.share_of_first
    mean = first_means([piece], (*state.first, readings)).get(piece.kpi)
    known_as = "not known yet, so it holds" if mean is None else reading(mean)
    return f">= {share:g} of its first {count} ({known_as})"


def rule_text(view: RuleView) -> str:
    """Why a rule fires, waits or is quiet, with its figures and the iterations they are of."""
    first, last = view.window
    over = f"over {first}-{last}" if first < last else ""
    if view.word in ("FIRES", "idle"):
        limits: dict[str, list[str]] = {}
        for part in view.parts:
            limits.setdefault(f"{part.kpi} {_over(part)}", []).append(part.limit)
        withheld = ", ".join(
            kept(f"{figure} {' and '.join(said)}") for figure, said in limits.items()
        )
        return f"{over}: {withheld}" if over else withheld
    unmet = [_unmet(part, over) for part in view.parts if not part.holds]
    if view.word == "waits":
        return "; ".join(text for text in (view.brake, *unmet) if text)
    # What this iteration does not even meet alone is no news of dwell or evidence.
    return "; ".join(dict.fromkeys(unmet))


def _unmet(part: Part, over: str) -> str:
    alone, limit = reading(part.alone, *part.comparisons), part.limit
    if part.alone is None:
        return f"{part.kpi} has no data"
    if not over:
        return f"{part.kpi} {alone} is not {limit}"
    if part.over is None:
        return f"{part.kpi} lacks data {over} (alone {alone})"
    if part.holds_over:
        return f"{part.kpi} alone {alone} is not {limit} (it is {_over(part)} {over})"
    return f"{part.kpi} {_over(part)} {over} is not {limit} (alone {alone})"


def _over(part: Part) -> str:
    return reading(part.over, *part.comparisons)
