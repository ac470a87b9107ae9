"""What is an edit at the destination, and what is a delivery that did or did not arrive."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_soak.live.channels import Present
from pytest_soak.live.edits import edits_of
from pytest_soak.live.state import BridgeState
from pytest_soak.profile.parameter import Outer
from pytest_soak.profile.resolve import resolve
from pytest_soak.store.sources import read_source

PARAMETERS = resolve("steady", read_source).profile.parameters
KEY = "base_spread_bps"
STATE = BridgeState(seq=7, delivered={KEY: 0.6}, before={KEY: 0.5})


def edits(value: object, seq: int, state: BridgeState = STATE) -> dict[str, Outer]:
    return edits_of(Present(seq, {KEY: value}), state, PARAMETERS)


def test_the_delivered_value_is_no_edit() -> None:
    assert edits(0.6, 7) == {}
    assert edits(0.6 + 1e-13, 7) == {}


def test_the_value_of_the_delivery_before_is_no_edit_if_the_last_one_did_not_arrive() -> None:
    assert edits(0.5, 6) == {}
    assert edits(0.5, 0) == {}  # a YAML file has no seq
    assert edits(0.5, 7) == {KEY: 0.5}


def test_any_other_value_is_an_edit() -> None:
    for seq in (0, 6, 7):
        assert edits(0.55, seq) == {KEY: 0.55}


def test_what_is_no_number_or_no_parameter_is_none() -> None:
    for value in (None, "0.7", True, float("nan"), [1]):
        assert edits(value, 7) == {}
    assert edits_of(Present(7, {"other": 1.0}), STATE, PARAMETERS) == {}


def test_before_the_first_delivery_nothing_is_an_edit() -> None:
    assert edits(0.9, 0, BridgeState()) == {}


@given(st.floats(0.1, 2.0), st.floats(0.1, 2.0), st.booleans())
def test_a_kill_between_two_deliveries_makes_no_edit(old: float, new: float, has_seq: bool) -> None:
    state = BridgeState(seq=7, delivered={KEY: new}, before={KEY: old})
    assert edits(old, 6 if has_seq else 0, state) == {}
    assert edits(new, 7 if has_seq else 0, state) == {}
