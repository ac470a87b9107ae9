from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_soak.canonical import canonical_json, to_json
from pytest_soak.loop.blocks import AuditCounts, count_audit, count_rows
from pytest_soak.loop.echo import echo_mismatch, unconfirmed, unknown_echoes
from pytest_soak.loop.entries import EntryError, Observation, entry_of, record_of
from pytest_soak.loop.kpis import (
    ensure_maker_taker_ratio,
    read_kpis,
)
from pytest_soak.loop.model import Reading, Readings
from pytest_soak.loop.pooling import mean, window_figure
from pytest_soak.profile.build import build
from tests.unit.loop.lanes import edge_report, shipped, starts

NO_NUMBERS: list[Any] = [
    None,
    True,
    False,
    "3.0",
    "",
    math.nan,
    math.inf,
    -math.inf,
    [3.0],
    {},
    10**400,
]


def read(report: dict[str, Any], audit: Any = None, **kwargs: Any) -> Readings:
    options = {"interval_s": 300.0, "mock": False} | kwargs
    return read_kpis(shipped(), report, count_audit(audit), **options)


def rows(**blocks: int) -> list[dict[str, str]]:
    return [{"event": "BLOCK", "reason": name} for name, n in blocks.items() for _ in range(n)]


def test_every_declared_kpi_has_a_reading_even_in_an_empty_report() -> None:
    readings = read({"totals": {}})
    assert set(readings) == set(shipped().kpis)
    assert all(reading.usable is None for reading in readings.values())


def test_a_report_with_a_fault_has_no_data() -> None:
    """Whatever figures it has; only what a check recorded itself is data."""
    readings = read(edge_report() | {"fault": "stale"}, recorded={"checked": 3.0})
    assert {name for name, reading in readings.items() if reading.value is not None} == {"checked"}
    whys = {reading.why for name, reading in readings.items() if name != "checked"}
    assert whys == {"the target had a fault: stale"}


@pytest.mark.parametrize("junk", NO_NUMBERS, ids=repr)
def test_a_value_that_is_no_number_is_no_data(junk: Any) -> None:
    readings = read(edge_report(net=junk))
    assert readings["net_bps"].value is None
    assert readings["net_bps"].why.startswith("totals.net_bps is ")
    assert readings["p95_latency_ms"].value == 310.0


@pytest.mark.parametrize("sections", [{"totals": None}, {"totals": 5, "fills": [], "summary": 1}])
def test_sections_that_are_no_objects_are_no_data(sections: dict[str, Any]) -> None:
    assert read(edge_report() | sections)["net_bps"].value is None


def test_zero_is_data() -> None:
    assert read(edge_report(net=0))["net_bps"].value == 0.0


FILLS_BY_VOLUME = {"maker_volume": 90, "taker_volume": 10}
FILLS_BY_COUNT = {"maker_count": 80, "taker_count": 20}
WEEKLY = {"taker_share_pct": 30}
INTERNAL = {"maker_fills": 6, "taker_fills": 4}


@pytest.mark.parametrize(
    ("report", "value", "source"),
    [
        ({"fills": FILLS_BY_VOLUME | FILLS_BY_COUNT, "weekly_rollup": WEEKLY}, 0.9, "fills_volume"),
        ({"fills": FILLS_BY_COUNT, "weekly_rollup": WEEKLY}, 0.8, "fills_count"),
        ({"fills": FILLS_BY_COUNT | {"maker_volume": 0, "taker_volume": 0}}, 0.8, "fills_count"),
        (
            {"fills": FILLS_BY_COUNT | {"maker_volume": None, "taker_volume": None}},
            0.8,
            "fills_count",
        ),
        ({"fills": None, "weekly_rollup": None, "summary": INTERNAL}, 0.6, "internal_fills"),
        ({"weekly_rollup": WEEKLY, "summary": INTERNAL}, 0.7, "weekly_rollup"),
        ({"weekly_rollup": {"taker_share_pct": None}, "summary": INTERNAL}, 0.6, "internal_fills"),
        ({"summary": INTERNAL}, 0.6, "internal_fills"),
        (INTERNAL, 0.6, "internal_fills"),
        ({}, 0.6, "fallback"),
    ],
)
def test_maker_taker_ratio_from_the_first_source_with_data(
    report: dict[str, Any], value: float, source: str
) -> None:
    reading = read({"totals": {}} | report)["maker_taker_ratio"]
    assert reading.value == pytest.approx(value)
    assert reading.source == source
    assert reading.placeholder == (source == "fallback")
    assert reading.weak == (source == "weekly_rollup")


