"""DELTA_VERIFY: the verification of every change, as a JSON object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_soak.gate.delta import DeltaReport
from pytest_soak.loop.model import worst_of
from pytest_soak.report.documents import DeltaFigures, DeltaVerify


def delta_verify(delta: DeltaReport) -> DeltaVerify:
    """The object of ``DELTA_VERIFY.json``."""
    return {
        **delta_figures(delta),
        "verdict": str(delta.verdict),
        "reason": delta.reason,
        "failures": list(delta.failures),
        "iterations": [
            {
                "iteration": check.iteration,
                "status": check.status,
                "proposed": check.proposed,
                "refused": dict(check.refused),
                "problems": [*check.problems, *check.echoes],
                "stuck": check.stuck,
            }
            for check in delta.checks
        ],
    }


def run_delta_verify(judged: Sequence[tuple[str, DeltaReport]]) -> dict[str, Any]:
    """The same of a run: the worst verdict, and each lane. ``judged``: lane ids and reports."""
    return {
        "verdict": str(worst_of([delta.verdict for _, delta in judged])),
        "lanes": [{"lane": lane_id, **delta_verify(delta)} for lane_id, delta in judged],
    }


def delta_figures(delta: DeltaReport) -> DeltaFigures:
    """The counts and ratios alone; a ratio without a denominator is null."""
    figures: DeltaFigures = {
        "applicable": delta.applicable,
        "full_apply_ratio": delta.full_apply_ratio,
        "full_count": delta.full,
        "partial_ok_count": delta.partial_ok,
        "fail_count": delta.fail,
        "unverified_count": delta.unverified,
        "signature_stuck_count": delta.signature_stuck_count,
        "requested_apply_ratio": delta.requested_apply_ratio,
        "withheld_ratio": delta.withheld_ratio,
        "explained_ratio": delta.explained_ratio,
        "proposes_when_needed": delta.proposes_when_needed,
    }
    if delta.belonging:
        figures["belonging"] = dict(delta.belonging)
    return figures
