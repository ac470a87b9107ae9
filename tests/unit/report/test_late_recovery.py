"""What is recommended where a KPI began outside its limit and is inside since then."""

from __future__ import annotations

from pytest_soak.gate.judge import judge_lane
from pytest_soak.loop.model import History
from pytest_soak.report.recommend import recommended
from tests.unit.gate.histories import applied, make_history

LATE: list[float | None] = [*(400.0 + t % 3 for t in range(8)), *(337.0 + t % 3 for t in range(16))]


def advice(history: History) -> str:
    texts = recommended(history, judge_lane(history))
    (text,) = (text for text in texts if "is inside since iteration 9" in text)
    return text


def test_after_moves_the_values_at_the_end_are_the_next_start_values() -> None:
    outcomes = {8: [applied("min_interval_ms", 25.0)]}
    text = advice(make_history(24, kpis={"p95_latency_ms": LATE}, outcomes=outcomes))
    start = make_history(1).start_values["min_interval_ms"]
    assert f"start values in the profile: min_interval_ms {start + 25:g}." in text
    assert "warmup" not in text


def test_without_a_move_a_warm_up_is_left_out() -> None:
    text = advice(make_history(24, kpis={"p95_latency_ms": LATE}))
    assert "gate.warmup_iterations: 8" in text
    assert "values at the end" not in text
