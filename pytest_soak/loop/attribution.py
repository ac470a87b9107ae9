"""What came of an applied change: the KPIs it aimed at, before against after, with an interval.

A change is what one rule moved in one decision. Its effect is told n iterations later, n being the
dwell of its rule (at least ``attribution.least``): the mean of those n against the mean of the n
before it. φ and σ come from the iterations before the change (up to ``attribution.memory``), so
what the change itself did is no noise. Iterations in which a scenario fired are left out.

*Beyond doubt* asks more than a wider interval: what came after must be worse than the mean before
and worse than the line through the iterations before foretells, and the KPI must have been on its
own trend when the change was made. A latency that climbs or jumps by itself is not the fault of the
rule that answered to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pytest_soak.loop.headroom import deciding
from pytest_soak.loop.model import Attribution, Effect, Iteration, Proposal, Readings
from pytest_soak.loop.scenarios import fired_in
from pytest_soak.loop.state import Change, LaneState
from pytest_soak.loop.verdict import usable_value
from pytest_soak.profile.model import AttributionSettings, Condition, Kpi, Profile, Rule
from pytest_soak.statistics import (
    Line,
    ar1_coefficient,
    effective_size,
    fitted_line,
    standard_deviation,
    student_t_quantile,
)

Aim = tuple[str, Literal["up", "down"]]

_FEWEST = 2
"""Iterations on either side, below which nothing is said."""

_FEWEST_OF_TREND = 4
"""Iterations of which fewer show no trend."""


def attributions(state: LaneState, readings: Readings) -> tuple[Attribution, ...]:
    """What the decision that is due tells of earlier changes, oldest first."""
    settings, now = state.profile.guards.attribution, deciding(state)
    if settings is None:
        return ()
    return tuple(
        _attribution(state, readings, change, settings)
        for change in state.changes
        if change.spoiled or now >= change.due
    )


def window_of(profile: Profile, rule: str) -> int:
    """How many iterations after a change of ``rule`` its effect is told; 0: never."""
    settings = profile.guards.attribution
    if settings is None:
        return 0
    dwell = next((each.dwell for each in profile.rules if each.name == rule), 1)
    return max(dwell, settings.least)


def aims_of(profile: Profile, rule: str, proposals: Sequence[Proposal]) -> tuple[Aim, ...]:
    """The KPIs that a change wanted to move, and where to.

    Of a rule of the profile: those of its conditions that name something bad (``p95_latency_ms >
    360``); a rule without any gives back what others took, and aims to keep its KPIs good. Of any
    other: the KPIs that its proposals rest on.
    """
    declared = next((each for each in profile.rules if each.name == rule), None)
    if declared is not None:
        return _complaints(profile, declared) or _good(profile, (c.kpi for c in declared.when))
    return _good(profile, (kpi for proposal in proposals for kpi in proposal.kpis))


def _complaints(profile: Profile, rule: Rule) -> tuple[Aim, ...]:
    found = (_complaint(profile.kpis[condition.kpi], condition) for condition in rule.when)
    return tuple(aim for aim in found if aim is not None)


def _complaint(kpi: Kpi, condition: Condition) -> Aim | None:
    below = any(comparison.op.startswith("<") for comparison in condition.comparisons)
    above = any(comparison.op.startswith(">") for comparison in condition.comparisons)
    if above and kpi.better != "up":
        return kpi.name, "down"
    return (kpi.name, "up") if below and kpi.better != "down" else None


def _good(profile: Profile, kpis: Iterable[str]) -> tuple[Aim, ...]:
    aims: dict[str, Literal["up", "down"]] = {}
    for name in kpis:
        kpi = profile.kpis.get(name)
        if kpi is not None and kpi.better != "none":
            aims[name] = kpi.better
    return tuple(sorted(aims.items()))


def _attribution(
    state: LaneState, readings: Readings, change: Change, settings: AttributionSettings
) -> Attribution:
    told = Attribution(change.iteration, change.rule, change.keys, (), change.shared)
    if change.spoiled or not change.aims:
        return replace(told, note=change.spoiled or "it aimed at no KPI")
    effects = tuple(_effect(state, readings, change, aim, settings) for aim in change.aims)
    few = [
        f"{one.kpi} {one.n_before} before and {one.n_after} after"
        for one in effects
        if min(one.n_before, one.n_after) < _FEWEST
    ]
    note = f"too few iterations that compare: {', '.join(few)}" if few else ""
    return replace(told, effects=effects, note=note)


@dataclass(frozen=True, slots=True)
class _Figures:
    """One KPI around a change, without the iterations that compare with no others."""

    past: Mapping[int, float]
    """By iteration, up to the change."""
    before: Sequence[float]
    """The last of them."""
    after: Sequence[float]
    middle: float
    """Of the iterations after the change, as a point in time."""


@dataclass(frozen=True, slots=True)
class _Noise:
    """Of one iteration."""

    phi: float
    sd: float
    df: float

    def of_mean(self, count: int) -> float:
        """The variance of a mean of ``count`` iterations, in σ²."""
        return 1.0 / effective_size(count, self.phi)

    def half(self, variance: float, confidence: float) -> float:
        """Half the two-sided interval of a figure whose variance is that many σ²."""
        if self.df <= 0.0:
            return math.inf
        return student_t_quantile((1 + confidence) / 2, self.df) * self.sd * math.sqrt(variance)


def _effect(
    state: LaneState, readings: Readings, change: Change, aim: Aim, settings: AttributionSettings
) -> Effect:
    try:
        return _measured(state, readings, change, aim, settings)
    except (OverflowError, ValueError):  # figures like 1e308 are finite, their squares are not
        return Effect(*aim, before=None, after=None, low=None, high=None, n_before=0, n_after=0)


def _measured(
    state: LaneState, readings: Readings, change: Change, aim: Aim, settings: AttributionSettings
) -> Effect:
    kpi, direction = aim
    figures = _figures(state, readings, change, kpi, settings.memory)
    before, after = figures.before, figures.after
    told = Effect(
        kpi,
        direction,
        before=math.fsum(before) / len(before) if before else None,
        after=math.fsum(after) / len(after) if after else None,
        low=None,
        high=None,
        n_before=len(before),
        n_after=len(after),
    )
    if told.before is None or told.after is None or min(len(before), len(after)) < _FEWEST:
        return told
    noise = _noise(figures)
    variance = noise.of_mean(len(before)) + noise.of_mean(len(after))
    half, moved = noise.half(variance, settings.confidence), told.after - told.before
    if not math.isfinite(moved - half) or not math.isfinite(moved + half):
        return told
    return replace(
        told,
        low=moved - half,
        high=moved + half,
        doubtless=_is_doubtless(state, figures, noise, moved, -1.0 if direction == "up" else 1.0),
    )


def _figures(
    state: LaneState, readings: Readings, change: Change, kpi: str, memory: int
) -> _Figures:
    at, now = change.iteration, deciding(state)
    series = {
        number: value
        for number in range(max(1, at - memory + 1), now + 1)
        if (value := _value(state, readings, kpi, number)) is not None
    }
    # As many before as after, but none from before somebody else moved something.
    first = max(at - (now - at) + 1, change.since + 1)
    return _Figures(
        past={number: value for number, value in series.items() if number <= at},
        before=[value for number, value in series.items() if first <= number <= at],
        after=[value for number, value in series.items() if number > at],
        middle=(at + 1 + now) / 2,
    )


def _value(state: LaneState, readings: Readings, kpi: str, number: int) -> float | None:
    """The evidence of a remembered iteration; None where it does not compare."""
    if number > state.done:
        disturbed = state.observed is not None and is_disturbed(state.observed)
        return None if disturbed else usable_value(readings, kpi)
    back = state.done - number + 1
    if number in state.disturbed or back > len(state.recent):
        return None
    return usable_value(state.recent[-back], kpi)


def is_disturbed(iteration: Iteration) -> bool:
    """Whether it compares with no others: a scenario fired, or the target ran with other values."""
    return bool(fired_in(iteration) or iteration.echo_mismatch)


def _noise(figures: _Figures) -> _Noise:
    """From the iterations before the change; more if those after it vary more."""
    past, numbers = figures.past, sorted(figures.past)
    phi = ar1_coefficient([past.get(t) for t in range(numbers[0], numbers[-1] + 1)])
    line = _line(past)
    spread = math.sqrt(math.fsum(e * e for e in line.residuals) / max(1, len(past) - 2))
    return _Noise(
        phi,
        sd=max(spread, standard_deviation(figures.after)),
        df=effective_size(len(past), phi) - 2.0,
    )


def _line(past: Mapping[int, float]) -> Line:
    return fitted_line([(float(number), value) for number, value in past.items()])


def _is_doubtless(
    state: LaneState, figures: _Figures, noise: _Noise, moved: float, worse: float
) -> bool:
    """Worse than before, and worse than the trend before foretold. ``worse``: its sign."""
    guard = state.profile.guards.rollback
    # Figures that did not vary at all tell nothing of chance.
    if guard is None or noise.sd <= 0.0:
        return False
    if _was_moving(figures, worse, guard.confidence):
        return False
    after, line = figures.after, _line(figures.past)
    size, distance = len(figures.past), figures.middle - line.mean_t
    unforetold = math.fsum(after) / len(after) - (line.mean_v + line.slope * distance)
    inflation = size * noise.of_mean(size)
    of_line = inflation * (1.0 / size + distance * distance / line.spread)
    of_before = noise.of_mean(len(figures.before))
    return all(
        worse * gap > noise.half(variance + noise.of_mean(len(after)), guard.confidence)
        for gap, variance in ((moved, of_before), (unforetold, of_line))
    )


def _was_moving(figures: _Figures, worse: float, confidence: float) -> bool:
    """Whether the KPI was worse than its own trend already when the change was made.

    Then the change is as likely an answer to what went on as its cause: a latency that jumps takes
    the rule that answers to it along. One iteration is enough, the last one may have made it act.
    """
    numbers = sorted(figures.past)
    just_before = numbers[-len(figures.before) :]
    earlier = {number: figures.past[number] for number in numbers if number < just_before[0]}
    if len(earlier) < _FEWEST_OF_TREND:
        return False
    line, df = _line(earlier), len(earlier) - 2.0
    sd = math.sqrt(math.fsum(e * e for e in line.residuals) / df)
    limit = student_t_quantile((1 + confidence) / 2, df) * sd
    foretold = {number: line.mean_v + line.slope * (number - line.mean_t) for number in just_before}
    return any(worse * (figures.past[number] - foretold[number]) > limit for number in just_before)
