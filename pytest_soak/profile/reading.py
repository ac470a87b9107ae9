"""A node of a profile's tree: reads a value, checks it, and names its path in messages."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pytest_soak.canonical import number
from pytest_soak.messages import nearest, shown
from pytest_soak.profile.errors import Invalid

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""A profile's name: it becomes part of lane ids and of directory names."""

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
"""A parameter, KPI, rule or block reason: it stands in log templates and metric labels."""

DEEPEST = 50

_Choice = TypeVar("_Choice", bound=str)


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


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a profile and the path to it. Every method raises Invalid for a wrong one."""

    value: Any
    path: tuple[str, ...] = ()

    def wrong(self, problem: str) -> Invalid:
        return Invalid(self.path, problem)

    def mapping(self) -> Mapping[str, Any]:
        if not isinstance(self.value, dict):
            raise self.wrong(f"{shown(self.value)} is not a mapping")
        return self.value

    def fields(self, required: Collection[str], optional: Collection[str] = ()) -> None:
        """Checks that this is a mapping with these fields and no others."""
        given = self.mapping()
        names = (*required, *optional)
        for key in given:
            if key not in names:
                raise Invalid((*self.path, key), f"unknown field{nearest(key, names)}")
        for key in required:
            if key not in given:
                raise self.wrong(f"{key!r} is missing; it has {', '.join(required)}")

    def has(self, key: str) -> bool:
        return key in self.mapping()

    def child(self, key: str) -> Node:
        given = self.mapping()
        if key not in given:
            raise self.wrong(f"{key!r} is missing")
        return Node(given[key], (*self.path, key))

    def entries(self) -> Iterator[tuple[str, Node]]:
        """The entries of a mapping whose keys the author chose, each name checked."""
        for key, value in self.mapping().items():
            if IDENTIFIER.fullmatch(key) is None:
                raise Invalid(
                    (*self.path, key[:64]),
                    f"{shown(key)} is no name; a name has up to "
                    "64 letters, digits and underscores and begins with no digit",
                )
            yield key, Node(value, (*self.path, key))

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.wrong(f"{shown(self.value)} is not a text; put it in quotes")
        return self.value

    def name(self) -> str:
        text = self.text()
        if NAME.fullmatch(text) is None:
            raise self.wrong(
                f"{shown(text)} is no name; a name has up to 64 letters, digits, "
                "'_', '.', '-' and begins with a letter or digit"
            )
        return text

    def choice(self, choices: Collection[_Choice]) -> _Choice:
        for candidate in choices:
            if candidate == self.value:
                return candidate
        raise self.wrong(
            f"{shown(self.value)} is none of {', '.join(map(repr, choices))}"
            f"{nearest(self.value, choices) if isinstance(self.value, str) else ''}"
        )

    def name_in(self, names: Collection[str], what: str) -> str:
        text = self.text()
        if text not in names:
            raise self.wrong(f"unknown {what} {shown(text)}{nearest(text, names)}")
        return text

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.wrong(f"{shown(self.value)} is neither true nor false")
        return self.value

    def number(self) -> float:
        finite = number(self.value)
        if finite is None:
            raise self.wrong(f"{shown(self.value)} is not a finite number")
        return finite

    def positive(self) -> float:
        value = self.number()
        if value <= 0:
            raise self.wrong(f"{value:g} is not above 0")
        return value

    def share(self) -> float:
        value = self.number()
        if not 0 <= value <= 1:
            raise self.wrong(f"{value:g} is not a share between 0 and 1")
        return value

    def count(self, least: int = 1) -> int:
        """A whole number of iterations, not below ``least``."""
        value = self.number()
        if not value.is_integer():
            raise self.wrong(f"{value:g} is not a whole number")
        if value < least:
            raise self.wrong(f"{value:g} is below {least}")
        return int(value)

    def items(self) -> tuple[Node, ...]:
        if not isinstance(self.value, list):
            raise self.wrong(f"{shown(self.value)} is not a list")
        return tuple(Node(item, (*self.path, str(index))) for index, item in enumerate(self.value))
