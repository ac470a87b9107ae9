"""The guards of a profile, from its section ``guards``: what several fields say together."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_soak.messages import nearest, shown
from pytest_soak.profile.conditions import Names, conditions
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.kpi import Kpi
from pytest_soak.profile.model import FreezeGuard, Guards, PanicGuard, PinGuard
from pytest_soak.profile.parameter import Parameter
from pytest_soak.profile.reading import check_known
from pytest_soak.profile.sections import FreezeFields, GuardsSection, PanicFields, PinFields
from pytest_soak.profile.tunable import check_couplings

_AT = ("guards",)


def guards(
    section: GuardsSection, parameters: Mapping[str, Parameter], kpis: Mapping[str, Kpi]
) -> Guards:
    """The guards of ``section``. Raises Invalid."""
    if section.rollback and not section.attribution:
        raise Invalid((*_AT, "rollback"), "needs attribution, which says what a change did")
    if section.attribution and section.attribution.memory < 2 * section.attribution.least:
        raise Invalid(
            (*_AT, "attribution", "memory"),
            f"{section.attribution.memory} is less than twice least, {section.attribution.least}",
        )
    return Guards(
        panic=_panic(section.panic, parameters) if section.panic else None,
        hold_last=section.hold_last,
        # Operators win unless the profile says otherwise: without `pin`, pins last for the run.
        pin=_pin(section.pin) if section.pin else PinGuard(),
        freeze=_freeze(section.freeze, parameters, kpis) if section.freeze else None,
        cooldown=section.cooldown or None,
        oscillation=section.oscillation or None,
        attribution=section.attribution or None,
        rollback=section.rollback or None,
        velocity_window_s=section.velocity_window_s,
        clip_ratio=section.clip_ratio,
    )


def _panic(panic: PanicFields, parameters: Mapping[str, Parameter]) -> PanicGuard:
    """``panic`` with its values in the order of the parameters."""
    at = (*_AT, "panic")
    for key in panic.values:
        if key not in parameters:
            raise Invalid((*at, "values", key), f"unknown field{nearest(key, parameters)}")
    for key in parameters:
        if key not in panic.values:
            names = ", ".join(parameters)
            raise Invalid((*at, "values"), f"{key!r} is missing; it has {names}")
    values = {
        key: _safe_value(panic, parameter, (*at, "revert_to"))
        for key, parameter in parameters.items()
    }
    check_couplings(values, parameters, (*at, "revert_to"))
    return PanicGuard(panic.after, panic.revert_to, panic.pause, values)


def _safe_value(panic: PanicFields, parameter: Parameter, at: tuple[str, ...]) -> float:
    given = panic.values[parameter.key]
    value = parameter.inner(given)
    if value is not None and parameter.is_allowed(value):
        return parameter.fitted(value) if parameter.step else value
    text = shown(given) if isinstance(given, str) else parameter.text(value)
    where = f"{shown(panic.revert_to)} has {parameter.key} = {text}"
    if value is not None and not parameter.choices and not parameter.step:
        raise Invalid(
            at,
            f"{where}, outside this profile's {parameter.minimum:g} to {parameter.maximum:g}",
        )
    raise Invalid(at, f"{where}; this profile allows {parameter.allowed_text()}")


def _pin(fields: PinFields) -> PinGuard:
    return PinGuard(iterations=None if fields.iterations == "run" else fields.iterations)


def _freeze(
    fields: FreezeFields, parameters: Mapping[str, Parameter], kpis: Mapping[str, Kpi]
) -> FreezeGuard:
    at = (*_AT, "freeze")
    for place, key in enumerate(fields.keys):
        check_known(key, parameters, "parameter", (*at, "keys", str(place)))
    return FreezeGuard(
        after=fields.after,
        stable=conditions(fields.stable, Names(kpis, parameters), (*at, "stable")),
        keys=fields.keys,
        iterations=fields.iterations,
    )
