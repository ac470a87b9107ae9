"""Hostile proposers, by name: what a hook can raise, return, or do to its arguments.

The module imports nothing of the package, so a session in an empty folder can import it. Each
attack makes new objects, and behaves the same on the same lane.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import count
from typing import Any, NoReturn

import pytest
from msgspec import Struct

Attack = Callable[..., Any]
"""Called with the arguments of the hook: lane, kpis, headroom, history."""

KEY, OTHER = "tail_age_ms", "min_interval_ms"


class NoException(BaseException):
    pass


class NoText(Exception):  # noqa: N818
    """An error whose text ends the process."""

    def __repr__(self) -> str:
        raise SystemExit("repr")

    __str__ = __repr__


class UnequalText(str):
    """A text that is equal to nothing, cannot be sorted, and cannot be encoded."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 7

    def __lt__(self, other: object) -> NoReturn:
        raise SystemExit("lt")

    def __str__(self) -> NoReturn:
        raise SystemExit("str")

    def encode(self, *_: Any) -> NoReturn:
        raise SystemExit("encode")


class Odd(float):
    """A number with another value each time that it is converted."""

    _calls = count()

    def __float__(self) -> float:
        return math.nan if next(Odd._calls) % 2 else 1e308


class Pairs(Mapping[Any, Any]):
    """A mapping with a wrong length and wrong keys; only its pairs are right."""

    def __init__(self, *pairs: tuple[Any, Any], length: int = -3) -> None:
        self._pairs, self._length = pairs, length

    def items(self) -> Any:
        return iter(self._pairs)

    def __getitem__(self, key: Any) -> NoReturn:
        raise KeyError(key)

    def __iter__(self) -> Iterator[Any]:
        return iter([key for key, _ in self._pairs] * 2)

    def __len__(self) -> int:
        return self._length


class Endless(Pairs):
    """A mapping with very many pairs; reading all of them would take too long."""

    def items(self) -> Any:
        return ((f"k{number}", 1.0) for number in range(20_000))


def hostile(*names: str, error: type[BaseException] = SystemExit) -> Any:
    """An object whose methods of these names raise."""

    def fail(self: Any, *_: Any) -> NoReturn:
        raise error("hostile")

    methods = {name: property(fail) if name == "__class__" else fail for name in names}
    return type("Hostile", (), {"__hash__": object.__hash__, **methods})()


