"""A profile's bytes as plain data, safely: hostile YAML is an error, never a hang or a crash.

The event stream is scanned before anything is built from it. Reading events needs no recursion and
stops at the first offence, whereas every loader of PyYAML hangs on a few hundred bytes of merge
keys and the C one ends the process at some ten thousand levels. Scalars are read as in YAML 1.2
(``yes`` is a text, ``1e3`` a number, ``010`` is ten), because YAML 1.1 reads ``1:30`` as 90.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from pytest_soak.messages import shown
from pytest_soak.profile.errors import Invalid
from pytest_soak.profile.reading import DEEPEST

LARGEST_BYTES = 1_000_000

_CORE = "tag:yaml.org,2002:"
_CORE_TAGS = frozenset(
    _CORE + kind for kind in ("null", "bool", "int", "float", "str", "seq", "map")
)


class _Core(yaml.SafeLoader):
    """YAML 1.2's core scalars, on PyYAML's own scanner."""


class _CoreC(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The same on libyaml's scanner, where PyYAML was built with libyaml."""


def _null(loader: Any, node: Any) -> None:
    loader.construct_scalar(node)


def _bool(loader: Any, node: Any) -> bool:
    text = loader.construct_scalar(node).lower()
    if text not in ("true", "false"):
        raise ValueError(f"{shown(text)} is neither true nor false")
    return bool(text == "true")


def _int(loader: Any, node: Any) -> int:
    return int(loader.construct_scalar(node))


def _float(loader: Any, node: Any) -> float:
    return float(loader.construct_scalar(node))


for _loader in (_Core, _CoreC):
    _loader.yaml_implicit_resolvers = {}
    for _kind, _pattern, _make in (
        ("null", r"(?:~|null|Null|NULL|)", _null),
        ("bool", r"(?:true|True|TRUE|false|False|FALSE)", _bool),
        ("int", r"[-+]?[0-9]+", _int),
        ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", _float),
    ):
        _loader.add_implicit_resolver(_CORE + _kind, re.compile(rf"{_pattern}\Z"), None)
        _loader.add_constructor(_CORE + _kind, _make)

LOADERS = (_CoreC, _Core)


def parse(data: bytes, loader: Any = _CoreC) -> Any:
    """The one document in ``data`` (UTF-8 YAML), made of dicts, lists, texts and numbers.

    Raises Invalid, naming line and column, for anything else: broken YAML, aliases, merge keys,
    duplicate keys, tags other than the core ones, depth over 50, several documents, over 1 MB.
    """
    if len(data) > LARGEST_BYTES:
        raise Invalid((), f"is {len(data):,} bytes large; a profile has at most {LARGEST_BYTES:,}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid((), f"is not UTF-8 text (byte {error.start})") from None
    try:
        _scan(text, loader)
        return yaml.load(text, Loader=loader)  # noqa: S506 - derived from a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Invalid((), f"{_where(mark)}{error.problem or 'is not YAML'}") from None
    except yaml.YAMLError as error:
        raise Invalid((), f"is not YAML: {str(error).splitlines()[0]}") from None
    except ValueError as error:  # a number of too many digits, or a text that does not fit its tag
        raise Invalid((), str(error).splitlines()[0]) from None


def key_lines(data: bytes, loader: Any = _CoreC) -> dict[tuple[str, ...], int]:
    """Key path to the line of its key, counted from 1, in a text that :func:`parse` accepts.

    An item of a list has its position as the last part of its path.
    """
    lines: dict[tuple[str, ...], int] = {}
    open_: list[_Cursor] = []
    for event in yaml.parse(data.decode("utf-8-sig"), Loader=loader):
        if isinstance(event, yaml.CollectionEndEvent):
            open_.pop()
        elif isinstance(event, yaml.NodeEvent):
            if open_ and open_[-1].reaches(event):
                mark: Any = event.start_mark
                lines[tuple(cursor.key for cursor in open_)] = mark.line + 1
            if isinstance(event, yaml.CollectionStartEvent):
                open_.append(_Cursor(is_mapping=isinstance(event, yaml.MappingStartEvent)))
    return lines


class _Cursor:
    """The place in a mapping or list that is open while its lines are read."""

    def __init__(self, *, is_mapping: bool) -> None:
        self.key = ""
        self._is_mapping = is_mapping
        self._key_is_next = True
        self._items = 0

    def reaches(self, event: Any) -> bool:
        """Go on to ``event``; whether it is a key, or an item of a list."""
        if not self._is_mapping:
            self.key = str(self._items)
            self._items += 1
            return True
        is_key = self._key_is_next
        if is_key:
            self.key = event.value
        self._key_is_next = not is_key
        return is_key


def _where(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""


def _scan(text: str, loader: Any) -> None:
    documents = 0
    open_: list[_Collection] = []
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _refused(event, "a second document begins; a profile is one")
        elif isinstance(event, yaml.CollectionEndEvent):
            open_.pop()
        elif isinstance(event, yaml.NodeEvent):
            _check(event)
            if open_:
                open_[-1].take(event)
            if isinstance(event, yaml.CollectionStartEvent):
                open_.append(_Collection(is_mapping=isinstance(event, yaml.MappingStartEvent)))
                if len(open_) > DEEPEST:
                    raise _refused(event, f"nested deeper than {DEEPEST} levels")


def _refused(event: Any, problem: str) -> Invalid:
    return Invalid((), _where(event.start_mark) + problem)


def _check(event: Any) -> None:
    if isinstance(event, yaml.AliasEvent):
        raise _refused(event, f"the alias *{event.anchor} is not allowed; write the value out")
    if event.anchor is not None:
        raise _refused(event, f"the anchor &{event.anchor} is not allowed; write the value out")
    if event.tag is not None and event.tag not in _CORE_TAGS:
        raise _refused(event, f"the tag {shown(event.tag)} is not allowed")


class _Collection:
    """A mapping or list that is open in the scan; for a mapping, the keys so far."""

    def __init__(self, *, is_mapping: bool) -> None:
        self._is_mapping = is_mapping
        self._key_is_next = True
        self._keys: set[str] = set()

    def take(self, event: Any) -> None:
        if not self._is_mapping:
            return
        if self._key_is_next:
            if not isinstance(event, yaml.ScalarEvent):
                raise _refused(event, "a key is a text, not a list or mapping")
            if event.value == "<<":
                raise _refused(event, "the merge key << is not allowed; use 'extends'")
            if event.value in self._keys:
                raise _refused(event, f"the key {shown(event.value)} is there twice")
            self._keys.add(event.value)
        self._key_is_next = not self._key_is_next
