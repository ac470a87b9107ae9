"""The gate: delta verification, criteria, statistics, judgement. Pure functions of a History."""

from __future__ import annotations

from pytest_soak.gate.baseline import KpiNoise, Reference, reference_of
from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.delta import DeltaCheck, DeltaReport, verify_deltas
from pytest_soak.gate.judge import LaneJudgement, RunJudgement, exit_code, judge_lane, judge_run
from pytest_soak.gate.window import KpiWindow, LaneWindow

__all__ = [
    "CriterionResult",
    "DeltaCheck",
    "DeltaReport",
    "KpiNoise",
    "KpiWindow",
    "LaneJudgement",
    "LaneWindow",
    "Reference",
    "RunJudgement",
    "exit_code",
    "judge_lane",
    "judge_run",
    "reference_of",
    "verify_deltas",
]
