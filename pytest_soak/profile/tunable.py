"""The parameters of a profile, from its section: what several fields say together."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

from msgspec import UNSET, UnsetType

from pytest_soak.canonical import number
from pytest_soak.json_types import EXACT
from pytest_soak.messages import shown
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.parameter import Coupling, Outer, Parameter
from pytest_soak.profile.reading import check_known
from pytest_soak.profile.sections import CouplingFields, ParameterFields

READ_ONLY_SECTION = "tuner"
"""The section of the runtime that only shows copies; no parameter lives there."""

_MOST_STEPS = 10_000_000
"""With more of them a step would be as small as the rounding errors that are allowed."""

_DEFAULT_SHARE = 0.2
"""Without ``cap_per_hour`` a parameter may move over this part of its range in an hour."""

Path = tuple[str, ...]


def tunables(
    given: Mapping[str, ParameterFields], taken: Collection[str], caps_scale: float
) -> dict[str, Parameter]:
    """Every parameter, with its couplings both ways. ``taken`` are names of other things.

    Raises Invalid.
    """
    parameters = {
        key: _parameter(key, fields, given, taken, caps_scale) for key, fields in given.items()
    }
    for key, fields in given.items():
        _couple(parameters, key, fields)
    check_couplings({key: item.start for key, item in parameters.items()}, parameters, ())
    return parameters


def _parameter(
    key: str,
    fields: ParameterFields,
    parameters: Collection[str],
    taken: Collection[str],
    caps_scale: float,
) -> Parameter:
    at = ("parameters", key)
    if key in taken or key.endswith("_delta"):
        raise Invalid(at, "this name has a meaning of its own; choose another")
    path = tuple(fields.path.split(".")) if fields.path else ()
    if path[:1] == (READ_ONLY_SECTION,):
        raise Invalid((*at, "path"), f"the section {READ_ONLY_SECTION!r} is read-only")
    for part in path:
        # Its top-level names show whether a runtime is nested or flat, so they must not overlap.
        if part in parameters:
            raise Invalid((*at, "path"), f"{part!r} is a parameter, no section")
    choices = _choices(fields, at)
    low, high = _ends(fields, choices, at)
    step = _step(fields, low, high, at)
    parameter = Parameter(
        key=key,
        path=(*path, key),
        unit=fields.unit,
        start=low,
        minimum=low,
        maximum=high,
        cap_per_hour=math.inf,
        safer=fields.safer,
        kind=fields.type,
        step=step,
        choices=choices,
        log=fields.scale == "log",
        restart=fields.restart,
        description=fields.description,
    )
    parameter = replace(parameter, start=value_of(fields.start, parameter, (*at, "start")))
    return _with_caps(parameter, fields, caps_scale, at)


def value_of(given: Outer, parameter: Parameter, at: Path) -> float:
    """The number of a value in a profile. Raises Invalid for one that is not allowed."""
    value = parameter.inner(given)
    if value is None and not parameter.choices:
        raise Invalid(at, f"{shown(given)} is not a finite number")
    if value is None or not parameter.is_allowed(value):
        outside = value is not None and not parameter.minimum <= value <= parameter.maximum
        if outside and not parameter.choices:
            problem = f"{value:g} is outside {parameter.minimum:g} to {parameter.maximum:g}"
            raise Invalid(at, problem)
        raise Invalid(at, f"{shown(given)} is not allowed; allowed: {parameter.allowed_text()}")
    return parameter.fitted(value) if parameter.step else value


def _choices(fields: ParameterFields, at: Path) -> tuple[Outer, ...]:
    if fields.type == "bool":
        for name in _given_of(fields, "choices", "min", "max", "step"):
            raise Invalid((*at, name), "a switch is false or true")
        return (False, True)
    if fields.type != "choice":
        if fields.choices is not UNSET:
            raise Invalid((*at, "choices"), "belongs to 'type: choice'")
        return ()
    for name in _given_of(fields, "min", "max", "step"):
        raise Invalid((*at, name), "a choice has 'choices' instead")
    if fields.choices is UNSET:
        raise Invalid(at, "a choice needs 'choices', a list from the lowest to the highest")
    choices = tuple(map(_whole, fields.choices))
    for place, choice in enumerate(choices):
        if isinstance(choice, str) and not (choice.strip() and choice.isprintable()):
            raise Invalid(
                (*at, "choices", str(place)), f"{shown(choice)} is not a line that can be read"
            )
        if choice in choices[:place]:
            raise Invalid((*at, "choices", str(place)), f"{shown(choice)} is listed twice")
        if isinstance(choice, str) and number(_as_number(choice)) is not None:
            raise Invalid(
                (*at, "choices", str(place)),
                f"{shown(choice)} is a text that looks like a number; write it without quotes",
            )
    return choices


def _whole(choice: float | str) -> Outer:
    """A choice as it was written: a whole number is an integer for the target too."""
    whole = isinstance(choice, float) and choice.is_integer() and abs(choice) <= EXACT
    return int(choice) if whole else choice


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _given_of(fields: ParameterFields, *names: str) -> list[str]:
    """Those of the fields that are given."""
    values = {
        "choices": fields.choices,
        "min": fields.minimum,
        "max": fields.maximum,
        "step": fields.step,
    }
    return [name for name in names if values[name] is not UNSET]


def _ends(fields: ParameterFields, choices: tuple[Outer, ...], at: Path) -> tuple[float, float]:
    if choices:
        if fields.scale == "log":
            raise Invalid((*at, "scale"), "belongs to a number; choices have places in a list")
        return 0.0, float(len(choices) - 1)
    for name, end in (("min", fields.minimum), ("max", fields.maximum)):
        if end is UNSET:
            raise Invalid(at, f"{name!r} is missing; a number needs min and max")
    low, high = _given(fields.minimum), _given(fields.maximum)
    if low > high:
        raise Invalid((*at, "min"), f"min {low:g} is above max {high:g}")
    if fields.type == "int":
        for name, end in (("min", low), ("max", high)):
            if not end.is_integer():
                raise Invalid((*at, name), f"{end:g} is no whole number")
    if fields.scale == "log" and low <= 0.0:
        raise Invalid((*at, "min"), f"{low:g} is not above 0; 'scale: log' measures ratios")
    return low, high


def _given(end: float | UnsetType) -> float:
    return 0.0 if end is UNSET else float(end)


def _step(fields: ParameterFields, low: float, high: float, at: Path) -> float:
    """The distance of its values, 0 for any; a choice has the places of a list."""
    if fields.type in ("bool", "choice"):
        return 1.0
    if fields.step is UNSET and fields.type == "float":
        return 0.0
    step = 1.0 if fields.step is UNSET else float(fields.step)
    at = (*at, "step")
    if fields.type == "int" and not step.is_integer():
        raise Invalid(at, f"{step:g} is no whole number")
    steps = (high - low) / step
    if steps > _MOST_STEPS:
        raise Invalid(
            at,
            f"from min to max there are {steps:,.0f} steps of {step:g}; at most {_MOST_STEPS:,} "
            "are possible, so a larger step is needed",
        )
    if not (step.is_integer() and low.is_integer()) and max(abs(low), abs(high)) > 1e11 * step:
        raise Invalid(at, f"{step:g} is lost in values of {high:g}: they have 12 digits")
    if abs(steps - round(steps)) > 1e-9 * max(1.0, steps):
        problem = f"max {high:g} is no number of steps of {step:g} above min {low:g}"
        raise Invalid(at, problem)
    return step


def _with_caps(parameter: Parameter, fields: ParameterFields, scale: float, at: Path) -> Parameter:
    """With the sizes of its caps: a cap of a ``log`` parameter is written as a ratio."""
    per_hour = _default_cap(parameter, scale)
    if fields.cap_per_hour is not UNSET:
        per_hour = _size_of_cap(fields.cap_per_hour, parameter, scale, (*at, "cap_per_hour"))
    per_iteration = math.inf
    if fields.cap_per_iteration is not UNSET:
        place = (*at, "cap_per_iteration")
        per_iteration = _size_of_cap(fields.cap_per_iteration, parameter, scale, place)
    return replace(parameter, cap_per_hour=per_hour, cap_per_iteration=per_iteration)


def _size_of_cap(cap: float, parameter: Parameter, scale: float, at: Path) -> float:
    if parameter.log and cap <= 1.0:
        raise Invalid(at, f"{cap:g} is no ratio above 1; 'scale: log' measures ratios")
    size = (math.log(cap) if parameter.log else cap) * scale
    if size < _smallest_move(parameter) * (1.0 - 1e-9):
        scaled = f" (caps_scale: {scale:g})" if scale != 1.0 else ""
        problem = f"{cap:g}{scaled} is less than one step, so the parameter could never move"
        raise Invalid(at, problem)
    return size


def _default_cap(parameter: Parameter, scale: float) -> float:
    """A part of the range, at least one step."""
    return max(_DEFAULT_SHARE * parameter.span * scale, _smallest_move(parameter))


def _smallest_move(parameter: Parameter) -> float:
    """The size of the largest single step, so that a cap of it allows every one; 0 without."""
    if not parameter.step or not parameter.span:
        return 0.0
    return parameter.size(parameter.minimum, parameter.minimum + parameter.step)


# -- couplings -------------------------------------------------------------------------------------


def _couple(parameters: dict[str, Parameter], key: str, fields: ParameterFields) -> None:
    """Adds the couplings of a parameter to it, and the same limits to the other one."""
    for name, given in (("at_most", fields.at_most), ("at_least", fields.at_least)):
        if given is UNSET:
            continue
        at = ("parameters", key, name)
        coupling = (
            Coupling(given.parameter, given.factor)
            if isinstance(given, CouplingFields)
            else Coupling(str(given))
        )
        check_known(coupling.other, parameters, "parameter", at)
        if coupling.other == key:
            raise Invalid(at, "is the parameter itself")
        for item in (parameters[key], parameters[coupling.other]):
            if item.choices:
                raise Invalid(at, f"{item.key} is no number")
        back = Coupling(key, 1.0 / coupling.factor)
        this, other = parameters[key], parameters[coupling.other]
        if name == "at_most":
            parameters[key] = replace(this, at_most=(*this.at_most, coupling))
            parameters[other.key] = replace(other, at_least=(*other.at_least, back))
        else:
            parameters[key] = replace(this, at_least=(*this.at_least, coupling))
            parameters[other.key] = replace(other, at_most=(*other.at_most, back))


def check_couplings(
    values: Mapping[str, float], parameters: Mapping[str, Parameter], at: Path
) -> None:
    """Raises Invalid if two values break a limit that one sets for the other."""
    for key, parameter in parameters.items():
        for coupling in parameter.at_most:
            most = coupling.factor * values[coupling.other]
            if values[key] > most and not parameter.same(values[key], most):
                times = "" if coupling.factor == 1.0 else f"{coupling.factor:g} times "
                raise Invalid(
                    at or ("parameters", key, "start"),
                    f"{key} = {parameter.text(values[key])} is above {times}"
                    f"{coupling.other} = {parameters[coupling.other].text(values[coupling.other])}",
                )
