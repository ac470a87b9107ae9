"""Shapes of JSON values: small functions that return what is wrong with a value, and where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_soak.canonical import number as finite

Shape = Callable[[Any], str]
"""Returns the fault of a value, with the path to it in front; empty if there is none."""

_LARGEST_WHOLE = 2**53
_LONGEST_SHOWN = 40
_SHORT_KINDS = ("NoneType", "bool", "float", "int", "str")


def kind(expected: str, accepts: Callable[[Any], bool]) -> Shape:
    """A value for which ``accepts`` returns true; ``expected`` describes it in the message."""

    def problem(value: Any) -> str:
        return "" if accepts(value) else f" must be {expected}, not {_shown(value)}"

    return problem


def _shown(value: Any) -> str:
    kind = type(value).__name__
    if isinstance(value, int) and abs(value) > _LARGEST_WHOLE:
        return "a huge integer"
    text = repr(value) if kind in _SHORT_KINDS else f"of {kind}"
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def anything(_: Any) -> str:
    """Any JSON value."""
    return ""


def optional(shape: Shape) -> Shape:
    """``null``, or a value of ``shape``."""
    return lambda value: "" if value is None else shape(value)


def list_of(shape: Shape, length: int | None = None) -> Shape:
    """A list of values of ``shape``, with ``length`` items if it is given."""

    def problem(value: Any) -> str:
        if not isinstance(value, (list, tuple)):
            return f" must be a list, not {_shown(value)}"
        if length is not None and len(value) != length:
            return f" must have {length} items, not {len(value)}"
        for place, item in enumerate(value):
            if wrong := shape(item):
                return f"[{place}]{wrong}"
        return ""

    return problem


def mapping_of(shape: Shape) -> Shape:
    """An object with any keys, whose values are of ``shape``."""

    def problem(value: Any) -> str:
        if not isinstance(value, Mapping):
            return f" must be an object, not {_shown(value)}"
        for key, item in value.items():
            if wrong := shape(item):
                return f".{key:.{_LONGEST_SHOWN}}{wrong}"
        return ""

    return problem


def object_of(fields: Mapping[str, Shape], maybe: Mapping[str, Shape] | None = None) -> Shape:
    """An object with all ``fields``, and perhaps those in ``maybe``; others are not checked."""

    def problem(value: Any) -> str:
        if not isinstance(value, Mapping):
            return f" must be an object, not {_shown(value)}"
        for name, shape in fields.items():
            if name not in value:
                return f".{name} is missing"
            if wrong := shape(value[name]):
                return f".{name}{wrong}"
        for name, shape in (maybe or {}).items():
            if name in value and (wrong := shape(value[name])):
                return f".{name}{wrong}"
        return ""

    return problem


TEXT = kind("a text", lambda value: isinstance(value, str))
FLAG = kind("true or false", lambda value: isinstance(value, bool))
WHOLE = kind(
    "a whole number",
    lambda value: type(value) is int and abs(value) <= _LARGEST_WHOLE,
)
NUMBER = kind("a finite number", lambda value: finite(value) is not None)
