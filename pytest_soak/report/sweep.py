"""The figures of a sweep: every KPI at every point, with intervals, and the best window of points.

The seeds are common random numbers: every point meets the same markets. So the difference of two
points is taken seed by seed, where what both points share cancels out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from pytest_soak.gate.figures import mean_of, series_of
from pytest_soak.gate.window import LaneWindow
from pytest_soak.loop.model import History, Iteration
from pytest_soak.profile.model import Limit
from pytest_soak.profile.parameter import Parameter
from pytest_soak.report.sweep_model import Estimate, KpiAtPoint, Point, Region, Sweep
from pytest_soak.statistics import (
    ar1_coefficient,
    mean_interval,
    standard_deviation,
    student_t_quantile,
)

CONFIDENCE = 0.95
_ONE_SIDED = 0.5 + CONFIDENCE / 2.0
_VOLUME = "fills_per_hour"
_PREFERRED_RANK = "net_bps"


def sweeps_of(histories: Sequence[History], *, mock: bool) -> tuple[Sweep, ...]:
    """One sweep per profile and symbol, in the order of the lanes. ``mock`` chooses the limits.

    Raises ValueError when a lane is of no sweep, or the lanes make no grid.
    """

    def group(history: History) -> tuple[str, str]:
        return history.lane.profile, history.lane.symbol

    if any(not history.lane.sweep for history in histories):
        raise ValueError("a lane of this run belongs to no sweep")
    ordered = sorted(histories, key=group)
    groups = {key: tuple(lanes) for key, lanes in groupby(ordered, key=group)}
    return tuple(_sweep(groups[key], mock=mock) for key in dict.fromkeys(map(group, histories)))


def values_at(history: History) -> tuple[float, ...]:
    """The point of a lane."""
    return tuple(swept.value for swept in history.lane.sweep)


def _sweep(lanes: Sequence[History], *, mock: bool) -> Sweep:
    first = lanes[0]
    profile = first.profile
    keys = tuple(swept.key for swept in first.lane.sweep)
    start = tuple(swept.replaces for swept in first.lane.sweep)
    axes = tuple(
        tuple(sorted({values_at(lane)[axis] for lane in lanes})) for axis in range(len(keys))
    )
    by_point: dict[tuple[float, ...], dict[int, History]] = {}
    for lane in lanes:
        by_point.setdefault(values_at(lane), {})[lane.lane.seed] = lane
    grid = _grid(axes)
    if set(grid) != set(by_point):
        raise ValueError(f"the lanes of the sweep of {' and '.join(keys)} make no grid")
    limits = {item.kpi: item.limit(mock=mock) for item in profile.gate.criteria}
    names = (*limits, *((_VOLUME,) if _VOLUME in profile.kpis and _VOLUME not in limits else ()))
    swept = tuple(profile.parameters[key] for key in keys)
    reference = min(range(len(grid)), key=lambda index: _distance(grid[index], start, swept))
    points = tuple(
        _point(values, by_point[values], by_point[grid[reference]], limits, names)
        for values in grid
    )
    rank = _PREFERRED_RANK if _PREFERRED_RANK in names else names[0]
    down = rank in profile.kpis and profile.kpis[rank].better == "down"
    window = _best_window(points, axes, rank, down=down)
    return Sweep(
        profile=profile.name,
        symbol=first.lane.symbol,
        keys=keys,
        parameters=swept,
        axes=axes,
        points=points,
        start=start,
        reference=reference,
        limits=limits,
        units={name: profile.kpis[name].unit for name in names},
        rank=rank,
        rank_down=down,
        window=window,
        nearest=None if window is not None else _nearest(points),
        seeds=tuple(dict.fromkeys(lane.lane.seed for lane in lanes)),
        iterations=first.lane.iterations,
        interval_s=first.lane.interval_s,
        target=first.target,
        limit_set=profile.gate.limit_set(mock=mock),
        tune=first.tune,
    )


def _grid(axes: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    grid: list[tuple[float, ...]] = [()]
    for axis in axes:
        grid = [(*point, value) for point in grid for value in axis]
    return grid


def _distance(
    point: Sequence[float], start: Sequence[float], parameters: Sequence[Parameter]
) -> tuple[float, Sequence[float]]:
    """Relative to each parameter's range; of two points at the same distance, the lower one."""
    parts = zip(point, start, parameters, strict=True)
    return math.fsum(parameter.share(a, b) ** 2 for a, b, parameter in parts), point


# -- one point ---------------------------------------------------------------------------------


def _point(
    values: tuple[float, ...],
    lanes: Mapping[int, History],
    reference: Mapping[int, History],
    limits: Mapping[str, Limit],
    names: Iterable[str],
) -> Point:
    measured = {seed: LaneWindow(lane).measured for seed, lane in lanes.items()}
    # Without the warm-up, but with the iterations of scenarios: they are the same in all points.
    own = {seed: LaneWindow(lane).judged for seed, lane in lanes.items()}
    against = {seed: LaneWindow(lane).judged for seed, lane in reference.items()}
    return Point(
        values=values,
        kpis={
            name: _kpi(
                name,
                own,
                None if lanes is reference else against,
                limits.get(name),
                next(iter(lanes.values())).profile.gate.no_data_ratio,
            )
            for name in names
        },
        seeds=len(lanes),
        measured=sum(map(len, measured.values())),
        planned=sum(lane.lane.iterations for lane in lanes.values()),
        complete=all(
            len(measured[seed]) >= lane.lane.iterations
            or (lane.halt is not None and lane.halt.kind == "end_of_data" and measured[seed])
            for seed, lane in lanes.items()
        ),
    )


