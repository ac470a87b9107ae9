"""What an operator changed at the destination of the parameters. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_soak.live.channels import Present
from pytest_soak.live.state import BridgeState
from pytest_soak.profile.parameter import Parameter


def edits_of(
    present: Present, state: BridgeState, parameters: Mapping[str, Parameter]
) -> dict[str, float]:
    """Parameter to its value at the destination, where it was changed after the delivery.

    The last delivery may not have arrived, if the session was killed: then the values of the one
    before are no edits either. The ``seq`` at the destination says which one arrived; where there
    is none, as in a YAML file, both are possible.
    """
    edits = {}
    for key, value in present.values.items():
        if key not in parameters or (edited := parameters[key].inner(value)) is None:
            continue
        expected = list(_expected(key, present.seq, state))
        if expected and not any(parameters[key].same(edited, value) for value in expected):
            edits[key] = edited
    return edits


def _expected(key: str, seq: int, state: BridgeState) -> Iterator[float]:
    """The values that are no edit; none if it is not known what was delivered."""
    if key in state.delivered:
        yield state.delivered[key]
    if seq != state.seq and key in state.before:
        yield state.before[key]
