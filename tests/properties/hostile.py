"""Proposers that mean harm, by name: what a hook can raise, answer, or do to what it is shown.

Knows nothing of the package, so that a session in an empty folder can have it as a module. Each
attack makes its objects anew, and does the same to the same lane.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import count
from typing import Any, NoReturn

import pytest

Attack = Callable[..., Any]
"""Called as the hook is: lane, kpis, headroom, history."""

KEY, OTHER = "tail_age_ms", "min_interval_ms"


class NoException(BaseException):
    pass


class Unspeakable(Exception):  # noqa: N818
    """An error whose text ends the process."""

    def __repr__(self) -> str:
        raise SystemExit("repr")

    __str__ = __repr__


class Liar(str):
    """A text that is equal to nothing, sorts before nothing, and is another one on the wire."""

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
    """A number that is another one each time it is asked."""

    _ask = count()

    def __float__(self) -> float:
        return math.nan if next(Odd._ask) % 2 else 1e308


class Pairs(Mapping[Any, Any]):
    """A mapping that says what it likes of its length, and is only good for its pairs."""

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
    """As good as that; whoever reads all of it fails for what he read."""

    def items(self) -> Any:
        return ((f"k{number}", 1.0) for number in range(20_000))


def hostile(*names: str, error: type[BaseException] = SystemExit) -> Any:
    """An object whose methods of these names raise."""

    def fail(self: Any, *_: Any) -> NoReturn:
        raise error("hostile")

    made = {name: property(fail) if name == "__class__" else fail for name in names}
    return type("Hostile", (), {"__hash__": object.__hash__, **made})()


def spoil(thing: Any, seen: set[int] | None = None) -> None:
    """Change whatever can be changed, however deep, by the ordinary means of Python."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if is_dataclass(thing):
        for each in fields(thing):
            spoil(getattr(thing, each.name), seen)
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
    if is_dataclass(value) and not isinstance(value, type):  # another reading, or headroom, for it
        said = {each.name: getattr(value, each.name) for each in fields(value)}
        huge = {name: 1e6 for name, each in said.items() if isinstance(each, float)}
        return type(value)(**said | huge)
    return 1e6 if isinstance(value, float) else value


def cycle() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


def spoiling(lane: Any, kpis: Any, headroom: Any, history: Any) -> None:
    for thing in (kpis, headroom, history):
        spoil(thing)


def emptying(lane: Any, kpis: Any, headroom: Any, history: Any) -> None:
    for one in history:
        for thing in (one.report, one.values, one.readings, one.decision.values):
            thing.clear()
    kpis.clear()
    headroom.clear()


def spoiling_answer(lane: Any, kpis: Any, headroom: Any, history: Any) -> Any:
    spoiling(lane, kpis, headroom, history)
    return {KEY: 10.0}


def widening(lane: Any, kpis: Any, headroom: Any, history: Any) -> Any:
    """Take for itself the headroom that it is not given."""
    for key, one in headroom.items():
        headroom[key] = type(one)(key, -1e9, 1e9)
    return dict.fromkeys(headroom, 1000000000.0)


def undoing(lane: Any, kpis: Any, headroom: Any, history: Any) -> Any:
    """A -> B -> A for ever."""
    last = history[-1].decision.outcomes if history else ()
    back = {one.key: -one.applied for one in last if one.applied}
    return back or {KEY: 10.0, OTHER: {"delta": 3.0, "rule": "UNDO"}}


def again(lane: Any, kpis: Any, headroom: Any, history: Any) -> Any:
    """Each key to its bound, each time."""
    return {key: one.up or one.down or 1.0 for key, one in headroom.items()}


def recursion(**shown: Any) -> Any:
    return recursion(**shown)


def raising(error: BaseException | type[BaseException]) -> Attack:
    def attack(**_: Any) -> NoReturn:
        raise error

    return attack


def answering(make: Callable[[], Any]) -> Attack:
    return lambda **_: make()


def claiming(rule: Any) -> Attack:
    """The whole of a range in one move, under a name that is free of the caps."""
    moves = {KEY: {"delta": 4000.0, "rule": rule}, OTHER: {"delta": 900.0, "rule": rule}}
    return answering(lambda: moves)


RAISED: dict[str, Attack] = {
    "an error": raising(RuntimeError("no")),
    "no memory": raising(MemoryError),
    "a lone surrogate": raising(ValueError("\ud800")),
    "unspeakable": raising(Unspeakable()),
    "recursion": recursion,
    "the end of an iterator": raising(StopIteration),
    "the end of a generator": raising(GeneratorExit),
    "the end of the process": raising(SystemExit(3)),
    "a cancelled task": raising(asyncio.CancelledError()),
    "no exception": raising(NoException("no")),
    "a skip": raising(pytest.skip.Exception("no")),
    "a failure": raising(pytest.fail.Exception("no")),
}
"""Nothing is proposed, and the note says why."""

