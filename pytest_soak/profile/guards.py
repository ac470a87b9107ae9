"""Reads the section ``guards`` of a profile."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from pytest_soak.messages import shown
from pytest_soak.profile.comparisons import conditions
from pytest_soak.profile.model import (
    AttributionSettings,
    CooldownGuard,
    FreezeGuard,
    Guards,
    OscillationGuard,
    PanicGuard,
    Parameter,
    PinGuard,
    RollbackGuard,
)
from pytest_soak.profile.reading import Node

_Guard = TypeVar("_Guard")


def guards(node: Node, parameters: Mapping[str, Parameter], kpis: Collection[str]) -> Guards:
    """The section ``guards``. Raises Invalid."""
    node.fields(
        ("hold_last", "velocity_window_s", "clip_ratio"),
        ("panic", "pin", "freeze", "cooldown", "oscillation", "attribution", "rollback"),
    )
    if node.has("rollback") and not node.has("attribution"):
        raise node.child("rollback").wrong("needs attribution, which says what a change did")

    def optional(name: str, make: Callable[[Node], _Guard]) -> _Guard | None:
        return make(node.child(name)) if node.has(name) else None

    return Guards(
        panic=optional("panic", lambda given: _panic(given, parameters)),
        hold_last=node.child("hold_last").count(least=0),
        # Operators win unless the profile says otherwise: without `pin`, pins last for the run.
        pin=optional("pin", _pin) or PinGuard(),
        freeze=optional("freeze", lambda given: _freeze(given, parameters, kpis)),
        cooldown=optional("cooldown", _cooldown),
        oscillation=optional("oscillation", _oscillation),
        attribution=optional("attribution", _attribution),
        rollback=optional("rollback", _rollback),
        velocity_window_s=node.child("velocity_window_s").positive(),
        clip_ratio=node.child("clip_ratio").share(),
    )


def _panic(node: Node, parameters: Mapping[str, Parameter]) -> PanicGuard:
    node.fields(("after", "revert_to", "pause", "values"))
    given = node.child("values")
    given.fields(tuple(parameters))
    values = {key: given.child(key).number() for key in parameters}
    for key, value in values.items():
        low, high = parameters[key].minimum, parameters[key].maximum
        if not low <= value <= high:
            raise node.child("revert_to").wrong(
                f"{shown(node.child('revert_to').value)} has {key} = {value:g}, outside this "
                f"profile's {low:g} to {high:g}"
            )
    return PanicGuard(
        after=node.child("after").count(),
        revert_to=node.child("revert_to").name(),
        pause=node.child("pause").count(least=0),
        values=values,
    )


def _freeze(node: Node, parameters: Collection[str], kpis: Collection[str]) -> FreezeGuard:
    node.fields(("after", "stable", "keys", "iterations"))
    stable = conditions(node.child("stable"), kpis)
    if not stable:
        raise node.child("stable").wrong(
            "there is no condition, so every iteration would be stable"
        )
    keys = tuple(item.name_in(parameters, "parameter") for item in node.child("keys").items())
    if not keys:
        raise node.child("keys").wrong("the list is empty; to switch the freeze off: freeze: null")
    return FreezeGuard(
        after=node.child("after").count(),
        stable=stable,
        keys=keys,
        iterations=node.child("iterations").count(),
    )


def _cooldown(node: Node) -> CooldownGuard:
    node.fields(("large", "iterations"))
    return CooldownGuard(
        large=node.child("large").positive(), iterations=node.child("iterations").count()
    )


def _oscillation(node: Node) -> OscillationGuard:
    node.fields(("forget_after", "exempt"))
    # The names are not checked against the rules: a user's own proposer may be exempt as well.
    return OscillationGuard(
        forget_after=node.child("forget_after").count(),
        exempt=tuple(item.name() for item in node.child("exempt").items()),
    )


def _pin(node: Node) -> PinGuard:
    node.fields(("for",))
    length = node.child("for")
    return PinGuard(iterations=None if length.value == "run" else length.count(least=0))


def _attribution(node: Node) -> AttributionSettings:
    node.fields(("least", "memory", "confidence"))
    least, memory = node.child("least").count(least=2), node.child("memory").count()
    if memory < 2 * least:
        raise node.child("memory").wrong(f"{memory} is less than twice least, {least}")
    return AttributionSettings(least, memory, _confidence(node.child("confidence")))


def _rollback(node: Node) -> RollbackGuard:
    node.fields(("confidence", "once_in"))
    return RollbackGuard(_confidence(node.child("confidence")), node.child("once_in").count())


def _confidence(node: Node) -> float:
    confidence = node.share()
    if not 0.5 < confidence < 1:
        raise node.wrong(f"{confidence:g} is not above 0.5 and below 1")
    return confidence
