"""One step of a rule, and the headroom, of whole numbers, choices, steps and ratios."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pytest_soak.loop.headroom import headroom_of
from pytest_soak.loop.moves import step
from pytest_soak.profile.model import Move
from tests.unit.loop.lanes import Drive, proposing
from tests.unit.profile.typed import typed

PROFILE = typed()
TABLE = PROFILE.parameters


def move(key: str, kind: Any, amount: float, **limits: Any) -> Move:
    fields = {"min_factor": None, "max_factor": None, "max_floor": None, "snap": 0.0}
    return Move(key=key, kind=kind, amount=amount, **{**fields, "not_past_start": False, **limits})


@pytest.mark.parametrize(
    ("of", "value", "after"),
    [
        (move("workers", "add", 1), 4.0, 5.0),
        (move("workers", "add", 1.6), 4.0, 6.0),
        (move("workers", "mul", 1.1), 4.0, 5.0),  # at least one step
        (move("workers", "mul", 0.9), 4.0, 3.0),
        (move("workers", "mul", 1.5), 10.0, 15.0),
        (move("workers", "mul", 2, max_factor=1.25), 10.0, 12.0),  # 12.5 is not passed
        (move("workers", "mul", 0.5, min_factor=0.75), 10.0, 8.0),
        (move("workers", "toward_start", 0.1), 10.0, 9.0),
        (move("workers", "toward_start", 0.1), 4.0, 4.0),
        (move("workers", "add", -3, not_past_start=True), 6.0, 4.0),
        (move("timeout_s", "add", 0.3), 1.5, 1.75),
        (move("timeout_s", "add", -0.05), 1.5, 1.25),
        (move("jit", "add", -1), 1.0, 0.0),
        (move("sync", "add", 1), 1.0, 2.0),
        (move("sync", "toward_start", 1.0), 2.0, 1.0),
        (move("port", "add", 1), 5432.0, 5432.0),
        (move("rate", "mul", 1.5), 10.0, 15.0),
        (move("rate", "toward_start", 0.5), 1000.0, 100.0),  # half of the way as a ratio
        (move("rate", "toward_start", 0.5), 0.1, 1.0),
        (move("rate", "toward_start", 0.1, snap=0.1), 20.0, 10.0),  # a factor of 2 of 10,000
        (move("rate", "toward_start", 0.5, snap=0.01), 20.0, 10 * math.sqrt(2)),
        (move("work_mem_kb", "mul", 1.5), 65.0, 98.0),
        (move("share", "add", 1 / 3), 0.5, 0.833333333333),
    ],
)
def test_a_step(of: Move, value: float, after: float) -> None:
    delta = step(of, TABLE[of.key], value)
    assert value + delta == pytest.approx(after, rel=1e-11)


def test_the_headroom_ends_at_values_that_are_allowed() -> None:
    headroom = headroom_of(Drive(PROFILE, iterations=9).state)
    ends = {key: (item.down, item.up) for key, item in headroom.items()}
    assert ends["workers"] == (-2.0, 8.0)  # 16 threads need 2
    assert ends["threads"] == (-12.0, 16.0)  # 8 times 4 workers
    assert ends["timeout_s"] == (-1.0, 4.0)
    assert ends["jit"] == (-1.0, 0.0)
    assert ends["sync"] == (-1.0, 1.0)
    assert ends["port"] == (0.0, 0.0)
    assert ends["work_mem_kb"] == (-2048.0, 4096.0)  # a factor of 2 in one iteration
    assert ends["rate"] == pytest.approx((-7.5, 30.0))
    assert ends["share"] == pytest.approx((-0.2, 0.2))
    assert ends["low_mark"] == pytest.approx((-0.2, 0.2))
    reasons = {key: (item.reason_down, item.reason_up) for key, item in headroom.items()}
    assert reasons["workers"] == ("bounds", "velocity")
    assert reasons["rate"] == ("velocity", "velocity")


def test_a_cap_of_a_ratio_is_used_up_by_ratios() -> None:
    drive = Drive(PROFILE, iterations=9)
    drive.step({"totals": {"p95_ms": 100.0}}, proposing("", rate=10))
    left = headroom_of(drive.state)["rate"]
    assert drive.state.values["rate"] == 20.0
    assert (left.down, left.up) == pytest.approx((-10.0, 20.0))  # a factor of 2 is left
    drive.step({"totals": {"p95_ms": 100.0}}, proposing("", rate=-10))
    left = headroom_of(drive.state)["rate"]
    assert (left.down, left.up) == pytest.approx((0.0, 0.0), abs=1e-9)


def test_no_headroom_or_move_is_an_error_with_huge_caps() -> None:
    fields = {"start": 1, "min": 0.5, "max": 8, "scale": "log", "cap_per_hour": 1e300}
    guards = {"hold_last": 0, "velocity_window_s": 3600, "clip_ratio": 0.5, "caps_scale": 10.0}
    profile = typed({"x": fields}, guards=guards)
    (item,) = headroom_of(Drive(profile, iterations=9).state).values()
    assert (item.down, item.up) == (-0.5, 7.0)


def test_two_moves_of_one_decision_do_not_break_a_limit_together() -> None:
    drive = Drive(PROFILE, iterations=9)
    report = {"totals": {"p95_ms": 100.0}}
    decision = drive.step(report, proposing("", threads=12, workers=-1))
    outcomes = {item.key: (item.outcome, item.reason) for item in decision.outcomes}
    # Each alone is within the limit of 8 threads for a worker; threads are guarded first.
    assert outcomes == {"threads": ("APPLIED", ""), "workers": ("SKIPPED", "bounds")}
    assert (decision.values["threads"], decision.values["workers"]) == (28.0, 4.0)
