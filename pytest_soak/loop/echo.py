"""``effective_params``: the values that a target reports to run with, against those in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pytest_soak.loop.words import described, hint
from pytest_soak.profile.model import Profile
from pytest_soak.profile.parameters import leaves

FIELD = "effective_params"
KEYS = "echo_keys"
"""The parameters that the echo can confirm, as a list; without it, it should confirm all."""
_ABSENT = object()
_MOST = 20


def echo_mismatch(profile: Profile, values: Mapping[str, float], echo: Any) -> dict[str, str]:
    """Key to its echoed value, for every key whose echoed value is not the one in ``values``.

    ``echo`` is flat or nested. A key that the echo leaves out is not a mismatch (see
    :func:`unconfirmed`); a value that is no number is one.
    """
    different: dict[str, str] = {}
    if echo is None:  # few targets report one
        return different
    for key, parameter in profile.parameters.items():
        echoed = _echoed(profile, key, echo)
        if echoed is _ABSENT:
            continue
        value = parameter.inner(echoed)
        if value is None:
            different[key] = described(echoed)
        elif not parameter.same(value, values[key]):
            different[key] = parameter.exact(value)
    return different


def unconfirmed(profile: Profile, report: Mapping[str, Any], changed: Iterable[str]) -> list[str]:
    """The changed keys that the report's echo leaves out; none if there is no echo at all."""
    echo = report.get(FIELD)
    if echo is None:
        return []
    keys = report.get(KEYS)
    if isinstance(keys, list):
        changed = [key for key in changed if key in keys]
    return [key for key in changed if _echoed(profile, key, echo) is _ABSENT]


def unknown_echoes(profile: Profile, echo: Any) -> list[str]:
    """Names in the echo that are not parameters, each with the nearest parameter."""
    if not isinstance(echo, Mapping):
        return [] if echo is None else [f"{FIELD} is {described(echo)}, not a mapping"]
    unknown = []
    for path, _ in leaves(echo):
        if path[-1] not in profile.parameters:
            near = hint(path[-1], profile.parameters)
            unknown.append(f"{FIELD}.{'.'.join(path)}{near}")
        if len(unknown) == _MOST:
            break
    return unknown


def _echoed(profile: Profile, key: str, echo: Any) -> Any:
    value: Any = echo
    for step in (key,) if _is_mapping(echo) and key in echo else profile.parameters[key].path:
        value = value.get(step, _ABSENT) if _is_mapping(value) else _ABSENT
    return value


def _is_mapping(value: Any) -> bool:
    return type(value) is dict or isinstance(value, Mapping)  # the ABC's check is slow
