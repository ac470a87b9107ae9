"""Live parameters: the nested runtime, its flat form, and changes to it. Pure.

``table`` is ``Profile.parameters`` throughout. The functions that take a runtime accept it nested
(``{"risk": {"base_spread_bps": 0.5}}``) or flat (``{"base_spread_bps": 0.5}``), and a result has
the form of what was given. Deltas are *changes* in the parameter's own unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from pytest_soak.canonical import number
from pytest_soak.messages import nearest, shown
from pytest_soak.profile.model import Profile
from pytest_soak.profile.parameter import Parameter
from pytest_soak.profile.tunable import READ_ONLY_SECTION

Table = Mapping[str, Parameter]

_MISSING = object()


class ParameterError(ValueError):
    """An unknown key, a value that is no finite number, or one outside its bounds."""


def nest(
    values: Mapping[str, float], table: Table, tuner: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The nested runtime of flat ``values`` (every key of ``table``), with ``tuner`` beside them.

    Raises ParameterError for a missing or unknown key.
    """
    if values.keys() != table.keys():
        _refuse_keys(values, table)
    runtime: dict[str, Any] = {}
    for key, parameter in table.items():
        section = runtime
        for part in parameter.path[:-1]:
            section = section.setdefault(part, {})
        section[key] = parameter.outer(values[key])
    if tuner is not None:
        runtime[READ_ONLY_SECTION] = dict(tuner)
    return runtime


def _refuse_keys(values: Mapping[str, float], table: Table) -> NoReturn:
    for key in values:
        _parameter(key, table)
    missing = next(key for key in table if key not in values)
    raise ParameterError(f"{missing}: has no value")


def flatten(runtime: Mapping[str, Any], table: Table) -> dict[str, float]:
    """The flat values of a nested runtime: every key of ``table``, without ``tuner``.

    Raises ParameterError, naming the path, for one that is missing, unknown or no finite number.
    """
    values = {}
    for path, value in leaves(runtime):
        key = key_at(path, table)
        values[key] = _inner(value, table[key], ".".join(path))
    for key, parameter in table.items():
        if key not in values:
            raise ParameterError(f"{'.'.join(parameter.path)}: is missing")
    return {key: values[key] for key in table}


def tuner_copies(profile: Profile) -> dict[str, int] | None:
    """The read-only ``tuner`` section of the runtime, for profiles with a guard ``freeze``.

    A target may wait as long as keys are frozen; one without frozen keys gets its parameters alone.
    """
    cooldown, freeze = profile.guards.cooldown, profile.guards.freeze
    if freeze is None:
        return None
    return {
        "cooldown_iters": cooldown.iterations if cooldown is not None else 0,
        "freeze_iters": freeze.iterations,
    }


def get_from_runtime(runtime: Mapping[str, Any], key: str, table: Table) -> float:
    """The value of ``key``. Raises ParameterError where there is none, or no finite number."""
    parameter = _parameter(key, table)
    where = key if key in runtime else ".".join(parameter.path)
    value = _find(runtime, parameter)
    if value is _MISSING:
        raise ParameterError(f"{where}: is missing")
    return _inner(value, parameter, where)


def set_in_runtime(runtime: dict[str, Any], key: str, value: float, table: Table) -> dict[str, Any]:
    """Set ``key`` in ``runtime``, rounded and within bounds; the same dict is returned.

    ``value`` is one that the target sees: a choice, true or false, a number.
    Raises ParameterError, with ``runtime`` unchanged, for an unknown key, for a value that is no
    number or out of bounds, and for a runtime that is no dict.
    """
    parameter = _parameter(key, table)
    _place(runtime, parameter, table)[parameter.key] = parameter.outer(bounded(value, parameter))
    return runtime


def apply_deltas(
    runtime: dict[str, Any], deltas: Mapping[str, float], table: Table
) -> tuple[dict[str, Any], int]:
    """Add every delta to its value in ``runtime``; the same dict, and how many values changed.

    All or nothing: raises ParameterError, with ``runtime`` unchanged, for a bad delta and for a
    result outside its bounds.
    """
    changes = {}
    for key, delta in validate_deltas(deltas, table).items():
        before = get_from_runtime(runtime, key, table)
        after = _after(before, delta, table[key]) if delta else before
        if after != before:
            changes[key] = after
    places = {key: _place(runtime, table[key], table) for key in changes}
    for key, value in changes.items():
        places[key][key] = table[key].outer(value)
    return runtime, len(changes)


def get_all_params(runtime: Mapping[str, Any], table: Table) -> dict[str, float]:
    """The flat values of the parameters that a nested or flat runtime has; it may lack some.

    Other names are ignored. Raises ParameterError for a value that is no finite number, and for a
    runtime that has no parameter at all.
    """
    values = {}
    for key, parameter in table.items():
        value = _find(runtime, parameter)
        if value is not _MISSING:
            values[key] = _inner(value, parameter, key)
    if not values:
        named = ", ".join(str(name) for name in list(runtime)[:5]) or "nothing"
        raise ParameterError(f"the runtime has no parameter of the profile; it has {named}")
    return values


