"""Which iterations of which lanes a session runs, and whether a run can be made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import pytest

from pytest_soak.session.items import slot_of_nodeid
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
