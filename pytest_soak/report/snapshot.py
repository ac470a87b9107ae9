"""POST_SOAK_SNAPSHOT: verdict, window and delta quality in one object that CI can read.

There is no wall clock and no run id in it: the same run gives the same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pytest_soak.canonical import canonical_json, compute_json_hash, printable_json
from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.judge import LaneJudgement, RunJudgement
from pytest_soak.gate.window import KpiWindow
from pytest_soak.loop.model import History, Verdict
from pytest_soak.report.deltas import delta_figures
from pytest_soak.report.summary import final_values, outer_values
from pytest_soak.statistics import KpiSeries, first_quarter_figure

_OF_WINDOW = ("low", "high", "n", "n_eff", "phi")


def snapshot(
    history: History, judgement: LaneJudgement, versions: Mapping[str, Any]
) -> dict[str, Any]:
    """One lane. ``versions``: of what the run was made with (Python, numpy, CPU features)."""
    return {
        "lane": history.lane.id,
        "verdict": str(judgement.verdict),
        **_of_some_profiles(judgement),
        "pass_count_last8": judgement.pass_count,
        "iterations": {"planned": judgement.planned, "measured": judgement.measured},
        "kpi_window": {
            name: _window(window, judgement.window.judged_series(name))
            for name, window in judgement.windows.items()
        },
        "failing": [result.name for result in judgement.criteria if _fails(result)],
        "criteria": [
            _without_window(criterion_object(result), judgement.windows)
            for result in judgement.criteria
        ],
        "delta_quality": {
            **delta_figures(judgement.delta),
            "verdict": str(judgement.delta.verdict),
        },
        "parameters": outer_values(history.profile.parameters, final_values(history)),
        "fingerprint": fingerprint(history, versions),
    }


def run_snapshot(lanes: Sequence[Mapping[str, Any]], judgement: RunJudgement) -> dict[str, Any]:
    """The run, from the snapshots of its lanes.

    With one lane the fields of the lane are the run's own. With several: the worst verdict,
    ``freeze_ready`` if all lanes that have it are, the smallest ``pass_count_last8``, the failing
    criteria as ``LANE/CRITERION``, and in ``lanes`` the snapshot of every lane.
    """
    if len(lanes) == 1:
        return {**lanes[0], "verdict": str(judgement.verdict)}
    ready = [lane["freeze_ready"] for lane in lanes if "freeze_ready" in lane]
    return {
        "verdict": str(judgement.verdict),
        "failing": [f"{lane['lane']}/{name}" for lane in lanes for name in lane["failing"]],
        **({"freeze_ready": all(ready)} if ready else {}),
        "pass_count_last8": min((lane["pass_count_last8"] for lane in lanes), default=0),
        "lanes": [dict(lane) for lane in lanes],
    }


def _of_some_profiles(judgement: LaneJudgement) -> dict[str, Any]:
    """The fields that a lane has only if its profile declares what they are about."""
    fields = {"freeze_ready": judgement.freeze_ready, "limits": judgement.limit_set or None}
    return {name: value for name, value in fields.items() if value is not None}


def gate_object(judgement: RunJudgement) -> dict[str, Any]:
    """The gate alone: verdict and criteria of every lane."""
    return {
        "verdict": str(judgement.verdict),
        "lanes": [
            {
                "lane": lane.lane_id,
                "verdict": str(lane.verdict),
                **_of_some_profiles(lane),
                "criteria": [criterion_object(result) for result in lane.criteria],
            }
            for lane in judgement.lanes
        ],
    }


def snapshot_text(document: Mapping[str, Any], *, pretty: bool = False) -> str:
    """The content of the files: canonical JSON, or the same indented for people."""
    text = canonical_json(document).decode("utf-8")
    if pretty:
        again = json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False)
        text = printable_json(again) + "\n"
    return text


def fingerprint(history: History, versions: Mapping[str, Any]) -> dict[str, Any]:
    """What must be equal for a run to be the same run."""
    planned = [asdict(scenario) for scenario in history.scenarios]
    return {
        **({"scenarios": planned} if planned else {}),
        "profile": history.profile.name,
        "profile_hash": compute_json_hash(history.profile.document),
        "start_hash": compute_json_hash(history.start_values),
        **({"symbol": history.lane.symbol} if history.lane.symbol else {}),
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
        **({"marginal": True} if result.marginal else {}),
        **({} if result.applicable else {"applicable": False}),
        **({} if result.binding else {"binding": False}),
    }


def lanes_of(snapshot: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The snapshot of each lane: that of a run with one lane is its own."""
    lanes: list[Mapping[str, Any]] = snapshot.get("lanes", [snapshot])
    return lanes


def _fails(result: CriterionResult) -> bool:
    return result.binding and result.verdict is Verdict.FAIL


def _without_window(criterion: dict[str, Any], windows: Mapping[str, KpiWindow]) -> dict[str, Any]:
    """A criterion on a KPI, without the figures that its window has already."""
    if criterion["name"] not in windows:
        return criterion
    return {key: value for key, value in criterion.items() if key not in _OF_WINDOW}


def _within(bound: float | None, end: float | None) -> float | None:
    """A bound as a number; null at the end of the KPI's range, where it says nothing."""
    return None if bound is not None and bound == end else _finite(bound)


def _window(window: KpiWindow, judged: KpiSeries) -> dict[str, Any]:
    """``judged``: the KPI over all judged iterations, for the figure of the first quarter."""
    bounds = window.bounds
    return {
        "iterations": bounds.iterations,
        "no_data": bounds.no_data,
        "mean": _finite(window.figure),
        "first_quarter": _finite(first_quarter_figure(judged)),
        "low": _within(window.low, window.range[0]),
        "high": _within(window.high, window.range[1]),
        "sd": _finite(bounds.sd),
        "n": bounds.n,
        "n_eff": _finite(bounds.n_eff),
        "phi": _finite(bounds.phi),
        "fallback": bounds.fallback,
        "weak": window.weak,
    }


def _finite(value: float | None) -> float | None:
    # An unbounded side has no number in JSON: it is null, as "not known" is.
    return value if value is not None and math.isfinite(value) else None
