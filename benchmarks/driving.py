"""One lane from start to end, in memory: the same runner as in a session, without a disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_soak.lane import run
from pytest_soak.lane.files import NoFiles
from pytest_soak.lane.runner import LaneRunner
from pytest_soak.loop.entries import Record, runtime_of, start_entry
from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import Decision, History
from pytest_soak.profile.model import Profile
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.protocol import Lane, Target
from pytest_soak.targets.mock import make_mock

INTERVAL_S = 300.0


@dataclass(frozen=True, slots=True)
class Step:
    """One iteration."""

    values: Mapping[str, float]
    """In force during it."""
    decision: Decision


@dataclass(frozen=True, slots=True)
class Driven:
    """A lane that has run."""

    journal: Sequence[Record]
    steps: Sequence[Step]

    @property
    def history(self) -> History:
        return read_history(self.journal)


def lane_of(profile: Profile, seed: int, iterations: int) -> Lane:
    return run.lane_of(profile, iterations, seed, interval=INTERVAL_S)


def still(
    profile: Profile, seed: int, iterations: int, moved: Mapping[str, float] | None = None
) -> Iterator[Mapping[str, Any]]:
    """The mock market's reports at the start values, of which ``moved`` replaces some."""
    values = {key: parameter.start for key, parameter in profile.parameters.items()} | dict(
        moved or {}
    )
    target, runtime = make_mock(lane_of(profile, seed, iterations)), runtime_of(profile, values)
    for number in range(1, iterations + 1):
        yield target.run(number, runtime)


def drive(
    lane: Lane,
    profile: Profile,
    target: Target,
    *,
    mock: bool = False,
    tune: bool = True,
    scenarios: Sequence[Scheduled] = (),
) -> Driven:
    """All iterations of ``lane``. ``mock`` counts as ``--soak-mock`` does in a session."""
    kind = "mock" if mock else "synthetic"
    start = {key: parameter.start for key, parameter in profile.parameters.items()}
    files = NoFiles(
        start_entry(lane, profile, kind, start, scenarios, mock=mock, tune=tune, dry_run=False)
    )
    runner = LaneRunner(lane, files, lambda _: target)
    steps = []
    for number in range(1, lane.iterations + 1):
        values = runner.observe(number).values
        decision = runner.decide({}, ()).decision
        if decision is None:
            raise AssertionError(f"iteration {number} has no decision")
        steps.append(Step(values, decision))
    return Driven(files.journal, steps)
