"""Targets by name: those of this package, and those that other distributions register.

A distribution registers a factory in the entry-point group ``pytest_soak.targets``; its name is
then a value of ``--soak-target``. A name of this package cannot be taken.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pytest_soak.protocol import Lane, Target

GROUP = "pytest_soak.targets"
BUILT_IN = {
    "mock": "pytest_soak.targets.mock:make_mock",
    "replay": "pytest_soak.targets.replay:make_replay",
    "live": "pytest_soak.live.target:LiveTarget",
}
"""Name to ``module:factory``. That of ``live`` takes the plan of a lane, not the lane."""
ALIASES = {"bridge": "live"}
"""Other names of built-in targets."""

Factory = Callable[[Lane], Target]


def names() -> tuple[str, ...]:
    """All names, those of this package first. Reads the metadata of installed distributions."""
    registered = sorted(point.name for point in _registered())
    return tuple(dict.fromkeys([*BUILT_IN, *ALIASES, *registered]))


def factory_of(name: str) -> Factory:
    """The factory behind a registered name or ``module:factory``.

    Raises LookupError for an unknown name, TypeError if the factory cannot be called, and what the
    import of its module raises.
    """
    reference = BUILT_IN.get(name, "")
    if not reference:
        points = {point.name: point for point in _registered()}
        reference = points[name].value if name in points else name
    module_name, colon, attribute = reference.partition(":")
    if not colon:
        raise LookupError(f"no target is called {name!r}; there are {', '.join(names())}")
    factory: Any = import_module(module_name)
    for part in attribute.split("."):
        try:
            factory = getattr(factory, part)
        except AttributeError as error:
            where = getattr(factory, "__file__", None)
            raise LookupError(f"{error}" + (f" ({where})" if where else "")) from None
    if not callable(factory):
        raise TypeError(
            f"{attribute} is {type(factory).__name__}, not a factory(lane) that returns a target"
        )
    checked: Factory = factory
    return checked


def _registered() -> list[EntryPoint]:
    return [point for point in entry_points(group=GROUP) if point.name not in {*BUILT_IN, *ALIASES}]