def validate_deltas(deltas: Mapping[str, Any], table: Table) -> dict[str, float]:
    """The deltas as floats. Raises ParameterError for an unknown key and for what is no number."""
    if not isinstance(deltas, Mapping):
        raise ParameterError(f"deltas are a mapping of key to change, not {shown(deltas)}")
    return {_parameter(key, table).key: _number(delta, key) for key, delta in deltas.items()}


def bounded(value: Any, parameter: Parameter) -> float:
    """The number of an outer value, rounded, and clamped where rounding left its bounds.

    Raises ParameterError for what is no value of its kind, lies further out or is off its grid.
    """
    new = _inner(value, parameter, parameter.key)
    if not parameter.choices:
        _check_bounds(new, parameter)
    fitted = parameter.fitted(new)
    if parameter.step and not parameter.same(fitted, new):
        raise ParameterError(
            f"{parameter.key}: {new:.12g} is not allowed; allowed: {parameter.allowed_text()}"
        )
    return min(max(fitted, parameter.minimum), parameter.maximum)


def _after(before: float, delta: float, parameter: Parameter) -> float:
    """The value after a change, rounded. Raises ParameterError beyond the bounds."""
    after = parameter.fitted(before + delta)
    _check_bounds(after, parameter)
    return min(max(after, parameter.minimum), parameter.maximum)


def _check_bounds(value: float, parameter: Parameter) -> None:
    low, high = parameter.minimum, parameter.maximum
    if low <= value <= high or parameter.same(value, low) or parameter.same(value, high):
        return
    end = f"{high:g} {parameter.unit}".rstrip()
    raise ParameterError(f"{parameter.key}: {value:.12g} is outside {low:g} to {end}")


def leaves(runtime: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Path and value of everything in a runtime but its read-only section, in its own order."""
    stack: list[tuple[tuple[str, ...], Any]] = [
        ((str(name),), value)
        for name, value in reversed(list(runtime.items()))
        if name != READ_ONLY_SECTION
    ]
    while stack:
        path, value = stack.pop()
        if isinstance(value, Mapping):
            stack += [((*path, str(name)), item) for name, item in reversed(list(value.items()))]
        else:
            yield path, value


def key_at(path: tuple[str, ...], table: Table) -> str:
    """The parameter that lives at ``path``. Raises ParameterError, with the nearest name."""
    key = path[-1]
    if key in table and table[key].path == path:
        return key
    where = ".".join(path)
    if key in table:
        raise ParameterError(f"{where}: {key} lives at {'.'.join(table[key].path)}")
    raise ParameterError(f"{where}: unknown parameter{nearest(key, table)}")


def _parameter(key: object, table: Table) -> Parameter:
    if not isinstance(key, str) or key not in table:
        raise ParameterError(f"{key}: unknown parameter{nearest(str(key), table)}")
    return table[key]


def _number(value: Any, where: object) -> float:
    finite = number(value)
    if finite is None:
        raise ParameterError(f"{where}: {shown(value)} is not a finite number")
    return finite


def _inner(value: Any, parameter: Parameter, where: object) -> float:
    """The number of an outer value, exactly on the grid if it is close to it."""
    if not parameter.choices:
        given = _number(value, where)
        return parameter.fitted(given) if parameter.step and parameter.is_allowed(given) else given
    number_of = parameter.inner(value)
    if number_of is None:
        raise ParameterError(f"{where}: {shown(value)} is not {parameter.allowed_text()}")
    return number_of


def _find(runtime: Mapping[str, Any], parameter: Parameter) -> Any:
    """The value of a parameter in a flat or nested runtime, or ``_MISSING``."""
    if parameter.key in runtime:
        return runtime[parameter.key]
    node: Any = runtime
    for part in parameter.path:
        if not isinstance(node, Mapping) or part not in node:
            return _MISSING
        node = node[part]
    return node


def _place(runtime: dict[str, Any], parameter: Parameter, table: Table) -> dict[str, Any]:
    """The dict inside ``runtime`` that holds the parameter; missing sections are made."""
    # A parameter without a section stands at the top of both forms, so it decides nothing.
    flat = parameter.key in runtime or any(
        name in table and len(table[name].path) > 1 for name in runtime
    )
    place: Any = runtime
    for depth, part in enumerate(() if flat else parameter.path[:-1], start=1):
        if not isinstance(place, dict):
            break
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            where = ".".join(parameter.path[:depth])
            raise ParameterError(f"{where}: {shown(place)} is no section of a runtime")
    if not isinstance(place, dict):
        kind = type(place).__name__
        raise ParameterError(f"the runtime is changed in place, so it must be a dict, not {kind}")
    return place
