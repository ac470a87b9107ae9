"""The ETA of a run, and times as people read them."""

from __future__ import annotations

import math

import pytest

from pytest_soak.report.eta import duration_text, eta_s


@pytest.mark.parametrize(
    ("done", "planned", "durations", "seconds"),
    [
        (0, 24, [], None),
        (24, 24, [], 0.0),
        (30, 24, [1.0], 0.0),
        (1, 24, [10.0], 230.0),  # only the first: it is all there is
        (2, 24, [100.0, 10.0], 220.0),  # the first has the start of the target in it
        (7, 9, [100.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0], 4.0),  # the last five
        (3, 5, [5.0, math.nan, 7.0], 14.0),
        (3, 5, [math.inf, -1.0], None),
    ],
)
def test_what_is_left_takes_as_long_as_the_last_iterations(
    done: int, planned: int, durations: list[float], seconds: float | None
) -> None:
    assert eta_s(done, planned, durations) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (0.4, "0 s"),
        (35, "35 s"),
        (59.6, "1 min"),
        (125, "2 min 5 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h"),
        (4320, "1 h 12 min"),
        (86_399, "1 d"),
        (273_600, "3 d 4 h"),
        (86_400 * 10, "10 d"),
        (math.inf, "unknown"),
        (math.nan, "unknown"),
    ],
)
def test_a_time_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