NO_AMOUNTS: list[tuple[Any, str]] = [
    ("10.5", "is a text, '10.5'"),
    (-90.0, "is -90, below 0"),
    (math.nan, "is NaN"),
    (math.inf, "is Infinity"),
    (True, "is true"),
    ([1], "is a list"),
    (1e308, "is 1e+308, and figures end at 1e+100"),
]
AMOUNTS = [
    ("fills", "maker_volume", "taker_volume", "fills_volume"),
    ("fills", "maker_count", "taker_count", "fills_count"),
    ("summary", "maker_fills", "taker_fills", "internal_fills"),
    ("", "maker_fills", "taker_fills", "internal_fills"),
]


def with_amounts(section: str, amounts: dict[str, Any]) -> dict[str, Any]:
    """A report with these amounts and every source that comes after them."""
    whole: dict[str, Any] = {"totals": {}, **INTERNAL}
    if section == "fills":
        by_count = {} if "maker_count" in amounts or "taker_count" in amounts else FILLS_BY_COUNT
        whole |= {"fills": by_count | amounts, "weekly_rollup": WEEKLY, "summary": INTERNAL}
    elif section:
        whole[section] = amounts
    else:
        whole = {"totals": {}, **amounts}
    return whole


@pytest.mark.parametrize("mock", [False, True])
@pytest.mark.parametrize(("junk", "why"), NO_AMOUNTS, ids=lambda item: repr(item))
@pytest.mark.parametrize(("section", "maker", "taker", "source"), AMOUNTS)
def test_an_unusable_amount_is_no_data_whatever_else_there_is(
    section: str, maker: str, taker: str, source: str, junk: Any, why: str, mock: bool
) -> None:
    for bad, good in ((maker, taker), (taker, maker)):
        report = with_amounts(section, {good: 5, bad: junk})
        reading = read(to_json(report), mock=mock)["maker_taker_ratio"]
        assert (reading.value, reading.usable, reading.source) == (None, None, source)
        assert reading.why == f"{section + '.' if section else ''}{bad} {why}"


@pytest.mark.parametrize("missing", [{}, None])
@pytest.mark.parametrize(("section", "maker", "taker", "source"), AMOUNTS)
def test_one_amount_of_two_gives_no_ratio(
    section: str, maker: str, taker: str, source: str, missing: Any
) -> None:
    for there, other in ((maker, taker), (taker, maker)):
        given = {there: 5} if missing == {} else {there: 5, other: None}
        reading = read(with_amounts(section, given), mock=True)["maker_taker_ratio"]
        assert (reading.value, reading.source) == (None, source)
        prefix = f"{section}." if section else ""
        assert reading.why == f"{prefix}{other} is missing, {prefix}{there} is there"


@pytest.mark.parametrize(
    ("sections", "why"),
    [
        ({"fills": [90, 10]}, "fills is a list, not a mapping"),
        ({"fills": "90/10"}, "fills is a text, '90/10', not a mapping"),
        ({"weekly_rollup": 10}, "weekly_rollup is 10, not a mapping"),
        (
            {"weekly_rollup": {"taker_share_pct": 130}},
            "weekly_rollup.taker_share_pct is 130, outside 0 to 100",
        ),
        (
            {"weekly_rollup": {"taker_share_pct": "10"}},
            "weekly_rollup.taker_share_pct is a text, '10'",
        ),
        ({"summary": [6, 4]}, "summary is a list, not a mapping"),
    ],
)
def test_an_unusable_source_of_the_ratio_is_no_data(sections: dict[str, Any], why: str) -> None:
    reading = read({"totals": {}, **INTERNAL, **sections}, mock=True)["maker_taker_ratio"]
    assert (reading.value, reading.why) == (None, why)


