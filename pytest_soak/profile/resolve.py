"""Resolves a profile by reference: reads, follows ``extends``, merges, adds the panic values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from msgspec import UNSET

from pytest_soak.messages import shown
from pytest_soak.profile.build import checked
from pytest_soak.profile.constants import with_constants
from pytest_soak.profile.defaults import DEFAULTS, with_derived
from pytest_soak.profile.errors import Invalid, ProfileError
from pytest_soak.profile.layers import ABOUT, RUN, SYMBOL, TARGET, Layer, merged, named, spelling
from pytest_soak.profile.model import Profile
from pytest_soak.profile.places import Places
from pytest_soak.profile.reading import NAME, Name, plain
from pytest_soak.profile.reading import read as read_as
from pytest_soak.profile.scenarios import SECTION as SCENARIOS
from pytest_soak.profile.scenarios import Declared, declared
from pytest_soak.profile.sections import RunFields
from pytest_soak.profile.yaml_text import parse

_LONGEST_CHAIN = 16
_REVERT_TO = ("guards", "panic", "revert_to")


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of a profile; ``label`` is a shipped profile's name, or the path of a file."""

    label: str
    data: bytes
    file: str = ""
    """The absolute path of the file that has these bytes; empty if there is none."""


ReadSource = Callable[[str, str | None], Source]
"""``(reference, label of the profile that refers to it or None)``; raises ProfileError."""


def _unlocated(finding: Invalid) -> ProfileError:
    return finding.at("profile")


@dataclass(frozen=True, slots=True)
class Resolved:
    profile: Profile
    origins: Mapping[str, str]
    """Parameter to the name of the profile that set its start value."""
    named_below_base: frozenset[str]
    """Parameters whose value the profile or an ancestor below the root of the chain sets."""
    scenarios: Mapping[str, Declared]
    """The scenarios that can be scheduled; some name their iterations themselves."""
    target: Mapping[str, Any] | None = field(default=None, repr=False)
    """The section ``target``, merged and unchecked (:mod:`pytest_soak.live`): it has no place in
    the document, which the journal stores, because it may hold paths and names of secrets."""
    symbol: str = ""
    """Of its lanes, unless the session has others; empty if it names none. Not in the document:
    the same profile is used for several symbols."""
    located: Callable[[Invalid], ProfileError] = field(default=_unlocated, repr=False)
    """The error of the profile for a fault in ``target``, with the file that has it."""
    places: Places = field(default_factory=Places, repr=False, compare=False)
    """Where the values are written; no part of the document, so a journal does not have it."""


def is_path(reference: str) -> bool:
    """Whether ``reference`` is a path of a file, not the name of a shipped profile."""
    return "/" in reference or "\\" in reference or reference.endswith((".yaml", ".yml"))


def resolve(reference: str, read: ReadSource) -> Resolved:
    """The profile ``reference``, with all that it extends. Raises ProfileError."""
    layers = _chain(reference, None, read)
    document, origins = _merge(layers)
    try:
        _resolve_panic(document, layers, read)
        scenarios = declared(document.pop(SCENARIOS, {}))
        read_as(document.pop(RUN, {}), RunFields, (RUN,))
        symbol = read_as(document.pop(SYMBOL), Name, (SYMBOL,)) if SYMBOL in document else ""
        target = document.pop(TARGET, None)
        if target is not None and not isinstance(target, Mapping):
            raise Invalid((TARGET,), f"{shown(target)} is not a mapping")
        lineage = [layer.name for layer in layers]
        about = {key: layers[0].document[key] for key in ABOUT if key in layers[0].document}
        profile = checked(
            {
                "name": lineage[0],
                "lineage": lineage,
                **with_derived(with_constants(document)),
                **about,
            }
        )
    except Invalid as finding:
        raise _located(finding, layers, origins) from None
    below = [named(layer, profile.parameters) for layer in layers[:-1]]
    return Resolved(
        profile=profile,
        origins={key: layer.name for key, layer in origins.items()},
        named_below_base=frozenset().union(*below),
        scenarios=scenarios,
        target=target,
        symbol=symbol,
        located=lambda finding: _located(finding, layers, origins),
        places=Places(layers),
    )


@dataclass(frozen=True, slots=True)
class RunDefault:
    """A value of the section ``run``: how a profile is meant to be run."""

    profile: str
    file: str
    """The absolute path of the file that has it; empty if there is none."""
    value: float | str


def run_defaults(reference: str, read: ReadSource) -> dict[str, RunDefault]:
    """Name (``interval`` in seconds, ``iterations``, ``target``) to its value in the profile.

    Raises ProfileError.
    """
    layers = _chain(reference, None, read)
    result: dict[str, RunDefault | None] = {}
    for layer in layers:
        try:
            fields = read_as(_without_null(layer.document.get(RUN, {})), RunFields, (RUN,))
        except Invalid as finding:
            raise _located(finding, layers, {}) from None
        for name in RunFields.__struct_fields__:
            if name not in result and layer.sets((RUN, name)) == 2:
                value = getattr(fields, name)
                is_null = value is UNSET
                result[name] = None if is_null else RunDefault(layers[0].name, layer.file, value)
    return {name: item for name, item in result.items() if item is not None}


