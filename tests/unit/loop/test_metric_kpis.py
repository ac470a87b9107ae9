"""KPIs of metrics: what a profile may say, and their readings of a report."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_soak.loop.kpis import read_kpis, reset_texts
from pytest_soak.loop.model import Reading
from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.kpi import Metric
from pytest_soak.profile.model import Profile
from pytest_soak.profile.resolve import Source, resolve

BASE = """
kpis:
  p95_ms: {read: {metric: wait_seconds, take: {histogram_quantile: 0.95}}, scale: 1000}
  buys: {read: {metric: orders_total, labels: {side: buy, market: A}, take: increase}}
  depth: {read: {metric: depth}, range: [0, null]}
  ratio: {ratio: [buys, depth]}
  risk: {block_ratio: risk}
  fills: {derive: fills_per_hour}
gate: {criteria: {p95_ms: "<= 100"}}
"""


def profile(text: str = BASE) -> Profile:
    return resolve("web", lambda *_: Source("web", text.encode())).profile


def read(report: dict[str, Any]) -> dict[str, Reading]:
    return dict(read_kpis(profile(), report, None, interval_s=60, mock=False))


def test_what_is_read() -> None:
    kpis = profile().kpis
    assert kpis["p95_ms"].metric == Metric("wait_seconds", (), "quantile", 0.95)
    labels = (("market", "A"), ("side", "buy"))
    assert kpis["buys"].metric == Metric("orders_total", labels, "increase")
    assert kpis["depth"].metric == Metric("depth")
    assert kpis["depth"].path == ("metrics", "depth")


def test_the_readings_of_a_report() -> None:
    readings = read({"totals": {}, "metrics": {"p95_ms": 0.25, "buys": 6.0, "depth": 3.0}})
    assert readings["p95_ms"] == Reading(250.0, "0.95-quantile of wait_seconds")
    source = 'increase of orders_total{market="A",side="buy"}'
    assert readings["buys"] == Reading(6.0, source)
    assert readings["ratio"].value == 2.0


@pytest.mark.parametrize(
    ("report", "why"),
    [
        ({"metrics": {}, "metrics_missing": {"depth": "no sample depth"}}, "no sample depth"),
        ({"metrics": {"depth": -1}}, "depth is -1, outside 0 to inf"),
        ({"metrics": {"depth": "3"}}, "depth is a text, '3'"),
        ({"metrics": {"depth": None}, "metrics_missing": {"depth": "gone"}}, "depth is null"),
        ({"metrics": 3, "metrics_missing": {"depth": 4}},
         "the report has no figure of depth; 'report: {prometheus: URL}' reads metrics"),
        ({"metrics_missing": 3},
         "the report has no figure of depth; 'report: {prometheus: URL}' reads metrics"),
    ],
)  # fmt: skip
def test_a_metric_without_a_figure(report: dict[str, Any], why: str) -> None:
    reading = read({"totals": {}, **report})["depth"]
    assert (reading.value, reading.why) == (None, why)


def test_an_input_without_a_figure_is_the_reason_of_what_needs_it() -> None:
    readings = read(
        {
            "totals": {},
            "fills": {"maker_count": 3.0, "taker_count": None},
            "block_reasons": {"risk": None},
            "metrics_missing": {"fills.taker_count": "no sample x", "block_reasons.risk": "no y"},
        }
    )
    assert readings["fills"].why == "fills.taker_count is missing: no sample x"
    assert readings["risk"].why == "block_reasons.risk is null: no y"


def test_resets_as_sentences() -> None:
    resets = {"orders_total": 2, "process_start_time_seconds": 1}
    assert reset_texts({"metric_resets": resets}) == [
        "the counter orders_total began anew, times: 2",
        "the service of the metrics was started again, times: 1",
    ]
    assert reset_texts({}) == reset_texts({"metric_resets": 3}) == []


@pytest.mark.parametrize(
    ("kpi", "path", "problem"),
    [
        ("{read: {metric: a b}}", "read.metric", "is no name of a sample"),
        ("{read: {metric: a, take: rates}}", "read.take", "'rates' is neither"),
        ("{read: {metric: a, take: {histogram_quantile: 1}}}", "histogram_quantile", "below 1"),
        ("{read: {metric: a, take: {quantile: 0.5}}}", "read.take.quantile", "unknown field"),
        ("{read: {metrics: a}}", "read.metrics", "did you mean 'metric'?"),
        ("{read: {metric: a, labels: {le: '1'}, take: {histogram_quantile: 0.9}}}",
         "read.labels.le", "a quantile is of all buckets; leave it out"),
        ("{read: {metric: a}, aggregate: sum}", "aggregate",
         "is of several reports; 'take' is what a metric has"),
        ("{read: {metric: a}, quantile: {histogram: b, q: 0.5}}", "kpis.x", "a KPI has one of"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(kpi: str, path: str, problem: str) -> None:
    with pytest.raises(ProfileError) as caught:
        profile(f"kpis: {{x: {kpi}}}\ngate: {{criteria: {{x: '<= 1'}}}}\n")
    assert path in str(caught.value)
    assert problem in str(caught.value)
