"""What a session runs: whole lanes, and which of its tests take no part."""

from __future__ import annotations

import inspect
import textwrap
import unittest
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import CodeType
from typing import Any, Final

import pytest

from pytest_soak.canonical import escaped
from pytest_soak.session.items import CHECK_FIXTURE, Outsiders, slot_of_nodeid
from pytest_soak.session.plan import LanePlan, Plan

_MOST_RANGES = 4


@dataclass(frozen=True, slots=True)
class Selection:
    """Lane to the iterations that have an item; lanes without any are not in it."""

    iterations: Mapping[str, frozenset[int]]


def selection_of(nodeids: Iterable[str], plan: Plan) -> Selection:
    """Read it from the ids of the items, which is all that a controller of workers has.

    Raises pytest.UsageError for an item that belongs to no lane.
    """
    lane_ids = {item.lane.id for item in plan.lanes}
    iterations: dict[str, set[int]] = {}
    for nodeid in nodeids:
        try:
            lane_id, number = slot_of_nodeid(nodeid, lane_ids)
        except ValueError as error:
            raise pytest.UsageError(
                f"soak: {error}; a plugin added it after the collection, take it out of a soak"
            ) from error
        iterations.setdefault(lane_id, set()).add(number)
    return Selection({lane_id: frozenset(numbers) for lane_id, numbers in iterations.items()})


def refuse_part(selection: Selection, plan: Plan, config: pytest.Config) -> None:
    """Raise pytest.UsageError where a lane is selected in part: its iterations build on another.

    A stored run may go on for less than what is left of it, but from the next iteration on and
    without a gap.
    """
    partial = [
        (item, sorted(numbers))
        for item in plan.lanes
        if (numbers := selection.iterations.get(item.lane.id))
        and numbers != expected_of(item, plan)
        and not (plan.settings.resume and max(numbers) - item.done == len(numbers))
    ]
    if not partial:
        return
    item, selected = partial[0]
    total = plan.settings.iterations
    name = item.lane.id
    more = f" (and {len(partial) - 1} more lanes)" if len(partial) > 1 else ""
    if plan.settings.resume:
        raise pytest.UsageError(
            f"soak: --soak-resume: lane {name}{more} goes on with iteration {item.done + 1}; "
            f"selected by {_ways(config)}: {_ranges(selected)}. Every iteration builds on the one "
            f"before: select {item.done + 1} and those that follow without a gap, or the whole lane"
        )
    shorten = (
        f", shorten the soak (--soak-iterations={selected[-1]})" if selected[-1] < total else ""
    )
    raise pytest.UsageError(
        f"soak: lane {name}{more} is selected in part, by {_ways(config)}: {len(selected)} of "
        f"{total} iterations ({_ranges(selected)}). Every iteration builds on the one before. "
        f"Run whole lanes (-k {name}){shorten}, or go on with a stored run (--soak-resume)"
    )


def expected_of(item: LanePlan, plan: Plan) -> frozenset[int]:
    """The iterations that a lane has left."""
    first, last = item.done + 1, plan.settings.iterations
    return frozenset() if item.over else frozenset(range(first, last + 1))


def _ways(config: pytest.Config) -> str:
    """What on the command line narrows the session down."""
    keyword, marker = config.getoption("keyword", ""), config.getoption("markexpr", "")
    ways = [f"-k {keyword!r:.60}"] if keyword else []
    ways += [f"-m {marker!r:.60}"] if marker else []
    for destination, option in (("deselect", "--deselect"), ("lf", "--lf"), ("stepwise", "--sw")):
        ways += [option] if config.getoption(destination, None) else []
    ways += ["node id"] if any("[" in argument for argument in config.args) else []
    return " and ".join(ways) or "a hook pytest_collection_modifyitems"


