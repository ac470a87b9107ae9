"""The view of a stored run, judged as its commands judge it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from pytest_soak.gate.judge import LaneJudgement, RunJudgement
from pytest_soak.loop.model import History
from pytest_soak.loop.state import LaneState
from pytest_soak.offline import Options, RunningRun, StoredRun, read_run
from pytest_soak.report.eta import eta_s
from pytest_soak.report.view.build import About, LaneParts, LaneTimes, PlannedLane, run_view
from pytest_soak.report.view.collect import LaneCollector
from pytest_soak.report.view.model import RunView, StateWord
from pytest_soak.run_state import State, run_state, state_of
from pytest_soak.store import names
from pytest_soak.store.errors import StoreError
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.store.tail import TimingTail

_FINGERPRINT = (
    *("profiles", "target", "mock", "tune", "dry_run", "strict", "iterations", "interval_s"),
    *("timeout_s", "data_hash", "reference", "versions"),
)
"""The fields of ``run.json`` by which a run is the same run."""


@dataclass(frozen=True, slots=True)
class ShownJudgement:
    """The judgement that a view shows."""

    judgement: RunJudgement | None = None
    sealed: bool = False
    notes: tuple[str, ...] = ()


def stored_view(path: str | Path) -> RunView:
    """The view of the run at ``path``. Raises StoreError.

    A running run is judged as if it ended now; that is information, no verdict.
    """
    collected: dict[str, LaneCollector] = {}

    def watching(lane_id: str) -> Any:
        collected[lane_id] = LaneCollector()
        return collected[lane_id].add

    run = read_run(str(path), watching)
    return view_of(run.directory, collected, _states(run), _judged(run))


def session_view(
    directory: RunDirectory,
    collected: Mapping[str, LaneCollector],
    judgement: RunJudgement,
    histories: Sequence[History],
    lost: Collection[str],
) -> RunView:
    """The view of the run of a session that has just ended.

    ``lost`` are the lanes whose worker died.
    """
    states = {item.lane.id: state_of(item, lost=item.lane.id in lost) for item in histories}
    return view_of(directory, collected, states, ShownJudgement(judgement, sealed=True))


def view_of(
    directory: RunDirectory,
    collected: Mapping[str, LaneCollector],
    states: Mapping[str, State],
    judged: ShownJudgement,
    timing: Mapping[str, TimingTail] | None = None,
) -> RunView:
    """The view of what was collected. ``states``: lane to its state; ``timing``, if it was read
    already, has the times of a lane."""
    about, judgement = directory.about, judged.judgement
    verdicts = {} if judgement is None else {lane.lane_id: lane for lane in judgement.lanes}
    lanes: list[LaneParts | PlannedLane] = []
    words: list[State] = []
    for record in directory.lanes:
        lane_id = str(record["id"])
        lane, word = collected.get(lane_id), states.get(lane_id, State.PLANNED)
        words.append(word)
        if lane is not None and lane.failed is not None:
            raise lane.failed
        if lane is None or lane.state is None:
            lanes.append(_planned(record, about, verdicts.get(lane_id)))
            continue
        times = timing[lane_id] if timing is not None else _timing(directory, lane_id)
        lanes.append(
            LaneParts(
                lane,
                cast(StateWord, str(word)),
                verdicts.get(lane_id),
                _times(lane.state, word, times),
            )
        )
    started = about.get("started_utc")
    return run_view(
        About(
            directory.run_id,
            cast(StateWord, str(run_state(words))),
            started if isinstance(started, str) else None,
            _duration(
                started, [lane.times.last_utc for lane in lanes if isinstance(lane, LaneParts)]
            ),
            tuple(map(str, about.get("command", ()))),
            {name: about[name] for name in _FINGERPRINT if name in about},
            judged.notes,
            judged.sealed,
        ),
        lanes,
        judgement,
    )


def _duration(started: object, ends: Sequence[str | None]) -> float | None:
    """Seconds from ``started`` to the last of ``ends``, both ISO 8601; None if unknown."""
    try:
        last = max(datetime.fromisoformat(end) for end in ends if end is not None)
        return max((last - datetime.fromisoformat(str(started))).total_seconds(), 0.0)
    except (TypeError, ValueError):  # no time was recorded, or it is no ISO text
        return None


def _times(lane: LaneState, word: State, timing: TimingTail) -> LaneTimes:
    """The times of a lane; how long it still takes only while it runs."""
    eta = None
    if word is State.RUNNING:
        durations = [timing.seconds[number] for number in sorted(timing.seconds)]
        eta = eta_s(lane.done, lane.iterations, durations)
    return LaneTimes(timing.seconds, timing.last_utc, eta)


def _timing(directory: RunDirectory, lane_id: str) -> TimingTail:
    timing = TimingTail(directory.lane_directory(lane_id).path / names.TIMING)
    timing.read()
    return timing


def _planned(
    record: Mapping[str, Any], about: Mapping[str, Any], judgement: LaneJudgement | None
) -> PlannedLane:
    return PlannedLane(
        str(record["id"]),
        str(record["profile"]),
        str(record.get("symbol", "")),
        int(record["seed"]),
        float(about.get("interval_s", 0.0)),
        str(about.get("target", "")),
        int(about.get("iterations", 0)),
        judgement,
    )


def _states(run: StoredRun | RunningRun) -> dict[str, State]:
    if isinstance(run, RunningRun):
        return {lane.id: state_of(lane.history, live=True) for lane in run.lanes}
    return {lane.id: state for lane, state in zip(run.lanes, run.states(), strict=True)}


def _judged(run: StoredRun | RunningRun) -> ShownJudgement:
    if isinstance(run, RunningRun):
        note = f"{run.headline()}. What the gate would give now is information, no verdict"
        return ShownJudgement(run.judged() if run.lanes else None, notes=(note,))
    try:
        return ShownJudgement(run.answer(Options()).judgement, sealed=True)
    except StoreError as error:
        # A page may be shared, so it has no path of this machine.
        path = str(run.directory.path)
        text = str(error).replace(f"{path}{os.sep}", "").replace(path, "the run")
        note = f"{text[:1].upper()}{text[1:]}. Judged from the journals alone"
        return ShownJudgement(run.without_seal(Options()).judgement, notes=(note,))
