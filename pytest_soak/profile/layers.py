"""One profile on top of another: sections merge, values replace or add, null removes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import Any

from msgspec import Struct

from pytest_soak.json_types import Finite
from pytest_soak.messages import nearest, shown
from pytest_soak.profile.build import BLOCK_REASONS, SECTIONS
from pytest_soak.profile.constants import SECTION as CONSTANTS
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.reading import plain, read
from pytest_soak.profile.scenarios import SECTION as SCENARIOS
from pytest_soak.profile.sections import StartValue

_DELTA = "_delta"
_EXACT = Context(prec=60)
_NULL_IS_VALUE = ("gate", "drift")
"""Here null switches the default of a gated KPI off, where elsewhere it removes an entry."""
TARGET = "target"
"""The optional section on a live target; it is no part of a resolved profile either."""
SYMBOL = "symbol"
"""What a trading bot trades: part of a lane's identity, and not of a resolved profile."""
RUN = "run"
"""The optional defaults of a run; no part of a resolved profile."""
ABOUT = ("description", "tags")
"""What a file has about itself: the files that extend it do not inherit it."""
_MERGED = (*SECTIONS, SCENARIOS, TARGET, RUN, SYMBOL, CONSTANTS, BLOCK_REASONS)
KNOWN = (*_MERGED, *ABOUT, "extends")
"""The keys at the top of a profile that are no parameters."""
_FREE = "x-"
"""Keys that begin with it are for others; they are neither read nor stored."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One file of a chain, as it was written."""

    name: str
    label: str
    document: Mapping[str, Any]
    file: str = ""
    """The absolute path of the file; empty if there is none."""
    data: bytes = field(default=b"", repr=False)

    def sets(self, path: tuple[str, ...]) -> int:
        """How many leading parts of ``path`` this file has."""
        node: Any = self.document
        for steps, part in enumerate(path):
            if not isinstance(node, Mapping) or part not in node:
                return steps
            node = node[part]
        return len(path)


class _Start(Struct):
    """Of a parameter, the value to which a change is added."""

    start: StartValue


def merged(base: Mapping[str, Any], layer: Layer) -> dict[str, Any]:
    """The sections of ``base`` (resolved) with ``layer`` on top. Raises Invalid."""
    document = dict(base)
    for section in _MERGED:
        if section in layer.document:
            _put(document, section, layer.document[section], ())
    parameters = document.get("parameters")
    keys = dict(parameters) if isinstance(parameters, Mapping) else {}
    for key in (RUN, SYMBOL, CONSTANTS, *ABOUT):
        if key in keys:
            raise Invalid(("parameters", key), "this name has a meaning of its own; choose another")
    moved: dict[str, float | bool | str] = {}
    for key, value in layer.document.items():
        if key in KNOWN or key.startswith(_FREE):
            continue
        parameter = key if key in keys else key.removesuffix(_DELTA)
        if parameter not in keys:
            names = (*keys, *(name + _DELTA for name in keys), *KNOWN)
            raise Invalid((key,), f"unknown key{nearest(key, names)}")
        other = parameter if key != parameter else parameter + _DELTA
        inner = ("parameters", parameter, "start")
        if other in layer.document or layer.sets(inner) == len(inner):
            also = other if other in layer.document else ".".join(inner)
            raise Invalid((key,), f"is given as {also} too; keep one of them")
        if key == parameter:
            # Whether a switch or a choice fits is seen when the parameter is built.
            plain_text = isinstance(value, (bool, str))
            moved[parameter] = value if plain_text else read(value, Finite, (key,))
            continue
        change = read(value, Finite, (key,))
        start = read(keys[parameter], _Start, ("parameters", parameter)).start
        if isinstance(start, (bool, str)):
            raise Invalid((key,), f"{parameter} is no number, so nothing can be added to it")
        # In decimal: 0.5 + 0.35 is the 0.85 that the author reads, not 0.8500000000000001.
        moved[parameter] = float(_EXACT.add(Decimal(repr(start)), Decimal(repr(change)))) + 0.0
    for parameter, start in moved.items():
        entry = keys[parameter]
        if not isinstance(entry, dict):
            raise Invalid(("parameters", parameter), f"{shown(entry)} is not a mapping")
        keys[parameter] = {**entry, "start": start}
    return {**document, "parameters": keys} if moved else document


def named(layer: Layer, parameters: Mapping[str, Any]) -> frozenset[str]:
    """The ``parameters`` whose value ``layer`` sets, in any of the three spellings."""
    return frozenset(
        key
        for key in parameters
        if key in layer.document
        or key + _DELTA in layer.document
        or layer.sets(("parameters", key, "start")) == 3
    )


def spelling(layer: Layer, key: str) -> tuple[str, ...]:
    """The key path under which ``layer`` sets the value of ``key``."""
    for name in (key, key + _DELTA):
        if name in layer.document:
            return (name,)
    return ("parameters", key, "start")


def _put(target: dict[str, Any], key: str, value: Any, above: tuple[str, ...]) -> None:
    path = (*above, key)
    if above == ("kpis",) and isinstance(value, str):
        value = {"read": value}
    if value is None and path[:-1] == _NULL_IS_VALUE and key not in target:
        target[key] = None  # it switches the default off
    elif value is None and path == ("gate", "throughput"):
        target[key] = None
    elif value is None:
        if key not in target:
            raise Invalid(path, f"null removes an inherited entry{nearest(key, target)}")
        del target[key]
    elif isinstance(value, Mapping):
        inherited = target.get(key)
        inner = dict(inherited) if isinstance(inherited, Mapping) else {}
        for name, item in value.items():
            _put(inner, name, item, path)
        target[key] = inner
    else:
        target[key] = plain(value, path)
