"""Delta verification of whole numbers, switches, choices, steps and ratios."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_soak.gate.delta import DeltaReport, verify_deltas
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.history import read_history
from tests.unit.loop.lanes import Drive, proposing
from tests.unit.profile.typed import typed

PROFILE = typed()
KEYS = list(PROFILE.parameters)


def lane(echo: Any = None, **deltas: Any) -> tuple[Drive, DeltaReport]:
    """Three iterations; after the second these deltas are proposed, and the third echoes."""
    drive = Drive(PROFILE, iterations=20)
    report = {"totals": {"p95_ms": 100.0}}
    drive.step(report)
    drive.step(report, proposing("", **deltas))
    drive.step({**report, "effective_params": echo} if echo is not None else report)
    return drive, verify_deltas(LaneWindow(read_history(drive.entries)))


@pytest.mark.parametrize(
    ("deltas", "after"),
    [
        ({"workers": 1}, {"workers": 5.0}),
        ({"workers": 0.6}, {"workers": 5.0}),  # rounded, and not clipped
        ({"workers": -2.4}, {"workers": 2.0}),
        ({"timeout_s": 0.3}, {"timeout_s": 1.75}),
        ({"jit": -1}, {"jit": 0.0}),
        ({"sync": 1.2}, {"sync": 2.0}),
        ({"work_mem_kb": 1000.4}, {"work_mem_kb": 5096.0}),
        ({"rate": 3.33333333333333}, {"rate": 13.3333333333}),
        ({"workers": 1.4, "rate": -2, "jit": -0.9}, {"workers": 5.0, "rate": 8.0, "jit": 0.0}),
    ],
)
def test_a_rounded_change_is_applied_in_full(
    deltas: dict[str, float], after: dict[str, float]
) -> None:
    drive, report = lane(**deltas)
    decision = drive.decisions[1]
    assert {o.key: (o.outcome, o.after) for o in decision.outcomes} == {
        key: ("APPLIED", value) for key, value in after.items()
    }
    assert (report.full, report.partial_ok, report.fail) == (1, 0, 0)
    assert report.full_apply_ratio == 1.0
    for outcome in decision.outcomes:
        # What the proposer wrote stays as it is; what is applied is the rounded change.
        assert outcome.proposed == deltas[outcome.key]
        assert outcome.before is not None
        assert outcome.after is not None
        assert outcome.applied == pytest.approx(outcome.after - outcome.before)


@pytest.mark.parametrize(
    ("deltas", "word", "reason", "after"),
    [
        ({"workers": 0.4}, "SKIPPED", "no_op", 4.0),
        ({"sync": 0.3}, "SKIPPED", "no_op", 1.0),
        ({"port": 1}, "SKIPPED", "velocity", 5432.0),
        ({"workers": 12}, "CLIPPED", "velocity", 12.0),
        (
            {"threads": 28},
            "CLIPPED",
            "velocity",
            32.0,
        ),  # at most 24 in one iteration: 40, and 8 x 4
        ({"threads": 16.4}, "APPLIED", "", 32.0),
        ({"threads": 20}, "CLIPPED", "bounds", 32.0),
        ({"workers": -3}, "CLIPPED", "bounds", 2.0),  # 16 threads need 2 workers
        ({"work_mem_kb": 6000}, "CLIPPED", "velocity", 8192.0),
        ({"rate": 40}, "CLIPPED", "velocity", 40.0),
        ({"sync": 2}, "CLIPPED", "velocity", 2.0),
        ({"low_mark": 0.18}, "APPLIED", "", 0.43),
        ({"jit": float("nan")}, "SKIPPED", "invalid", 1.0),
        ({"jit": 1e308}, "SKIPPED", "velocity", 1.0),
    ],
)
def test_what_is_cut_has_a_reason(
    deltas: dict[str, float], word: str, reason: str, after: float
) -> None:
    drive, report = lane(**deltas)
    (outcome,) = drive.decisions[1].outcomes
    assert (outcome.outcome, outcome.reason) == (word, reason)
    assert outcome.after == pytest.approx(after, rel=1e-9)
    assert report.fail == 0, report.failures


@pytest.mark.parametrize(
    ("echo", "full", "words"),
    [
        ({"workers": 5, "jit": False, "sync": "remote"}, 1, ""),
        ({"workers": 5.0, "jit": 0, "sync": "remote"}, 1, ""),
        ({"app": {"workers": 5, "jit": "off", "sync": "remote"}}, 1, ""),
        ({"workers": 4.6, "jit": False, "sync": "remote"}, 0,
         "workers: in iteration 3 5 was in force and 4.6 echoed"),
        ({"workers": 5, "jit": True, "sync": "remote"}, 0,
         "jit: in iteration 3 false was in force and true echoed"),
        ({"workers": 5, "jit": False, "sync": "local"}, 0,
         "sync: in iteration 3 remote was in force and local echoed"),
        ({"workers": 5, "jit": False}, 0, "sync: changed to remote, and not confirmed by the echo"),
    ],
)  # fmt: skip
def test_an_honest_echo_is_full(echo: Any, full: int, words: str) -> None:
    _, report = lane(echo, workers=0.7, jit=-1, sync=1)
    assert (report.full, report.fail) == (full, 1 - full)
    assert words in " ".join(report.failures)