def test_the_mock_default_is_data_in_mock_and_the_fallback_is_not() -> None:
    in_mock = read({"totals": {}}, mock=True)["maker_taker_ratio"]
    assert (in_mock.usable, in_mock.source) == (0.9, "mock_default")
    outside = read({"totals": {}})["maker_taker_ratio"]
    assert (outside.value, outside.usable) == (0.6, None)


@pytest.mark.parametrize(
    ("reasons", "audit", "risk", "source"),
    [
        ({"risk": 30, "min_interval": 50, "throttle": 20}, rows(risk=1), 0.3, "block_reasons"),
        ({}, None, 0.0, "block_reasons"),
        ({"risk": 0, "throttle": 0}, None, 0.0, "block_reasons"),
        (None, rows(risk=1, concurrency=3), 0.25, "audit"),
        (None, [], 0.0, "audit"),
        ({"risk": None, "throttle": 5}, rows(risk=1, throttle=1), 0.5, "audit"),
        (None, None, None, "block_reasons"),
        ({"risk": -1}, None, None, "block_reasons"),
        ({"risk": math.nan, "throttle": 3}, None, None, "block_reasons"),
        ([1, 2], None, None, "block_reasons"),
    ],
)
def test_risk_ratio_is_the_share_of_all_blocks(
    reasons: Any, audit: Any, risk: float | None, source: str
) -> None:
    reading = read({"totals": {}, "block_reasons": reasons}, audit)["risk_ratio"]
    assert (reading.value, reading.source) == (risk, source)
    assert bool(reading.why) == (not reading.denominator)


@pytest.mark.parametrize(
    ("report", "audit", "source"),
    [
        ({"block_reasons": {}}, None, "block_reasons"),
        ({"block_reasons": {}}, rows(risk=3), "block_reasons"),
        ({"block_reasons": {"risk": 0, "throttle": 0.0}}, None, "block_reasons"),
        ({}, [], "audit"),
        ({}, [{"event": "PLACE"}] * 3, "audit"),
    ],
)
def test_without_any_block_the_ratio_is_zero_and_the_reading_says_why(
    report: dict[str, Any], audit: Any, source: str
) -> None:
    readings = read({"totals": {}, **report}, audit)
    for kpi in BLOCK_KPIS:
        reading = readings[kpi]
        assert (reading.value, reading.numerator, reading.denominator) == (0.0, 0.0, 0.0)
        assert reading.why == (
            f"{source} counts no blocks at all, and a share of none over a window is no data"
        )


BLOCK_KPIS = ("risk_ratio", "min_interval_ratio", "concurrency_ratio", "throttle_ratio")


@pytest.mark.parametrize(
    ("reasons", "audit", "why"),
    [
        ({"Risk": 90, "min_interval": 10}, None, "'Risk', which the profile does not list (did"),
        ({"risk": 9, "zzz": 1}, None, "block_reasons has the reason 'zzz', which the profile does"),
        ({"risk": 9, "note": "ok"}, None, "'note'"),
        ({"risk": 9, "Throttle": 0}, rows(risk=9), "(did you mean 'throttle'?)"),
        (None, rows(Risk=9, throttle=1), "audit has the reason 'Risk'"),
        (None, ['{"event":"BLOCK","reason":"risk"}'] * 10, "9 of 9 audit rows cannot be read"),
        (None, ['{"event":"BLOCK","reason":"risk"}\n'] * 10, "10 of 10 audit rows cannot be read"),
        (None, [{"event": "BLOCKED", "reason": "risk"}], "(did you mean 'BLOCK'?)"),
        (None, [{"event": "BLOCK"}], "a BLOCK has no text reason, it is null"),
        (None, [*rows(risk=98), None, 17], "2 of 100 audit rows cannot be read"),
        (None, "the lines of a file", "the audit is a text"),
    ],
)
def test_an_unknown_name_or_row_makes_the_ratio_no_data(reasons: Any, audit: Any, why: str) -> None:
    readings = read({"totals": {}, "block_reasons": reasons}, audit)
    for kpi in BLOCK_KPIS:
        assert readings[kpi].value is None
        assert why in readings[kpi].why