def _without_null(section: Any) -> Any:
    if not isinstance(section, Mapping):
        return section
    return {key: value for key, value in section.items() if value is not None}


def _chain(reference: str, referrer: str | None, read: ReadSource) -> tuple[Layer, ...]:
    """The profile and its ancestors, nearest first."""
    layers: list[Layer] = []
    following: str | None = reference
    while following is not None:
        source = read(following, referrer)
        labels = [layer.label for layer in layers]
        if source.label in labels or len(layers) == _LONGEST_CHAIN:
            chain = " -> ".join([*labels, source.label])
            problem = "a circle" if source.label in labels else "too long a chain"
            raise ProfileError(f"{referrer}: extends: {problem}: {chain}")
        layer = _layer(following, source)
        layers.append(layer)
        following, referrer = layer.document.get("extends"), source.label
    return tuple(layers)


def _layer(reference: str, source: Source) -> Layer:
    name = PurePath(reference.replace("\\", "/")).stem if is_path(reference) else reference
    try:
        if NAME.fullmatch(name) is None:
            raise Invalid(
                (),
                f"the file's name is the profile's, and {shown(name)} is none: up to "
                "64 letters, digits, '_', '.', '-', the first a letter or digit",
            )
        written = parse(source.data)
        if not isinstance(written, dict):
            raise Invalid(
                (),
                f"is {'empty' if written is None else shown(written)}; a profile is "
                "a mapping, such as 'extends: market_maker'",
            )
        document = plain(written)
        if "extends" in document and not read_as(document["extends"], str, ("extends",)):
            raise Invalid(("extends",), "is empty; name a profile")
    except Invalid as finding:
        raise finding.at(source.label) from None
    return Layer(name, source.label, document, source.file, source.data)


def _merge(layers: Sequence[Layer]) -> tuple[dict[str, Any], dict[str, Layer]]:
    """The merged sections, and per parameter the layer that set its start value."""
    document: dict[str, Any] = dict(DEFAULTS)
    origins: dict[str, Layer] = {}
    for layer in reversed(layers):
        try:
            document = merged(document, layer)
        except Invalid as finding:
            raise finding.at(layer.label) from None
        parameters = document.get("parameters")
        if isinstance(parameters, Mapping):
            origins |= dict.fromkeys(named(layer, parameters), layer)
            origins = {key: origins[key] for key in parameters if key in origins}
    return document, origins


def _resolve_panic(document: dict[str, Any], layers: Sequence[Layer], read: ReadSource) -> None:
    """Puts the values of ``guards.panic.revert_to`` into ``document``."""
    guards = document.get("guards")
    panic = guards.get("panic") if isinstance(guards, Mapping) else None
    if not isinstance(guards, Mapping) or not isinstance(panic, Mapping):
        return
    if "values" in panic:
        raise Invalid(
            (*_REVERT_TO[:2], "values"),
            "unknown field; the values are those of the profile that revert_to names",
        )
    own = _starts(document)
    if "revert_to" not in panic:
        values = {"revert_to": layers[0].name, "values": own}
        document["guards"] = {**guards, "panic": {**panic, **values}}
        return
    reference = panic["revert_to"]
    if not isinstance(reference, str):
        return
    at = next(index for index, layer in enumerate(layers) if layer.sets(_REVERT_TO) == 3)
    if reference == layers[at].name:
        safe = tuple(layers[at:])
    else:
        try:
            safe = _chain(reference, layers[at].label, read)
        except ProfileError as error:
            raise Invalid(_REVERT_TO, str(error)) from None
    safe_values = _starts(_merge(safe)[0])
    # A parameter that the safe profile does not have goes back to this profile's own start.
    values = {key: safe_values.get(key, start) for key, start in own.items()}
    document["guards"] = {
        **guards,
        "panic": {**panic, "revert_to": safe[0].name, "values": values},
    }


def _starts(document: Mapping[str, Any]) -> dict[str, Any]:
    parameters = document.get("parameters")
    if not isinstance(parameters, Mapping):
        return {}
    return {
        key: entry["start"]
        for key, entry in parameters.items()
        if isinstance(entry, Mapping) and "start" in entry
    }


def _located(
    finding: Invalid, layers: Sequence[Layer], origins: Mapping[str, Layer]
) -> ProfileError:
    """``finding`` as the error of the requested profile, with the ancestor that has the fault.

    The key path is the one that is written in that file.
    """
    path = finding.path
    setter = max(layers, key=lambda layer: layer.sets(path))  # the first of equals is the nearest
    if len(path) == 3 and path[0] == "parameters" and path[2] == "start" and path[1] in origins:
        setter = origins[path[1]]
        path = spelling(setter, path[1])
    inherited = "" if setter is layers[0] else f"(inherited from {setter.label}) "
    return Invalid(path, inherited + finding.problem).at(layers[0].label)
