"""The pure parts of ``examples/live_bot``: market, venue, quoting, figures and faults.

No connection and no clock: the bot answers the exchange in one process, turn by turn.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "live_bot"
MODULES = ("market", "venue", "params", "quoting", "figures", "faults")


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    monkeypatch.syspath_prepend(FOLDER)
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    for name in MODULES:
        del sys.modules[name]


def traded(live: SimpleNamespace, turns: int = 150, **params: float) -> dict[str, Any]:
    """The report of 300 s of the market, and the events of the audit by their names."""
    events: Counter[str] = Counter()
    figures = live.figures.Figures(0.0, 0)

    def note(event: str, at: float, **more: Any) -> None:
        events[event] += 1
        if event == "BLOCK":
            figures.blocked(more["reason"])
        elif more["id"] != "exit":
            figures.ordered()

    market = live.market.Market(7)
    account = live.venue.Account(market, 7)
    quoter = live.quoting.Quoter(live.params.Params(**params), note)
    answers: list[dict[str, Any]] = []
    for _ in range(turns):
        ticks, takers = market.turn()
        for message in answers:
            quoter.receive(message)
            if message["type"] == "ack":
                figures.acked(message["latency_ms"])
            elif message["type"] == "fill":
                figures.filled(message)
        book = [[tick.at, tick.mid, tick.spread, tick.depth, tick.flow] for tick in ticks]
        requests = quoter.turn(book)
        figures.passed(book, quoter.position, market.now)
        answers = account.turn(ticks, takers, requests)
    return {**figures.report(), "events": events}


def test_the_start_is_a_healthy_bot(live: SimpleNamespace) -> None:
    report = traded(live)
    totals, fills = report["totals"], report["fills"]
    assert 2.0 < totals["net_bps"] < 4.5
    assert 250 < totals["p95_latency_ms"] < 400
    assert fills["maker_count"] > 300 < fills["taker_count"]
    assert set(report["events"]) == {"PLACE", "REPLACE", "BLOCK"}
    assert all(count > 0 for count in report["block_reasons"].values())
    assert totals["net_bps"] == pytest.approx(totals["gross_bps"] - totals["fees_bps"])


def test_the_same_seed_gives_the_same_figures(live: SimpleNamespace) -> None:
    assert traded(live, turns=20) == traded(live, turns=20)


def ratio(report: dict[str, Any], reason: str) -> float:
    blocks: dict[str, int] = report["block_reasons"]
    return blocks[reason] / sum(blocks.values())


def test_a_wider_spread_earns_more_on_fewer_fills(live: SimpleNamespace) -> None:
    narrow, wide = traded(live, base_spread_bps=0.3), traded(live, base_spread_bps=1.0)
    assert wide["totals"]["gross_bps"] > narrow["totals"]["gross_bps"] + 1
    assert wide["fills"]["taker_count"] < 0.8 * narrow["fills"]["taker_count"]
    assert ratio(wide, "risk") < ratio(narrow, "risk")


def test_a_shorter_interval_is_refused_more_often(live: SimpleNamespace) -> None:
    hasty, calm = traded(live, min_interval_ms=15), traded(live, min_interval_ms=60)
    reasons = [report["block_reasons"]["min_interval"] for report in (hasty, calm)]
    assert reasons[0] > 1.5 * reasons[1]


def test_a_higher_rate_is_throttled_less_and_slower(live: SimpleNamespace) -> None:
    low, high = traded(live, replace_rate_per_min=200), traded(live, replace_rate_per_min=700)
    assert ratio(high, "throttle") < ratio(low, "throttle")
    assert high["totals"]["p95_latency_ms"] > low["totals"]["p95_latency_ms"]


def test_a_higher_limit_of_concurrency_blocks_less(live: SimpleNamespace) -> None:
    assert ratio(traded(live, concurrency_limit=4), "concurrency") < ratio(
        traded(live, concurrency_limit=1.5), "concurrency"
    )


def test_a_tilt_reduces_the_position(live: SimpleNamespace) -> None:
    without, tilted = traded(live, inventory_tilt_cap=0), traded(live, inventory_tilt_cap=0.8)
    assert tilted["totals"]["inventory_bps"] < without["totals"]["inventory_bps"]


def test_an_empty_span_has_no_figures(live: SimpleNamespace) -> None:
    report = live.figures.Figures(0.0, 0).report()
    assert set(report["totals"].values()) == {None}
    json.dumps(report, allow_nan=False)


def test_a_lost_connection_cancels_the_orders_and_keeps_the_position(live: SimpleNamespace) -> None:
    market = live.market.Market(1)
    account = live.venue.Account(market, 1)
    ticks, _ = market.turn()
    order = {"type": "order", "id": "bid-0", "revision": 1, "side": 1, "size": 1.0}
    account.turn(ticks, [], [{**order, "price": ticks[0].mid - 50, "at": 0.0}])
    account.turn(*market.turn(), [{**order, "id": "exit", "price": None, "at": 2.0}])
    assert "bid-0" in account.orders
    account.disconnect()
    assert account.orders == {}
    assert account.position == 1.0


@pytest.mark.parametrize("problem", [{}, {"risk": {}}, {"risk": {}, "engine": None}])
def test_parameters_that_are_not_there_are_refused(
    live: SimpleNamespace, problem: dict[str, Any]
) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        live.params.Params.read(problem)
    params = live.params.Params(base_spread_bps=0.7)
    assert live.params.Params.read(params.nested()) == params


@pytest.mark.parametrize("text", ["nonsense", "ignore", "ignore:nonsense", "half:key", "hang@x"])
def test_an_unknown_fault_is_refused(live: SimpleNamespace, tmp_path: Path, text: str) -> None:
    with pytest.raises(SystemExit, match=f"FAULT={text}: "):
        live.faults.Fault(text, ("key",), tmp_path, 1.0)


REPORT = {"seq": 4, "applied_seq": 9, "run_id": "r", "boot_id": "b", "totals": {}}


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("", REPORT),
        ("wrong_seq", {**REPORT, "applied_seq": 8}),
        ("other_run", {**REPORT, "run_id": "another-run"}),
        ("no_seq", {"totals": {}}),
        ("slow", None),
    ],
)
def test_a_fault_of_the_report(
    live: SimpleNamespace, tmp_path: Path, fault: str, expected: object
) -> None:
    chosen = live.faults.Fault(fault, (), tmp_path, 1e9)
    assert chosen.report(REPORT) == expected


def test_a_stale_report_is_that_of_the_first_iteration(
    live: SimpleNamespace, tmp_path: Path
) -> None:
    stale = live.faults.Fault("stale", (), tmp_path, 1.0)
    for iteration, expected in ((1, REPORT), (1, REPORT), (2, None)):
        asyncio.run(stale.in_iteration(iteration))
        assert stale.report(REPORT) == expected


def test_a_crash_in_one_iteration_happens_once(live: SimpleNamespace, tmp_path: Path) -> None:
    for iteration, crashes in ((1, False), (2, True), (2, False), (3, False)):
        again = live.faults.Fault("crash@2", (), tmp_path, 1.0)  # a new process each time
        if crashes:
            with pytest.raises(RuntimeError, match="a crash"):
                asyncio.run(again.in_iteration(iteration))
        else:
            asyncio.run(again.in_iteration(iteration))


def test_a_parameter_that_is_ignored_or_rounded(live: SimpleNamespace, tmp_path: Path) -> None:
    ignored = live.faults.Fault("ignore:key", ("key", "other"), tmp_path, 1.0)
    assert (ignored.value("key", 0.5, 0.6), ignored.value("other", 0.5, 0.6)) == (0.5, 0.6)
    assert live.faults.Fault("round:key", ("key",), tmp_path, 1.0).value("key", 0.5, 0.64) == 0.6


def test_a_half_written_report_is_no_json(live: SimpleNamespace, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    assert live.faults.Fault("half", (), tmp_path, 1.0).write(path, json.dumps(REPORT))
    with pytest.raises(json.JSONDecodeError):
        json.loads(path.read_text())


def test_a_healthy_bot_writes_its_report_itself(live: SimpleNamespace, tmp_path: Path) -> None:
    assert not live.faults.Fault("", (), tmp_path, 1.0).write(tmp_path / "report.json", "{}")
    assert list(tmp_path.iterdir()) == []


def test_every_fault_is_in_the_table_of_the_page(live: SimpleNamespace) -> None:
    page = (FOLDER / "README.md").read_text("utf-8")
    assert [name for name in live.faults.ALL if f"`{name}" not in page] == []
