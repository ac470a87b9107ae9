"""What a user's proposer answers, as proposals for the guards."""

from __future__ import annotations

import math
from itertools import count
from typing import Any

import pytest

from pytest_soak.loop.headroom import headroom_of
from pytest_soak.loop.model import Requested
from pytest_soak.loop.tuner import requested_from
from tests.unit.loop.lanes import Drive


def answer(said: Any) -> Requested:
    drive = Drive()
    drive.observe()
    return requested_from(said, headroom_of(drive.state))


def test_an_answer_of_deltas_or_of_objects() -> None:
    requested = answer(
        {"tail_age_ms": 10, "base_spread_bps": {"delta": 0.1, "kpis": ["net_bps"], "rule": "MINE"}}
    )
    assert [(one.key, one.delta, one.rule, one.kpis) for one in requested.proposals] == [
        ("base_spread_bps", 0.1, "MINE", ("net_bps",)),
        ("tail_age_ms", 10.0, "", ()),
    ]
    assert requested.rules == ("MINE",)
    assert requested.note == ""
    assert answer(None) == Requested()


class Exploding(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("boom")


@pytest.mark.parametrize(
    ("said", "note"),
    [
        ([1, 2], "answered a list, not a mapping"),
        (7, "answered a int"),
        (Exploding(), "cannot be read: RuntimeError('boom')"),
        ({"spread": 1}, "unknown keys: spread"),
        ({"tail_age_ms": {"delta": 1, "kpis": 5}}, "kpis of tail_age_ms is no list"),
    ],
)
def test_an_odd_answer_becomes_a_note(said: Any, note: str) -> None:
    assert note in answer(said).note


@pytest.mark.parametrize(
    "said", [math.nan, math.inf, None, True, "1", [], {}, {"delta": "x"}, object(), 10**400]
)
def test_a_bad_delta_becomes_a_proposal_that_the_guards_refuse(said: Any) -> None:
    drive = Drive()
    decision = drive.step(
        proposer=lambda state, readings, headroom: requested_from({"tail_age_ms": said}, headroom)
    )
    (outcome,) = decision.outcomes
    assert (outcome.outcome, outcome.reason) == ("SKIPPED", "invalid")
    assert isinstance(outcome.proposed, str)


def test_a_misspelt_field_is_refused_and_named() -> None:
    """Else a move with ``kpi`` for ``kpis`` goes without the guard that it asked for."""
    drive = Drive()
    said = {"tail_age_ms": {"delta": 10, "kpi": ["net_bps"]}}
    decision = drive.step(proposer=lambda state, readings, headroom: requested_from(said, headroom))
    (outcome,) = decision.outcomes
    assert (outcome.outcome, outcome.reason) == ("SKIPPED", "invalid")
    assert outcome.proposed == "unknown fields: kpi"
    assert decision.note == "unknown fields of tail_age_ms: kpi; it takes delta, kpis, rule"


def test_a_missing_delta_is_said_to_be_missing() -> None:
    (proposal,) = answer({"tail_age_ms": {"kpis": ["net_bps"]}}).proposals
    assert proposal.delta == "no delta"


@pytest.mark.parametrize("name", ["PANIC", "ROLLBACK", "EXTERNAL", "RELAX"])
def test_a_name_that_is_taken_is_not_for_proposals(name: str) -> None:
    """A rule's name would bring its exemption, restart its dwell, and hide what the KPIs are."""
    said = {"tail_age_ms": {"delta": 10, "rule": name}}
    decision = Drive().step(
        proposer=lambda state, readings, headroom: requested_from(said, headroom)
    )
    (outcome,) = decision.outcomes
    assert (outcome.rule, outcome.outcome, decision.requested.rules) == ("", "APPLIED", ())
    assert decision.note == f"the rule name {name} is reserved"


def test_a_name_is_one_printable_line() -> None:
    (proposal,) = answer({"tail_age_ms": {"delta": 1, "rule": "OK\n \x1b[2J"}}).proposals
    assert proposal.rule == "OK\\n \\x1b[2J"


class Endless(dict[str, Any]):
    """A mapping whose keys never end."""

    def __iter__(self) -> Any:
        return (f"field {number}" for number in count())


def test_an_answer_without_end_is_read_no_further_than_it_takes() -> None:
    assert "unknown fields of tail_age_ms" in answer({"tail_age_ms": Endless()}).note
