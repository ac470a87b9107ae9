"""The same conditions wherever they stand: verdict, rules, evidence, freeze, a gate, a story."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from pytest_soak.gate.requests import proposes_when_needed
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import Verdict
from pytest_soak.profile.model import Needed, Profile
from pytest_soak.profile.resolve import Source, resolve
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.report.explain.rules import rule_text, rule_views
from pytest_soak.report.remedies import tuner_text
from tests.unit.loop.lanes import Drive, nothing

BASE: dict[str, Any] = {
    "parameters": {
        "workers": {"path": "service", "type": "int", "start": 8, "min": 1, "max": 64},
    },
    "kpis": {"p95": "totals.p95", "errors": "totals.errors"},
    "gate": {"criteria": {"p95": "<= 1000"}},
    "guards": {"hold_last": 0, "cooldown": None, "rollback": None, "attribution": None},
}


def profile(**sections: Any) -> Profile:
    guards = {**BASE["guards"], **sections.pop("guards", {})}
    document = {**BASE, **sections, "guards": guards}
    return resolve("web", lambda *_: Source("web", yaml.safe_dump(document).encode())).profile


def rule(when: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"R": {"when": when, "moves": {"workers": {"add": 1}}, **fields}}


def report(p95: float | None = 100.0, errors: float = 0.0, **more: Any) -> dict[str, Any]:
    return {"totals": {"p95": p95, "errors": errors}, **more}


def acted(drive: Drive, *values: float | None) -> list[bool]:
    return [bool(drive.step(report(value)).rules) for value in values]


def test_a_verdict_by_the_course_of_a_kpi_and_by_a_parameter() -> None:
    verdict = {"fail": {"p95": {"rising": 2}}, "warn": {"parameter": {"workers": ">= 8"}}}
    drive = Drive(profile(verdict=verdict))
    verdicts = [drive.step(report(p95)) for p95 in (1, 2, 3, 3)]
    assert [item.verdict for item in verdicts] == ["WARN", "WARN", "FAIL", "WARN"]
    assert verdicts[2].reasons == ("p95 1 -> 2 -> 3 rising for 2 iterations",)
    assert verdicts[3].reasons == ("workers 8 >= 8",)


def test_any_of_a_verdict_is_decided_by_the_option_that_has_data() -> None:
    verdict = {"fail": {"any": [{"p95": "> 400"}, {"errors": "> 5"}]}}
    drive = Drive(profile(verdict=verdict))
    failed = drive.step(report(None, 9))
    assert failed.verdict is Verdict.FAIL
    assert failed.reasons == ("errors 9 > 5", "p95 has no data: totals.p95 is null")
    assert drive.step(report(None, 1)).verdict is Verdict.INCONCLUSIVE


def test_a_rule_on_the_course_of_a_kpi_needs_its_iterations() -> None:
    drive = Drive(profile(rules=rule({"p95": {"rising": 2}})))
    assert acted(drive, 1, 2, 3, 4, 4, 5, None, 6, 7, 8) == [
        *(False, False, True, True, False, False, False, False, False, True),
    ]


def test_a_journal_that_is_read_again_gives_the_same_decisions() -> None:
    lane = Drive(
        profile(rules=rule({"p95": {"rising": 2}}), verdict={"fail": {"p95": {"falling": 3}}})
    )
    lane_values = (5, 4, 3, 2, 3, 4, 5, 4)
    acted(lane, *lane_values)
    again = Drive.replayed(lane.entries)
    assert again.state == lane.state
    assert again.state.memory.recent == lane.state.memory.recent


def test_an_iteration_that_the_gate_excludes_breaks_a_course() -> None:
    spike = Scheduled("spike", 3, 10.0, 60.0, 1.0, "exclude", None)
    drive = Drive(profile(rules=rule({"p95": {"rising": 1}})), scenarios=(spike,))
    assert acted(drive, 1, 2) == [False, True]
    during = drive.step(report(3, scenarios=[{"name": "spike", "started_s": 1, "ended_s": 2}]))
    assert not during.rules
    assert acted(drive, 4, 5) == [False, True]


def test_a_rule_grows_a_parameter_only_below_a_value() -> None:
    drive = Drive(profile(rules=rule({"p95": "> 50", "parameter": {"workers": "< 10"}})))
    assert acted(drive, 99, 99, 99, 99) == [True, True, False, False]
    assert drive.state.values == {"workers": 10.0}


def test_evidence_and_margin_hold_inside_any() -> None:
    evidence = {"over": 2, "margin": {"p95": {">": 10}}}
    when = {"any": [{"p95": "> 100"}, {"errors": "> 5"}]}
    drive = Drive(profile(rules=rule(when, evidence=evidence)))
    assert acted(drive, 105, 105) == [False, False]
    decision = drive.step(report(109))
    assert decision.waiting == {"R": "evidence: p95 107 is not > 100 by 10 and errors 0 is not > 5"}
    assert acted(drive, 115) == [True]


def test_a_proposal_is_based_on_the_option_that_holds() -> None:
    when = {"any": [{"p95": "> 100"}, {"errors": "> 5"}]}
    drive = Drive(profile(rules=rule(when)))
    decision = drive.step(report(None, 9))
    assert [item.kpis for item in decision.proposed] == [("errors",)]
    assert [item.outcome for item in decision.outcomes] == ["APPLIED"]


def test_a_freeze_by_not_and_by_a_parameter() -> None:
    freeze = {
        "after": 2,
        "stable": {"not": {"p95": "> 100"}, "parameter": {"workers": "<= 8"}},
        "keys": ["workers"],
        "iterations": 4,
    }
    drive = Drive(profile(guards={"freeze": freeze}))
    for value in (90, None, 90, 90):
        drive.step(report(value), nothing)
    assert drive.state.timers.frozen_until == 8, "the iteration without data was not stable"


def test_a_needed_rule_is_looked_for_where_its_conditions_hold() -> None:
    tuned = profile(rules=rule({"p95": {"rising": 1}, "parameter": {"workers": "< 9"}}))
    drive = Drive(tuned)
    for value, proposer in ((1, None), (2, nothing), (3, None), (4, None)):
        drive.step(report(value), proposer)
    # Of the iterations 2 and 3 only the third proposes; from 4 on there are 9 workers.
    ratio = proposes_when_needed(LaneWindow(read_history(drive.entries)), Needed("R", 0.8))
    assert ratio == 0.5


def test_explain_has_the_conditions_in_words() -> None:
    when = {"any": [{"p95": "> 400"}, {"errors": {"rising": 1}}], "not": {"p95": "> 900"}}
    drive = Drive(profile(rules=rule(when)))
    drive.step(report(100, 1))
    drive.observe(report(100, 2))
    observed = drive.state.observed
    assert observed is not None
    (view,) = rule_views(drive.state, observed.readings)
    assert (view.word, rule_text(view)) == (
        "FIRES",
        "errors 1 -> 2 rising for 1 iteration, p95 100 is not > 900",
    )
    drive.settle()
    drive.observe(report(950, 2))
    observed = drive.state.observed
    assert observed is not None
    (view,) = rule_views(drive.state, observed.readings)
    assert (view.word, rule_text(view)) == ("quiet", "p95 950 > 900, which must not be")


@pytest.mark.parametrize(("tune", "text"), [(True, "never fired"), (False, "would not have fired")])
def test_what_kept_a_rule_from_firing_is_shown_in_its_words(tune: bool, text: str) -> None:
    drive = Drive(profile(rules=rule({"p95": {"rising": 3}})), tune=tune)
    for value in (3, 2, 1):
        drive.step(report(value))
    answer = tuner_text(read_history(drive.entries), "p95")
    assert text in answer
    assert "p95 rising for 3 iterations is not met in 3 of 3 iterations" in answer
