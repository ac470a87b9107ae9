"""POST_SOAK_SNAPSHOT: verdict, window and delta quality in one object that CI can read.

There is no wall clock and no run id in it: the same run gives the same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_soak.canonical import canonical_json, compute_json_hash
from pytest_soak.gate.criteria import CriterionResult, Window
from pytest_soak.gate.judge import LaneJudgement, RunJudgement
from pytest_soak.loop.model import History
from pytest_soak.report.deltas import delta_figures


def snapshot(
    history: History, judgement: LaneJudgement, versions: Mapping[str, Any]
) -> dict[str, Any]:
    """One lane. ``versions`` is with what it was made (Python, numpy, CPU features)."""
    return {
        "lane": history.lane.id,
        "verdict": str(judgement.verdict),
        "freeze_ready": judgement.freeze_ready,
        "pass_count_last8": judgement.pass_count,
        "iterations": {"planned": judgement.planned, "measured": judgement.measured},
        "limits": "mock" if judgement.mock else "production",
        "kpi_window": {name: _window(window) for name, window in judgement.windows.items()},
        "criteria": [criterion_object(result) for result in judgement.criteria],
        "delta_quality": {
            **delta_figures(judgement.delta),
            "verdict": str(judgement.delta.verdict),
        },
        "parameters": dict(_final_values(history)),
        "fingerprint": fingerprint(history, versions),
    }


def run_snapshot(lanes: Sequence[Mapping[str, Any]], judgement: RunJudgement) -> dict[str, Any]:
    """The run on top of its lanes' snapshots.

    With one lane its fields are the run's own. With several: the worst verdict, ``freeze_ready``
    if all are, the smallest ``pass_count_last8``. ``lanes`` has them one by one in any case.
    """
    if len(lanes) == 1:
        return {**lanes[0], "verdict": str(judgement.verdict), "lanes": [dict(lanes[0])]}
    return {
        "verdict": str(judgement.verdict),
        "freeze_ready": bool(lanes) and all(lane["freeze_ready"] for lane in lanes),
        "pass_count_last8": min((lane["pass_count_last8"] for lane in lanes), default=0),
        "lanes": [dict(lane) for lane in lanes],
    }


def snapshot_text(document: Mapping[str, Any], *, pretty: bool = False) -> str:
    """The bytes of the files, as text: canonical JSON, or the same indented for people."""
    text = canonical_json(document).decode("utf-8")
    if pretty:
        text = json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return text


def fingerprint(history: History, versions: Mapping[str, Any]) -> dict[str, Any]:
    """What must be equal for a run to be the same run."""
    return {
        "profile": history.profile.name,
        "profile_hash": compute_json_hash(history.profile.document),
        "start_hash": compute_json_hash(history.start_values),
        "symbol": history.lane.symbol,
        "seed": history.lane.seed,
        "interval_s": history.lane.interval_s,
        "target": history.target,
        "mock": history.mock,
        "tune": history.tune,
        "dry_run": history.dry_run,
        "versions": dict(versions),
    }


def criterion_object(result: CriterionResult) -> dict[str, Any]:
    """One criterion as JSON."""
    return {
        "name": result.name,
        "verdict": str(result.verdict),
        "value": _finite(result.value),
        "limit": result.limit,
        "margin": _finite(result.margin),
        "low": _finite(result.low),
        "high": _finite(result.high),
        "n": result.n,
        "n_eff": _finite(result.n_eff),
        "phi": _finite(result.phi),
        "reason": result.reason,
    }


def _window(window: Window) -> dict[str, Any]:
    interval = window.interval
    known = interval is not None
    return {
        "iterations": window.iterations,
        "no_data": window.no_data,
        "mean": _finite(interval.mean) if known else None,
        "low": _finite(interval.low) if known else None,
        "high": _finite(interval.high) if known else None,
        "sd": _finite(interval.sd) if known else None,
        "n": interval.n if known else 0,
        "n_eff": _finite(interval.n_eff) if known else None,
        "phi": _finite(interval.phi) if known else None,
        "weak": window.weak,
    }


def _finite(value: float | None) -> float | None:
    # An unbounded side has no number in JSON: it is null, as "not known" is.
    return value if value is not None and math.isfinite(value) else None


def _final_values(history: History) -> Mapping[str, float]:
    if not history.iterations:
        return history.start_values
    last = history.iterations[-1]
    return last.values if last.decision is None else last.decision.values