@pytest.mark.parametrize("null", [{}, {"concurrency": None}], ids=["", "with a null"])
@pytest.mark.parametrize(("junk", "why"), NO_AMOUNTS[:-1], ids=lambda item: repr(item))
def test_an_unusable_count_of_blocks_is_not_replaced_by_the_audit(
    junk: Any, why: str, null: dict[str, Any]
) -> None:
    for reason in ("risk", "throttle"):
        given = {**null, "min_interval": 10, reason: junk}
        report = to_json({"totals": {}, "block_reasons": given})
        readings = read(report, rows(risk=1, throttle=4))
        for kpi in BLOCK_KPIS:
            assert (readings[kpi].value, readings[kpi].source) == (None, "block_reasons")
            assert readings[kpi].why == f"block_reasons.{reason} {why}"


@pytest.mark.parametrize("junk", [[30], "risk: 30", 30, True, math.nan])
def test_block_reasons_that_are_no_mapping_are_not_replaced_by_the_audit(junk: Any) -> None:
    reading = read(to_json({"totals": {}, "block_reasons": junk}), rows(risk=1))["risk_ratio"]
    assert (reading.value, reading.source) == (None, "block_reasons")
    assert reading.why.endswith(", not a mapping")


def test_a_row_in_a_hundred_that_cannot_be_read_is_left_out() -> None:
    reading = read({"totals": {}}, [*rows(risk=50, throttle=49), "a torn line\n"])["risk_ratio"]
    assert (reading.numerator, reading.denominator) == (50.0, 99.0)
    torn = read({"totals": {}}, [*rows(risk=50, throttle=49), '{"event": "BLO'])["risk_ratio"]
    assert (torn.numerator, torn.denominator) == (50.0, 99.0)
    torn = read({"totals": {}}, [*rows(risk=1), '{"event": "BLO'])["risk_ratio"]
    assert torn.value is None
    assert torn.why.startswith("1 of 2 audit rows cannot be read: a row is a text")


def test_reasons_that_the_profile_lists_are_part_of_the_total() -> None:
    listed = [*shipped().block_reasons, "margin"]
    profile = build({**shipped().document, "block_reasons": listed})
    report = {"totals": {}, "block_reasons": {"risk": 1, "margin": 3}}
    reading = read_kpis(profile, report, None, interval_s=300, mock=False)["risk_ratio"]
    assert reading.value == 0.25


def test_fills_per_hour_scales_the_counts_by_the_interval() -> None:
    report = {"totals": {}, "fills": FILLS_BY_COUNT}
    assert read(report, interval_s=300.0)["fills_per_hour"].value == 1200.0
    assert read(report, interval_s=7200.0)["fills_per_hour"].value == 50.0
    assert read({"totals": {}, "fills": {"maker_count": 3}})["fills_per_hour"].value is None
    no_mapping = read({"totals": {}, "fills": [3, 4]})["fills_per_hour"]
    assert (no_mapping.value, no_mapping.why) == (None, "fills is a list, not a mapping")


def test_recorded_values_are_readings_and_never_replace_a_declared_kpi() -> None:
    readings = read(edge_report(), recorded={"queue": 4, "flag": True, "net_bps": 99})
    assert readings["queue"] == Reading(4.0, "recorded")
    assert readings["flag"].value is None
    assert readings["net_bps"].value == 3.0


