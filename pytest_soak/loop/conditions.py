"""Conditions on KPIs: the only place where the conditions of a profile are evaluated.

The verdict of an iteration, the freeze, the evidence of rules, ``proposes_when_needed`` and
``explain`` all use :func:`evaluate`, so their results cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from msgspec import Struct

from pytest_soak.loop.model import Readings
from pytest_soak.loop.pooling import figure_of
from pytest_soak.profile.model import Comparison, Condition, Profile


class Evaluation(Struct, frozen=True):
    """The result of one condition for one figure."""

    holds: bool
    describe: Callable[[], str]
    """Makes the text, which few evaluations need."""
    used: bool = True
    """False if the figure was not used, because the first mean is not known yet."""

    @property
    def text(self) -> str:
        """The limit if it holds (``> 0.5``); else why not (``risk_ratio 0.3 is not > 0.5``)."""
        return self.describe()


def evaluate(
    condition: Condition,
    figure: float | None,
    *,
    firsts: Mapping[str, float],
    unknown_first: bool,
    margin: bool = False,
) -> Evaluation:
    """Whether ``condition`` holds for the ``figure`` of its KPI; without a figure it never does.

    ``firsts`` has the means of the first iterations, as :func:`first_means` returns them.
    ``unknown_first`` is whether a condition with ``share_of_first`` holds if its mean is not known
    (yet). ``margin``: the figure must be beyond each limit by the margin that the profile sets for
    evidence.
    """
    kpi, share = condition.kpi, condition.share_of_first
    first = firsts.get(kpi)
    if share is not None and first is None:
        if not unknown_first:
            why = partial("{} is not {}".format, kpi, limit_text(condition, firsts))
            return Evaluation(holds=False, describe=why, used=False)
        if not condition.comparisons:
            return Evaluation(
                holds=True, describe=partial(limit_text, condition, firsts), used=False
            )
    if figure is None:
        return Evaluation(holds=False, describe=partial("{} has no data".format, kpi))
    for comparison in condition.comparisons:
        if not (comparison.holds_with_margin if margin else comparison.holds)(figure):
            describe = partial(_beyond_limit, kpi, comparison, figure, margin=margin)
            return Evaluation(holds=False, describe=describe)
    if share is not None and first is not None and not figure >= share[0] * first:
        describe = partial(_below_first, kpi, share, first, figure)
        return Evaluation(holds=False, describe=describe)
    return Evaluation(holds=True, describe=partial(limit_text, condition, firsts))


def _beyond_limit(kpi: str, comparison: Comparison, figure: float, *, margin: bool) -> str:
    beyond = f" by {comparison.margin:g}" if margin and comparison.margin else ""
    return f"{kpi} {comparison.shown(figure)} is not {comparison}{beyond}"


def _below_first(kpi: str, share: tuple[float, int], first: float, figure: float) -> str:
    least = f"{share[0]:g} of its first {share[1]}, {first:.6g}"
    return f"{kpi} {figure:.6g} is less than {least}"


def limit_text(condition: Condition, firsts: Mapping[str, float]) -> str:
    """``> 0.4 and < 0.6``, or ``>= 0.5 of its first 4 (6.2)``."""
    parts = [str(comparison) for comparison in condition.comparisons]
    if condition.share_of_first is not None:
        share, count = condition.share_of_first
        first = firsts.get(condition.kpi)
        mean = "not known yet" if first is None else f"{first:.6g}"
        parts.append(f">= {share:g} of its first {count} ({mean})")
    return " and ".join(parts)


def first_means(
    conditions: Iterable[Condition], iterations: Sequence[Readings]
) -> dict[str, float]:
    """KPI to its mean over the first n iterations, for every condition with ``share_of_first``.

    ``iterations`` begins with the first of the lane. A mean is known after n iterations. Iterations
    without data are left out; if none of the n has data, the mean is not known.
    """
    means = {}
    for condition in conditions:
        if condition.share_of_first is None:
            continue
        count = condition.share_of_first[1]
        if len(iterations) >= count:
            figure = figure_of(readings.get(condition.kpi) for readings in iterations[:count])
            if figure is not None:
                means[condition.kpi] = figure
    return means


def first_count(profile: Profile) -> int:
    """How many of a lane's first iterations the conditions of its profile refer to; 0 for none."""
    limits, freeze = profile.verdict, profile.guards.freeze
    conditions = [*limits.fail, *limits.warn, *(freeze.stable if freeze is not None else ())]
    conditions += [condition for rule in profile.rules for condition in rule.when]
    counts = [item.share_of_first[1] for item in conditions if item.share_of_first is not None]
    return max(counts, default=0)
