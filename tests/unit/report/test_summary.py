from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_soak.canonical import canonical_json
from pytest_soak.loop.model import GUARD_ORDER, Decision, Outcome, Panic, Requested
from pytest_soak.report.summary import (
    deltas_of,
    iteration_summary,
    skip_reason,
    skipped_reason,
    tuning_report,
    tuning_report_parts,
)
from tests.unit.gate.histories import (
    applied,
    clipped,
    make_history,
    skipped,
    steady,
    with_iteration,
)
from tests.unit.report.runs import decided

TABLE = steady().parameters


def decision(*outcomes: Outcome, **options: object) -> Decision:
    history = make_history(5, outcomes={3: outcomes}, **options)  # type: ignore[arg-type]
    taken = history.iterations[2].decision
    assert taken is not None
    return taken


def test_the_fields_are_those_of_the_specification() -> None:
    document = iteration_summary(decided(6).iterations[2], "2026-01-01T00:00:00Z", TABLE)
    assert set(document) == {"iteration", "summary", "tuning"}
    assert document["iteration"] == 3
    assert document["summary"]["runtime_utc"] == "2026-01-01T00:00:00Z"
    assert document["summary"]["maker_taker_source"] == "fills_volume"
    assert document["summary"]["kpi_verdict"] == "PASS"
    assert document["summary"]["kpi_reasons"] == []
    assert {"net_bps", "risk_ratio", "maker_taker_ratio", "fills_per_hour"} <= set(
        document["summary"]
    )
    assert set(document["tuning"]) >= {
        *("proposed_deltas", "deltas", "applied", "outcomes", "withheld", "rules"),
        *("skip_reason", "skipped_reason", "signature", "old_hash", "state_hash"),
    }
    canonical_json(document)


def test_hashes_are_of_before_and_after() -> None:
    history = decided(6)
    for now, then in zip(history.iterations, history.iterations[1:], strict=False):
        document = iteration_summary(now, None, TABLE)
        assert document["summary"]["state_hash"] == now.state_hash
        assert document["tuning"]["old_hash"] == now.state_hash
        assert document["tuning"]["state_hash"] == then.state_hash
        assert document["tuning"]["applied"] is (now.state_hash != then.state_hash)


def test_what_was_applied_is_in_deltas() -> None:
    taken = decision(applied("base_spread_bps", 0.02), clipped("tail_age_ms", 300.0, 200.0))
    assert deltas_of(taken) == {"base_spread_bps": 0.02, "tail_age_ms": 200.0}
    document = iteration_summary(
        make_history(5, outcomes={3: taken.outcomes}).iterations[2], None, TABLE
    )
    assert document["tuning"]["proposed_deltas"] == {"base_spread_bps": 0.02, "tail_age_ms": 300.0}
    assert document["tuning"]["outcomes"]["tail_age_ms"]["outcome"] == "CLIPPED"
    assert deltas_of(decision(applied("base_spread_bps", 0.02), dry_run=True)) == {}


def test_skip_reason_has_a_flag_for_each_guard() -> None:
    assert skip_reason(decision(applied("base_spread_bps", 0.02))) is None
    refused = skip_reason(
        decision(
            skipped("impact_cap_ratio", -0.01, "freeze", "frozen until iteration 9"),
            skipped("tail_age_ms", 50.0, "cooldown"),
            clipped("min_interval_ms", 30.0, 20.0, "velocity"),
        )
    )
    assert refused is not None
    assert {name for name, flag in refused.items() if flag is True} == {
        "freeze",
        "cooldown",
        "velocity",
    }
    assert refused["note"] == (
        "frozen until iteration 9: impact_cap_ratio; velocity: min_interval_ms; "
        "cooldown_active: tail_age_ms"
    )
    assert list(refused) == [
        *("panic", "nodata", "invalid", "warmup", "late", "pin", "freeze", "cooldown", "duplicate"),
        *("oscillation", "velocity", "bounds", "no_op", "note"),
    ]


def test_flags_include_the_reasons_behind_the_first() -> None:
    also = Outcome(
        "tail_age_ms", "SKIPPED", 1.0, 0.0, 600.0, 600.0, "late", ("cooldown",), note="", rule=""
    )
    refused = skip_reason(decision(also))
    assert refused is not None
    assert refused["late"] is True
    assert refused["cooldown"] is True
    assert refused["freeze"] is False


@pytest.mark.parametrize(
    ("withheld", "text"),
    [
        ({"impact_cap_ratio": "freeze"}, "frozen: impact_cap_ratio"),
        (
            {"tail_age_ms": "cooldown until iteration 7", "min_interval_ms": "velocity"},
            "cooldown_active until iteration 7: tail_age_ms; velocity: min_interval_ms",
        ),
    ],
)
def test_where_all_was_withheld_the_reason_is_given(withheld: dict[str, str], text: str) -> None:
    history = make_history(5, requested={3: Requested(withheld=withheld)})
    document = iteration_summary(history.iterations[2], None, TABLE)["tuning"]
    assert document["skipped_reason"] == text
    guards = {reason.partition(" ")[0] for reason in withheld.values()} & {*GUARD_ORDER}
    flags = {name for name, raised in document["skip_reason"].items() if raised is True}
    assert flags == guards
    assert document["skip_reason"]["note"] == text
    assert document["withheld"] == withheld