def test_events_are_counted_by_kind_and_blocks_by_reason() -> None:
    events = [{"event": "PLACE", "ts": 1}] * 3 + [{"event": "HEARTBEAT"}, {"event": "FILL"}]
    assert count_audit([*rows(risk=2, concurrency=1), *events]) == {
        "rows": 8,
        "unreadable": 0,
        "example": "",
        "events": {"BLOCK": 3, "FILL": 1, "HEARTBEAT": 1, "PLACE": 3},
        "blocks": {"concurrency": 1, "risk": 2},
    }
    assert count_audit(None) is None


def many(count: int, event: str = "BLOCK") -> list[dict[str, str]]:
    return [{"event": event, "reason": f"name_{place}"} for place in range(count)]


@pytest.mark.parametrize("late", ["risk", "throttle", "zzz"])
@pytest.mark.parametrize("event", ["BLOCK", "REJECT"])
def test_a_reason_after_many_others_is_not_lost(late: str, event: str) -> None:
    row = {"event": event, "reason": late}
    audit = [*rows(min_interval=9), *many(60, event), row, row]
    counted = count_audit(audit)
    assert counted is not None
    assert sum(counted["blocks" if event == "BLOCK" else "others"].values()) < len(audit)
    assert counted["left_out"] > 0
    observation = Observation(1, {"totals": {}}, counted, None)
    assert entry_of(record_of(observation)) == observation
    readings = read({"totals": {}}, audit)
    for kpi in BLOCK_KPIS:
        assert (readings[kpi].value, readings[kpi].source) == (None, "audit")
        assert readings[kpi].why


def test_reasons_that_were_left_out_leave_the_shares_without_data() -> None:
    listed = [*shipped().block_reasons, *(f"name_{place}" for place in range(60))]
    profile = build({**shipped().document, "block_reasons": listed})
    audit = [*many(60), *rows(risk=3)]
    counted = count_audit(audit)
    assert counted is not None
    assert (len(counted["blocks"]), counted["left_out"]) == (50, 13)
    reading = read_kpis(profile, {"totals": {}}, counted, interval_s=300, mock=False)["risk_ratio"]
    assert reading.value is None
    assert (
        reading.why == "13 of 63 audit rows have reasons beyond the first 50, not counted by name"
    )
    counts = count_audit(audit, profile.block_reasons)
    assert counts is not None
    assert "left_out" not in counts
    reading = read_kpis(profile, {"totals": {}}, counts, interval_s=300, mock=False)["risk_ratio"]
    assert (reading.numerator, reading.denominator) == (3.0, 63.0)


def test_listed_reasons_and_known_kinds_are_counted_after_any_number_of_others() -> None:
    kinds = [{"event": f"kind {place}"} for place in range(60)]
    counted = count_audit([*kinds, *many(60), *rows(risk=2)], ["risk"])
    assert counted is not None
    assert counted["events"]["BLOCK"] == 62
    assert counted["blocks"]["risk"] == 2
    assert (len(counted["events"]), len(counted["blocks"]), counted["left_out"]) == (51, 51, 10)


def test_a_journaled_audit_without_the_later_fields_is_read() -> None:
    counted: AuditCounts = {
        "rows": 4,
        "unreadable": 0,
        "example": "",
        "events": {"BLOCK": 4},
        "blocks": {"risk": 1, "throttle": 3},
    }
    observation = Observation(1, {"totals": {}}, counted, None)
    assert entry_of(record_of(observation)) == observation
    readings = read_kpis(shipped(), {"totals": {}}, counted, interval_s=300, mock=False)
    assert readings["risk_ratio"].value == 0.25
    for name, wrong in (("left_out", "3"), ("others", {"risk": "1"})):
        broken = {**record_of(observation), "audit": {**counted, name: wrong}}
        with pytest.raises(EntryError, match=rf"iteration 1\): audit\.{name}"):
            entry_of(broken)


