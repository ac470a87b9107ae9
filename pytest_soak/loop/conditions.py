"""Conditions: the only place where the conditions of a profile are evaluated.

The verdict of an iteration, the freeze, the evidence of rules, ``proposes_when_needed`` and
``explain`` all use :func:`evaluate`, so their results cannot differ.

A condition on a KPI without data is *unknown*, and unknown is not true: neither the condition nor
its ``not`` holds. An ``any`` holds if one of its options does, whatever the others are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from itertools import pairwise

from msgspec import Struct

from pytest_soak.json_types import Finite
from pytest_soak.loop.model import Readings
from pytest_soak.loop.pooling import figure_of
from pytest_soak.profile.condition import AnyOf, Comparison, Condition, ParameterCondition, When
from pytest_soak.profile.conditions import leaves
from pytest_soak.profile.model import Profile
from pytest_soak.profile.parameter import Parameter

Firsts = Mapping[tuple[str, int], Finite]
"""``(KPI, n)`` to its mean over the first n iterations, as :func:`first_means` returns them."""


class Truth(Enum):
    HOLDS = "holds"
    FAILS = "fails"
    UNKNOWN = "unknown"
    """A KPI has no data."""
    TOO_EARLY = "too early"
    """The mean of the first iterations is not known yet."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What conditions are evaluated on."""

    figures: Mapping[str, Finite]
    """KPI to its figure; a KPI without data is left out."""
    firsts: Firsts = field(default_factory=dict)
    recent: Sequence[Readings] = ()
    """The readings of the last iterations, the newest last; empty for one that does not count."""
    values: Mapping[str, Finite] = field(default_factory=dict)
    """The parameters in force."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


class Evaluation(Struct, frozen=True):
    """The result of one condition."""

    truth: Truth
    holds: bool
    describe: Callable[[], str]
    """Makes the text, which few evaluations need."""
    kpis: tuple[str, ...] = ()
    """The KPIs whose figures were used."""
    figure: Callable[[], str] | None = None
    """Makes the KPI with its figure, for the condition of one KPI that holds."""

    @property
    def text(self) -> str:
        """Why it does not hold (``risk_ratio 0.3 is not > 0.5``).

        If it holds: of the condition of one KPI the limit (``> 0.5``), else a sentence.
        """
        return self.describe()

    @property
    def sentence(self) -> str:
        """As ``text``, but always with the figures: ``risk_ratio 0.6 > 0.5``."""
        return self.text if self.figure is None else f"{self.figure()} {self.text}"


def evaluate(
    condition: When, facts: Facts, *, unknown_first: bool, margin: bool = False
) -> Evaluation:
    """Whether ``condition`` holds on these facts.

    ``unknown_first`` is whether it holds while all that is missing is a mean of the first
    iterations. ``margin``: a figure must be beyond each limit by the margin that the profile sets
    for evidence.
    """
    if isinstance(condition, Condition):
        return _of_kpi(condition, facts, unknown_first=unknown_first, margin=margin)
    if isinstance(condition, ParameterCondition):
        return _of_parameter(condition, facts)
    if isinstance(condition, AnyOf):
        return _of_options(condition, facts, unknown_first=unknown_first, margin=margin)
    inner = _evaluated(condition.conditions, facts, unknown_first=unknown_first, margin=margin)
    return _negated(inner, unknown_first=unknown_first)


def _evaluated(
    conditions: Sequence[When], facts: Facts, *, unknown_first: bool, margin: bool
) -> list[Evaluation]:
    return [
        evaluate(item, facts, unknown_first=unknown_first, margin=margin) for item in conditions
    ]


# -- one KPI, one parameter ------------------------------------------------------------------------


def _of_kpi(condition: Condition, facts: Facts, *, unknown_first: bool, margin: bool) -> Evaluation:
    kpi, count = condition.kpi, condition.of_first
    if condition.rising or condition.falling:
        return _of_course(condition, facts)
    first = facts.firsts.get((kpi, count)) if count else None
    if count and first is None:
        limit = partial(limit_text, condition, facts.firsts)
        describe = limit if unknown_first else partial(_not_met, kpi, limit)
        name = partial(str, kpi) if unknown_first else None
        return Evaluation(Truth.TOO_EARLY, holds=unknown_first, describe=describe, figure=name)
    figure = facts.figures.get(kpi)
    if figure is None:
        return Evaluation(
            Truth.UNKNOWN, holds=False, describe=partial("{} has no data".format, kpi), kpis=(kpi,)
        )
    unmet = _unmet(condition, figure, first, margin=margin)
    if unmet is not None:
        return Evaluation(Truth.FAILS, holds=False, describe=unmet, kpis=(kpi,))
    return Evaluation(
        Truth.HOLDS,
        holds=True,
        describe=partial(limit_text, condition, facts.firsts),
        kpis=(kpi,),
        figure=partial(_with_figure, condition, figure),
    )


def _not_met(kpi: str, limit: Callable[[], str]) -> str:
    return f"{kpi} is not {limit()}"


def _with_figure(condition: Condition, figure: float) -> str:
    return f"{condition.kpi} {condition.shown(figure)}"


def _unmet(
    condition: Condition, figure: float, first: float | None, *, margin: bool
) -> Callable[[], str] | None:
    """The text of the limit that the figure does not meet; None if it meets all."""
    beyond = _first_beyond(condition.comparisons, figure, margin=margin)
    if beyond is not None:
        return partial(_beyond_limit, condition.kpi, beyond, figure, margin=margin)
    if first is None:
        return None
    least, most = condition.share_of_first, condition.most_of_first
    if least is not None and not figure >= least[0] * first:
        return partial(_off_first, condition.kpi, least, first, figure, "less")
    if most is not None and not figure <= most[0] * first:
        return partial(_off_first, condition.kpi, most, first, figure, "more")
    return None


def _first_beyond(
    comparisons: Sequence[Comparison], value: float, *, margin: bool
) -> Comparison | None:
    """The first comparison that the value does not meet."""
    for comparison in comparisons:
        if not (comparison.holds_with_margin if margin else comparison.holds)(value):
            return comparison
    return None


def _beyond_limit(name: str, comparison: Comparison, figure: float, *, margin: bool) -> str:
    beyond = f" by {comparison.margin:g}" if margin and comparison.margin else ""
    return f"{name} {comparison.shown(figure)} is not {comparison}{beyond}"


def _off_first(
    kpi: str, share: tuple[float, int], first: float, figure: float, relation: str
) -> str:
    limit = f"{share[0]:g} of its first {share[1]}, {first:.6g}"
    return f"{kpi} {figure:.6g} is {relation} than {limit}"


def _of_course(condition: Condition, facts: Facts) -> Evaluation:
    """A KPI that rises or falls from each iteration to the next, over the last ones."""
    kpi, steps = condition.kpi, condition.rising or condition.falling
    given = facts.recent[-(steps + 1) :]
    read = [readings[kpi].usable if kpi in readings else None for readings in given]
    values = [value for value in read if value is not None]
    if len(values) <= steps:
        few = partial("{} has no data in each of the last {} iterations".format, kpi, steps + 1)
        return Evaluation(Truth.UNKNOWN, holds=False, describe=few, kpis=(kpi,))
    sign = 1.0 if condition.rising else -1.0
    holds = all(sign * later > sign * earlier for earlier, later in pairwise(values))
    figures = f"{kpi} {' -> '.join(f'{value:.6g}' for value in values)}"
    limit = limit_text(condition, {})
    if holds:
        return Evaluation(
            Truth.HOLDS, holds=True, describe=lambda: limit, kpis=(kpi,), figure=lambda: figures
        )
    why = f"{figures} is not {limit}"
    return Evaluation(Truth.FAILS, holds=False, describe=lambda: why, kpis=(kpi,))


def _of_parameter(condition: ParameterCondition, facts: Facts) -> Evaluation:
    key = condition.key
    value, parameter = facts.values.get(key), facts.parameters.get(key)
    if value is None or parameter is None:
        why = f"{key} has no value"
        return Evaluation(Truth.UNKNOWN, holds=False, describe=lambda: why)
    if condition.among:
        holds = any(parameter.same(value, allowed) for allowed in condition.among)
        is_not = "" if holds else f", not {_among(condition, parameter)}"
        text = f"{key} is {parameter.text(value)}{is_not}"
    else:
        beyond = _first_beyond(condition.comparisons, value, margin=False)
        holds = beyond is None
        limits = " and ".join(map(str, condition.comparisons))
        text = f"{key} {parameter.text(value)} {limits}"
        if beyond is not None:
            text = _beyond_limit(key, beyond, value, margin=False)
    truth = Truth.HOLDS if holds else Truth.FAILS
    return Evaluation(truth, holds=holds, describe=lambda: text)


# -- combined --------------------------------------------------------------------------------------


def _of_options(condition: AnyOf, facts: Facts, *, unknown_first: bool, margin: bool) -> Evaluation:
    options = [
        _evaluated(option, facts, unknown_first=unknown_first, margin=margin)
        for option in condition.options
    ]
    truths = [_all_of(option) for option in options]
    truth = next(
        (word for word in (Truth.HOLDS, Truth.TOO_EARLY, Truth.UNKNOWN) if word in truths),
        Truth.FAILS,
    )
    decisive = options
    if truth in (Truth.HOLDS, Truth.TOO_EARLY):
        decisive = [option for option, word in zip(options, truths, strict=True) if word is truth]
    return Evaluation(
        truth,
        holds=truth is Truth.HOLDS or (unknown_first and truth is Truth.TOO_EARLY),
        describe=partial(_options_text, decisive, truths),
        kpis=_kpis_of(item for option in decisive for item in option),
    )


def _options_text(options: Sequence[Sequence[Evaluation]], truths: Sequence[Truth]) -> str:
    if Truth.HOLDS in truths or Truth.TOO_EARLY in truths:
        return " and ".join(item.sentence for item in options[0])
    return " and ".join(_why_not(option) for option in options)


def _negated(inner: Sequence[Evaluation], *, unknown_first: bool) -> Evaluation:
    opposites = {Truth.HOLDS: Truth.FAILS, Truth.FAILS: Truth.HOLDS}
    of_inner = _all_of(inner)
    truth = opposites.get(of_inner, of_inner)
    return Evaluation(
        truth,
        holds=truth is Truth.HOLDS or (unknown_first and truth is Truth.TOO_EARLY),
        describe=partial(_negation_text, inner, of_inner),
        kpis=_kpis_of(inner),
    )


def _negation_text(inner: Sequence[Evaluation], truth: Truth) -> str:
    if truth is Truth.HOLDS:
        return f"{' and '.join(item.sentence for item in inner)}, which must not be"
    if truth is Truth.TOO_EARLY:
        return "; ".join(item.sentence for item in inner if item.truth is truth)
    return _why_not(inner)


def _all_of(results: Sequence[Evaluation]) -> Truth:
    """Whether all hold: FAILS if one does, else unknown if one is."""
    truths = {item.truth for item in results}
    for truth in (Truth.FAILS, Truth.UNKNOWN, Truth.TOO_EARLY):
        if truth in truths:
            return truth
    return Truth.HOLDS


def _why_not(results: Sequence[Evaluation]) -> str:
    """The text of the first result that keeps all of them from holding."""
    truth = _all_of(results)
    return next(item.sentence for item in results if item.truth is truth)


def _kpis_of(results: Iterable[Evaluation]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(kpi for item in results for kpi in item.kpis))


# -- texts -----------------------------------------------------------------------------------------


def limit_text(condition: Condition, firsts: Firsts) -> str:
    """``> 0.4 and < 0.6``, or ``>= 0.5 of its first 4 (6.2)``."""
    parts = [str(comparison) for comparison in condition.comparisons]
    first = firsts.get((condition.kpi, condition.of_first))
    mean = "not known yet" if first is None else f"{first:.6g}"
    return " and ".join([*parts, *special_limits(condition, f" ({mean})")])


def special_limits(condition: Condition, mean: str = "") -> list[str]:
    """The limits of a KPI that are no comparisons; ``mean`` stands behind those on a first mean."""
    texts = []
    for op, share in ((">=", condition.share_of_first), ("<=", condition.most_of_first)):
        if share is not None:
            texts.append(f"{op} {share[0]:g} of its first {share[1]}{mean}")
    for word, steps in (("rising", condition.rising), ("falling", condition.falling)):
        if steps:
            texts.append(f"{word} for {steps} iteration{'s' * (steps > 1)}")
    return texts


def condition_text(condition: When, parameters: Mapping[str, Parameter]) -> str:
    """A condition in words: ``p95_ms > 400``, ``any of (p95_ms > 400; workers < 40)``."""
    if isinstance(condition, Condition):
        parts = [
            f"{item} by {item.margin:g}" if item.margin else str(item)
            for item in condition.comparisons
        ]
        return f"{condition.kpi} {' and '.join([*parts, *special_limits(condition)])}"
    if isinstance(condition, ParameterCondition):
        if condition.among:
            return f"{condition.key} is {_among(condition, parameters[condition.key])}"
        return f"{condition.key} {' and '.join(map(str, condition.comparisons))}"
    if isinstance(condition, AnyOf):
        options = (_all_text(option, parameters) for option in condition.options)
        return f"any of ({'; '.join(options)})"
    return f"not ({_all_text(condition.conditions, parameters)})"


def _all_text(conditions: Sequence[When], parameters: Mapping[str, Parameter]) -> str:
    return " and ".join(condition_text(item, parameters) for item in conditions)


def _among(condition: ParameterCondition, parameter: Parameter) -> str:
    return " or ".join(map(parameter.text, condition.among))


# -- what conditions need --------------------------------------------------------------------------


def first_means(
    conditions: Iterable[When], iterations: Sequence[Readings]
) -> dict[tuple[str, int], float]:
    """``(KPI, n)`` to its mean over the first n iterations, for every condition on such a mean.

    ``iterations`` begins with the first of the lane. A mean is known after n iterations. Iterations
    without data are left out; if none of the n has data, the mean is not known.
    """
    means = {}
    for condition, _ in leaves(conditions):
        kpi, count = condition.kpi, condition.of_first
        if count and len(iterations) >= count:
            figure = figure_of(readings.get(kpi) for readings in iterations[:count])
            if figure is not None:
                means[kpi, count] = figure
    return means


def first_count(profile: Profile) -> int:
    """How many of a lane's first iterations the conditions of its profile refer to; 0 for none."""
    counts = (condition.of_first for condition, _ in leaves(_conditions_of(profile)))
    return max(counts, default=0)


def recent_count(profile: Profile) -> int:
    """How many iterations before the present one its conditions on a course need; 0 for none."""
    steps = (max(item.rising, item.falling) for item, _ in leaves(_conditions_of(profile)))
    return max(steps, default=0)


def _conditions_of(profile: Profile) -> list[When]:
    limits, freeze = profile.verdict, profile.guards.freeze
    conditions = [*limits.fail, *limits.warn, *(freeze.stable if freeze is not None else ())]
    return conditions + [condition for rule in profile.rules for condition in rule.when]
