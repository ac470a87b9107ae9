"""Rules that can never fire, or always do, and moves that move nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_soak.profile.condition import Condition, ParameterCondition, When
from pytest_soak.profile.intervals import Interval, common, interval_of
from pytest_soak.profile.model import Hysteresis, Move, Profile, Rule
from pytest_soak.profile.outcomes import Space, Way, always_hold, can_hold, ways_of
from pytest_soak.profile.parameter import Parameter
from pytest_soak.profile.warning import ProfileWarning


def rule_warnings(
    profile: Profile, rule: Rule, space: Space, iterations: int | None
) -> Iterator[ProfileWarning]:
    """The warnings about one rule."""
    path = ("rules", rule.name)
    if not can_hold(rule.when, space):
        where, why = impossible(rule.when, space)
        yield ProfileWarning(
            "rule_never", (*path, "when", *where), f"{rule.name} can never fire: {why}", _REMEDY
        )
    elif always_hold(rule.when, space):
        yield ProfileWarning(
            "rule_always",
            (*path, "when"),
            f"{rule.name} always fires: its conditions hold for every value that its KPIs and "
            "parameters can have",
            "give it a limit that a good value does not meet",
        )
    else:
        yield from _stopped(rule, space)
    yield from _too_late(profile, rule, iterations)
    for move in rule.moves:
        yield from _move(profile, move, (*path, "moves", move.key))


_REMEDY = "change or leave out one of these limits; for 'one or the other' there is 'any'"


def impossible(conditions: Sequence[When], space: Space) -> tuple[tuple[str, ...], str]:
    """The key below the conditions that can never be met, and why; ``()`` for all together."""
    for condition in conditions:
        if isinstance(condition, Condition) and condition.comparisons:
            limits = [interval_of(item) for item in condition.comparisons]
            shown = " and ".join(map(str, condition.comparisons))
            margins = [item.margin for item in condition.comparisons if item.margin]
            shown += f" (by the margin {margins[0]:g})" if margins else ""
            if common(limits).is_empty:
                return (condition.kpi,), f"no value of {condition.kpi} is {shown}"
            extent = space.extent(condition.kpi)
            if common([*limits, extent]).is_empty:
                why = f"{condition.kpi} lies in {extent}, where no value is {shown}"
                return (condition.kpi,), why
        elif isinstance(condition, ParameterCondition) and not can_hold([condition], space):
            parameter = space.parameters[condition.key]
            shown = " and ".join(map(str, condition.comparisons))
            why = f"{condition.key} is {parameter.allowed_text()}, and none of these is {shown}"
            return ("parameter", condition.key), why
    return (), "no values meet all of its conditions together"


# -- hysteresis ------------------------------------------------------------------------------------


def _stopped(rule: Rule, space: Space) -> Iterator[ProfileWarning]:
    for item in rule.hysteresis:
        path = ("rules", rule.name, "hysteresis", item.kpi)
        ways = ways_of(rule.when, space)
        if all(_is_stopped(way, item, space) for way in ways):
            side = "from" if item.stop > item.start else "down to"
            yield ProfileWarning(
                "rule_stopped",
                (*path, "stop"),
                f"{rule.name} can never fire: its conditions hold only where the hysteresis of "
                f"{item.kpi} stops it ({side} {item.stop:g} on)",
                "set 'stop' to a value that lies beyond the limit in 'when'",
            )
        elif _restarts(item).within(space.extent(item.kpi)).is_empty:
            yield ProfileWarning(
                "rule_stays_stopped",
                (*path, "start"),
                f"once stopped, {rule.name} never fires again: {item.kpi} lies in "
                f"{space.extent(item.kpi)}, so it never comes back to {item.start:g}",
                "set 'start' to a value that the KPI can have",
            )


def _is_stopped(way: Way, item: Hysteresis, space: Space) -> bool:
    """Whether every value of the KPI that the way allows stops the rule."""
    if item.kpi not in way.kpis:
        return False
    going = (
        Interval(high=item.stop, high_open=True)
        if item.stop > item.start
        else Interval(low=item.stop, low_open=True)
    )
    return way.kpis[item.kpi].within(space.extent(item.kpi)).within(going).is_empty


def _restarts(item: Hysteresis) -> Interval:
    return Interval(high=item.start) if item.stop > item.start else Interval(low=item.start)


# -- time ------------------------------------------------------------------------------------------


def _too_late(profile: Profile, rule: Rule, iterations: int | None) -> Iterator[ProfileWarning]:
    """A rule whose evidence is complete only when the run is over."""
    warmup, last = profile.gate.warmup_iterations, profile.guards.hold_last
    over = 1 if rule.evidence.early else rule.evidence.over
    steps = [
        max(item.rising, item.falling) + 1 for item in rule.when if isinstance(item, Condition)
    ]
    first = warmup + max([over, *steps])
    if iterations is None or first <= iterations - last:
        return
    parts = [f"{max([over, *steps])} iterations of evidence"]
    parts += [f"{warmup} of warm-up before them"] if warmup else []
    if last:
        decisions = (
            "the last decision changes" if last == 1 else f"the last {last} decisions change"
        )
        parts.append(f"{decisions} nothing (guards.hold_last)")
    yield ProfileWarning(
        "rule_too_late",
        ("rules", rule.name, "evidence", "over"),
        f"{rule.name} can never fire in a run of {iterations} iterations: it needs "
        f"{', and '.join(parts)}",
        f"give the run at least {first + last} iterations, or the rule less evidence",
    )


# -- moves -----------------------------------------------------------------------------------------


def _move(profile: Profile, move: Move, path: tuple[str, ...]) -> Iterator[ProfileWarning]:
    parameter = profile.parameters[move.key]
    if not parameter.span:
        yield ProfileWarning(
            "move_of_constant",
            path,
            f"{move.key} never moves: it is a constant, {parameter.text(parameter.start)}",
            "widen its min and max, or leave out the move",
        )
    elif small := _too_small(move, parameter):
        yield ProfileWarning(
            "move_too_small",
            path,
            f"{move.key} never moves by {path[1]}: {small}",
            "give a larger move or cap, or a smaller range",
        )


def _too_small(move: Move, parameter: Parameter) -> str:
    """Why the move is always cut to nothing, or dropped as too small; else empty."""
    if shut := _shut(move, parameter):
        return shut
    if parameter.step:
        return ""
    ends = parameter.minimum, parameter.maximum
    if move.kind in ("add", "mul"):
        deltas = [
            (value, move.amount if move.kind == "add" else value * (move.amount - 1.0))
            for value in ends
        ]
        if all(parameter.is_too_small(value, delta) for value, delta in deltas):
            return f"{move.kind} {move.amount:g} is less than a thousandth of its range"
    for name, cap in (
        ("cap_per_hour", parameter.cap_per_hour),
        ("cap_per_iteration", parameter.cap_per_iteration),
    ):
        ways = ((ends[0], True), (ends[1], False))
        if all(
            parameter.is_too_small(value, parameter.moved(value, cap, up=up) - value)
            for value, up in ways
        ):
            return f"its {name} is less than a thousandth of its range"
    return ""


def _shut(move: Move, parameter: Parameter) -> str:
    """The limit of one step that leaves nothing of it; else empty."""
    if parameter.minimum < 0.0:
        return ""
    directions = _directions(move, parameter)
    floor = parameter.minimum if move.max_floor is None else move.max_floor
    most, least = move.max_factor, move.min_factor
    if directions == {1} and most is not None and most <= 1.0 and floor <= parameter.minimum:
        return f"max_factor {most:g} leaves nothing of the move"
    if directions == {-1} and least is not None and least >= 1.0:
        return f"min_factor {least:g} leaves nothing of the move"
    return ""


def start_warning(profile: Profile, parameter: Parameter) -> ProfileWarning | None:
    """The warning that no rule can move the parameter away from its start."""
    panic = profile.guards.panic
    if panic is not None and panic.values[parameter.key] != parameter.start:
        return None  # a panic moves it, and then a rule can
    moves = [move for rule in profile.rules for move in rule.moves if move.key == parameter.key]
    if not moves or not parameter.span:
        return None
    why = _why_not_from(parameter, moves)
    if not why:
        return None
    return ProfileWarning(
        "start_at_bound",
        ("parameters", parameter.key, "start"),
        f"{parameter.key} never moves: it starts at {parameter.text(parameter.start)}, {why}",
        "start it further inside its bounds, or let a rule move it the other way",
    )


def _why_not_from(parameter: Parameter, moves: Sequence[Move]) -> str:
    directions = {way for move in moves for way in _directions(move, parameter)}
    if directions == {1} and parameter.start == parameter.maximum:
        return "its max, and every rule moves it up"
    if directions == {-1} and parameter.start == parameter.minimum:
        return "its min, and every rule moves it down"
    if parameter.start == 0.0 and all(move.kind == "mul" for move in moves):
        return "and every rule multiplies it"
    return ""


def _directions(move: Move, parameter: Parameter) -> set[int]:
    """1 for up, -1 for down: where the move can go to."""
    if move.kind in ("add", "step", "proportional"):
        return {1 if move.amount > 0.0 else -1}
    if move.kind == "mul" and parameter.minimum >= 0.0:
        return {1 if move.amount > 1.0 else -1}
    if move.kind == "set" and move.amount == parameter.maximum:
        return {1}
    if move.kind == "set" and move.amount == parameter.minimum:
        return {-1}
    return {1, -1}