@pytest.mark.parametrize("event", ["REJECT", "BLOCKED_BY_RISK", "blocked_order", "HEARTBEAT"])
@pytest.mark.parametrize("reason", ["risk", "throttle"])
def test_an_unknown_event_with_the_reason_of_a_block_may_be_a_block(
    event: str, reason: str
) -> None:
    rest = [{"event": "PLACE"}] * 200 + rows(risk=2, throttle=2)
    readings = read({"totals": {}}, [*rest, {"event": event, "reason": reason}])
    for kpi in BLOCK_KPIS:
        assert (readings[kpi].value, readings[kpi].source) == (None, "audit")
        assert readings[kpi].why == (
            f"1 of 205 audit rows have an unknown event and the reason {reason!r}: "
            "they may be blocks"
        )


@pytest.mark.parametrize(
    "row",
    [
        {"event": "CANCEL", "reason": "risk"},
        {"event": "HEARTBEAT", "reason": "all is well"},
        {"event": "HEARTBEAT", "reason": None},
        {"event": "HEARTBEAT", "reason": ["risk"]},
        {"event": "HEARTBEAT", "reason": "quiet"},
        {"event": "HEARTBEAT"},
    ],
    ids=repr,
)
def test_an_event_that_is_no_block_changes_no_share(row: dict[str, Any]) -> None:
    reading = read({"totals": {}}, [*rows(risk=1, throttle=3), row])["risk_ratio"]
    assert (reading.value, reading.why) == (0.25, "")


def test_free_text_of_unknown_events_is_not_kept_and_changes_no_share() -> None:
    notes = [{"event": "SKIPPED", "reason": f"edge {place} too small"} for place in range(99)]
    counted = count_audit([*notes, *rows(risk=1)])
    assert counted is not None
    assert not {"others", "left_out"} & set(counted)


LINE = '{"event":"BLOCK","reason":"risk"}'


@pytest.mark.parametrize(
    ("audit", "counted", "unreadable"),
    [
        ([LINE + "\n", LINE[:9]], 1, 1),
        ([LINE, LINE], 1, 1),
        ([*rows(risk=1), LINE[:9]], 2, 1),
        ([*rows(risk=1), LINE + "\n", LINE[:9]], 3, 2),
        ([LINE + "\n", LINE + "\n" + LINE], 2, 2),
        ([LINE + "\n", LINE + "\r" + LINE], 2, 2),
        ([LINE + "\n", "x" * 20_000], 2, 2),
        ([LINE], 1, 1),
        (["\n".join([LINE] * 9)], 1, 1),
        ([""], 1, 1),
    ],
)
def test_only_the_short_last_of_rows_of_text_may_be_a_line_still_being_written(
    audit: list[Any], counted: int, unreadable: int
) -> None:
    counts = count_audit(audit)
    assert counts is not None
    assert (counts["rows"], counts["unreadable"]) == (counted, unreadable)
    assert read({"totals": {}}, audit)["risk_ratio"].value is None


def test_hostile_rows_are_unreadable_and_nothing_raises() -> None:
    class Raising(dict[str, Any]):
        def get(self, *_: Any) -> Any:
            raise RuntimeError("no")

    hostile: list[Any] = [Raising(event="BLOCK"), {"event": "BLOCK", "reason": "\ud800" * 999}]
    counted = count_audit([*hostile, {"event": ["BLOCK"]}, {1: 2}, object()])
    assert counted is not None
    assert (counted["rows"], counted["unreadable"]) == (5, 4)
    assert all(len(name) <= 100 for name in counted["blocks"])
    canonical_json(counted)


