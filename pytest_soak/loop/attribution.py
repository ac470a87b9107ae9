"""The effect of an applied change: its KPIs before and after it, with an interval.

A change is what one rule moved in one decision. Its effect is reported n iterations later, where n
is the dwell of its rule (at least ``attribution.least``): the mean of these n iterations against
the mean of the n before. φ and σ come from the iterations before the change (up to
``attribution.memory``), so that the effect of the change does not count as noise. Iterations in
which a scenario fired are left out.

*Beyond doubt* needs more than a wider interval: the iterations after the change must be worse than
the mean before, and worse than the line through the iterations before predicts, and the KPI must
not have left that line before the change. A latency that rises or jumps by itself makes its rule
act, and is not the effect of that rule.
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
from pytest_soak.profile.condition import Condition
from pytest_soak.profile.conditions import kpis_in, leaves
from pytest_soak.profile.kpi import Kpi
from pytest_soak.profile.model import AttributionSettings, Profile, Rule
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
"""With fewer iterations before or after the change there is no interval."""

_FEWEST_FOR_TREND = 4
"""Fewer iterations show no trend."""


def attributions(state: LaneState, readings: Readings) -> tuple[Attribution, ...]:
    """The effects of earlier changes that the decision due now reports, oldest change first."""
    settings, now = state.profile.guards.attribution, deciding(state)
    if settings is None:
        return ()
    return tuple(
        _attribution(state, readings, change, settings)
        for change in state.attribution.changes
        if change.spoiled or now >= change.due
    )


def effect_window(profile: Profile, rule: str) -> int:
    """How many iterations after a change of ``rule`` its effect is reported; 0 for never."""
    settings = profile.guards.attribution
    if settings is None:
        return 0
    dwell = next((declared.dwell for declared in profile.rules if declared.name == rule), 1)
    return max(dwell, settings.least)


def aims_of(profile: Profile, rule: str, proposals: Sequence[Proposal]) -> tuple[Aim, ...]:
    """The KPIs that a change of ``rule`` should move, and in which direction.

    For a rule of the profile these are the KPIs of its conditions on something bad
    (``p95_latency_ms > 360``). A rule without such a condition undoes what other rules did, and
    should keep its KPIs good. For any other name: the KPIs that its proposals are based on.
    """
    declared = next((item for item in profile.rules if item.name == rule), None)
    if declared is not None:
        return aims_of_conditions(profile, declared) or _aims_of_kpis(
            profile, kpis_in(declared.when)
        )
    return _aims_of_kpis(profile, (kpi for proposal in proposals for kpi in proposal.kpis))


def aims_of_conditions(profile: Profile, rule: Rule) -> tuple[Aim, ...]:
    """The KPIs that the rule should repair: its conditions are on bad values of them."""
    aims: dict[str, Aim] = {}
    for condition, negated in leaves(rule.when):
        aim = _aim_of_condition(profile.kpis[condition.kpi], condition, negated=negated)
        if aim is not None:
            aims.setdefault(condition.kpi, aim)
    return tuple(aims.values())


def _aim_of_condition(kpi: Kpi, condition: Condition, *, negated: bool) -> Aim | None:
    below = bool(condition.falling) or any(
        comparison.op.startswith("<") for comparison in condition.comparisons
    )
    above = bool(condition.rising) or any(
        comparison.op.startswith(">") for comparison in condition.comparisons
    )
    if negated:
        below, above = above, below
    if above and kpi.better != "up":
        return kpi.name, "down"
    return (kpi.name, "up") if below and kpi.better != "down" else None


def _aims_of_kpis(profile: Profile, kpis: Iterable[str]) -> tuple[Aim, ...]:
    aims: dict[str, Literal["up", "down"]] = {}
    for name in kpis:
        kpi = profile.kpis.get(name)
        if kpi is not None and kpi.better != "none":
            aims[name] = kpi.better
    return tuple(sorted(aims.items()))


def _attribution(
    state: LaneState, readings: Readings, change: Change, settings: AttributionSettings
) -> Attribution:
    attribution = Attribution(
        change.iteration, change.rule, change.keys, effects=(), shared=change.shared, note=""
    )
    if change.spoiled or not change.aims:
        return replace(attribution, note=change.spoiled or "it aimed at no KPI")
    effects = tuple(_effect(state, readings, change, aim, settings) for aim in change.aims)
    few = [
        f"{effect.kpi} {effect.n_before} before and {effect.n_after} after"
        for effect in effects
        if min(effect.n_before, effect.n_after) < _FEWEST
    ]
    note = f"too few comparable iterations: {', '.join(few)}" if few else ""
    return replace(attribution, effects=effects, note=note)


@dataclass(frozen=True, slots=True)
class _Figures:
    """The values of one KPI before and after a change, of comparable iterations only."""

    past: Mapping[int, float]
    """Iteration to value, up to the change."""
    before: Sequence[float]
    """The last values of ``past``, which are compared with ``after``."""
    after: Sequence[float]
    middle: float
    """The middle of the iterations after the change."""


@dataclass(frozen=True, slots=True)
class _Noise:
    """The noise of one iteration: autocorrelation, standard deviation, degrees of freedom."""

    phi: float
    sd: float
    df: float

    def of_mean(self, count: int) -> float:
        """The variance of a mean of ``count`` iterations, in σ²."""
        return 1.0 / effective_size(count, self.phi)

    def half_width(self, variance: float, confidence: float) -> float:
        """Half the width of the two-sided interval of a figure with this variance, in σ²."""
        if self.df <= 0.0:
            return math.inf
        return student_t_quantile((1 + confidence) / 2, self.df) * self.sd * math.sqrt(variance)


def _effect(
    state: LaneState, readings: Readings, change: Change, aim: Aim, settings: AttributionSettings
) -> Effect:
    try:
        return _measured_effect(state, readings, change, aim, settings)
    except (OverflowError, ValueError):  # figures like 1e308 are finite, their squares are not
        kpi, direction = aim
        return Effect(
            kpi,
            direction,
            before=None,
            after=None,
            low=None,
            high=None,
            n_before=0,
            n_after=0,
            doubtless=False,
        )


def _measured_effect(
    state: LaneState, readings: Readings, change: Change, aim: Aim, settings: AttributionSettings
) -> Effect:
    kpi, direction = aim
    figures = _figures(state, readings, change, kpi, settings.memory)
    before, after = figures.before, figures.after
    effect = Effect(
        kpi,
        direction,
        before=math.fsum(before) / len(before) if before else None,
        after=math.fsum(after) / len(after) if after else None,
        low=None,
        high=None,
        n_before=len(before),
        n_after=len(after),
        doubtless=False,
    )
    if effect.before is None or effect.after is None or min(len(before), len(after)) < _FEWEST:
        return effect
    noise = _noise(figures)
    variance = noise.of_mean(len(before)) + noise.of_mean(len(after))
    half, moved = noise.half_width(variance, settings.confidence), effect.after - effect.before
    if not math.isfinite(moved - half) or not math.isfinite(moved + half):
        return effect
    return replace(
        effect,
        low=moved - half,
        high=moved + half,
        doubtless=_is_beyond_doubt(
            state, figures, noise, moved, -1.0 if direction == "up" else 1.0
        ),
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
    # As many before as after, but none from before the last move of another rule.
    first = max(at - (now - at) + 1, change.since + 1)
    return _Figures(
        past={number: value for number, value in series.items() if number <= at},
        before=[value for number, value in series.items() if first <= number <= at],
        after=[value for number, value in series.items() if number > at],
        middle=(at + 1 + now) / 2,
    )


def _value(state: LaneState, readings: Readings, kpi: str, number: int) -> float | None:
    """The usable value of a recent iteration; None if it is not comparable."""
    if number > state.done:
        disturbed = state.observed is not None and is_disturbed(state.observed)
        return None if disturbed else usable_value(readings, kpi)
    back = state.done - number + 1
    if number in state.memory.disturbed or back > len(state.memory.recent):
        return None
    return usable_value(state.memory.recent[-back], kpi)


def is_disturbed(iteration: Iteration) -> bool:
    """Whether the iteration is not comparable: a scenario fired, or the target ran with other
    values."""
    return bool(fired_in(iteration) or iteration.echo_mismatch)


def _noise(figures: _Figures) -> _Noise:
    """The noise of the iterations before the change; σ of those after it if that is larger."""
    past, numbers = figures.past, sorted(figures.past)
    phi = ar1_coefficient([past.get(t) for t in range(numbers[0], numbers[-1] + 1)])
    line = _line(past)
    spread = math.sqrt(math.fsum(e * e for e in line.residuals) / max(1, len(past) - 2))
    return _Noise(
        phi,
        sd=max(spread, standard_deviation(figures.after)),
        df=effective_size(len(past), phi) - 2.0,
    )


def _line(values: Mapping[int, float]) -> Line:
    return fitted_line([(float(number), value) for number, value in values.items()])


def _is_beyond_doubt(
    state: LaneState, figures: _Figures, noise: _Noise, moved: float, worse: float
) -> bool:
    """Whether the KPI is worse than before, and worse than the trend before predicts.

    ``worse`` is the sign of the worse direction.
    """
    guard = state.profile.guards.rollback
    # Values without any variation do not show how large the noise is.
    if guard is None or noise.sd <= 0.0:
        return False
    if _was_off_trend(figures, worse, guard.confidence):
        return False
    after, line = figures.after, _line(figures.past)
    size, distance = len(figures.past), figures.middle - line.mean_t
    beyond_trend = math.fsum(after) / len(after) - (line.mean_v + line.slope * distance)
    inflation = size * noise.of_mean(size)
    of_line = inflation * (1.0 / size + distance * distance / line.spread)
    of_before = noise.of_mean(len(figures.before))
    return all(
        worse * gap > noise.half_width(variance + noise.of_mean(len(after)), guard.confidence)
        for gap, variance in ((moved, of_before), (beyond_trend, of_line))
    )


def _was_off_trend(figures: _Figures, worse: float, confidence: float) -> bool:
    """Whether the KPI was worse than its own trend already before the change.

    Then the change may be a reaction to the KPI rather than the cause: a latency that jumps makes
    its rule act. One such iteration is enough, since the last one alone may have made the rule act.
    """
    numbers = sorted(figures.past)
    just_before = numbers[-len(figures.before) :]
    earlier = {number: figures.past[number] for number in numbers if number < just_before[0]}
    if len(earlier) < _FEWEST_FOR_TREND:
        return False
    line, df = _line(earlier), len(earlier) - 2.0
    sd = math.sqrt(math.fsum(e * e for e in line.residuals) / df)
    limit = student_t_quantile((1 + confidence) / 2, df) * sd
    predicted = {
        number: line.mean_v + line.slope * (number - line.mean_t) for number in just_before
    }
    return any(worse * (figures.past[number] - predicted[number]) > limit for number in just_before)
