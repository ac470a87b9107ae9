"""Projections of a run for machines and people. Pure functions; ``store`` writes them."""

from __future__ import annotations

from pytest_soak.report.audit import audit
from pytest_soak.report.deltas import delta_report, delta_verify, run_delta_verify
from pytest_soak.report.failures import failures
from pytest_soak.report.metrics import metrics_lines, metrics_text
from pytest_soak.report.profile_text import profile_text
from pytest_soak.report.recommend import recommendations
from pytest_soak.report.snapshot import gate_object, run_snapshot, snapshot, snapshot_text
from pytest_soak.report.summary import iteration_summary, tuning_report
from pytest_soak.report.table import final_table, iteration_line

__all__ = [
    "audit",
    "delta_report",
    "delta_verify",
    "failures",
    "final_table",
    "gate_object",
    "iteration_line",
    "iteration_summary",
    "metrics_lines",
    "metrics_text",
    "profile_text",
    "recommendations",
    "run_delta_verify",
    "run_snapshot",
    "snapshot",
    "snapshot_text",
    "tuning_report",
]