@pytest.mark.parametrize(
    ("totals", "why"),
    [
        ({"net_bps": "300ms"}, "totals.net_bps is a text, '300ms'"),
        ({"net_bps": [1]}, "totals.net_bps is a list"),
        ({"net_bps": True}, "totals.net_bps is true"),
        ({"net_bps": "NaN"}, "totals.net_bps is NaN"),
        ({"net_bps": None}, "totals.net_bps is null"),
        ({"net_bps": 1.7e308}, "totals.net_bps is 1.7e+308, and figures end at 1e+100"),
        (
            {"net": 3, "p95": 300},
            "no field net_bps (did you mean 'net'?); totals has net, p95",
        ),
        ({}, "no field net_bps; totals is empty"),
        (5, "totals is 5, not a mapping"),
    ],
)
def test_no_data_says_what_was_there(totals: Any, why: str) -> None:
    assert read({"totals": totals})["net_bps"].why == why


def test_a_value_beyond_its_range_is_no_data() -> None:
    reading = read(edge_report(p95=-5.0))["p95_latency_ms"]
    assert reading.value is None
    assert reading.why == "p95_latency_ms is -5, outside 0 to inf"
    assert read(edge_report(p95=0.0))["p95_latency_ms"].value == 0.0


@pytest.mark.parametrize("value", [Decimal("3.25"), Fraction(13, 4), np.longdouble(3.25)])
def test_decimal_fraction_and_long_double_are_data(value: Any) -> None:
    assert read(edge_report(net=to_json(value)))["net_bps"].value == 3.25


def test_a_window_of_ratios_is_the_ratio_of_the_sums() -> None:
    readings = [Reading(0.5, "fills_volume", 1, 2), Reading(0.9, "fills_volume", 90, 100)]
    assert window_figure(readings) == 91 / 102


def test_sums_of_different_sources_are_not_pooled() -> None:
    readings = [Reading(0.5, "fills_count", 1, 2), Reading(0.9, "fills_volume", 90, 100)]
    assert window_figure(readings) == pytest.approx(0.7)


def test_a_window_with_a_hole_or_a_placeholder_has_no_figure() -> None:
    assert window_figure([]) is None
    assert window_figure([Reading(1.0, "a"), None]) is None
    assert window_figure([Reading(1.0, "a"), Reading(None, "a")]) is None
    assert window_figure([Reading(0.6, "fallback", placeholder=True)]) is None
    assert window_figure([Reading(0.0, "blocks", 0.0, 0.0)] * 3) == 0.0


@pytest.mark.parametrize("value", [0.4, 0.1 + 0.2, 1e100, -1e100, 5e-324, 330.0])
def test_the_mean_of_equal_values_is_that_value(value: float) -> None:
    assert mean([value] * 3) == value
    assert mean([value] * 7) == value


@pytest.mark.parametrize(
    ("echo", "expected"),
    [
        (None, {}),
        ("x", {}),
        ({}, {}),
        ({"base_spread_bps": 0.5, "unknown": 7}, {}),
        ({"base_spread_bps": 0.5 + 1e-12}, {}),
        ({"base_spread_bps": 0.6}, {"base_spread_bps": "0.6"}),
        (
            {"risk": {"base_spread_bps": 0.6}, "engine": {"tail_age_ms": 600}},
            {"base_spread_bps": "0.6"},
        ),
        (
            {"base_spread_bps": "0.5", "tail_age_ms": None},
            {"base_spread_bps": "a text, '0.5'", "tail_age_ms": "null"},
        ),
    ],
)
def test_echoed_parameters_that_differ(echo: Any, expected: dict[str, str]) -> None:
    assert echo_mismatch(shipped(), starts(shipped()), echo) == expected


@pytest.mark.parametrize(
    ("echo", "missing"),
    [
        (None, []),
        ({}, ["base_spread_bps", "tail_age_ms"]),
        ({"base_spread_bps": 0.6}, ["tail_age_ms"]),
        ({"engine": {"tail_age_ms": 1}}, ["base_spread_bps"]),
        ([1], ["base_spread_bps", "tail_age_ms"]),
    ],
)
def test_changed_keys_that_an_echo_leaves_out(echo: Any, missing: list[str]) -> None:
    report = {"effective_params": echo}
    assert unconfirmed(shipped(), report, ["base_spread_bps", "tail_age_ms"]) == missing


