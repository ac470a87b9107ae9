"""Profiles of one run against one another: pairs, intervals, words."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from pytest_soak.gate.judge import LaneJudgement, judge_lane
from pytest_soak.protocol import Swept
from pytest_soak.report.comparison import (
    Contrast,
    comparison_lines,
    comparison_sentences,
    comparisons,
)
from tests.unit.gate.histories import make_history, steady


def judged(
    profile: str, seed: int, *, shift: float = 0.0, own: float = 0.05, n: int = 24
) -> LaneJudgement:
    """A lane whose net_bps has noise of its seed, and ``own`` of this profile alone."""
    shared, mine = random.Random(seed), random.Random(f"{profile} {seed}")
    level = 3.4 + shared.gauss(0.0, 0.3) + shift + mine.gauss(0.0, own / 5)
    net = [level + shared.gauss(0.0, 0.3) + mine.gauss(0.0, own) for _ in range(n)]
    history = make_history(n, kpis={"net_bps": net}, lane_id=f"{profile}-BTCUSDT-{seed}")
    history = replace(
        history,
        lane=replace(history.lane, seed=seed, profile=profile),
        profile=replace(steady(), name=profile),
    )
    return judge_lane(history)


def net_of(lanes: list[LaneJudgement]) -> Contrast:
    (item,) = comparisons(lanes)
    return next(contrast for contrast in item.contrasts if contrast.kpi == "net_bps")


def test_pairs_show_a_difference_that_the_lanes_alone_do_not() -> None:
    seeds = range(1, 7)
    old = [judged("a", seed) for seed in seeds]
    paired = net_of([*old, *(judged("b", seed, shift=0.1) for seed in seeds)])
    assert (paired.pairs, paired.word) == (6, "better")
    assert 0.0 < (paired.low or 0.0) < (paired.high or 0.0) < 0.2
    assert (paired.correlation or 0.0) > 0.9
    other = net_of([*old, *(judged("b", seed + 10, shift=0.1) for seed in seeds)])
    assert (other.pairs, other.word) == (0, "no difference shown")
    assert other.correlation is None


@pytest.mark.parametrize(("n", "word"), [(48, "worse"), (20, "too few data")])
def test_one_pair_is_compared_by_its_iterations(n: int, word: str) -> None:
    contrast = net_of([judged("a", 1, n=n), judged("b", 1, shift=-0.2, n=n)])
    assert (contrast.pairs, contrast.word) == (1, word)
    if n >= 24:
        assert -0.3 < (contrast.low or 0.0) < (contrast.high or 0.0) < -0.1


def test_lanes_that_do_not_move_together_are_no_pairs() -> None:
    seeds = range(1, 7)
    lanes = [judged("a", seed, own=3.0) for seed in seeds]
    lanes += [judged("b", seed, own=3.0) for seed in seeds]
    contrast = net_of(lanes)
    assert contrast.correlation is not None
    assert contrast.correlation < 0.2
    assert contrast.pairs == 0
    assert "6 and 6 lanes, not paired, correlation " in "\n".join(comparison_lines(lanes))


def test_equal_profiles_seldom_differ() -> None:
    """The interval of the paired difference of six seeds covers 0 in about 95 %."""
    words = [
        net_of(
            [judged(profile, seed, n=8) for profile in ("a", "b") for seed in range(k, k + 6)]
        ).word
        for k in range(1, 601, 6)
    ]
    assert words.count("no difference shown") >= 88


def test_the_sentence_says_what_is_better_by_how_much() -> None:
    seeds = range(1, 7)
    lanes = [judged("a", seed) for seed in seeds]
    lanes += [judged("b", seed, shift=0.5) for seed in seeds]
    (sentence,) = comparison_sentences(lanes)
    assert sentence.startswith("b against a: b is better at net_bps by 0.5")
    assert "; no difference shown at maker_taker_ratio, risk_ratio" in sentence
    text = "\n".join(comparison_lines(lanes))
    assert "| better | 6 pairs, correlation 0." in text
    assert "one interval excludes 0 by chance" in text


def test_nothing_to_compare() -> None:
    assert comparisons([judged("a", 1), judged("a", 2)]) == []
    assert comparison_lines([judged("a", 1)]) == []
    history = make_history(24)
    point = replace(history.lane, sweep=(Swept("tail_age_ms", 500.0, 600.0),))
    sweep = judge_lane(replace(history, lane=point))
    assert comparisons([sweep, judged("b", 1)]) == []


def test_many_profiles_are_compared_up_to_six_pairs() -> None:
    lanes = [judged(name, 1) for name in "abcdefgh"]
    assert len(comparisons(lanes)) == 6
