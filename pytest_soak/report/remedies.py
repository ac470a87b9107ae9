"""What the tuner could do about a KPI, did about it, and what kept it from that."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.attribution import aims_of_conditions
from pytest_soak.loop.conditions import condition_text, evaluate, recent_count
from pytest_soak.loop.model import History, Iteration
from pytest_soak.loop.verdict import facts_of
from pytest_soak.profile.condition import Condition, When
from pytest_soak.profile.model import Profile, Rule
from pytest_soak.report.events import left_out
from pytest_soak.report.layout import listed, times
from pytest_soak.report.lists import names
from pytest_soak.report.trends import trend_of

_CHANCE = 0.05
_FEWEST_EFFECTS = 3
"""So many measured changes without any effect say that a parameter has none that shows."""


def rules_for(profile: Profile, kpi: str) -> list[Rule]:
    """The rules that should make the KPI better: their own conditions are on a bad value of it."""
    return [
        rule
        for rule in profile.rules
        if any(name == kpi for name, _ in aims_of_conditions(profile, rule))
    ]


def never_moved(history: History) -> list[str]:
    """The parameters that had one value through the whole run."""
    moved = {
        key
        for item in history.iterations
        for values in (item.values, item.decision.values if item.decision is not None else {})
        for key, number in values.items()
        if number != history.start_values.get(key)
    }
    return [key for key in history.profile.parameters if key not in moved]


def without_effect(history: History) -> dict[str, str]:
    """Parameter to its measured changes, where no more of them helped or hurt than by chance.

    Changes that should move a KPI that got better over the run are left out: its steps may be too
    small to be measured one by one.

    Of n changes without any effect about n times (1 - confidence) seem to help or hurt. By chance
    are so many as come with a probability above 5 % (binomial).
    """
    settings = history.profile.guards.attribution
    if settings is None:
        return {}
    lane = LaneWindow(history)

    @cache
    def improved(kpi: str) -> bool:
        trend = trend_of(lane, kpi)
        return trend.word == "better" or trend.inside_since is not None

    verdicts: dict[str, Counter[str]] = {}
    for item in history.iterations:
        for attribution in item.decision.attributed if item.decision is not None else ():
            measured = [effect.kpi for effect in attribution.effects if effect.low is not None]
            if measured and not any(map(improved, measured)):
                for key in attribution.keys:
                    verdicts.setdefault(key, Counter())[attribution.verdict] += 1
    idle = {}
    for key, counts in verdicts.items():
        n, evident = counts.total(), counts["helped"] + counts["hurt"]
        if n >= _FEWEST_EFFECTS and _at_least(evident, n, 1.0 - settings.confidence) > _CHANCE:
            text = f"{n} measured changes"
            if evident:
                text += f", {counts['helped']} helped and {counts['hurt']} hurt, as by chance"
            idle[key] = text
    return idle


def _at_least(count: int, n: int, probability: float) -> float:
    """The probability of ``count`` or more of ``n`` (binomial)."""
    below = (
        math.comb(n, k) * probability**k * (1.0 - probability) ** (n - k) for k in range(count)
    )
    return 1.0 - math.fsum(below)


def tuner_text(history: History, kpi: str) -> str:
    """What the rules that aim at a KPI did, or would have done with the tuner on."""
    rules = rules_for(history.profile, kpi)
    if not rules:
        off = "" if history.tune else "the tuner was off, and "
        return (
            f"{off}no rule of the profile aims at {kpi}, so the tuner cannot repair it: add a rule "
            "whose condition is a bad value of it, or repair the target"
        )
    return "; ".join(_rule_text(history, rule) for rule in rules)


def _rule_text(history: History, rule: Rule) -> str:
    decided = LaneWindow(history).measured
    total = len(decided)
    if not history.tune:
        count = sum(_holds(history, rule, item) for item in decided)
        if not count:
            unmet = _unmet(history, rule, decided)
            return f"{rule.name} aims at it, but would not have fired: {unmet}"
        would = f"the tuner was off; its conditions are met in {count} of {total} iterations"
        return f"{rule.name} aims at it; {would}, so it would have acted on {_keys(rule)}"
    fired = [item for item in decided if item.decision and rule.name in item.decision.rules]
    if not fired:
        waited = sum(rule.name in item.decision.waiting for item in decided if item.decision)
        wait = (
            f", and it waited {times(waited)} for its evidence, dwell or hysteresis"
            if waited
            else ""
        )
        return f"{rule.name} aims at it and never fired: {_unmet(history, rule, decided)}{wait}"
    moved = sum(
        any(o.rule == rule.name and o.applied != 0.0 for o in item.decision.outcomes)
        for item in fired
        if item.decision
    )
    text = f"{rule.name} fired {times(len(fired))}"
    text += f" and {'would have moved' if history.dry_run else 'moved'} something {times(moved)}"
    kept = _withheld_from(rule, fired, history.profile)
    if kept:
        top = [f"{key} by {guard} {times(count)}" for (guard, key), count in kept.most_common(3)]
        text += f"; of its own requests were withheld, wholly or in part: {', '.join(top)}"
        text += _hint(kept, history)
    return text


def _withheld_from(
    rule: Rule, fired: Sequence[Iteration], profile: Profile
) -> Counter[tuple[str, str]]:
    """Guard and key of what was left out of the moves of this rule, and of no other rule."""
    own = {move.key for move in rule.moves}
    counts: Counter[tuple[str, str]] = Counter()
    for item in fired:
        decision = item.decision
        if decision is None:
            continue
        others = {
            move.key
            for other in profile.rules
            if other.name in decision.rules and other.name != rule.name
            for move in other.moves
        }
        for guard, key, _ in left_out(decision):
            if key in own - others:
                counts[guard, key] += 1
    return counts


_HINTS = {
    "velocity": "What limits it is cap_per_hour: raise it for {keys}, or start nearer to the goal",
    "bounds": "It is at a bound: widen that of {keys} if the target can bear it",
    "freeze": "The freeze keeps {keys} in place: look at guards.freeze",
    "cooldown": "The cooldown keeps {keys} in place: look at guards.cooldown",
}


def _hint(kept: Counter[tuple[str, str]], history: History) -> str:
    idle = without_effect(history)
    guard = kept.most_common(1)[0][0][0]
    keys = [key for (name, key) in kept if name == guard and key not in idle]
    hint = _HINTS.get(guard, "")
    return f". {hint.format(keys=listed(keys[:3]))}" if hint and keys else ""


def _keys(rule: Rule) -> str:
    return names([move.key for move in rule.moves], 4)


def _unmet(history: History, rule: Rule, decided: Sequence[Iteration]) -> str:
    """The condition of the rule that failed in most iterations."""
    counts = [
        (sum(not _met(history, condition, item) for item in decided), condition)
        for condition in rule.when
        if not (isinstance(condition, Condition) and condition.of_first)
    ]
    if not counts:
        return "its conditions were never met together"
    count, condition = max(counts, key=lambda pair: pair[0])
    if not count:
        return "its conditions were met, but not with its margin or evidence"
    text = condition_text(_without_margin(condition), history.profile.parameters)
    return f"{text} is not met in {count} of {len(decided)} iterations"


def _without_margin(condition: When) -> When:
    if not isinstance(condition, Condition):
        return condition
    bare = tuple(replace(item, margin=0.0) for item in condition.comparisons)
    return replace(condition, comparisons=bare)


def _holds(history: History, rule: Rule, item: Iteration) -> bool:
    return all(_met(history, condition, item) for condition in rule.when)


def _met(history: History, condition: When, item: Iteration) -> bool:
    """Whether the limits of a condition hold on this iteration alone, without margin."""
    place = item.number - history.iterations[0].number + 1
    recent = history.iterations[max(0, place - 1 - recent_count(history.profile)) : place]
    readings = [iteration.readings for iteration in recent]
    facts = facts_of(history.profile, [condition], readings, (), item.basis)
    return evaluate(condition, facts, unknown_first=True).holds
