"""When a lane has lost too many iterations."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from pytest_soak.live.faults import HALTS, LOSES, Fault, Limits, LiveHalt, too_many
from pytest_soak.processes.errors import Kind

LIMITS = Limits(in_a_row=3, ratio=0.05, planned=100)


def test_three_in_a_row_halt() -> None:
    lost = {4: "stale", 5: "hung", 6: "stale"}
    assert too_many(lost, 6, LIMITS) == "3 iterations in a row had no data: stale, hung, stale"
    assert too_many(lost, 7, LIMITS) == ""
    assert too_many({4: "stale", 6: "stale"}, 6, LIMITS) == ""


def test_more_than_the_ratio_of_the_plan_halts() -> None:
    lost = dict.fromkeys((2, 20, 40, 60, 80), "stale")
    assert too_many(lost, 80, LIMITS) == ""
    text = too_many({**lost, 99: "dead (bot)"}, 99, LIMITS)
    assert text == (
        "6 of 100 planned iterations had no data (dead (bot) 1, stale 5); at most 5 may"
    )


def test_a_short_run_may_lose_as_many_as_in_a_row() -> None:
    limits = Limits(in_a_row=3, ratio=0.05, planned=10)
    assert too_many({1: "stale", 4: "stale", 7: "stale"}, 7, limits) == ""
    assert too_many({1: "a", 4: "a", 7: "a", 9: "a"}, 9, limits).startswith("4 of 10 planned")


@given(st.sets(st.integers(1, 60)), st.integers(1, 60), st.integers(1, 5))
def test_the_streak_is_the_one_that_ends_with_the_newest(
    lost: set[int], newest: int, in_a_row: int
) -> None:
    limits = Limits(in_a_row=in_a_row, ratio=1.0, planned=60)
    ends = all(newest - back in lost for back in range(in_a_row))
    text = too_many(dict.fromkeys(lost, "stale"), newest, limits)
    assert bool(text) == ends


def test_the_process_of_a_fault_is_part_of_its_name() -> None:
    assert Fault("dead", "x", "bot").label == "dead (bot)"
    assert Fault("stale", "x").label == "stale"


def test_what_differs_from_run_to_run_is_a_note() -> None:
    halt = LiveHalt("not_ready", "the process was not ready", ["process 123", "log bot | x"])
    assert str(halt) == "not_ready: the process was not ready"
    assert halt.__notes__ == ["process 123", "log bot | x"]


def test_every_fault_has_a_sentence() -> None:
    for table in (LOSES, HALTS):
        assert all(text and not text.endswith(".") for text in table.values())


def test_whatever_happens_to_a_process_halts_under_its_own_name() -> None:
    assert set(get_args(Kind)) <= set(HALTS)
