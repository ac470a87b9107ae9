"""The text of the status line: its parts, what a narrow terminal leaves out, odd names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_soak.loop.model import Verdict
from pytest_soak.report.columns import columns, cut_to, middle_cut, padded
from pytest_soak.report.status_line import RunStatus, kpi_text, status_text
from tests.unit.gate.histories import make_history, steady

RUN = RunStatus(
    done=2,
    planned=24,
    lanes=1,
    lanes_done=0,
    running=(("steady-BTCUSDT-1", 3),),
    lane_index=1,
    verdicts={Verdict.FAIL: 1, Verdict.PASS: 1},
    kpi="net 3.12 (>= 2.7)",
    running_s=125.0,
    interval_s=300.0,
    eta_s=6475.0,
    end="14:05",
)
WHOLE = (
    "iteration 3/24 | 1 PASS 1 FAIL | net 3.12 (>= 2.7) | next in 2 min 55 s | "
    "ETA 1 h 48 min (14:05)"
)
LANES = replace(RUN, planned=96, lanes=4, lane_index=2)


def test_all_parts_of_one_lane() -> None:
    assert status_text(RUN, 100) == WHOLE


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (len(WHOLE), WHOLE),
        (len(WHOLE) - 1, WHOLE.removesuffix(" (14:05)")),
        (80, "iteration 3/24 | 1 PASS 1 FAIL | next in 2 min 55 s | ETA 1 h 48 min"),
        (60, "iteration 3/24 | next in 2 min 55 s | ETA 1 h 48 min"),
        (40, "iteration 3/24 | ETA 1 h 48 min"),
        (20, "iteration 3/24"),
        (10, "iteratio.."),
    ],
)
def test_a_narrow_terminal_leaves_out_what_matters_least(width: int, text: str) -> None:
    assert status_text(RUN, width) == text


def test_it_fits_every_width() -> None:
    hostile = replace(LANES, kpi="漢" * 60 + "\x1b[2J\n\u202e", running=(("漢\x1b[2J" * 20, 3),))
    for status in (RUN, LANES, hostile, RunStatus(0, 0, 0, 0)):
        for width in range(1, 140):
            text = status_text(status, width)
            assert columns(text) <= width
            assert text.isprintable()


def test_several_lanes() -> None:
    assert status_text(LANES, 140).startswith(
        "iteration 3/24 of lane 2 of 4 steady-BTCUSDT-1 | 1 PASS 1 FAIL | "
    )
    assert status_text(LANES, 100).startswith("iteration 3/24 of lane 2 of 4 | 1 PASS 1 FAIL | ")
    parallel = replace(LANES, done=41, planned=432, lanes=18, lanes_done=3)
    parallel = replace(parallel, running=(("a", 3), ("b", 4)))
    assert status_text(parallel, 100).startswith("41/432 iterations, 3 of 18 lanes done | ")


def test_the_time_of_the_iteration() -> None:
    assert "runs for 2 min 5 s" in status_text(replace(RUN, interval_s=None), 100)
    assert "next is late by 5 s" in status_text(replace(RUN, running_s=305.0), 100)
    assert "next" not in status_text(replace(RUN, running_s=None), 100)
    assert "ETA" not in status_text(replace(RUN, eta_s=None), 100)


def test_the_kpi_is_shown_against_the_limit_of_the_gate() -> None:
    iteration = make_history(1).iterations[0]
    assert kpi_text(iteration, steady(), mock=False) == "net 3 (>= 2.7)"
    lost = replace(iteration, readings={})
    assert kpi_text(lost, steady(), mock=False) == "maker no data (>= 0.85)"
    assert kpi_text(lost, steady(), mock=True) == "maker no data (>= 0.5)"
    ungated = replace(steady(), gate=replace(steady().gate, criteria=()))
    assert kpi_text(iteration, ungated, mock=False) == ""


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("plain", 5, "plain"),
        ("plainly", 5, "pla.."),
        ("漢字漢", 6, "漢字漢"),
        ("漢字漢字", 6, "漢字.."),
        ("漢字漢字", 7, "漢字.."),
        ("a\nb\x1b", 9, "a b\\x1b"),
        ("abc", 1, "."),
        ("abc", 0, ""),
    ],
)
def test_a_text_is_cut_by_columns(text: str, width: int, shown: str) -> None:
    assert cut_to(text, width) == shown


def test_a_long_name_keeps_its_ends() -> None:
    assert middle_cut("steady-BTCUSDT-123456", 21) == "steady-BTCUSDT-123456"
    assert middle_cut("steady-BTCUSDT-123456", 14) == "stea..T-123456"
    assert middle_cut("steady-BTCUSDT-123456", 4) == "st.."
    assert padded("漢", 4) == "漢  "
    assert columns("e\u0301") == 1
