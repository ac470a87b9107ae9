from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pytest_soak.canonical import canonical_json
from pytest_soak.gate.judge import judge_lane, judge_run
from pytest_soak.loop.model import History
from pytest_soak.report.delta_text import MOST_ROWS, delta_report
from pytest_soak.report.deltas import delta_verify, run_delta_verify
from pytest_soak.report.metric_values import figures_of
from pytest_soak.report.metrics import metrics_lines, metrics_text
from pytest_soak.report.snapshot import (
    _within,
    gate_object,
    lanes_of,
    run_snapshot,
    snapshot,
    snapshot_text,
)
from tests.unit.gate.histories import applied, make_history, skipped, with_iteration
from tests.unit.report.runs import decided

VERSIONS = {"numpy": "2.4.6", "cpu_features": ["AVX2"]}


def run_of(*histories: History) -> dict[str, Any]:
    judged = [judge_lane(history) for history in histories]
    lanes = [snapshot(h, j, VERSIONS) for h, j in zip(histories, judged, strict=True)]
    return run_snapshot(lanes, judge_run(judged))


def test_one_lane_is_the_run() -> None:
    document = run_of(decided())
    assert document["verdict"] == "PASS"
    assert document["freeze_ready"] is True
    assert document["pass_count_last8"] == 8
    assert document["kpi_window"]["net_bps"]["mean"] > 3.0
    assert document["delta_quality"]["full_apply_ratio"] == 1.0
    assert document["fingerprint"]["profile"] == "steady"
    assert document["fingerprint"]["versions"] == VERSIONS
    assert "lanes" not in document
    assert lanes_of(document) == [document]


def test_a_figure_is_written_once() -> None:
    """The criterion of a KPI has its limit and its verdict; its window has the figures."""
    document = run_of(decided())
    criteria = {item["name"]: item for item in document["criteria"]}
    window = document["kpi_window"]["net_bps"]
    assert set(criteria["net_bps"]) == {"name", "verdict", "value", "limit", "margin", "reason"}
    assert {"low", "high", "n", "n_eff", "phi", "first_quarter"} <= set(window)
    assert "low" in criteria["completeness"]


def test_the_failing_criteria_are_listed() -> None:
    assert run_of(decided())["failing"] == []
    bad = decided(lane_id="other-1", net=1.0)
    assert "net_bps" in run_of(bad)["failing"]
    assert "other-1/net_bps" in run_of(decided(), bad)["failing"]


