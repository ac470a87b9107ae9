"""Which report is of which delivery."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_soak.live.belonging import Belonging, Expected, channel_after, judge
from pytest_soak.live.faults import LiveHalt
from pytest_soak.live.state import Channel

EXPECTED = Expected(seq=7, run_id="r1", delivered_at=100.0, longest_s=32.0)


def belonging(
    report: dict[str, Any],
    *,
    seen_at: float = 101.0,
    before: Channel | None = None,
    is_first: bool = True,
) -> Belonging:
    return judge(report, EXPECTED, seen_at, before or Channel(), is_first=is_first)


def test_a_report_without_applied_seq_belongs_because_it_was_replaced() -> None:
    assert belonging({"totals": {}}) == Belonging(by="replaced")


@pytest.mark.parametrize("applied", [6, 8, 7.0, "7", None, True])
def test_the_applied_seq_is_that_of_the_delivery_or_the_report_is_of_another(applied: Any) -> None:
    assert belonging({"applied_seq": applied}).fault == "wrong_iteration"


def test_the_run_id_is_that_of_the_run_where_the_bot_gives_one() -> None:
    assert belonging({"applied_seq": 7, "run_id": "r2"}).fault == "wrong_iteration"
    assert belonging({"applied_seq": 7, "run_id": "r1"}).by == "applied_seq"
    assert belonging({"applied_seq": 7}).fault == ""


def test_the_first_report_may_mix_two_settings_if_it_does_not_say_when_it_began() -> None:
    assert belonging({"applied_seq": 7}).mixes
    assert not belonging({"applied_seq": 7}, is_first=False).mixes


@pytest.mark.parametrize(
    ("begin", "end", "mixes"),
    [
        (0.0, 0.9, False),  # it began 0.1 s after the delivery
        (0.0, 1.5, True),  # 0.5 s before it
        (0.0, 86_400.9, False),  # over a jump of its clock by a day
        (0.0, -86_399.1, False),
        ("0", 0.9, True),
    ],
)
def test_a_report_that_began_before_the_delivery_mixes_two_settings(
    begin: Any, end: Any, mixes: bool
) -> None:
    report = {"applied_seq": 7, "from_unix": begin, "to_unix": end}
    assert belonging(report).mixes is mixes


def test_the_same_seq_again_is_no_new_report() -> None:
    before = Channel(seq=4, boot_id="b")
    assert belonging({"seq": 4, "boot_id": "b"}, before=before).fault == "stale"
    assert belonging({"seq": 5, "boot_id": "b"}, before=before).fault == ""


def test_a_seq_that_goes_back_halts_unless_the_bot_began_anew() -> None:
    before = Channel(seq=4, boot_id="b")
    with pytest.raises(LiveHalt, match="seq_went_back"):
        belonging({"seq": 3, "boot_id": "b"}, before=before)
    with pytest.raises(LiveHalt, match="seq_went_back"):
        belonging({"seq": 3}, before=Channel(seq=4))
    assert belonging({"seq": 1, "boot_id": "c"}, before=before).fault == ""
    assert channel_after({"seq": 1, "boot_id": "c"}, before) == Channel(1, "c")


@given(
    st.dictionaries(
        st.sampled_from(
            ["seq", "boot_id", "applied_seq", "run_id", "from_unix", "to_unix", "totals"]
        ),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=3)
        | st.lists(st.integers(), max_size=2),
    ),
    st.floats(100, 200),
    st.integers(0, 10) | st.none(),
)
def test_no_report_breaks_the_judgement(report: dict[str, Any], at: float, seq: int | None) -> None:
    before = Channel(seq=seq)
    try:
        result = judge(report, EXPECTED, at, before, is_first=True)
    except LiveHalt:
        assert seq is not None
        assert report["seq"] < seq
        return
    after = channel_after(report, before)
    assert after.seq is None or after.seq >= 0
    if result.fault == "" and "applied_seq" in report:
        assert report["applied_seq"] == EXPECTED.seq
