"""Metrics of a service as figures of a span: resets, several series, histograms, what is missing,
and texts of any kind."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.json_types import WrongValueError, converted
from pytest_soak.live.channels import ChannelFault
from pytest_soak.live.exposition import LONGEST_LINE, Scanner
from pytest_soak.live.readers.prometheus import make_prometheus
from pytest_soak.live.sections import ReportFields
from pytest_soak.profile.kpi import Metric
from tests.unit.live.contexts import context_of
from tests.unit.live.metrics_server import OPEN_METRICS, figure, reason, scraped
from tests.unit.live.servers import answer, serving

ORDERS = Metric("orders_total", take="increase")
BUY = Metric("orders_total", (("side", "buy"),), "increase")
RATE = Metric("orders_total", take="rate")
DEPTH = Metric("depth")
P90 = Metric("wait_seconds", take="quantile", q=0.9)
GONE = ChannelFault("unreachable", "x", "is gone")


def orders(value: object, started: object = None) -> str:
    start = "" if started is None else f"process_start_time_seconds {started}\n"
    return f"# TYPE orders_total counter\norders_total {value}\n{start}"


def sides(buy: object, sell: object) -> str:
    return f'orders_total{{side="buy"}} {buy}\norders_total{{side="sell"}} {sell}\n'


def waits(*counts: int, route: str = "/", bounds: tuple[str, ...] = ("0.1", "0.5", "+Inf")) -> str:
    lines = [
        f'wait_seconds_bucket{{le="{bound}",route="{route}"}} {count}'
        for bound, count in zip(bounds, counts, strict=True)
    ]
    return "\n".join([*lines, f'wait_seconds_count{{route="{route}"}} {counts[-1]}', ""])


@pytest.mark.parametrize(
    ("metric", "texts", "expected"),
    [
        (ORDERS, [orders(5), orders(9)], 4.0),
        (ORDERS, [orders(5), orders(5)], 0.0),
        # a counter reset: 5 -> 9, 0 -> 2, 2 -> 3
        (ORDERS, [orders(5), orders(9), orders(2), orders(3)], 7.0),
        (ORDERS, [orders(5), orders(9), orders(0), orders(3)], 7.0),
        # a restart that only the start time shows: 5 -> 6, 0 -> 8
        (ORDERS, [orders(5, 1000), orders(6, 1000), orders(8, 1060)], 9.0),
        (ORDERS, [orders(5, 1e3), orders(6, 1.001e3), orders(8, 1e3)], 3.0),  # jitter of 1 s
        (ORDERS, [orders(5, 1000), orders(6, "NaN"), orders(8, 1000)], 3.0),
        (RATE, [orders(5), orders(9), orders(15)], 1.0),
        # several series
        (ORDERS, [sides(1, 10), sides(3, 15)], 7.0),
        (ORDERS, [sides(9, 10), sides(2, 15)], 7.0),  # one of them began anew
        (BUY, [sides(1, 10), sides(3, 15)], 2.0),
        (ORDERS, ["orders_other 1\n", sides(3, 15)], 18.0),  # they were born within the span
        (ORDERS, [sides(1, 10), 'orders_total{side="buy"} 3\n'], 2.0),  # one is gone: at 0
        (ORDERS, [sides(1, 10), 'orders_total{side="buy"} 3\n', sides(4, 2)], 5.0),
        (DEPTH, ["depth 1\n", "depth -2.5\n"], -2.5),
        (Metric("depth", (("s", "A"),)), ['depth{s="A"} 3\ndepth{s="B"} 4\n'], 3.0),
        (Metric("depth", (("s", 'a"\\\n'),)), ['depth{s="a\\"\\\\\\n"} 3\n'], 3.0),
        # histograms
        (P90, [waits(0, 0, 0), waits(80, 100, 100)], 0.3),
        (P90, [waits(7, 7, 7), waits(87, 107, 107)], 0.3),
        (P90, [waits(90, 99, 99), waits(80, 100, 100)], 0.3),  # reset
        (P90, [waits(0, 0, 0) + waits(0, 0, 0, route="/a"),
               waits(40, 50, 50) + waits(40, 50, 50, route="/a")], 0.3),
        (Metric("wait_seconds_bucket", (("route", "/a"),), "quantile", 0.9),
         [waits(0, 0, 0, route="/a"), waits(80, 100, 100, route="/a") + waits(1, 2, 3)], 0.3),
        (Metric("wait_seconds_count", take="increase"), [waits(1, 1, 1), waits(1, 4, 9)], 8.0),
        # scrapes that failed
        (ORDERS, [orders(5), GONE, orders(9)], 4.0),
        (RATE, [GONE, orders(5), orders(15)], 2.0),
    ],
)  # fmt: skip
def test_a_figure_of_a_span(metric: Metric, texts: list[Any], expected: float) -> None:
    assert figure(metric, *texts) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("metric", "texts", "why"),
    [
        (Metric("order_total", take="increase"), [orders(1), orders(2)], "no sample"),
        (Metric("depth", (("s", "C"),)), ['depth{s="A"} 3\ndepth{s="B"} 4\n'],
         'depth has no series with {s="C"}; it has {s="A"}, {s="B"}'),
        (DEPTH, ['depth{s="A"} 3\ndepth{s="B"} 4\n'],
         'depth has 2 series ({s="A"}, {s="B"}); name the labels of the one that is meant, or '
         "take the increase of a counter"),
        (DEPTH, ["depth NaN\n"], "depth is NaN"),
        (DEPTH, ["depth +Inf\n"], "depth is +Inf"),
        (DEPTH, ["depth 1" + "0" * 400 + "\n"], "depth is +Inf"),
        (DEPTH, ["depth 1\ndepth 1\n"], "depth is there twice"),
        (DEPTH, ["depth 1\n", "other 1\n"], "no sample depth; there are other"),
        (ORDERS, [orders(1) + orders(1), orders(2) + orders(2)], "orders_total is there twice"),
        (ORDERS, [orders(1), orders("NaN"), orders(2)],
         "orders_total was NaN, which no counter is"),
        (ORDERS, [orders(1), orders(-2), orders(2)], "orders_total was -2, which no counter is"),
        (ORDERS, [orders(1)], "an increase needs two scrapes; the span has 1"),
        (ORDERS, [GONE, orders(1), orders(2)],
         "the first scrape of the span failed, so an increase is not known"),
        (Metric("depth", take="increase"), ["# TYPE depth gauge\ndepth 1\n"] * 2,
         "depth is a gauge; only what never falls has an increase, because a fall is taken for a "
         "restart"),
        (Metric("rpc", take="rate"), ['# TYPE rpc summary\nrpc{quantile="0.5"} 1\n'] * 2,
         "rpc is a quantile of a summary; only what never falls has a rate, because a fall is "
         "taken for a restart"),
        (P90, [waits(0, 0, 0), waits(80, 80, 100)],
         "wait_seconds has its 0.9-quantile beyond the last bound, 0.5"),
        (P90, [waits(0, 0, 0), waits(8, 9, 9)],
         "wait_seconds counts 9 observations in the span; a quantile needs 10"),
        (P90, [waits(9, 9, 9), waits(10, 10, 10)],
         "wait_seconds counts 1 observation in the span; a quantile needs 10"),
        (P90, [waits(0, 0, bounds=("0.1", "0.5")), waits(8, 90, bounds=("0.1", "0.5"))],
         "wait_seconds has no bucket +Inf, which counts all observations"),
        (P90, [waits(0, 0, 0), waits(80, 60, 100)],
         "wait_seconds falls from one bucket to the next; cumulative counts never do"),
        (P90, [waits(8, 9, 90) + waits(8, 90, route="/a", bounds=("0.2", "+Inf"))] * 2,
         "wait_seconds has series with different buckets; name the labels"),
        (P90, ['wait_seconds_bucket{le="x"} 1\n'] * 2,
         "wait_seconds has a bucket with the bound 'x'"),
        (P90, ["wait_seconds_bucket 1\n"] * 2, "wait_seconds has a bucket with no label le"),
        (P90, [waits(1, 2, 3)], "a quantile needs two scrapes; the span has 1"),
    ],
)  # fmt: skip
def test_a_metric_without_a_figure_has_a_reason(metric: Metric, texts: list[Any], why: str) -> None:
    if why == "no sample":
        report = scraped({"kpi": metric, "there": ORDERS}, *texts)
        assert report["metrics"] == {"there": 1.0}
        missing = report["metrics_missing"]["kpi"]
        assert missing == "no sample order_total (did you mean 'orders_total'?)"
    else:
        assert reason(metric, *texts) == why


@pytest.mark.parametrize(
    ("texts", "resets"),
    [
        ([orders(5), orders(9)], None),
        ([orders(5), orders(9), orders(2), orders(3), orders(1)], {"orders_total": 2}),
        ([sides(5, 5), sides(2, 2)], {"orders_total": 1}),
        ([orders(5, 1000), orders(1, 1060)], {"process_start_time_seconds": 1}),
        ([orders(5, 1000), GONE, orders(1, 1060)], {"process_start_time_seconds": 1}),
    ],
)
def test_a_reset_marks_the_report(texts: list[Any], resets: dict[str, int] | None) -> None:
    assert scraped({"kpi": ORDERS}, *texts).get("metric_resets") == resets


def reader_of(fields: dict[str, Any], metrics: dict[str, Metric], **context: Any) -> Any:
    given = converted({"prometheus": "http://127.0.0.1:9/m", **fields}, ReportFields)
    return make_prometheus(given, context_of(Path(), metrics=metrics, **context), 1.0)


def test_each_span_counts_anew() -> None:
    replies = iter([orders(value).encode() for value in (1, 4, 20, 25)])
    with serving(lambda request: answer(next(replies))) as server:
        reader = reader_of({"prometheus": server.url}, {"kpi": ORDERS})
        assert not reader.exists()
        reader.begin()
        assert reader.poll()["metrics"] == {}
        assert reader.poll()["metrics"] == {"kpi": 3.0}
        reader.begin()
        reader.poll()
        assert reader.poll()["metrics"] == {"kpi": 5.0}
        assert reader.exists()
    assert b"Accept: text/plain;version=0.0.4" in server.requests[0]


def test_inputs_and_echo_stand_where_others_read_them() -> None:
    fields = {
        "inputs": {
            "fills.maker_count": {"metric": "orders_total", "labels": {"side": "buy"},
                                  "take": "increase"},
            "fills.taker_count": {"metric": "takers_total", "take": "increase"},
            "block_reasons.risk": {"metric": "blocks_total", "take": "increase"},
        },
        "echo": {"base_spread_bps": {"metric": "spread"}, "levels": {"metric": "levels"}},
    }  # fmt: skip
    replies = iter([(sides(n, n) + "spread 0.5\n").encode() for n in (1, 4)])
    with serving(lambda request: answer(next(replies))) as server:
        reader = reader_of(
            {"prometheus": server.url, **fields}, {}, block_reasons=("risk", "margin")
        )
        reader.begin()
        reader.poll()
        report = reader.poll()
    assert report == {
        "totals": {},
        "metrics": {},
        "fills": {"maker_count": 3.0, "taker_count": None},
        "block_reasons": {"risk": None},  # none would count as 0 blocks
        "effective_params": {"base_spread_bps": 0.5},
        "metrics_missing": {
            "fills.taker_count": "no sample takers_total (did you mean 'orders_total'?)",
            "block_reasons.risk": "no sample blocks_total (did you mean 'orders_total'?)",
            "effective_params.levels": "no sample levels; there are orders_total, spread",
        },
    }


# -- texts -----------------------------------------------------------------------------------------

OPEN = """# TYPE orders counter
# UNIT depth_seconds seconds
orders_total 17.0 # {trace_id="KOO5S4vxi0o"} 0.67
orders_created 1520872607.123
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.1"} 8 # {trace_id="a } # {"} 0.054
wait_seconds_bucket{le="+Inf"} 100
wait_seconds_count 100
wait_seconds_sum 10
# TYPE mood stateset
mood{mood="good"} 1
# EOF
"""


def test_open_metrics_with_exemplars() -> None:
    before = OPEN.replace("17.0", "3.0").replace("8 #", "0 #").replace(" 100\n", " 0\n")
    report = scraped({"n": ORDERS, "p": Metric("wait_seconds", take="quantile", q=0.05)},
                     before, OPEN, kind=OPEN_METRICS)  # fmt: skip
    assert report["metrics"] == {"n": 14.0, "p": pytest.approx(0.0625)}
    assert "metrics_missing" not in report


@pytest.mark.parametrize(
    ("text", "kind", "fault"),
    [
        (b"depth \xff\n", "text/plain", "not_a_report"),
        ("<html>depth 1</html>\n", "text/html", "not_a_report"),
        ('{"totals": {}}', "application/json", "not_a_report"),
        ("depth\n", "text/plain", "metric_missing"),
        ("depth one\n", "text/plain", "not_a_report"),
        ("depth \n", "text/plain", "not_a_report"),
        ('depth{a="b 1\n', "text/plain", "not_a_report"),
        ('depth{a="b",a="c"} 1\n', "text/plain", "not_a_report"),
        ("depth{a} 1\n", "text/plain", "not_a_report"),
        ("depth{" + "," * 100 + "} 1\n", "text/plain", "not_a_report"),
        ('depth{a="' + "x" * LONGEST_LINE + '"} 1\n', "text/plain", "too_large"),
        ("depth 1\n", OPEN_METRICS, "half_written"),
        ("depth 1\n# EO", OPEN_METRICS, "half_written"),
        ("# TYPE depth nonsense\ndepth 1 2 3 4\n# EOF\n", OPEN_METRICS, "not_a_report"),
        ("", "text/plain", "metric_missing"),
        ("other 1\n", "text/plain", "metric_missing"),
    ],
)
def test_a_text_that_cannot_be_used_is_a_fault(text: Any, kind: str, fault: str) -> None:
    with pytest.raises(ChannelFault) as caught:
        scraped({"kpi": DEPTH}, text, kind=kind)
    assert caught.value.name == fault
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_line_of_another_metric_does_no_harm() -> None:
    text = (
        'other{a="b 1\n# TYPE\n# comment\n\n\t depth\t7\t1520872607\r\nother ' + "x" * 99_999 + "\n"
    )
    assert figure(DEPTH, text) == 7.0


def test_a_sample_that_is_nowhere_is_named_with_the_nearest() -> None:
    with pytest.raises(ChannelFault) as caught:
        scraped({"kpi": ORDERS, "b": DEPTH}, "orders 1\n")
    assert str(caught.value) == (
        "http://127.0.0.1:9/metrics has no sample depth, nor 1 other that is read; it has orders"
    )
    with pytest.raises(ChannelFault, match=r"no sample orders_total \(did you mean 'orders'\?\)"):
        scraped({"kpi": ORDERS}, "orders 1\n")


def test_a_last_line_without_its_end_counts_only_if_the_answer_is_whole() -> None:
    scanner = Scanner(["depth"])
    assert scanner.read(b"depth 12", "x").samples == {"depth": {(): 12.0}}
    with pytest.raises(ChannelFault, match="may be cut off"):
        scanner.read(b"depth 12", "x", is_whole=False)
    assert scanner.read(b"depth 12\n", "x", is_whole=False).samples == {"depth": {(): 12.0}}


def test_the_time_for_a_text_is_bounded() -> None:
    times = iter(range(1000))
    scanner = Scanner(["depth"], 3.0, lambda: float(next(times)))
    text = "".join(f'depth{{n="{n}"}} 1\n' for n in range(10_000)).encode()
    with pytest.raises(ChannelFault, match=r"takes too long to parse; [0-9],000 lines"):
        scanner.read(text, "x")


def test_a_hundred_thousand_series_of_others_are_quick() -> None:
    lines = (f'other_total{{path="/item/{n}",code="200"}} {n}' for n in range(100_000))
    text = ("\n".join(lines) + "\norders_total 3\n").encode()
    scanner = Scanner(["orders_total", "process_start_time_seconds"])
    begin = time.process_time()
    assert scanner.read(text, "x").samples == {"orders_total": {(): 3.0}}
    assert time.process_time() - begin < 2.0


# -- the section -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "path", "problem"),
    [
        ({"prometheus": "ftp://127.0.0.1/m"}, "prometheus", "is not of the form"),
        ({"prometheus": "http://example.org/m"}, "prometheus", "is not on this machine"),
        ({"headers": {"A": {"env": "NOT_SET"}}}, "headers.A", "NOT_SET is not set"),
        ({"inputs": {"fills.maker": {"metric": "a"}}}, "inputs", "is no input"),
        ({"inputs": {"block_reasons.x": {"metric": "a"}}}, "inputs", "is no input"),
        ({"echo": {"spread": {"metric": "a"}}}, "echo", "unknown parameter 'spread'"),
    ],
)
def test_a_mistake_in_the_section(fields: dict[str, Any], path: str, problem: str) -> None:
    with pytest.raises(WrongValueError) as caught:
        reader_of(fields, {"kpi": DEPTH})
    assert ".".join(caught.value.path) == path
    assert problem in caught.value.problem


def test_metrics_that_nothing_reads() -> None:
    with pytest.raises(WrongValueError, match="nothing reads its metrics"):
        reader_of({}, {})
