"""The answer of a user's proposer, as proposals for the guards."""

from __future__ import annotations

import math
from itertools import count
from typing import Any

import pytest

from pytest_soak.loop.headroom import headroom_of
from pytest_soak.loop.model import Requested
from pytest_soak.loop.tuner import requested_from
from tests.unit.loop.lanes import Drive


def answer(given: Any) -> Requested:
    drive = Drive()
    drive.observe()
    return requested_from(given, headroom_of(drive.state))


def test_an_answer_of_deltas_or_of_objects() -> None:
    requested = answer(
        {"tail_age_ms": 10, "base_spread_bps": {"delta": 0.1, "kpis": ["net_bps"], "rule": "MINE"}}
    )
    assert [
        (proposal.key, proposal.delta, proposal.rule, proposal.kpis)
        for proposal in requested.proposals
    ] == [
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
    ("given", "note"),
    [
        ([1, 2], "answered a list, not a mapping"),
        (7, "answered a int"),
        (Exploding(), "cannot be read: RuntimeError('boom')"),
        ({"spread": 1}, "unknown keys: spread"),
        ({"tail_age_ms": {"delta": 1, "kpis": 5}}, "kpis of tail_age_ms is no list"),
    ],
)
def test_an_odd_answer_becomes_a_note(given: Any, note: str) -> None:
    assert note in answer(given).note


@pytest.mark.parametrize(
    "delta", [math.nan, math.inf, None, True, "1", [], {}, {"delta": "x"}, object(), 10**400]
)
def test_a_bad_delta_becomes_a_proposal_that_the_guards_refuse(delta: Any) -> None:
    drive = Drive()
    decision = drive.step(
        proposer=lambda state, readings, headroom: requested_from({"tail_age_ms": delta}, headroom)
    )
    (outcome,) = decision.outcomes
    assert (outcome.outcome, outcome.reason) == ("SKIPPED", "invalid")
    assert isinstance(outcome.proposed, str)


def test_a_misspelt_field_is_refused_and_named() -> None:
    """Otherwise the guard nodata would not check a move with ``kpi`` instead of ``kpis``."""
    drive = Drive()
    given = {"tail_age_ms": {"delta": 10, "kpi": ["net_bps"]}}
    decision = drive.step(
        proposer=lambda state, readings, headroom: requested_from(given, headroom)
    )
    (outcome,) = decision.outcomes
    assert (outcome.outcome, outcome.reason) == ("SKIPPED", "invalid")
    assert outcome.proposed == "unknown fields: kpi"
    assert decision.note == "unknown fields of tail_age_ms: kpi; it takes delta, kpis, rule"


def test_a_missing_delta_is_named() -> None:
    (proposal,) = answer({"tail_age_ms": {"kpis": ["net_bps"]}}).proposals
    assert proposal.delta == "no delta"


@pytest.mark.parametrize("name", ["PANIC", "ROLLBACK", "EXTERNAL", "RELAX"])
def test_a_proposal_must_not_have_the_name_of_a_rule(name: str) -> None:
    """A rule's name would bring its exemption, restart its dwell, and hide the KPIs."""
    given = {"tail_age_ms": {"delta": 10, "rule": name}}
    decision = Drive().step(
        proposer=lambda state, readings, headroom: requested_from(given, headroom)
    )
    (outcome,) = decision.outcomes
    assert (outcome.rule, outcome.outcome, decision.rules) == ("", "APPLIED", ())
    assert decision.note == f"the rule name {name} is reserved"


def test_a_name_is_one_printable_line() -> None:
    (proposal,) = answer({"tail_age_ms": {"delta": 1, "rule": "OK\n \x1b[2J"}}).proposals
    assert proposal.rule == "OK\\n \\x1b[2J"


class Endless(dict[str, Any]):
    """A mapping whose keys never end."""

    def __iter__(self) -> Any:
        return (f"field {number}" for number in count())


def test_an_endless_answer_is_read_only_up_to_its_limit() -> None:
    assert "unknown fields of tail_age_ms" in answer({"tail_age_ms": Endless()}).note
