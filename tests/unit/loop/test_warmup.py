"""The warm-up: measured iterations in which the tuner rests, and which are no evidence."""

from __future__ import annotations

import json

from pytest_soak.canonical import canonical_json
from pytest_soak.loop.headroom import headroom_of
from pytest_soak.profile.build import build
from pytest_soak.report.explain.rules import rule_text, rule_views
from tests.unit.loop.lanes import Drive, edge_report, shipped


def warming(iterations: int) -> Drive:
    """A lane whose profile has a warm-up."""
    document = json.loads(canonical_json(shipped().document))
    document["gate"]["warmup_iterations"] = iterations
    return Drive(build(document))


def test_nothing_is_proposed_in_the_warmup_and_its_figures_are_no_evidence() -> None:
    """``RISK_MODERATE`` needs 4 iterations over .4; those of the warm-up do not count."""
    drive, plain = warming(3), Drive()
    during = drive.steps(3, edge_report(risk=0.45))
    reason = "warmup: iterations up to 3 are no evidence"
    assert [decision.waiting for decision in during] == [{"RISK_MODERATE": reason}] * 3
    assert not any(decision.proposed or decision.changes for decision in during)
    assert drive.states[-1].memory.excluded == (1, 2, 3)
    assert drive.states[-1].memory.disturbed == (1, 2, 3)
    times = [
        next(
            decision.iteration
            for decision in lane.steps(8, edge_report(risk=0.45))
            if "RISK_MODERATE" in decision.rules
        )
        for lane in (plain, drive)
    ]
    assert times[1] == times[0] + 3


def test_a_proposer_has_no_headroom_in_the_warmup_and_is_refused_with_its_name() -> None:
    drive = warming(2)
    headroom = headroom_of(drive.state)
    assert {item.reason_up for item in headroom.values()} == {"warmup"}
    assert {item.up for item in headroom.values()} == {0.0}
    outcome = drive.move(tail_age_ms=25)["tail_age_ms"]
    assert (outcome.outcome, outcome.reason) == ("SKIPPED", "warmup")
    assert outcome.note == "warm-up until iteration 2"
    drive.move(tail_age_ms=25)
    assert drive.move(tail_age_ms=25)["tail_age_ms"].outcome == "APPLIED"


def test_a_panic_acts_in_the_warmup() -> None:
    """It protects; that the figures are no evidence for tuning does not make a loss harmless."""
    drive = warming(20)
    decisions = drive.steps(3, edge_report(risk=0.9))
    assert [decision.panic is not None for decision in decisions] == [False, False, True]
    assert decisions[-1].changes


def test_the_first_iterations_of_a_condition_are_those_after_the_warmup() -> None:
    drive = warming(2)
    drive.steps(2, edge_report(fills=9000.0))
    drive.steps(4, edge_report(fills=1000.0))
    assert len(drive.state.memory.first) == 4
    figures = [item["fills_per_hour"].value for item in drive.state.memory.first]
    assert len(set(figures)) == 1


def test_the_freeze_counts_no_iteration_of_the_warmup() -> None:
    stable = edge_report(risk=0.3)
    cold, warm = Drive(), warming(2)
    cold.steps(2, stable)
    warm.steps(2, stable)
    assert cold.state.timers.frozen_until > 0
    assert warm.state.timers.frozen_until == 0
    warm.steps(2, stable)
    assert warm.state.timers.frozen_until > 0


def test_explain_shows_the_figures_of_the_warmup_and_why_the_rule_waits() -> None:
    drive = warming(3)
    drive.observe(edge_report(risk=0.45))
    observed = drive.state.observed
    assert observed is not None
    texts = {view.rule.name: rule_text(view) for view in rule_views(drive.state, observed.readings)}
    assert texts["RISK_MODERATE"].startswith("warmup: iterations up to 3 are no evidence")
    assert not any("has no data" in text for text in texts.values())