def test_the_first_quarter_is_that_of_the_judged_iterations() -> None:
    history = decided()
    values = [item.readings["net_bps"].value or 0.0 for item in history.iterations]
    quarter = values[: len(values) // 4]
    window = run_of(history)["kpi_window"]["net_bps"]
    assert window["first_quarter"] == pytest.approx(sum(quarter) / len(quarter))


def test_a_bound_at_the_end_of_the_range_says_nothing() -> None:
    assert _within(0.0, 0.0) is None
    assert _within(0.1, 0.0) == 0.1
    assert _within(0.0, None) == 0.0
    assert _within(None, 0.0) is None


def test_several_lanes_have_the_worst_of_them_on_top() -> None:
    good, bad = decided(), decided(lane_id="other-1", net=1.0)
    document = run_of(good, bad)
    assert document["verdict"] == "FAIL"
    assert document["freeze_ready"] is False
    assert document["pass_count_last8"] == 0
    assert [lane["lane"] for lane in document["lanes"]] == ["steady-BTCUSDT-1", "other-1"]
    assert "kpi_window" not in document


def test_the_same_run_has_the_same_bytes() -> None:
    first, second = snapshot_text(run_of(decided())), snapshot_text(run_of(decided()))
    assert first == second
    assert first.encode() == canonical_json(json.loads(first))
    assert json.loads(snapshot_text(run_of(decided()), pretty=True)) == json.loads(first)


def test_what_is_not_known_is_null_and_never_infinite() -> None:
    document = run_of(make_history(1, kpis={"net_bps": None}))
    window = document["kpi_window"]["net_bps"]
    assert (window["mean"], window["n"], window["no_data"]) == (None, 0, 1)
    assert document["kpi_window"]["risk_ratio"]["low"] is None
    canonical_json(document)
    canonical_json(run_of(make_history(0, planned=24)))


def test_the_gate_alone() -> None:
    run = judge_run([judge_lane(decided())])
    document = gate_object(run)
    assert document["verdict"] == "PASS"
    assert [item["name"] for item in document["lanes"][0]["criteria"]][7] == "completeness"
    canonical_json(document)


def metrics_of(*histories: History) -> dict[str, dict[str, float]]:
    text = metrics_text(figures_of(judge_run([judge_lane(history) for history in histories])))
    values: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values.setdefault(sample.name, {})[sample.labels["lane"]] = sample.value
    return values


def test_metrics_have_their_names_and_a_lane() -> None:
    metrics = metrics_of(decided(), decided(lane_id="other-1", net=1.0))
    assert set(metrics) >= {
        "soak_kpi_risk_ratio_mean",
        "soak_kpi_maker_taker_mean",
        "soak_kpi_net_bps_mean",
        "soak_kpi_p95_latency_ms_mean",
        "soak_freeze_ready",
        "soak_delta_full_apply_ratio",
        "soak_delta_partial_count",
        "soak_delta_fail_count",
        "soak_signature_stuck_count",
    }
    assert metrics["soak_freeze_ready"] == {"steady-BTCUSDT-1": 1.0, "other-1": 0.0}
    assert metrics["soak_verdict_severity"] == {"steady-BTCUSDT-1": 0.0, "other-1": 3.0}
    assert metrics["soak_kpi_risk_ratio_mean"]["other-1"] == 0.36


def test_metrics_of_no_data_are_absent_not_zero() -> None:
    metrics = metrics_of(make_history(kpis={"net_bps": None}))
    assert "soak_kpi_net_bps_mean" not in metrics
    assert "soak_delta_full_apply_ratio" not in metrics
    assert metrics["soak_delta_fail_count"] == {"steady-BTCUSDT-1": 0.0}


def test_metrics_as_lines_are_the_same_figures() -> None:
    run = judge_run([judge_lane(decided())])
    lines = [json.loads(line) for line in metrics_lines(figures_of(run)).splitlines()]
    metrics = metrics_of(decided())
    assert {item["metric"]: item["value"] for item in lines} == {
        name: values["steady-BTCUSDT-1"] for name, values in metrics.items()
    }


def test_delta_verify_lists_each_iteration_that_matters() -> None:
    history = make_history(
        outcomes={2: [applied("tail_age_ms", 5.0)], 4: [skipped("tail_age_ms", 5.0)]}
    )
    history = with_iteration(history, 3, echo_mismatch={"tail_age_ms": "500"})
    delta = judge_lane(history).delta
    document = delta_verify(delta)
    assert [item["status"] for item in document["iterations"]] == ["fail", "partial_ok"]
    assert document["fail_count"] == 1
    assert document["verdict"] == "FAIL"
    canonical_json(run_delta_verify([("a", delta)]))
    text = delta_report(history, delta)
    assert text.startswith("# Delta verification of steady-BTCUSDT-1: FAIL")
    assert "tail_age_ms: in iteration 3 605 was in force and 500 echoed" in text
    assert "| 4 | partial_ok | – | velocity: tail_age_ms | – |" in text
    assert "| tail_age_ms | 2 | 1 | 0 | velocity (1) |" in text
    good = decided()
    assert "\nEvery change is explained.\n" in delta_report(good, judge_lane(good).delta)


def test_a_long_delta_report_has_its_newest_iterations() -> None:
    outcomes = {number: [applied("base_spread_bps", 0.001)] for number in range(1, 301)}
    history = make_history(301, outcomes=outcomes)
    text = delta_report(history, judge_lane(history).delta)
    rows = [line for line in text.splitlines() if "base_spread_bps +0.001" in line]
    assert len(rows) == MOST_ROWS
    assert rows[-1].startswith("| 300 |")
    assert "The first 100 of them are left out here" in text
