"""The gate: delta verification, criteria, statistics, judgement. Pure functions of a History."""

from __future__ import annotations

from pytest_soak.gate.baseline import KpiNoise, Reference, reference_of
from pytest_soak.gate.criteria import CriterionResult, Window, window_of
from pytest_soak.gate.delta import DeltaCheck, DeltaReport, verify_deltas
from pytest_soak.gate.judge import LaneJudgement, RunJudgement, exit_code, judge_lane, judge_run

__all__ = [
    "CriterionResult",
    "DeltaCheck",
    "DeltaReport",
    "KpiNoise",
    "LaneJudgement",
    "Reference",
    "RunJudgement",
    "Window",
    "exit_code",
    "judge_lane",
    "judge_run",
    "reference_of",
    "verify_deltas",
    "window_of",
]
