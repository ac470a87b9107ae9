"""Scenarios on their way from the profile and the options to a lane's target."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_soak.profile.errors import ProfileError
from pytest_soak.profile.resolve import Resolved
from pytest_soak.profile.scenarios import Scheduled, schedule
from pytest_soak.protocol import Lane, Scenario, Target


def scheduled_in(lane: Lane, resolved: Resolved, wanted: Sequence[str]) -> tuple[Scheduled, ...]:
    """What the profile and ``--soak-scenario`` plan for a lane. Raises ProfileError."""
    try:
        return schedule(
            resolved.scenarios,
            wanted,
            iterations=lane.iterations,
            interval_s=lane.interval_s,
            seed=lane.seed,
        )
    except ProfileError as error:
        where = "--soak-scenario" if wanted else f"profile {lane.profile}"
        raise ProfileError(f"{where}: {error}") from error


def announce(target: Target, planned: Sequence[Scheduled]) -> None:
    """Tell a target what is planned. Raises ValueError if it cannot make it happen."""
    method = getattr(target, "scenarios", None)
    if not callable(method):
        names = ", ".join(dict.fromkeys(one.name for one in planned))
        raise ValueError(
            f"{type(target).__name__} has no method scenarios(schedule), so it cannot make "
            f"{names}; the mock market can"
        )
    method(
        tuple(Scenario(one.name, one.at, one.after_s, one.for_s, one.strength) for one in planned)
    )


def named(scenarios: Sequence[Scheduled]) -> tuple[str, ...]:
    """``NAME@ITERATION`` of each, for people."""
    return tuple(f"{one.name}@{one.at}" for one in scenarios)
