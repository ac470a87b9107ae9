"""Which profile of one run is better at what, and by how much, with an interval of 95 %.

Lanes with the same symbol and seed are a pair: the same noise acts on both, so their difference is
far more certain than either. From five pairs on the interval is that of the differences of the
lanes' figures (Student's t). With fewer pairs it is that of the differences of single iterations,
averaged over the pairs, with their autocorrelation: of the window, and of 24 iterations at least.
Where the two lanes do not move together (a correlation below .2) pairs are worth nothing: then the
lanes of either profile are two independent samples (Welch 1947). docs/artifacts.md has the rules.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from pytest_soak.gate.figures import figure, with_unit
from pytest_soak.gate.judge import LaneJudgement
from pytest_soak.report.layout import difference
from pytest_soak.report.markdown import cell
from pytest_soak.statistics import (
    ar1_coefficient,
    effective_size,
    standard_deviation,
    student_t_quantile,
)

CONFIDENCE = 0.975
"""Of each side: the interval is a two-sided one of 95 %."""
_FEWEST_RUNS = 5
_FEWEST_ITERATIONS = 24
_LEAST_CORRELATION = 0.2
_MOST_PAIRS = 6
"""Pairs of profiles that are compared; a run with four profiles has six."""

Word = Literal["better", "worse", "no difference shown", "higher", "lower", "too few data"]


@dataclass(frozen=True, slots=True)
class Contrast:
    """One KPI of profile ``new`` against profile ``old``."""

    kpi: str
    unit: str
    old: float
    new: float
    low: float | None
    high: float | None
    """The interval of new - old; None with too few data."""
    correlation: float | None
    iterations: int
    """Of how many iterations the difference is the mean; 0 if it is that of the lanes' figures."""
    pairs: int
    """0: the lanes were compared as two independent samples."""
    word: Word


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two profiles of one run."""

    old: str
    new: str
    lanes: tuple[int, int]
    contrasts: tuple[Contrast, ...]


def comparisons(lanes: Sequence[LaneJudgement]) -> list[Comparison]:
    """Every pair of profiles of a run, at most six pairs; none for a sweep and for one profile."""
    groups: dict[str, list[LaneJudgement]] = {}
    for lane in lanes:
        if lane.window.history.lane.sweep:
            return []
        groups.setdefault(lane.window.history.profile.name, []).append(lane)
    return [
        _comparison(old, groups[old], new, groups[new])
        for old, new in list(combinations(groups, 2))[:_MOST_PAIRS]
    ]


def _comparison(
    old: str, olds: Sequence[LaneJudgement], new: str, news: Sequence[LaneJudgement]
) -> Comparison:
    theirs = {_place(lane): lane for lane in olds}
    pairs = [(theirs[_place(lane)], lane) for lane in news if _place(lane) in theirs]
    kpis = _compared_kpis(news[0])
    contrasts = (_contrast(kpi, olds, news, pairs) for kpi in kpis)
    return Comparison(
        old, new, (len(olds), len(news)), tuple(item for item in contrasts if item is not None)
    )


def _place(lane: LaneJudgement) -> tuple[str, int]:
    return lane.window.history.lane.symbol, lane.window.history.lane.seed


def _compared_kpis(lane: LaneJudgement) -> list[str]:
    limits = lane.window.limits
    kpis = [criterion.kpi for criterion in limits.criteria]
    return list(dict.fromkeys([*kpis, *([limits.throughput] if limits.throughput else [])]))


def _contrast(
    kpi: str,
    olds: Sequence[LaneJudgement],
    news: Sequence[LaneJudgement],
    pairs: Sequence[tuple[LaneJudgement, LaneJudgement]],
) -> Contrast | None:
    before, after = _figures(olds, kpi), _figures(news, kpi)
    declared = news[0].window.history.profile.kpis.get(kpi)
    if not before or not after or declared is None:
        return None
    correlation = _correlation(pairs, kpi)
    paired = correlation is not None and correlation >= _LEAST_CORRELATION
    old, new, iterations = _mean(before), _mean(after), 0
    ends = _interval_of_lanes(pairs, kpi) if paired else _welch(before, after)
    if paired and len(pairs) < _FEWEST_RUNS:
        numbers = _shared_iterations(pairs, kpi)
        ends = _interval_of_iterations(_changes(pairs, kpi, numbers))
        if ends is not None:
            # The figures are those of the same iterations, so that they agree with the difference.
            sides = list(zip(*pairs, strict=True))
            old, new = (_mean_of_iterations(side, kpi, numbers) for side in sides)
            iterations = len(numbers)
    low, high = (None, None) if ends is None else ends
    return Contrast(
        kpi=kpi,
        unit=with_unit(declared.unit),
        old=old,
        new=new,
        low=low,
        high=high,
        correlation=correlation,
        iterations=iterations,
        pairs=len(pairs) if paired else 0,
        word=_word(low, high, declared.better),
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _figures(lanes: Sequence[LaneJudgement], kpi: str) -> list[float]:
    """The figure of each lane over the window of the gate."""
    return [value for lane in lanes if (value := lane.means.get(kpi)) is not None]


def _word(low: float | None, high: float | None, better: str) -> Word:
    if low is None or high is None:
        return "too few data"
    if low <= 0.0 <= high:
        return "no difference shown"
    if better == "none":
        return "higher" if low > 0.0 else "lower"
    return "better" if (low > 0.0) == (better == "up") else "worse"


# -- intervals -----------------------------------------------------------------------------------


def _interval_of_lanes(
    pairs: Sequence[tuple[LaneJudgement, LaneJudgement]], kpi: str
) -> tuple[float, float] | None:
    """Of new - old, from the differences of the lanes' figures."""
    changes = [
        after - before
        for old, new in pairs
        if (before := old.means.get(kpi)) is not None and (after := new.means.get(kpi)) is not None
    ]
    n = len(changes)
    if n < 2:
        return None
    mean = _mean(changes)
    reach = student_t_quantile(CONFIDENCE, n - 1.0) * standard_deviation(changes) / n**0.5
    return mean - reach, mean + reach


