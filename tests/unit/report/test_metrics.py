"""The table of the metrics, its two sets of names, and the text that is made from it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from pytest_soak.gate.judge import judge_lane, judge_run
from pytest_soak.loop.model import Halt, History, Panic, Requested
from pytest_soak.loop.state import evolved
from pytest_soak.profile.kpi import Kpi
from pytest_soak.report.export import export_lines
from pytest_soak.report.metric_names import (
    LANE_LABELS,
    LANE_METRICS,
    NAME_SETS,
    RUN_METRICS,
    Metric,
    NameSet,
)
from pytest_soak.report.metric_units import CleanKpi, clean_kpis
from pytest_soak.report.metric_values import RunFigures, figures_of, figures_so_far
from pytest_soak.report.metrics import metrics_lines, metrics_text, samples, value_text
from pytest_soak.settings import NameSet as NameSetOfSettings
from tests.promtool import problems
from tests.unit.gate.histories import applied, clipped, make_history, skipped, with_iteration
from tests.unit.report.runs import decided

ABOUT = {
    "started_utc": "2026-11-29T20:55:12+00:00",
    "versions": {"python": "3.11.7", "pytest_soak": "0.1.0", "pytest": "9.2.0", "numpy": "2.4.6"},
}
PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
Values = dict[str, dict[tuple[tuple[str, str], ...], float]]


def figures(*histories: History, **about: Any) -> RunFigures:
    return figures_of(judge_run([judge_lane(item) for item in histories]), {**ABOUT, **about})


def parsed(text: str) -> Values:
    """Name to the labels that are not of the lane, to the value."""
    values: Values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            own = {key: item for key, item in sample.labels.items() if key not in LANE_LABELS}
            values.setdefault(sample.name, {})[tuple(sorted(own.items()))] = sample.value
    return values


def clean(*histories: History) -> Values:
    return parsed(metrics_text(figures(*histories), "clean"))


def only(values: Values, name: str) -> float:
    (value,) = values[name].values()
    return value


# -- the table and its page ------------------------------------------------------------------------


def rows(metrics: Iterable[Metric]) -> list[str]:
    def code(text: str) -> str:
        return f"`{text}`" if text else "–"

    return [
        f"| {code(item.original)} | {code(item.clean)} | {item.type} | {item.unit} | "
        f"{', '.join(map(code, item.labels)) or '–'} | {item.source} | {item.help} |"
        for item in metrics
    ]


@pytest.mark.parametrize("metrics", [LANE_METRICS, RUN_METRICS], ids=["lane", "run"])
def test_the_page_shows_the_table(metrics: tuple[Metric, ...]) -> None:
    head = "| original | clean | type | unit | labels | source | contents |"
    assert "\n".join([head, "|---" * 7 + "|", *rows(metrics)]) in PAGE.read_text("utf-8")


def test_each_name_is_in_the_table_once() -> None:
    table = (*LANE_METRICS, *RUN_METRICS)
    for names in ([item.original for item in table if item.original], [m.clean for m in table]):
        assert len(names) == len(set(names))
    for metric in table:
        assert (metric.read is None) != (metric.read_run is None)
        assert metric.source in ("history", "window", "delta", "gate", "run.json")
        assert metric.type == ("counter" if metric.clean.endswith("_total") else "gauge")
        assert not metric.help.endswith(".")


def test_the_option_has_the_sets_of_the_table() -> None:
    assert get_args(NameSetOfSettings) == NAME_SETS


# -- the original set ------------------------------------------------------------------------------


def test_the_original_names_are_those_of_the_documents() -> None:
    text = metrics_text(figures(decided()))
    assert set(parsed(text)) >= {
        *("soak_kpi_risk_ratio_mean", "soak_kpi_maker_taker_mean", "soak_kpi_net_bps_mean"),
        *("soak_kpi_p95_latency_ms_mean", "soak_freeze_ready", "soak_delta_full_apply_ratio"),
        *("soak_delta_partial_count", "soak_delta_fail_count", "soak_signature_stuck_count"),
    }
    assert "soak_gate_pass_count" in text
    assert 'soak_freeze_ready{lane="steady-BTCUSDT-1"} 1.0\n' in text


def test_a_line_of_the_original_set_is_a_name_and_a_value() -> None:
    """So that ``grep NAME FILE | awk '{print $2}'`` gives the value and nothing else."""
    text = metrics_text(figures(decided(), decided(lane_id="other-1")))
    for line in text.splitlines():
        name, value = line.split(" ")
        assert name.startswith("soak_")
        assert math.isfinite(float(value))
    names = {line.partition("{")[0] for line in text.splitlines()}
    for name in names:  # no name is a part of another one
        assert [other for other in names if name in other] == [name]


# -- the clean set ---------------------------------------------------------------------------------


def test_promtool_accepts_the_clean_set() -> None:
    good, bad = decided(), decided(lane_id="other-1", net=1.0)
    for run in (figures(good), figures(good, bad), figures(make_history(0, planned=24))):
        assert problems(metrics_text(run, "clean")) == []


def test_what_promtool_refuses_is_found() -> None:
    text = "# HELP soak_x_ms_count x\n# TYPE soak_x_ms_count gauge\nsoak_x_ms_count 1\n"
    assert len(problems(text)) >= 2
    assert problems("soak_x 1\n")


def test_units_are_base_units() -> None:
    values, original = clean(decided()), parsed(metrics_text(figures(decided())))
    assert only(values, "soak_kpi_p95_latency_mean_seconds") == 0.31
    assert only(values, "soak_kpi_p95_latency_upper_limit_seconds") == 0.34
    assert only(values, "soak_interval_seconds") == 300.0
    assert only(values, "soak_kpi_net_mean_basis_points") == only(original, "soak_kpi_net_bps_mean")
    per_hour = only(original, "soak_kpi_fills_per_hour_mean")
    assert only(values, "soak_kpi_fills_mean_per_second") == per_hour / 3600
    assert only(values, "soak_kpi_maker_taker_mean_ratio") == only(
        original, "soak_kpi_maker_taker_mean"
    )


def test_limits_bounds_and_the_last_iteration() -> None:
    history = decided()
    lane, values = judge_lane(history), clean(history)
    window = lane.window.kpi("net_bps")
    assert only(values, "soak_kpi_net_lower_bound_basis_points") == window.low
    assert only(values, "soak_kpi_net_upper_bound_basis_points") == window.high
    assert only(values, "soak_kpi_net_lower_limit_basis_points") == 2.7
    assert "soak_kpi_net_upper_limit_basis_points" not in values
    last = history.iterations[-1].readings["net_bps"].value
    assert only(values, "soak_kpi_net_last_basis_points") == last


def test_labels_of_a_lane_and_of_the_run() -> None:
    text = metrics_text(figures(decided()), "clean")
    labels = 'lane="steady-BTCUSDT-1",profile="steady",seed="1",symbol="BTCUSDT"'
    assert f"soak_freeze_ready{{{labels}}} 1.0" in text
    assert "\nsoak_run_freeze_ready 1.0\n" in text
    assert "\nsoak_run_start_timestamp_seconds 1.795985712e+09\n" in text
    assert 'soak_build_info{numpy="2.4.6",pytest="9.2.0",python="3.11.7",version="0.1.0"}' in text


def test_events_are_counted() -> None:
    history = make_history(
        outcomes={
            2: [applied("tail_age_ms", 5.0)],
            4: [skipped("tail_age_ms", 5.0, "late")],
            6: [clipped("tail_age_ms", 5.0, 1.0)],
        },
        requested={8: Requested(withheld={"tail_age_ms": "freeze until iteration 9"})},
        panics={10: Panic("steady_safe", {}, False, 12), 12: Panic("steady_safe", {}, True, None)},
    )
    history = replace(
        with_iteration(history, 3, edits={"tail_age_ms": (600.0, 610.0)}),
        freezes=(5, 17),
        halts=(Halt(7, "error", "x"),),
    )
    values = clean(history)
    assert values["soak_moves_total"] == {
        (("outcome", "APPLIED"),): 1.0,
        (("outcome", "CLIPPED"),): 1.0,
        (("outcome", "SKIPPED"),): 1.0,
    }
    assert values["soak_moves_refused_total"][(("guard", "late"),)] == 1.0
    assert values["soak_moves_refused_total"][(("guard", "velocity"),)] == 1.0
    assert values["soak_moves_withheld_total"][(("guard", "freeze"),)] == 1.0
    assert values["soak_rule_activations_total"][(("rule", "MAKER_BOOST"),)] == 3.0
    assert values["soak_rule_activations_total"][(("rule", "RELAX"),)] == 0.0
    assert values["soak_iterations_total"][(("verdict", "PASS"),)] == 24.0
    for name, count in (("panics", 1), ("freezes", 2), ("halts", 1), ("edits", 1)):
        assert only(values, f"soak_{name}_total") == count


def test_what_is_not_known_is_absent() -> None:
    values = clean(make_history(kpis={"net_bps": None}))
    assert "soak_kpi_net_mean_basis_points" not in values
    assert "soak_kpi_net_last_basis_points" not in values
    assert only(values, "soak_kpi_net_lower_limit_basis_points") == 2.7
    assert "soak_delta_full_apply_ratio" not in values
    for time in ("soon", None, "0000-01-01T00:00:00+00:00", "2026-11-29T20:55:12+01:00"):
        unknown = metrics_text(figures(decided(), started_utc=time, versions=None), "clean")
        assert "timestamp" not in unknown
    assert "build_info" not in unknown
    partly = metrics_text(figures(decided(), versions={"python": "3.11", "numpy": None}), "clean")
    assert 'soak_build_info{python="3.11"} 1.0' in partly
    for text in (metrics_text(figures(make_history(1, planned=9)), names) for names in NAME_SETS):
        assert not {"nan", "inf"} & {line.split(" ")[-1].lower() for line in text.splitlines()}


def test_the_table_does_not_need_the_end_of_a_run() -> None:
    history = decided(9, planned=24)
    text = metrics_text(figures_so_far([history], ABOUT), "clean")
    values = parsed(text)
    assert problems(text) == []
    assert only(values, "soak_iterations_measured") == 9.0
    assert only(values, "soak_kpi_p95_latency_last_seconds") == 0.31
    assert "soak_delta_full_apply_ratio" in values
    gated = {item.clean for item in (*LANE_METRICS, *RUN_METRICS) if item.source == "gate"}
    assert not gated & values.keys()
    at_the_end = clean(history)
    assert {name: at_the_end[name] for name in values} == values
    assert at_the_end.keys() - values.keys() == gated


@pytest.mark.parametrize("names", NAME_SETS)
def test_lines_are_the_same_figures(names: NameSet) -> None:
    run = figures(decided(), decided(lane_id="other-1", net=1.0))
    lines = [json.loads(line) for line in metrics_lines(run, names).splitlines()]
    text = metrics_text(run, names)
    assert len(lines) > 30
    assert len(lines) == len([line for line in text.splitlines() if line[0] != "#"])
    for row in lines:
        labels = ",".join(f'{key}="{text}"' for key, text in sorted(row.get("labels", {}).items()))
        assert f" {value_text(row['value'])}\n" in text
        assert row["metric"] in text
        assert labels.partition(",")[0] in text
        assert ("lane" in row) == (not row["metric"].startswith(("soak_run", "soak_build")))


def test_the_export_has_a_row_for_each_iteration() -> None:
    history = decided(9)
    lines = export_lines(figures(history)).splitlines()
    assert "\n".join(lines).startswith(metrics_lines(figures(history)).rstrip())
    rows = [row for row in map(json.loads, lines) if row.get("type") == "iteration"]
    assert [row["iteration"] for row in rows] == list(range(1, 10))
    first = rows[0]
    assert first["lane"] == "steady-BTCUSDT-1"
    assert first["verdict"] == "PASS"
    assert first["kpis"]["p95_latency_ms"] == 310
    assert first["kpis"]["hit_ratio"] is None
    assert first["values"]["tail_age_ms"] == 600
    assert first["rules"] == list(history.iterations[0].decision.rules)  # type: ignore[union-attr]
    assert all("outcome" in item for item in first["outcomes"].values())


# -- hostile names ---------------------------------------------------------------------------------

ODD = 'a "b" \\ c\n\x1b[31m é {x="1"} 日本'


def test_odd_rule_names_are_escaped() -> None:
    history = make_history()
    decision = history.iterations[3].decision
    assert decision is not None
    history = with_iteration(history, 4, decision=evolved(decision, rules=(ODD, "MAKER_BOOST")))
    text = metrics_text(figures(history), "clean")
    assert problems(text) == []
    assert "\x1b" not in text
    rules = [dict(key)["rule"] for key in parsed(text)["soak_rule_activations_total"]]
    assert ODD.replace("\n", "\\n").replace("\x1b", "\\x1b") in rules


def test_rules_that_look_the_same_are_one_series() -> None:
    history = make_history()
    for number, name in ((4, "a\nb"), (5, "a\\nb"), (6, "a\nb")):
        decision = history.iterations[number - 1].decision
        assert decision is not None
        history = with_iteration(history, number, decision=evolved(decision, rules=(name,)))
    text = metrics_text(figures(history), "clean")
    assert problems(text) == []
    assert parsed(text)["soak_rule_activations_total"][(("rule", "a\\nb"),)] == 3.0
    series = [line.rpartition(" ")[0] for line in text.splitlines() if line[0] != "#"]
    assert len(series) == len(set(series))


def kpis(**units: str) -> dict[str, CleanKpi]:
    return clean_kpis(Kpi(name, unit, "up") for name, unit in units.items())


@pytest.mark.parametrize(
    ("name", "unit", "metric", "value"),
    [
        ("p95_latency_ms", "ms", "soak_kpi_p95_latency_mean_seconds", 0.31),
        ("latency", "µs", "soak_kpi_latency_mean_seconds", 0.00031),
        ("age", "min", "soak_kpi_age_mean_seconds", 18600.0),
        ("uptime_hours", "h", "soak_kpi_uptime_mean_seconds", 1116000.0),
        ("cpu_pct", "%", "soak_kpi_cpu_mean_ratio", 3.1),
        ("fill", "share of visible size", "soak_kpi_fill_mean_ratio", 310.0),
        ("net_bps", "bps", "soak_kpi_net_mean_basis_points", 310.0),
        ("rss_mb", "MB", "soak_kpi_rss_mean_bytes", 310e6),
        ("heap", "MiB", "soak_kpi_heap_mean_bytes", 310.0 * 2**20),
        ("requests_per_min", "1/min", "soak_kpi_requests_mean_per_second", 310 / 60),
        ("orders_count", "1", "soak_kpi_orders_count_mean", 310.0),
        ("depthOfBook", "contracts", "soak_kpi_depth_of_book_mean", 310.0),
        ("gauge_ms_total", "", "soak_kpi_total_mean", 310.0),
        ("ms", "ms", "soak_kpi_value_mean_seconds", 310 / 1000),
        ("milliseconds_of_hours", "widgets", "soak_kpi_of_mean", 310.0),
        ("x.y-z", "requests in flight", "soak_kpi_x_y_z_mean", 310.0),
        ("speed", "m/s", "soak_kpi_speed_mean", 310.0),
        ("speed", "min of day", "soak_kpi_speed_mean", 310.0),
    ],
)
def test_the_clean_name_of_a_kpi(name: str, unit: str, metric: str, value: float) -> None:
    shown = kpis(**{name: unit})[name]
    assert shown.name("mean") == metric
    assert shown.converted(310.0) == pytest.approx(value, rel=1e-12)


def test_kpis_of_the_same_clean_name_are_numbered() -> None:
    shown = kpis(latency_ms="ms", latency="s", latency_us="us", latency_b="bytes")
    assert [item.name("mean") for item in shown.values()] == [
        "soak_kpi_latency_mean_seconds",
        "soak_kpi_latency_2_mean_seconds",
        "soak_kpi_latency_3_mean_seconds",
        "soak_kpi_latency_mean_bytes",
    ]


WORDS = st.sampled_from(
    [
        *("ms", "s", "count", "total", "sum", "bucket", "gauge", "summary", "hours", "kilobytes"),
        *("net", "P95", "pct", "bps", "per", "hour", "le", "microseconds", "info", "ratio", "mb"),
        *("meters", "kilometers", "percent", "percents", "bits", "grams", "celsius", "Histogram"),
    ]
)
UNITS = st.sampled_from(["", "1", "ms", "%", "bps", "1/h", "1/ms", "MB", "share of it", "x", "/"])


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.lists(WORDS, min_size=1, max_size=4).map("_".join), UNITS, max_size=6))
def test_any_kpi_has_a_name_that_promtool_accepts(units: dict[str, str]) -> None:
    shown = kpis(**units)
    names = [
        item.name(statistic) for item in shown.values() for statistic in ("mean", "lower_bound")
    ]
    assert len(set(names)) == len(names)
    text = "".join(f"# HELP {name} x\n# TYPE {name} gauge\n{name} 1\n" for name in names)
    if text:
        assert problems(text) == []


def test_a_known_name_without_a_value_is_among_the_samples() -> None:
    run = figures(make_history(kpis={"net_bps": None}))
    values = {item.name: item.value for item in samples(run, "original")}
    assert values["soak_kpi_net_bps_mean"] is None