GARBAGE: dict[str, Attack] = {
    "a number": answering(lambda: 1.0),
    "a text": answering(lambda: "tail_age_ms"),
    "a list": answering(lambda: [(KEY, 1.0)]),
    "a generator": answering(lambda: (each for each in [KEY])),
    "a class": answering(lambda: dict),
    "no class": answering(lambda: hostile("__class__")),
    "no class, no process": answering(lambda: hostile("__class__", error=RuntimeError)),
    "no pairs": answering(lambda: Pairs((KEY, 1.0, 2.0))),  # type: ignore[arg-type]
    "pairs that raise": answering(lambda: Pairs(hostile("__iter__"))),
    "endless": answering(Endless),
}
"""As above: there is nothing in it that can be read."""

ANSWERED: dict[str, Attack] = {
    "a number that raises": answering(
        lambda: {KEY: type("F", (float,), {"__float__": lambda self: 1 / 0})(1.0)}
    ),
    "numbers that are none": answering(lambda: {KEY: math.nan, OTHER: -math.inf}),
    "huge numbers": answering(lambda: {KEY: 1e308, OTHER: -1e308, "vip_tilt_cap": 10**400}),
    "tiny numbers": answering(lambda: {KEY: 5e-324, OTHER: -0.0, "vip_tilt_cap": 0}),
    "no numbers": answering(lambda: {KEY: None, OTHER: "1", "vip_tilt_cap": True}),
    "containers": answering(lambda: {KEY: [1.0], OTHER: {"delta": {"delta": 1.0}}}),
    "cycles": answering(lambda: {KEY: cycle()}),
    "moody numbers": answering(lambda: {KEY: Odd(1.0), OTHER: {"delta": Odd(2.0)}}),
    "other keys": answering(lambda: {"Tail_Age_Ms": 1.0, "TAIL_AGE_MS": 2.0, " tail_age_ms": 3.0}),
    "keys that are none": answering(lambda: {None: 1.0, 7: 2.0, (1, 2): 3.0, b"x": 4.0}),
    "ugly keys": answering(lambda: {"\ud800": 1.0, "a\n| b |\x1b[2J\0": 2.0, "": 3.0}),
    "long keys": answering(lambda: {f"{number}" + "k" * 9_000: 1.0 for number in range(300)}),
    "a key twice": answering(lambda: Pairs((KEY, 9.0), (KEY, -9.0), (Liar(KEY), 4.0))),
    "a liar": answering(lambda: {Liar(KEY): 5.0, OTHER: {"delta": 1.0, "rule": Liar("MINE")}}),
    "objects": answering(
        lambda: Pairs(
            (hostile("__eq__", "__hash__", "__repr__", "__str__"), 1.0),
            (KEY, hostile("__float__", "__int__", "__index__", "__bool__", "__iter__", "__repr__")),
            (OTHER, {"delta": 2.0, "kpis": [hostile("__repr__")], "rule": hostile("__str__")}),
            length=10**9,
        )
    ),
    "kpis that are none": answering(
        lambda: {KEY: {"delta": 9.0, "kpis": 5}, OTHER: {"delta": 9.0, "kpis": {"net_bps": 1}}}
    ),
    "very many kpis": answering(
        lambda: {KEY: {"delta": 9.0, "kpis": [str(n) + "k" * 200 for n in range(9_000)]}}
    ),
    "a kpi behind many": answering(
        lambda: {KEY: {"delta": 9.0, "kpis": ["net_bps"] * 60 + ["no such kpi"]}}
    ),
    "ROLLBACK": claiming("ROLLBACK"),
    "PANIC": claiming("PANIC"),
    "EXTERNAL": claiming("EXTERNAL"),
    "a liar's ROLLBACK": claiming(Liar("ROLLBACK")),
    "the bytes of ROLLBACK": claiming(b"ROLLBACK"),
    "undoing": undoing,
    "to the bounds": again,
    "widening": widening,
    "spoiling and moving": spoiling_answer,
}
"""The guards answer."""

SILENT: dict[str, Attack] = {"spoiling": spoiling, "emptying": emptying}
"""They leave the matter to the rules, having done what they could."""

ATTACKS = RAISED | GARBAGE | ANSWERED | SILENT
