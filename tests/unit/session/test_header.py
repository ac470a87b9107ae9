"""The planned end in the header: of runs that wait, by the lanes that are left."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pytest_soak.session.terminal import end_lines
from tests.unit.session.plans import plan_of

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lanes", "done", "workers", "line"),
    [
        ("a", 0, 1, "planned end 2026-03-01 14:00 UTC, in 2 h"),
        ("a", 6, 1, "planned end 2026-03-01 13:30 UTC, in 1 h 30 min"),
        ("a", 24, 1, "planned end 2026-03-01 12:00 UTC, in 0 s"),
        ("abc", 0, 1, "planned end 2026-03-01 18:00 UTC, in 6 h"),
        ("abc", 0, 2, "planned end 2026-03-01 15:00 UTC, in 3 h"),
        ("abc", 0, 8, "planned end 2026-03-01 14:00 UTC, in 2 h"),
    ],
)
def test_the_planned_end(lanes: str, done: int, workers: int, line: str) -> None:
    plan = plan_of(24, *lanes, done=done, target="live")
    assert end_lines(plan, NOON, workers) == [line]


def test_a_run_that_does_not_wait_has_none() -> None:
    assert end_lines(plan_of(24), NOON, 1) == []
    assert end_lines(plan_of(24, target="live", interval_s=0.5), NOON, 1) == []
    assert end_lines(plan_of(24, target="live"), None, 1) == []
    assert end_lines(plan_of(24, target="live", interval_s=1e15), NOON, 1) == []
