"""The table of the metrics: the only place that has their names.

A metric may be in two sets. ``original`` has the names of the documents that pytest-soak was made
from, ``clean`` those that ``promtool check metrics`` accepts. ``<…>`` in a name stands for a KPI,
or for the value of a label that the other set has. docs/metrics.md is checked against the table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from pytest_soak.report import metric_values as values
from pytest_soak.report.metric_values import LaneRead, RunRead

NameSet = Literal["original", "clean"]
NAME_SETS: tuple[NameSet, ...] = get_args(NameSet)

LANE_LABELS = ("lane", "profile", "symbol", "seed")
"""The labels of a lane's metric in the clean set; the original set has the first of them."""

Type = Literal["gauge", "counter"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table."""

    original: str
    """The name in the original set; empty if that set does not have it."""
    clean: str
    unit: str
    """In the clean set; ``<unit>`` is that of a KPI."""
    help: str
    """A sentence without the point; ``<kpi>`` is filled in."""
    source: str
    """Where the value comes from, for the page: ``history``, ``window``, ``delta``, ``gate`` (its
    decision, at the end of a run), ``run.json``."""
    read: LaneRead | None = None
    """None for a metric of the run."""
    read_run: RunRead | None = None
    labels: tuple[str, ...] = ()
    """In the clean set, beside those of the lane."""
    type: Type = "gauge"


def _lane(name: str, unit: str, text: str, source: str, read: LaneRead) -> Metric:
    """A gauge of the same name in both sets."""
    return Metric(name, name, unit, text, source, read)


def _renamed(metric: Metric, original: str) -> Metric:
    return replace(metric, original=original)


def _added(name: str, unit: str, text: str, source: str, read: LaneRead, *labels: str) -> Metric:
    """A metric that the original set does not have."""
    kind: Type = "counter" if name.endswith("_total") else "gauge"
    return Metric("", name, unit, text, source, read, labels=labels, type=kind)


def _kpi(statistic: str, text: str, read: LaneRead) -> Metric:
    return _added(f"soak_kpi_<kpi>_{statistic}_<unit>", "<unit>", f"<kpi>: {text}", "window", read)


_RATIO, _ITERATIONS, _FLAG = "ratio", "iterations", "0 or 1"
_SEVERITY = "0 PASS, 1 WARN, 2 INCONCLUSIVE, 3 FAIL"

LANE_METRICS: tuple[Metric, ...] = (
    _renamed(
        _kpi("mean", "mean over the gate's window", values.of_kpi_window(lambda kpi: kpi.figure)),
        "soak_kpi_<kpi>_mean",
    ),
    _lane(
        "soak_freeze_ready",
        _FLAG,
        "1 if the parameters may be frozen as they are",
        "gate",
        values.of_gate(lambda lane: lane.freeze_ready),
    ),
    _lane(
        "soak_verdict_severity",
        "severity",
        f"The verdict: {_SEVERITY}",
        "gate",
        values.of_gate(lambda lane: lane.verdict.severity),
    ),
    _renamed(
        _added(
            "soak_gate_criteria",
            "criteria",
            "Criteria of the gate with this verdict",
            "gate",
            values.counted("verdict", values.criteria),
            "verdict",
        ),
        "soak_gate_<verdict>_count",
    ),
    _renamed(
        _added(
            "soak_window_passing_iterations",
            _ITERATIONS,
            "PASS and WARN iterations among the last ones that the gate counts",
            "window",
            values.of_window(lambda window: window.pass_count),
        ),
        "soak_pass_count_last8",
    ),
    _lane(
        "soak_iterations_measured",
        _ITERATIONS,
        "Iterations measured",
        "history",
        values.of_window(lambda window: len(window.measured)),
    ),
    _lane(
        "soak_iterations_planned",
        _ITERATIONS,
        "Iterations planned",
        "history",
        values.of_window(lambda window: window.history.lane.iterations),
    ),
    _lane(
        "soak_delta_full_apply_ratio",
        _RATIO,
        "Of the iterations with changes: those whose changes were applied in full",
        "delta",
        values.of_delta(lambda delta: delta.full_apply_ratio),
    ),
    _renamed(
        _added(
            "soak_delta_iterations",
            _ITERATIONS,
            "Iterations with changes, by the status of their verification",
            "delta",
            values.counted("status", values.delta_iterations),
            "status",
        ),
        "soak_delta_<status>_count",
    ),
    _renamed(
        _added(
            "soak_delta_stuck_signatures",
            "changes",
            "Changes after which the state hash stayed the same",
            "delta",
            values.of_delta(lambda delta: delta.signature_stuck_count),
        ),
        "soak_signature_stuck_count",
    ),
    _lane(
        "soak_delta_requested_apply_ratio",
        _RATIO,
        "Applied moves by the moves that were requested before they were trimmed",
        "delta",
        values.of_delta(lambda delta: delta.requested_apply_ratio),
    ),
    _lane(
        "soak_delta_withheld_ratio",
        _RATIO,
        "Of the iterations with requests: those in which the tuner withheld one",
        "delta",
        values.of_delta(lambda delta: delta.withheld_ratio),
    ),
    _lane(
        "soak_delta_explained_ratio",
        _RATIO,
        "Of the proposed keys: those that are explained",
        "delta",
        values.of_delta(lambda delta: delta.explained_ratio),
    ),
    _renamed(
        _added(
            "soak_proposes_when_needed_ratio",
            _RATIO,
            "Of the iterations that need the rule: those in which it proposed or had a reason",
            "delta",
            values.of_delta(lambda delta: delta.proposes_when_needed),
        ),
        "soak_proposes_when_needed",
    ),
    _kpi("last", "in the last measured iteration", values.of_kpi(values.last_value)),
    _kpi(
        "lower_bound",
        "one-sided lower bound over the gate's window",
        values.of_kpi_window(lambda kpi: kpi.low),
    ),
    _kpi(
        "upper_bound",
        "one-sided upper bound over the gate's window",
        values.of_kpi_window(lambda kpi: kpi.high),
    ),
    _kpi("lower_limit", "lower limit of the gate", values.of_kpi(values.limit(upper=False))),
    _kpi("upper_limit", "upper limit of the gate", values.of_kpi(values.limit(upper=True))),
    _added(
        "soak_interval_seconds",
        "seconds",
        "Target time of one iteration",
        "history",
        values.of_window(lambda window: window.history.lane.interval_s),
    ),
    _added(
        "soak_window_iterations",
        _ITERATIONS,
        "The last iterations that the gate counts",
        "window",
        values.of_window(lambda window: len(window.last)),
    ),
    _added(
        "soak_iterations_total",
        _ITERATIONS,
        "Iterations measured, by their verdict",
        "history",
        values.counted("verdict", values.iterations),
        "verdict",
    ),
    _added(
        "soak_panics_total",
        "reverts",
        "Reverts to the safe profile after FAIL iterations",
        "history",
        lambda lane: (values.Point(values.panics(lane)),),
    ),
    _added(
        "soak_freezes_total",
        "freezes",
        "Times that stable iterations froze parameters",
        "history",
        values.of_window(lambda window: len(window.history.freezes)),
    ),
    _added(
        "soak_halts_total",
        "halts",
        "Times that the lane halted, those before a resume included",
        "history",
        values.of_window(lambda window: len(window.history.halts)),
    ),
    _added(
        "soak_edits_total",
        "parameters",
        "Parameters edited by hand",
        "history",
        lambda lane: (values.Point(values.edits(lane)),),
    ),
    _added(
        "soak_moves_total",
        "moves",
        "Proposed moves, by what the guards decided",
        "history",
        values.counted("outcome", values.outcomes),
        "outcome",
    ),
    _added(
        "soak_moves_refused_total",
        "moves",
        "Proposed moves that a guard clipped or skipped",
        "history",
        values.counted("guard", values.refused),
        "guard",
    ),
    _added(
        "soak_moves_withheld_total",
        "moves",
        "Requested moves that the tuner withheld or trimmed because of a guard",
        "history",
        values.counted("guard", values.withheld),
        "guard",
    ),
    _added(
        "soak_rule_activations_total",
        _ITERATIONS,
        "Iterations in which the rule fired",
        "history",
        values.counted("rule", values.rules),
        "rule",
    ),
)

RUN_METRICS: tuple[Metric, ...] = (
    Metric(
        *("", "soak_run_verdict_severity", "severity", f"The worst lane: {_SEVERITY}", "gate"),
        read_run=values.run_severity,
    ),
    Metric(
        *("", "soak_run_freeze_ready", _FLAG, "1 if all lanes are ready to be frozen", "gate"),
        read_run=values.run_freeze_ready,
    ),
    Metric(
        *("", "soak_run_start_timestamp_seconds", "seconds", "When the run began", "run.json"),
        read_run=values.started,
    ),
    Metric(
        *("", "soak_build_info", "1", "What the run was made with", "run.json"),
        read_run=values.build,
        labels=("version", "python", "pytest", "numpy"),
    ),
)
"""Metrics without a label of a lane, in the clean set only."""
