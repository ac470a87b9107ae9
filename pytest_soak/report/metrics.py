"""POST_SOAK_METRICS.prom: the gate's figures for a metrics store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_soak.canonical import canonical_json
from pytest_soak.gate.judge import LaneJudgement, RunJudgement
from pytest_soak.loop.model import Verdict

_SHORT_NAMES: Mapping[str, str] = {"maker_taker_ratio": "maker_taker"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure of one lane."""

    name: str
    help: str
    lane: str
    value: float


def samples(judgement: RunJudgement) -> tuple[Sample, ...]:
    """Every known figure; a figure without data has no sample (never a zero)."""
    return tuple(sample for lane in judgement.lanes for sample in _lane_samples(lane))


def metrics_text(judgement: RunJudgement) -> str:
    """The Prometheus text format, written by prometheus_client."""
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for sample in samples(judgement):
        gauge = gauges.get(sample.name)
        if gauge is None:
            gauge = Gauge(sample.name, sample.help, ["lane"], registry=registry)
            gauges[sample.name] = gauge
        gauge.labels(lane=sample.lane).set(sample.value)
    return generate_latest(registry).decode("utf-8")


def metrics_lines(judgement: RunJudgement) -> str:
    """The same figures as JSON lines: ``{"lane", "metric", "value"}`` each."""
    return "".join(
        canonical_json({"lane": item.lane, "metric": item.name, "value": item.value}).decode()
        + "\n"
        for item in samples(judgement)
    )


def _lane_samples(lane: LaneJudgement) -> list[Sample]:
    lane_samples: list[Sample] = []

    def add(name: str, text: str, value: float | None) -> None:
        if value is not None:
            lane_samples.append(Sample(name, text, lane.lane_id, float(value)))

    for kpi, name in _kpi_names(lane).items():
        add(f"soak_kpi_{name}_mean", f"{kpi} over the gate's window.", lane.means[kpi])
    delta = lane.delta
    add("soak_freeze_ready", "1 if the parameters may be frozen as they are.", lane.freeze_ready)
    add("soak_verdict_severity", "0 PASS, 1 WARN, 2 INCONCLUSIVE, 3 FAIL.", lane.verdict.severity)
    for verdict in Verdict:
        count = sum(result.verdict is verdict for result in lane.criteria)
        add(f"soak_gate_{verdict.lower()}_count", f"Gate criteria that are {verdict}.", count)
    add("soak_pass_count_last8", "PASS and WARN iterations in the window.", lane.pass_count)
    add("soak_iterations_measured", "Iterations measured.", lane.measured)
    add("soak_iterations_planned", "Iterations planned.", lane.planned)
    add(
        "soak_delta_full_apply_ratio",
        "Ratio of iterations whose changes were applied in full.",
        delta.full_apply_ratio,
    )
    add("soak_delta_full_count", "Iterations whose changes were applied in full.", delta.full)
    add("soak_delta_partial_count", "Iterations with explained refusals.", delta.partial_ok)
    add("soak_delta_fail_count", "Iterations with something unexplained.", delta.fail)
    add("soak_delta_unverified_count", "Changes that no iteration followed.", delta.unverified)
    add(
        "soak_signature_stuck_count",
        "Changes after which the state hash stayed the same.",
        delta.signature_stuck_count,
    )
    add(
        "soak_delta_requested_apply_ratio",
        "Applied moves by the moves that were requested before they were trimmed.",
        delta.requested_apply_ratio,
    )
    add(
        "soak_delta_withheld_ratio",
        "Ratio of iterations with requests in which the tuner withheld one.",
        delta.withheld_ratio,
    )
    add(
        "soak_delta_explained_ratio",
        "Ratio of proposed keys that are explained.",
        delta.explained_ratio,
    )
    add(
        "soak_proposes_when_needed",
        "Ratio of iterations that need the rule in which it proposed or gave a reason not to.",
        delta.proposes_when_needed,
    )
    return lane_samples


def _kpi_names(lane: LaneJudgement) -> dict[str, str]:
    """KPI to its part of a metric's name; KPIs that would share a part are numbered."""
    names: dict[str, str] = {}
    for kpi in lane.windows:
        stem = re.sub(r"[^a-zA-Z0-9_]", "_", _SHORT_NAMES.get(kpi, kpi))
        name, number = stem, 2
        while name in names.values():
            name, number = f"{stem}_{number}", number + 1
        names[kpi] = name
    return names