def _shared_iterations(
    pairs: Sequence[tuple[LaneJudgement, LaneJudgement]], kpi: str
) -> tuple[int, ...]:
    """The last iterations that all lanes have data of: as many as the window, at least 24."""
    numbers = set.intersection(
        *({number for number, _, _ in _both(old, new, kpi)} for old, new in pairs)
    )
    length = max(_FEWEST_ITERATIONS, *(len(new.window.long) for _, new in pairs))
    return tuple(sorted(numbers)[-length:])


def _changes(
    pairs: Sequence[tuple[LaneJudgement, LaneJudgement]], kpi: str, numbers: Sequence[int]
) -> list[float | None]:
    """new - old, the mean over the pairs, for each iteration from the first to the last number."""
    changes = [
        {number: after - before for number, before, after in _both(old, new, kpi)}
        for old, new in pairs
    ]
    shared = set(numbers)
    return [
        _mean([given[number] for given in changes]) if number in shared else None
        for number in range(min(shared, default=1), max(shared, default=0) + 1)
    ]


def _mean_of_iterations(lanes: Sequence[LaneJudgement], kpi: str, numbers: Sequence[int]) -> float:
    shared = set(numbers)
    series = [lane.window.judged_series(kpi) for lane in lanes]
    return _mean(
        [
            value
            for item in series
            for number, value in zip(item.numbers, item.values, strict=True)
            if value is not None and number in shared
        ]
    )


def _interval_of_iterations(changes: Sequence[float | None]) -> tuple[float, float] | None:
    """``d ± t(n_eff - 1) · s / √n_eff``, with s corrected for the autocorrelation."""
    values = [value for value in changes if value is not None]
    n = len(values)
    if n < _FEWEST_ITERATIONS:
        return None
    n_eff = effective_size(n, ar1_coefficient(changes))
    if n_eff <= 1.0:
        return None
    mean = math.fsum(values) / n
    variance = standard_deviation(values) ** 2 * (n - 1) / (n * (1.0 - 1.0 / n_eff))
    reach = student_t_quantile(CONFIDENCE, n_eff - 1.0) * math.sqrt(variance / n_eff)
    return mean - reach, mean + reach


def _welch(before: Sequence[float], after: Sequence[float]) -> tuple[float, float] | None:
    """Of the means of two independent samples; the degrees of freedom are Satterthwaite's."""
    if min(len(before), len(after)) < 2:
        return None
    errors = [standard_deviation(values) ** 2 / len(values) for values in (before, after)]
    change = math.fsum(after) / len(after) - math.fsum(before) / len(before)
    total = sum(errors)
    if total == 0.0:
        return change, change
    rest = sum(
        error**2 / (len(values) - 1) for error, values in zip(errors, (before, after), strict=True)
    )
    reach = student_t_quantile(CONFIDENCE, total**2 / rest) * math.sqrt(total)
    return change - reach, change + reach


def _both(old: LaneJudgement, new: LaneJudgement, kpi: str) -> list[tuple[int, float, float]]:
    """The iterations that both lanes have data of, with both values."""
    first, second = (lane.window.judged_series(kpi) for lane in (old, new))
    theirs: Mapping[int, float | None] = dict(zip(first.numbers, first.values, strict=True))
    return [
        (number, before, after)
        for number, after in zip(second.numbers, second.values, strict=True)
        if after is not None and (before := theirs.get(number)) is not None
    ]