def test_echoes_of_unknown_parameters_are_named_with_the_nearest() -> None:
    echo = {"base_spread": 0.5, "engine": {"tail_age": 600}, "tuner": {"x": 1}}
    assert unknown_echoes(shipped(), echo) == [
        "effective_params.base_spread (did you mean 'base_spread_bps'?)",
        "effective_params.engine.tail_age (did you mean 'tail_age_ms'?)",
    ]
    assert unknown_echoes(shipped(), [1]) == ["effective_params is a list, not a mapping"]
    assert unknown_echoes(shipped(), None) == []


class TestEnsureMakerTakerRatio:
    def test_fills_in_ratio_and_source_in_place(self) -> None:
        summary: dict[str, Any] = {"net_bps": 3.0}
        filled = ensure_maker_taker_ratio(summary, {"fills": FILLS_BY_VOLUME})
        assert filled == {
            "net_bps": 3.0,
            "maker_taker_ratio": 0.9,
            "maker_taker_source": "fills_volume",
        }
        assert filled is summary

    def test_a_nested_summary_stays_nested(self) -> None:
        summary = {"iteration": 3, "summary": {"net_bps": 3.0, **INTERNAL}}
        filled = ensure_maker_taker_ratio(summary, {})
        assert filled["iteration"] == 3
        assert filled["summary"]["maker_taker_ratio"] == 0.6
        assert filled["summary"]["maker_taker_source"] == "internal_fills"

    def test_what_is_there_stays(self) -> None:
        filled = ensure_maker_taker_ratio({"maker_taker_ratio": 0.7}, {"fills": FILLS_BY_VOLUME})
        assert (filled["maker_taker_ratio"], filled["maker_taker_source"]) == (0.7, "summary")

    @pytest.mark.parametrize("bad", [None, "0.7", math.nan, 1.5, True])
    def test_what_is_no_ratio_is_replaced(self, bad: Any) -> None:
        filled = ensure_maker_taker_ratio({"maker_taker_ratio": bad}, {"fills": FILLS_BY_COUNT})
        assert filled["maker_taker_ratio"] == 0.8

    def test_a_placeholder_gives_way_to_data(self) -> None:
        summary = {"maker_taker_ratio": 0.6, "maker_taker_source": "fallback"}
        filled = ensure_maker_taker_ratio(dict(summary), {"weekly_rollup": WEEKLY})
        assert filled["maker_taker_source"] == "weekly_rollup"
        assert ensure_maker_taker_ratio(dict(summary), {}) == summary

    def test_what_is_there_and_unusable_is_no_ratio(self) -> None:
        filled = ensure_maker_taker_ratio({}, {"fills": {"maker_volume": "9", "taker_volume": 1}})
        assert filled == {"maker_taker_ratio": None, "maker_taker_source": "fills_volume"}

    def test_in_mock_the_last_resort_is_the_mock_default(self) -> None:
        filled = ensure_maker_taker_ratio({}, {"mock": True})
        assert filled == {"maker_taker_ratio": 0.9, "maker_taker_source": "mock_default"}


@given(
    st.lists(
        st.sampled_from(
            ["", "x", "x\n", "y" * 10_001, {"event": "FILL"}, {"event": "BLOCK", "reason": "r"}, 3]
        ),
        max_size=6,
    )
)
def test_rows_are_counted_in_one_pass_as_in_a_list(rows: list[Any]) -> None:
    is_half = len(rows) > 1 and all(isinstance(row, str) for row in rows) and rows[-1] in ("", "x")
    counted = count_rows(iter(rows))
    assert counted == count_audit(rows)
    assert counted["rows"] == len(rows) - is_half