def spoil(thing: Any, seen: set[int] | None = None) -> None:
    """Changes everything in ``thing`` that ordinary Python code can change, at any depth."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if is_dataclass(thing):
        for field in fields(thing):
            spoil(getattr(thing, field.name), seen)
    elif isinstance(thing, Struct):
        for name in thing.__struct_fields__:
            spoil(getattr(thing, name), seen)
    elif isinstance(thing, dict):
        for value in list(thing.values()):
            spoil(value, seen)
        thing.update({key: _spoilt(value) for key, value in thing.items()}, strange=math.nan)
    elif isinstance(thing, (list, tuple)):
        for value in thing:
            spoil(value, seen)
        if isinstance(thing, list):
            thing.append("spoilt")


def _spoilt(value: Any) -> Any:
    names: Sequence[str] = ()
    if isinstance(value, Struct):  # a reading
        names = value.__struct_fields__
    elif is_dataclass(value) and not isinstance(value, type):  # a headroom
        names = [field.name for field in fields(value)]
    if names:
        members = {name: getattr(value, name) for name in names}
        huge = {name: 1e6 for name, member in members.items() if isinstance(member, float)}
        return type(value)(**members | huge)
    return 1e6 if isinstance(value, float) else value


def cycle() -> list[Any]:
    items: list[Any] = []
    items.append(items)
    return items


def spoiling(lane: Any, kpis: Any, headroom: Any, history: Any) -> None:
    for thing in (kpis, headroom, history):
        spoil(thing)


def emptying(lane: Any, kpis: Any, headroom: Any, history: Any) -> None:
    for past in history:
        for thing in (past.report, past.values, past.readings, past.decision.values):
            thing.clear()
    kpis.clear()
    headroom.clear()


def spoiling_and_moving(lane: Any, kpis: Any, headroom: Any, history: Any) -> Any:
    spoiling(lane, kpis, headroom, history)
    return {KEY: 10.0}


def widening(lane: Any, kpis: Any, headroom: Any, history: Any) -> Any:
    """Replaces its headroom by an unlimited one."""
    for key, limits in headroom.items():
        headroom[key] = type(limits)(key, -1e9, 1e9)
    return dict.fromkeys(headroom, 1000000000.0)


def undoing(lane: Any, kpis: Any, headroom: Any, history: Any) -> Any:
    """Moves A -> B -> A again and again."""
    last = history[-1].decision.outcomes if history else ()
    back = {outcome.key: -outcome.applied for outcome in last if outcome.applied}
    return back or {KEY: 10.0, OTHER: {"delta": 3.0, "rule": "UNDO"}}


def to_the_bounds(lane: Any, kpis: Any, headroom: Any, history: Any) -> Any:
    """Moves each key to its bound, every time."""
    return {key: limits.up or limits.down or 1.0 for key, limits in headroom.items()}


def recursion(**shown: Any) -> Any:
    return recursion(**shown)


def raising(error: BaseException | type[BaseException]) -> Attack:
    def attack(**_: Any) -> NoReturn:
        raise error

    return attack


def returning(make: Callable[[], Any]) -> Attack:
    return lambda **_: make()


def claiming(rule: Any) -> Attack:
    """Moves over the whole range at once, under a rule name that has no cap."""
    moves = {KEY: {"delta": 4000.0, "rule": rule}, OTHER: {"delta": 900.0, "rule": rule}}
    return returning(lambda: moves)


RAISED: dict[str, Attack] = {
    "an error": raising(RuntimeError("no")),
    "no memory": raising(MemoryError),
    "a lone surrogate": raising(ValueError("\ud800")),
    "an error without a text": raising(NoText()),
    "recursion": recursion,
    "the end of an iterator": raising(StopIteration),
    "the end of a generator": raising(GeneratorExit),
    "the end of the process": raising(SystemExit(3)),
    "a cancelled task": raising(asyncio.CancelledError()),
    "no exception": raising(NoException("no")),
    "a skip": raising(pytest.skip.Exception("no")),
    "a failure": raising(pytest.fail.Exception("no")),
}
"""These propose nothing, and the note of the decision has the reason."""

GARBAGE: dict[str, Attack] = {
    "a number": returning(lambda: 1.0),
    "a text": returning(lambda: "tail_age_ms"),
    "a list": returning(lambda: [(KEY, 1.0)]),
    "a generator": returning(lambda: (key for key in [KEY])),
    "a class": returning(lambda: dict),
    "no class": returning(lambda: hostile("__class__")),
    "no class, no process": returning(lambda: hostile("__class__", error=RuntimeError)),
    "no pairs": returning(lambda: Pairs((KEY, 1.0, 2.0))),  # type: ignore[arg-type]
    "pairs that raise": returning(lambda: Pairs(hostile("__iter__"))),
    "endless": returning(Endless),
}
"""These too propose nothing: the result cannot be read."""

RETURNED: dict[str, Attack] = {
    "a number that raises": returning(
        lambda: {KEY: type("F", (float,), {"__float__": lambda self: 1 / 0})(1.0)}
    ),
    "numbers that are none": returning(lambda: {KEY: math.nan, OTHER: -math.inf}),
    "huge numbers": returning(lambda: {KEY: 1e308, OTHER: -1e308, "vip_tilt_cap": 10**400}),
    "tiny numbers": returning(lambda: {KEY: 5e-324, OTHER: -0.0, "vip_tilt_cap": 0}),
    "no numbers": returning(lambda: {KEY: None, OTHER: "1", "vip_tilt_cap": True}),
    "containers": returning(lambda: {KEY: [1.0], OTHER: {"delta": {"delta": 1.0}}}),
    "cycles": returning(lambda: {KEY: cycle()}),
    "changing numbers": returning(lambda: {KEY: Odd(1.0), OTHER: {"delta": Odd(2.0)}}),
    "other keys": returning(lambda: {"Tail_Age_Ms": 1.0, "TAIL_AGE_MS": 2.0, " tail_age_ms": 3.0}),
    "keys that are none": returning(lambda: {None: 1.0, 7: 2.0, (1, 2): 3.0, b"x": 4.0}),
    "ugly keys": returning(lambda: {"\ud800": 1.0, "a\n| b |\x1b[2J\0": 2.0, "": 3.0}),
    "long keys": returning(lambda: {f"{number}" + "k" * 9_000: 1.0 for number in range(300)}),
    "a key twice": returning(lambda: Pairs((KEY, 9.0), (KEY, -9.0), (UnequalText(KEY), 4.0))),
    "a text that is equal to nothing": returning(
        lambda: {UnequalText(KEY): 5.0, OTHER: {"delta": 1.0, "rule": UnequalText("MINE")}}
    ),
    "objects": returning(
        lambda: Pairs(
            (hostile("__eq__", "__hash__", "__repr__", "__str__"), 1.0),
            (KEY, hostile("__float__", "__int__", "__index__", "__bool__", "__iter__", "__repr__")),
            (OTHER, {"delta": 2.0, "kpis": [hostile("__repr__")], "rule": hostile("__str__")}),
            length=10**9,
        )
    ),
    "kpis that are none": returning(
        lambda: {KEY: {"delta": 9.0, "kpis": 5}, OTHER: {"delta": 9.0, "kpis": {"net_bps": 1}}}
    ),
    "very many kpis": returning(
        lambda: {KEY: {"delta": 9.0, "kpis": [str(n) + "k" * 200 for n in range(9_000)]}}
    ),
    "a kpi behind many": returning(
        lambda: {KEY: {"delta": 9.0, "kpis": ["net_bps"] * 60 + ["no such kpi"]}}
    ),
    "ROLLBACK": claiming("ROLLBACK"),
    "PANIC": claiming("PANIC"),
    "EXTERNAL": claiming("EXTERNAL"),
    "ROLLBACK as a text that is equal to nothing": claiming(UnequalText("ROLLBACK")),
    "the bytes of ROLLBACK": claiming(b"ROLLBACK"),
    "undoing": undoing,
    "to the bounds": to_the_bounds,
    "widening": widening,
    "spoiling and moving": spoiling_and_moving,
}
"""These propose something, and the guards decide."""

SILENT: dict[str, Attack] = {"spoiling": spoiling, "emptying": emptying}
"""These change their arguments and return None, so the rules decide."""

ATTACKS = RAISED | GARBAGE | RETURNED | SILENT
