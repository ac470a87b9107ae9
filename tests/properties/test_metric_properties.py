"""Increases of counters, over pieces between restarts that a test draws."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_soak.live.exposition import Exposition, Labels
from pytest_soak.live.increases import Increases, increase_of
from pytest_soak.loop.kpis import START_TIME
from pytest_soak.profile.kpi import Metric

quick = settings(max_examples=300, derandomize=True, deadline=None)
ALL = Metric("n_total", take="increase")
BUY: Labels = (("side", "buy"),)
SELL: Labels = (("side", "sell"),)

steps = st.lists(st.integers(0, 10**6), min_size=1, max_size=8)
"""What a counter counts between two scrapes."""
lives = st.lists(steps, min_size=1, max_size=5)
"""Of each life of the process."""


def scrape(values: dict[Labels, float], started: float | None = None) -> Exposition:
    samples: dict[str, dict[Labels, float]] = {"n_total": values}
    if started is not None:
        samples[START_TIME] = {(): started}
    return Exposition(samples)


def total(scrapes: list[Exposition]) -> tuple[float, Increases]:
    increases = Increases(["n_total"])
    for exposition in scrapes:
        increases.add(exposition)
    return increase_of(ALL, scrapes[-1], increases), increases


@quick
@given(lives, st.integers(0, 10**9))
def test_with_start_times_no_increment_is_lost(pieces: list[list[int]], base: int) -> None:
    """Every scrape is taken right after an increment, so none is between a scrape and a restart."""
    scrapes, expected, value = [scrape({(): base}, 0.0)], 0, base
    for life, counts in enumerate(pieces):
        value = value if life == 0 else 0
        for count in counts:
            value, expected = value + count, expected + count
            scrapes.append(scrape({(): value}, 100.0 * life))
    increase, increases = total(scrapes)
    assert increase == expected
    assert increases.resets[START_TIME] == len(pieces) - 1
    assert increases.resets["n_total"] == 0


@quick
@given(lives, st.integers(0, 10**9))
def test_without_start_times_a_fall_to_zero_shows_the_restart(
    pieces: list[list[int]], base: int
) -> None:
    scrapes, expected, value, falls = [scrape({(): base})], 0, base, 0
    for life, counts in enumerate(pieces):
        if life:
            falls += value > 0
            value = 0
            scrapes.append(scrape({(): 0}))
        for count in counts:
            value, expected = value + count, expected + count
            scrapes.append(scrape({(): value}))
    increase, increases = total(scrapes)
    assert increase == expected
    assert increases.resets["n_total"] == falls


@quick
@given(steps, steps, st.booleans())
def test_series_are_added(buys: list[int], sells: list[int], both: bool) -> None:
    """A series that is born within the span begins at 0."""
    values: dict[Labels, float] = {BUY: 7, **({SELL: 3} if both else {})}
    scrapes = [scrape(dict(values))]
    for buy, sell in zip(buys, sells, strict=False):
        values = {BUY: values[BUY] + buy, SELL: values.get(SELL, 0) + sell}
        scrapes.append(scrape(dict(values)))
    counted = min(len(buys), len(sells))
    assert total(scrapes)[0] == sum(buys[:counted]) + sum(sells[:counted])
