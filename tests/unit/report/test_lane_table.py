"""Many lanes in one table: the worst first, at most 100 columns, the reasons below it."""

from __future__ import annotations

import pytest

from pytest_soak.gate.judge import judge_lane, judge_run
from pytest_soak.loop.model import Halt, History
from pytest_soak.report.layout import WIDTH
from pytest_soak.report.table import final_table
from tests.unit.gate.histories import make_history
from tests.unit.report.runs import decided


def table(*histories: History) -> list[str]:
    return final_table(judge_run([judge_lane(history) for history in histories]))


def passing(count: int) -> list[History]:
    return [decided(lane_id=f"steady-BTCUSDT-{seed}") for seed in range(1, count + 1)]


def test_three_lanes_have_a_table_each_and_four_have_one() -> None:
    assert sum("criterion" in line for line in table(*passing(3))) == 3
    lines = table(*passing(4))
    assert lines == [
        "4 lanes: 4 PASS (4 freeze ready, mock limits)",
        lines[1],
        lines[2],
        *lines[3:7],
        "",
        "gate: PASS",
    ]
    assert lines[1].split() == [
        "lane", "verdict", "measured", "ready", "maker", "risk", "net", "p95", "not", "passed",
    ]  # fmt: skip
    assert [line.split()[:4] for line in lines[3:7]] == [
        [f"steady-BTCUSDT-{seed}", "PASS", "24/24", "yes"] for seed in range(1, 5)
    ]


def test_the_lanes_that_fail_come_first_with_what_failed_and_why() -> None:
    poor = decided(lane_id="steady-BTCUSDT-9", net=1.0)
    short = make_history(11, planned=24, halt=Halt(12, "error", "ValueError:\nno feed\x1b[2J"))
    lines = table(*passing(3), short, poor)
    assert lines[0] == "5 lanes: 2 FAIL, 3 PASS (3 freeze ready, mock limits)"
    rows = [line.split() for line in lines[3:8]]
    assert [row[1] for row in rows] == ["FAIL", "FAIL", "PASS", "PASS", "PASS"]
    assert rows[0][2] == "11/24"
    assert rows[1][0] == "steady-BTCUSDT-9"
    assert rows[1][-2:] == ["net_bps", "+1"]
    text = "\n".join(lines)
    assert "lane steady-BTCUSDT-9: FAIL\n  FAIL net_bps: " in text
    assert "ValueError: no feed\\x1b[2J" in " ".join(text.split())
    assert "\x1b" not in text
    assert lines[-1].startswith("gate: FAIL by ")


@pytest.mark.parametrize("length", [1, 16, 28, 40, 64, 200])
def test_long_names_leave_it_narrow_and_keep_their_ends(length: int) -> None:
    ids = [f"{'x' * length}-{seed}" for seed in range(1, 6)]
    lines = table(*(decided(lane_id=name, net=1.0) for name in ids))
    assert max(map(len, lines)) <= WIDTH
    names = [line.split()[0] for line in lines[3:8]]
    assert [name[-3:] for name in names] == [f"x-{seed}" for seed in range(1, 6)]
    columns = {line.index("FAIL") for line in lines[3:8]}
    assert len(columns) == 1
    assert lines[1].index("verdict") in columns


def test_a_hundred_failing_lanes_are_a_hundred_rows_and_a_few_reasons() -> None:
    poor = judge_lane(decided(net=1.0))
    lines = final_table(judge_run([poor] * 100))
    assert sum("24/24" in line for line in lines) == 100
    assert sum(line.startswith("lane ") for line in lines) == 8
    assert "and 92 more lanes, in POST_SOAK_AUDIT.md" in lines
    assert len(lines) < 160