def _correlation(pairs: Sequence[tuple[LaneJudgement, LaneJudgement]], kpi: str) -> float | None:
    """Of single iterations of both lanes, around each lane's mean; None without any spread."""
    xs: list[float] = []
    ys: list[float] = []
    for old, new in pairs:
        both = _both(old, new, kpi)
        if both:
            mean_x = math.fsum(before for _, before, _ in both) / len(both)
            mean_y = math.fsum(after for _, _, after in both) / len(both)
            xs += [before - mean_x for _, before, _ in both]
            ys += [after - mean_y for _, _, after in both]
    scale = max((abs(value) for value in (*xs, *ys)), default=0.0)
    if scale == 0.0:
        return None
    xs, ys = [x / scale for x in xs], [y / scale for y in ys]
    spread = math.fsum(x * x for x in xs) * math.fsum(y * y for y in ys)
    return math.fsum(x * y for x, y in zip(xs, ys, strict=True)) / spread**0.5 if spread else None


# -- text ----------------------------------------------------------------------------------------


def comparison_sentences(lanes: Sequence[LaneJudgement]) -> list[str]:
    """A sentence for each pair of profiles; empty for one profile."""
    return [f"{item.new} against {item.old}: {sentence(item)}" for item in comparisons(lanes)]


def comparison_lines(lanes: Sequence[LaneJudgement]) -> list[str]:
    """Markdown: a sentence and a table for each pair of profiles; empty for one profile."""
    lines: list[str] = []
    for item in comparisons(lanes):
        lines += _table(item)
    if lines:
        lines += [
            "Figures are means over the lanes' windows, or over the iterations that are named. "
            "Differences are new minus old with an interval of 95 %. With 20 comparisons of equal "
            "profiles, one interval excludes 0 by chance.",
            "",
        ]
    return lines


def _table(item: Comparison) -> list[str]:
    rows = [
        f"| {cell(contrast.kpi)} | {_shown(contrast.old, contrast)} "
        f"| {_shown(contrast.new, contrast)} | {_interval(contrast)} | {contrast.word} "
        f"| {_basis(contrast, item)} |"
        for contrast in item.contrasts
    ]
    old, new = cell(item.old), cell(item.new)
    return [
        f"**{new} against {old}**: {cell(sentence(item))}.",
        "",
        f"| KPI | {old} | {new} | difference (95 %) | {new} is | based on |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def sentence(item: Comparison) -> str:
    """``S1 is better at net_bps by 0.28 bps (0.27 to 0.29), worse at fills_per_hour by …``."""
    parts = []
    for word in ("better", "worse", "higher", "lower"):
        texts = [
            f"{contrast.kpi} by {_size(contrast)}"
            for contrast in item.contrasts
            if contrast.word == word
        ]
        if texts:
            parts.append(f"{word} at {', '.join(texts)}")
    same = [contrast.kpi for contrast in item.contrasts if contrast.word == "no difference shown"]
    few = [contrast.kpi for contrast in item.contrasts if contrast.word == "too few data"]
    text = f"{item.new} is {'; '.join(parts)}" if parts else ""
    for names, what in ((same, "no difference shown at"), (few, "too few data for")):
        if names:
            text += f"{'; ' if text else ''}{what} {', '.join(names)}"
    return text or "nothing to compare"


def _size(contrast: Contrast) -> str:
    low, high = sorted((abs(contrast.low or 0.0), abs(contrast.high or 0.0)))
    return f"{_change(contrast).lstrip('+-')} ({difference(low)[1:]} to {difference(high)[1:]})"


def _change(contrast: Contrast) -> str:
    middle = contrast.new - contrast.old
    if contrast.low is not None and contrast.high is not None:
        middle = (contrast.low + contrast.high) / 2.0
    return difference(middle + 0.0) + contrast.unit


def _interval(contrast: Contrast) -> str:
    if contrast.low is None or contrast.high is None:
        return f"{_change(contrast)}, no interval"
    ends = f"{difference(contrast.low + 0.0)} to {difference(contrast.high + 0.0)}"
    return f"{_change(contrast)} ({ends})"


def _shown(value: float, contrast: Contrast) -> str:
    return cell(figure(value) + contrast.unit)


def _basis(contrast: Contrast, item: Comparison) -> str:
    correlation = (
        "" if contrast.correlation is None else f", correlation {contrast.correlation:.2f}"
    )
    if contrast.pairs:
        over = f", {contrast.iterations} iterations" if contrast.iterations else ""
        return f"{contrast.pairs} pair{'s' * (contrast.pairs > 1)}{over}{correlation}"
    return f"{item.lanes[0]} and {item.lanes[1]} lanes, not paired{correlation}"
