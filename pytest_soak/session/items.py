"""Which items there are: one per check and iteration, in the order of the lanes."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_soak.session import suite
from pytest_soak.session.plan import Plan

CHECK_FIXTURE = "soak_iteration"
SUITE_NODE = "soak"
CHECK = suite.iteration.__name__
_OWN_FIXTURES = frozenset({CHECK_FIXTURE, "request"})
_PLUGIN = "pytest_soak.plugin"
_OF_PYTEST = "_pytest."
_SLOT = pytest.StashKey["Slot"]()
_LEADING_DIGITS = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of an item: which iteration of which lane."""

    lane_index: int
    lane_id: str
    number: int

    def __repr__(self) -> str:
        """As ``--setup-show`` prints it."""
        return f"{self.lane_id}/{self.number}"


def slot_id(plan: Plan, slot: Slot) -> str:
    """``steady-BTCUSDT-1/0003``: ASCII, padded so that text order is run order."""
    width = max(4, len(str(plan.settings.iterations)))
    return f"{slot.lane_id}/{slot.number:0{width}d}"


def slot_of_nodeid(nodeid: str, lane_ids: Collection[str]) -> tuple[str, int]:
    """Lane and iteration that an item id names, for the controller of workers, which has only ids.

    The slot is the first of an item's parameters (see :func:`generate`), and neither a lane's id
    nor a function's name has a bracket or a slash in it, so that the first of each is the one.
    Raises ValueError for the id of an item that is in no lane.
    """
    _, _, name = nodeid.partition("::")
    _, _, parameters = name.partition("[")
    lane_id, _, rest = parameters.partition("/")
    number = _LEADING_DIGITS.match(rest)
    if lane_id not in lane_ids or not number:
        raise ValueError(f"the item {nodeid} names no lane of the soak first in its brackets")
    return lane_id, int(number[0])


def slots_of(plan: Plan) -> list[Slot]:
    """The iterations that each lane has left, lane by lane: an item costs time and memory."""
    return [
        Slot(index, item.lane.id, number)
        for index, item in enumerate(plan.lanes)
        for number in range(item.done + 1, plan.settings.iterations + 1)
        if not item.over
    ]


def generate(metafunc: pytest.Metafunc, plan: Plan) -> None:
    """Make one item per iteration of every function that asks for ``soak_iteration``."""
    if CHECK_FIXTURE in metafunc.fixturenames and plan.has_items:
        slots = slots_of(plan)
        metafunc.parametrize(
            CHECK_FIXTURE, slots, indirect=True, ids=[slot_id(plan, slot) for slot in slots]
        )


def slot_of(item: pytest.Item) -> Slot | None:
    """The item's place, or None for an item that takes no part."""
    slot = item.stash.get(_SLOT, None)
    if slot is None:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        slot = parameters.get(CHECK_FIXTURE)
        if isinstance(slot, Slot):
            item.stash[_SLOT] = slot
    return slot


class BuiltInSuite(pytest.Module):
    """The module of the built-in check, collected whatever names the user's ini asks for."""

    def funcnamefilter(self, name: str) -> bool:
        return name == CHECK


def needs_no_request(item: pytest.Item) -> bool:
    """Whether ``soak_iteration`` may be put into the item's arguments without a request.

    It may if it is all that the item asks for, and the plugin's own. Requesting it takes longer
    than the tuner. Whoever defines it again, uses other fixtures, or acts on the setup of fixtures
    gets an ordinary request.
    """
    if not _OWN_FIXTURES.issuperset(getattr(item, "fixturenames", ("",))):
        return False
    info = getattr(item, "_fixtureinfo", None)
    definitions = getattr(info, "name2fixturedefs", {}).get(CHECK_FIXTURE, ())
    return (
        len(definitions) == 1
        and definitions[0].func.__module__ == _PLUGIN
        and not item.config.getoption("setupshow", default=False)
        and all(
            implementation.function.__module__.startswith(_OF_PYTEST)
            for hook in (item.ihook.pytest_fixture_setup, item.ihook.pytest_fixture_post_finalizer)
            for implementation in hook.get_hookimpls()
        )
    )


def built_in_items(session: pytest.Session) -> list[pytest.Item]:
    """Items of the package's own check, for a session in which the user has none."""
    path = Path(__file__).with_name("suite.py")
    module = BuiltInSuite.from_parent(session, path=path, nodeid=SUITE_NODE)
    return list(session.genitems(module))


@dataclass(frozen=True, slots=True)
class Outsiders:
    """The tests that take no part in a soak."""

    items: tuple[pytest.Item, ...]
    alone: bool
    """No other test was collected: the built-in check runs."""


def take_part(session: pytest.Session, items: list[pytest.Item], plan: Plan) -> Outsiders:
    """Keep the checks (or supply one), and deselect whatever takes no part.

    Where a stored run has no iteration left, the checks themselves take no part.
    """
    for item in items:
        if _asks(item) and not slot_of(item) and plan.has_items:
            raise pytest.UsageError(
                f"soak: {item.nodeid} asks for {CHECK_FIXTURE}, but is no function or method that "
                "pytest can run once per iteration (unittest.TestCase is not); write it as one"
            )
    checks = [item for item in items if _asks(item)]
    others = [item for item in items if not _asks(item)]
    outsiders = Outsiders(tuple(others), alone=not checks)
    if not checks:
        checks = built_in_items(session)
    to_run = [item for item in checks if slot_of(item)]
    others += [item for item in checks if not slot_of(item)]
    if others:
        session.config.hook.pytest_deselected(items=others)
    items[:] = to_run
    return outsiders


def _asks(item: pytest.Item) -> bool:
    return CHECK_FIXTURE in getattr(item, "fixturenames", ())


def drop_outsiders(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Deselect items that other plugins added since: they take no part either."""
    added = [item for item in items if not slot_of(item)]
    if added:
        session.config.hook.pytest_deselected(items=added)
        items[:] = [item for item in items if slot_of(item)]


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Lane by lane, iteration by iteration; checks in the order in which they are defined.

    Whatever a plugin shuffled is undone: a lane's iterations follow one another or mean nothing.
    """

    def place(item: pytest.Item) -> tuple[int, int, str, int, str]:
        slot = slot_of(item)
        line = item.location[1] or 0
        if slot is None:
            return (len(items), 0, item.location[0], line, item.nodeid)
        return (slot.lane_index, slot.number, item.location[0], line, item.nodeid)

    return sorted(items, key=place)


def last_items(items: Sequence[pytest.Item]) -> frozenset[str]:
    """Node ids of the items after which their iteration is decided."""
    last: dict[tuple[str, int], str] = {}
    for item in items:
        slot = slot_of(item)
        if slot:
            last[slot.lane_id, slot.number] = item.nodeid
    return frozenset(last.values())


def check_name(item: pytest.Item) -> str:
    """The check without the iteration: ``test_bot.py::test_edge``."""
    return item.nodeid.partition("[")[0]


def refuse_rerun_markers(items: Sequence[pytest.Item]) -> None:
    """A marker that runs an item again would run an iteration on changed state."""
    for item in items:
        if not slot_of(item):
            continue
        for name in ("flaky", "repeat"):
            if item.get_closest_marker(name):
                raise pytest.UsageError(
                    f"soak: {check_name(item)}: the marker {name!r} would run an iteration "
                    "again on changed state; take it off the check"
                )
