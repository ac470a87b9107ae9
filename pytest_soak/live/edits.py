"""What an operator changed at the destination of the parameters. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_soak.live.channels import Present, plain_value
from pytest_soak.live.state import BridgeState
from pytest_soak.profile.parameter import Outer, Parameter


def edits_of(
    present: Present, state: BridgeState, parameters: Mapping[str, Parameter]
) -> dict[str, Outer]:
    """Parameter to its value at the destination, where it was changed after the delivery.

    The last delivery may not have arrived, if the session was killed: then the values of the one
    before are no edits either. The ``seq`` at the destination says which one arrived; where there
    is none, as in a YAML file, both are possible. A text that is none of the choices is an edit
    too, which is refused later.
    """
    edits: dict[str, Outer] = {}
    for key, value in present.values.items():
        if key not in parameters:
            continue
        parameter, expected = parameters[key], list(_expected(key, present.seq, state))
        edited = parameter.inner(value)
        if edited is None:
            plain = plain_value(value) if expected and parameter.choices else None
            if plain is not None:
                edits[key] = plain
        elif expected and not any(parameter.same(edited, value) for value in expected):
            edits[key] = parameter.outer(edited)
    return edits


def _expected(key: str, seq: int, state: BridgeState) -> Iterator[float]:
    """The values that are no edit; none if it is not known what was delivered."""
    if key in state.delivered:
        yield state.delivered[key]
    if seq != state.seq and key in state.before:
        yield state.before[key]