def _ranges(numbers: Sequence[int]) -> str:
    """``1, 3-7`` of rising numbers; the first few ranges, and how many more there are."""
    runs = [
        [number for _, number in run]
        for _, run in groupby(enumerate(numbers), lambda place: place[1] - place[0])
    ]
    texts = [f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    more = f" and {len(texts) - _MOST_RANGES} more" if len(texts) > _MOST_RANGES else ""
    return ", ".join(texts[:_MOST_RANGES]) + more


FIXTURES: Final = (CHECK_FIXTURE, "soak_runtime", "soak_lane", "soak_target")
_WIDTH: Final = 94
"""Of a warning's lines: the terminal has 100 columns and indents them."""
_MOST_NAMED: Final = 3


class SoakWarning(pytest.PytestWarning):
    """The session does not run what its tests seem to ask for."""


class SoakRefusal(SoakWarning):
    """A worker refuses the session; its controller raises the text as a usage error."""


@dataclass(frozen=True, slots=True)
class Absence:
    """A test that takes no part."""

    name: str
    """Its node id without parameters."""
    reason: str
    intended: bool
    """It asks for a fixture of the soak, so that its author expects it to run."""
    path: str
    line: int


def warn(config: pytest.Config, outsiders: Outsiders) -> None:
    """Warn of tests that take no part, if that can surprise their author.

    Where no test takes part, the built-in check runs, and the first three of all are named.
    Otherwise only those that ask for a fixture of the soak: a project has tests of other things.
    """
    absences = list({absence.name: absence for absence in map(_absence, outsiders.items)}.values())
    intended = [absence for absence in absences if absence.intended]
    if outsiders.alone:
        named = [*intended, *(absence for absence in absences if not absence.intended)]
        count = _counted(len(absences))
        heading = f"no test takes part; the built-in check runs instead of {count}:"
    else:
        named = intended
        verbs = ("asks", "takes") if len(named) == 1 else ("ask", "take")
        heading = (
            f"{_counted(len(named))} that {verbs[0]} for the soak's fixtures {verbs[1]} no part:"
        )
    if not named:
        return
    lines = [heading]
    for absence in named[:_MOST_NAMED]:
        lines += textwrap.wrap(
            escaped(f"{absence.name} {absence.reason}"),
            _WIDTH,
            initial_indent="  ",
            subsequent_indent="      ",
            break_on_hyphens=False,
        )
    if len(named) > _MOST_NAMED:
        lines.append(f"  and {len(named) - _MOST_NAMED} more")
    send(config, SoakWarning("\n".join(lines)), named[0].path, named[0].line)


def send(config: pytest.Config, warning: SoakWarning, path: str = "soak", line: int = 0) -> None:
    """Show it among pytest's warnings; pytest-xdist hands it on to the controller.

    Not by ``warnings.warn``, which a filter of the user's makes an error, or drops.
    """
    message = warnings.WarningMessage(warning, type(warning), path, line)
    config.hook.pytest_warning_recorded.call_historic(
        kwargs={"warning_message": message, "when": "collect", "nodeid": "", "location": None}
    )


def _counted(number: int) -> str:
    return "1 test" if number == 1 else f"{number} tests"


def _absence(item: pytest.Item) -> Absence:
    reason, intended = _reason(item)
    path, line, _ = item.location
    return Absence(item.nodeid.partition("[")[0], reason, intended, path, (line or 0) + 1)


def _reason(item: pytest.Item) -> tuple[str, bool]:
    """Why it takes no part, and whether its author expects that it does."""
    if not isinstance(item, pytest.Function):
        kind = "a doctest" if isinstance(item, pytest.DoctestItem) else f"a {type(item).__name__}"
        return f"is {kind}, no Python function", False
    arguments, functions = _requested(item)
    by_name = [name for name in FIXTURES if any(name in _asked(part) for part in functions)]
    if by_name:
        return (
            f"asks for {' and '.join(by_name)} by request.getfixturevalue, which is not seen at "
            f"collection; make {CHECK_FIXTURE} an argument of the test",
            True,
        )
    if item.cls is not None and issubclass(item.cls, unittest.TestCase):
        return (
            "is a method of a unittest.TestCase, which cannot have fixtures as arguments; write "
            f"a function with the argument {CHECK_FIXTURE}",
            False,
        )
    asked = [name for name in FIXTURES if name in arguments]
    if asked:
        return f"asks for {' and '.join(asked)}, but not for {CHECK_FIXTURE}", True
    return (
        f"does not ask for {CHECK_FIXTURE} in its arguments (request.getfixturevalue is not seen "
        "at collection)",
        False,
    )


def _requested(item: pytest.Function) -> tuple[set[str], list[Callable[..., Any]]]:
    """The fixtures that its arguments lead to, and the functions that run for them.

    Fixtures with ``autouse`` are left out: they are no wish of this test. pytest has no public
    way to the fixtures of an item; where its own one changes, only the test function is looked at.
    """
    info = getattr(item, "_fixtureinfo", None)
    definitions = getattr(info, "name2fixturedefs", {})
    waiting = list(getattr(info, "argnames", ()))
    names: set[str] = set()
    functions: list[Callable[..., Any]] = [item.function]
    while waiting:
        name = waiting.pop()
        if name in names:
            continue
        names.add(name)
        for definition in definitions.get(name, ()) if name not in FIXTURES else ():
            functions.append(definition.func)
            waiting += definition.argnames
    return names, functions


def _asked(function: Callable[..., Any]) -> set[str]:
    """The texts in its code, where that calls ``getfixturevalue``: names of fixtures are there."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if not isinstance(code, CodeType):
        return set()
    calling = [part for part in _parts(code) if "getfixturevalue" in part.co_names]
    return {text for part in calling for text in _texts(part)}


def _parts(code: CodeType) -> Iterator[CodeType]:
    """A function's code, and that of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts(constant)


def _texts(code: CodeType) -> Iterator[str]:
    for constant in code.co_consts:
        parts = constant if isinstance(constant, tuple | frozenset) else (constant,)
        yield from (part for part in parts if isinstance(part, str))