def test_without_a_request_there_is_no_reason() -> None:
    assert skipped_reason(decision()) == ""
    partly = make_history(
        5,
        outcomes={3: [applied("tail_age_ms", 1.0)]},
        requested={3: Requested(withheld={"min_interval_ms": "velocity"})},
    ).iterations[2]
    document = iteration_summary(partly, None, TABLE)["tuning"]
    assert document["skipped_reason"] == "velocity: min_interval_ms"
    assert document["skip_reason"]["velocity"] is True


def test_the_summary_has_values_blocks_events_and_scenarios() -> None:
    history = make_history(3)
    reported = with_iteration(
        history,
        2,
        report={
            "block_reasons": {"risk": 30, "min_interval": 10},
            "audit": {"events": {"FILL": 7, "PLACE": 12}, "blocks": {"risk": 1}},
            "scenarios": [{"name": "flash_crash", "started_s": 1.0, "ended_s": 2.0}],
        },
    )
    summary = iteration_summary(reported.iterations[1], None, TABLE)["summary"]
    assert summary["values"] == dict(history.iterations[1].values)
    assert summary["block_counts"] == {"risk": 30, "min_interval": 10}
    assert summary["event_counts"] == {"FILL": 7, "PLACE": 12}
    assert summary["scenarios"] == ["flash_crash"]
    audited = with_iteration(history, 2, report={"audit": {"events": {}, "blocks": {"risk": 4}}})
    assert iteration_summary(audited.iterations[1], None, TABLE)["summary"]["block_counts"] == {
        "risk": 4
    }
    bare = iteration_summary(with_iteration(history, 2, report={}).iterations[1], None, TABLE)[
        "summary"
    ]
    assert (bare["block_counts"], bare["event_counts"], bare["scenarios"]) == ({}, {}, [])


def test_the_summary_has_what_was_requested_before_it_was_trimmed() -> None:
    history = make_history(
        5,
        outcomes={3: [applied("tail_age_ms", 10.0)]},
        requested={3: Requested(deltas={"tail_age_ms": 50.0, "min_interval_ms": 5.0})},
    )
    document = iteration_summary(history.iterations[2], None, TABLE)["tuning"]
    assert document["deltas_requested"] == {"tail_age_ms": 50.0, "min_interval_ms": 5.0}
    assert document["deltas"] == {"tail_age_ms": 10.0}


def test_before_its_decision_an_iteration_has_an_empty_tuning() -> None:
    history = with_iteration(make_history(5), 5, decision=None)
    document = iteration_summary(history.iterations[4], None, TABLE)
    full = iteration_summary(history.iterations[3], None, TABLE)
    assert set(document["tuning"]) == set(full["tuning"])
    assert document["tuning"]["applied"] is False
    assert document["tuning"]["state_hash"] == history.iterations[4].state_hash


def test_a_panic_is_recorded() -> None:
    panic = Panic("steady_safe", {"base_spread_bps": 0.65}, would=False, paused_until=7)
    history = make_history(5, panics={3: panic})
    document = iteration_summary(history.iterations[2], None, TABLE)["tuning"]
    assert document["panic"]["moves"] == {"base_spread_bps": 0.65}
    assert document["applied"] is True
    assert document["deltas"] == {}


def test_what_is_no_number_stays_readable() -> None:
    odd = make_history(5, outcomes={3: [skipped("tail_age_ms", float("nan"), "invalid")]})
    document = iteration_summary(odd.iterations[2], None, TABLE)
    assert document["tuning"]["proposed_deltas"] == {"tail_age_ms": "NaN"}
    canonical_json(document)


def test_a_recorded_kpi_cannot_take_a_fields_name() -> None:
    history = make_history(3, kpis={"state_hash": 1.0})
    assert isinstance(
        iteration_summary(history.iterations[0], None, TABLE)["summary"]["state_hash"], str
    )


def test_tuning_report_has_every_iteration() -> None:
    document = tuning_report(decided(6))
    assert [item["iteration"] for item in document["iterations"]] == [1, 2, 3, 4, 5, 6]
    assert document["iterations"][0]["tuning"]["rules"] == ["MAKER_BOOST"]
    canonical_json(document)


def test_the_parts_of_the_tuning_report_make_its_canonical_json() -> None:
    whole = decided(6)
    for history in (
        whole,
        replace(whole, iterations=()),
        replace(whole, iterations=whole.iterations[:1]),
    ):
        assert b"".join(tuning_report_parts(history)) == canonical_json(tuning_report(history))
