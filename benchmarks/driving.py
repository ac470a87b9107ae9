"""One lane from start to end, in memory: the same decide and fold as a session, without a disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_soak.loop import entries
from pytest_soak.loop.decide import decide
from pytest_soak.loop.entries import runtime_of
from pytest_soak.loop.fold import advance, started
from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import Decision, Entry, History
from pytest_soak.profile.model import Profile
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.protocol import Lane
from pytest_soak.targets.mock import make_mock

INTERVAL_S = 300.0


class Runs(Protocol):
    """What a lane needs of a target."""

    def run(self, iteration: int, runtime: Mapping[str, Any], /) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Step:
    """One iteration."""

    values: Mapping[str, float]
    """In force during it."""
    decision: Decision


@dataclass(frozen=True, slots=True)
class Driven:
    """A lane that has run."""

    journal: Sequence[Entry]
    steps: Sequence[Step]

    @property
    def history(self) -> History:
        return read_history(self.journal)


def lane_of(profile: Profile, seed: int, iterations: int) -> Lane:
    name = profile.name
    return Lane(f"{name}-{seed}", name, "BTCUSDT", seed, INTERVAL_S, iterations)


def still(
    profile: Profile, seed: int, iterations: int, moved: Mapping[str, float] | None = None
) -> Iterator[Mapping[str, Any]]:
    """What the mock market reports while its parameters stay: at their start, or where ``moved``
    puts them."""
    values = {key: one.start for key, one in profile.parameters.items()} | dict(moved or {})
    target, runtime = make_mock(lane_of(profile, seed, iterations)), runtime_of(profile, values)
    for number in range(1, iterations + 1):
        yield target.run(number, runtime)


def drive(
    lane: Lane,
    profile: Profile,
    target: Runs,
    *,
    mock: bool = False,
    tune: bool = True,
    scenarios: Sequence[Scheduled] = (),
) -> Driven:
    """All iterations of ``lane``. ``mock`` counts as ``--soak-mock`` does in a session."""
    kind = "mock" if mock else "synthetic"
    start = {key: one.start for key, one in profile.parameters.items()}
    journal: list[Entry] = [
        entries.start_entry(lane, profile, kind, mock, tune, False, start, scenarios)
    ]
    state = started(journal[0])
    steps = []
    for number in range(1, lane.iterations + 1):
        values = state.values
        report = dict(target.run(number, runtime_of(profile, values)))
        report.pop("audit", None)
        observation = entries.observation_entry(number, report, None, None)
        state = advance(state, observation)
        decision = decide(state)
        lines = [observation, entries.decision_entry(decision)]
        if decision.changes:
            lines.append(entries.done_entry(decision))
        for line in lines[1:]:
            state = advance(state, line)
        journal += lines
        steps.append(Step(values, decision))
    return Driven(journal, steps)