def _kpi(
    name: str,
    lanes: Mapping[int, Sequence[Iteration]],
    reference: Mapping[int, Sequence[Iteration]] | None,
    limit: Limit | None,
    no_data_ratio: float,
) -> KpiAtPoint:
    by_seed = {
        seed: mean
        for seed, iterations in lanes.items()
        if (mean := mean_of(iterations, name)) is not None
    }
    figure = _figure(name, lanes, by_seed)
    difference = _difference(name, lanes, reference) if reference is not None else None
    if limit is None:
        return KpiAtPoint(figure, by_seed, difference, meets=True, certain=True, shortfall=0.0)
    series = [value for iterations in lanes.values() for value in series_of(iterations, name)]
    missing = sum(value is None for value in series)
    if figure is None or missing > no_data_ratio * len(series):
        return KpiAtPoint(
            figure, by_seed, difference, meets=False, certain=False, shortfall=math.inf
        )
    meets = limit.holds(figure.mean)
    certain = meets and limit.holds(figure.low) and limit.holds(figure.high)
    beyond = min(limit.sides, key=lambda side: side.distance(figure.mean))
    shortfall = 0.0 if meets else abs(figure.mean - beyond.limit) / (abs(beyond.limit) or 1.0)
    return KpiAtPoint(figure, by_seed, difference, meets, certain, shortfall)


def _figure(
    name: str, lanes: Mapping[int, Sequence[Iteration]], by_seed: Mapping[int, float]
) -> Estimate | None:
    """The mean over the seeds with its t interval: seeds are independent markets.

    With one seed, the interval is that of the lane's own noise. The hours of one market are alike
    (volatility, regime), so this interval says little about other markets.
    """
    if len(by_seed) > 1:
        return over_seeds(list(by_seed.values()))
    for seed, center in by_seed.items():
        return _of_one_seed(series_of(lanes[seed], name), center)
    return None


def _difference(
    name: str,
    lanes: Mapping[int, Sequence[Iteration]],
    reference: Mapping[int, Sequence[Iteration]],
) -> Estimate | None:
    """Point minus reference over the iterations that both have, seed by seed."""
    differences: list[float] = []
    last: list[float | None] = []
    for seed, iterations in lanes.items():
        others = {item.number: item for item in reference.get(seed, ())}
        here = [item for item in iterations if item.number in others]
        there = [others[item.number] for item in here]
        a, b = mean_of(here, name), mean_of(there, name)
        if a is not None and b is not None:
            differences.append(a - b)
            pairs = zip(series_of(here, name), series_of(there, name), strict=True)
            last = [None if x is None or y is None else x - y for x, y in pairs]
    if len(differences) > 1:
        return over_seeds(differences)
    return _of_one_seed(last, differences[0]) if differences else None


def over_seeds(values: Sequence[float]) -> Estimate:
    """Mean and Student's t interval of at least two independent figures."""
    n = len(values)
    mean = math.fsum(values) / n
    sd = standard_deviation(values)
    half = student_t_quantile(_ONE_SIDED, n - 1.0) * sd / math.sqrt(n) if sd > 0.0 else 0.0
    return Estimate(mean, mean - half, mean + half)


def _of_one_seed(series: Sequence[float | None], center: float) -> Estimate | None:
    """The AR(1)-corrected interval of the gate, two-sided."""
    values = [value for value in series if value is not None]
    if not values:
        return None
    interval = mean_interval(values, ar1_coefficient(series), confidence=_ONE_SIDED, center=center)
    return Estimate(interval.mean, interval.low, interval.high)


# -- the window --------------------------------------------------------------------------------


def _best_window(
    points: Sequence[Point], axes: Sequence[Sequence[float]], rank: str, *, down: bool
) -> Region | None:
    """The largest block of neighbouring points that meet every limit.

    Of equally large blocks, the one with the better mean of ``rank``. Neighbours differ by one
    step of one parameter, so with one parameter a block is a run of consecutive values.
    """
    blocks = _blocks({index for index, point in enumerate(points) if point.meets}, axes)
    if not blocks:
        return None

    def worth(index: int) -> float:
        figure = points[index].kpis[rank].figure
        mean = figure.mean if figure is not None else -math.inf
        return -mean if down and figure is not None else mean

    def order(block: frozenset[int]) -> tuple[int, float, int]:
        return len(block), math.fsum(map(worth, block)) / len(block), -min(block)

    block = max(blocks, key=order)
    return Region(block, max(sorted(block), key=worth))


def _blocks(meeting: set[int], axes: Sequence[Sequence[float]]) -> list[frozenset[int]]:
    """The connected parts of ``meeting`` on the grid."""
    left, blocks = set(meeting), []
    while left:
        block, edge = set[int](), [min(left)]
        while edge:
            index = edge.pop()
            if index in left:
                left.remove(index)
                block.add(index)
                edge += neighbours(index, axes)
        blocks.append(frozenset(block))
    return blocks


def neighbours(index: int, axes: Sequence[Sequence[float]]) -> list[int]:
    """The points one step away along one parameter."""
    adjacent, stride = [], 1
    for axis in reversed(axes):
        place = index // stride % len(axis)
        adjacent += [index - stride] if place > 0 else []
        adjacent += [index + stride] if place < len(axis) - 1 else []
        stride *= len(axis)
    return adjacent


def _nearest(points: Sequence[Point]) -> int | None:
    worst = [
        max((kpi.shortfall for kpi in point.kpis.values()), default=0.0) if point.complete
        else math.inf
        for point in points
    ]  # fmt: skip
    index = min(range(len(points)), key=lambda place: (worst[place], place))
    return index if math.isfinite(worst[index]) else None
