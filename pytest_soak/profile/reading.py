"""Values of a profile: names, plain data, and data as the objects of a type."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, TypeVar, overload

from msgspec import Meta

from pytest_soak.canonical import normal
from pytest_soak.json_types import WrongValueError, converted
from pytest_soak.messages import nearest, shown
from pytest_soak.profile.errors import Invalid

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""A profile's name: it becomes part of lane ids and of directory names."""

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
"""A parameter, KPI, rule or block reason: it stands in log templates and metric labels."""

Name = Annotated[
    str,
    Meta(
        pattern=rf"^{NAME.pattern}$(?!\n)",
        description="name of up to 64 letters, digits, '_', '.', '-', the first a letter or digit",
    ),
]
Identifier = Annotated[
    str,
    Meta(
        pattern=rf"^{IDENTIFIER.pattern}$(?!\n)",
        description="name of up to 64 letters, digits and underscores, the first no digit",
    ),
]


NAMES = "x-names"
"""Keyword of a JSON Schema: a text is the name of an entry of this section of the profile."""

ParameterKey = Annotated[Identifier, Meta(extra_json_schema={NAMES: "parameters"})]
KpiName = Annotated[Identifier, Meta(extra_json_schema={NAMES: "kpis"})]
RuleName = Annotated[Identifier, Meta(extra_json_schema={NAMES: "rules"})]
ScenarioName = Annotated[Identifier, Meta(extra_json_schema={NAMES: "scenarios"})]
BlockReason = Annotated[Identifier, Meta(extra_json_schema={NAMES: "block_reasons"})]

DEEPEST = 50

_Typed = TypeVar("_Typed")


def plain(value: Any, path: tuple[str, ...] = ()) -> Any:
    """A deep copy of ``value`` made of JSON's own types.

    Raises Invalid for any other type, a key that is no text, and a depth over 50.
    """
    if len(path) > DEEPEST:
        raise Invalid(path[:3], f"is nested deeper than {DEEPEST} levels")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise Invalid(path, f"a key is a text, not {shown(key)}")
        return {key: plain(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, (*path, str(index))) for index, item in enumerate(value)]
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise Invalid(
        path,
        f"{shown(value)} is a {type(value).__name__}; a profile holds numbers, "
        "texts, true/false, lists and mappings",
    )


@overload
def read(value: Any, type_: type[_Typed], path: tuple[str, ...] = ()) -> _Typed: ...


@overload
def read(value: Any, type_: Any, path: tuple[str, ...] = ()) -> Any: ...


def read(value: Any, type_: Any, path: tuple[str, ...] = ()) -> Any:
    """Plain data as an object of ``type_``. Raises Invalid, with ``path`` in front of the place.

    A whole number may have a fraction of zero, as in ``1e3``: canonical JSON, and so the profile
    of a stored run, makes no difference.
    """
    try:
        return converted(normal(value), type_)
    except WrongValueError as error:
        raise Invalid((*path, *error.path), error.problem) from None


def check_known(name: str, names: Collection[str], what: str, path: tuple[str, ...]) -> None:
    """Raises Invalid if ``name``, which stands at ``path``, is none of ``names``."""
    if name not in names:
        raise Invalid(path, f"unknown {what} {shown(name)}{nearest(name, names)}")
