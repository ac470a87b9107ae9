"""Writes the artifacts of a finished run: projections of its journals and judgement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from pytest_soak.canonical import scrubbed
from pytest_soak.gate.judge import LaneJudgement, RunJudgement
from pytest_soak.loop.model import History
from pytest_soak.report.audit import audit
from pytest_soak.report.deltas import delta_report, delta_verify
from pytest_soak.report.failures import failures
from pytest_soak.report.metrics import metrics_lines, metrics_text
from pytest_soak.report.recommend import recommendations
from pytest_soak.report.snapshot import run_snapshot, snapshot, snapshot_text
from pytest_soak.report.summary import iteration_summary, tuning_report
from pytest_soak.report.sweep import sweeps_of
from pytest_soak.report.sweep_picture import sweep_svg
from pytest_soak.report.sweep_text import sweep_csv, sweep_markdown
from pytest_soak.session.fingerprint import versions
from pytest_soak.settings import Settings
from pytest_soak.store import names
from pytest_soak.store.atomic import atomic_write_text
from pytest_soak.store.errors import StoreError
from pytest_soak.store.rundir import ArtifactDirectory, LaneDirectory, RunDirectory


def write_artifacts(
    run: RunDirectory, judgement: RunJudgement, histories: Sequence[History], settings: Settings
) -> tuple[str, ...]:
    """One set a lane; with several lanes the run's own snapshot, audit and metrics on top.

    Returns a line for each artifact that could not be made or written. Every other one is written.
    """
    writer = _Writer()
    snapshots: list[Mapping[str, Any]] = []
    for history, lane in zip(histories, judgement.lanes, strict=True):
        made: Mapping[str, Any] = {"lane": lane.lane_id, "verdict": str(lane.verdict)}
        with writer.artifact(f"{lane.lane_id}: the snapshot"):
            made = snapshot(history, lane, versions())
        snapshots.append(made)
    for history, lane, made in zip(histories, judgement.lanes, snapshots, strict=True):
        directory = run.lane_directory(history.lane.id)
        _write_lane(writer, directory, history, lane)
        _write_missing(writer, directory, history)
        if len(histories) > 1:
            of_lane = RunJudgement(lane.verdict, (lane,))
            _write_run(writer, directory, of_lane, [history], [made])
    _write_run(writer, run.top, judgement, histories, snapshots)
    if settings.sweep:
        _write_sweep(writer, run.top, histories, settings)
    if settings.export_json is not None:
        with writer.artifact(str(settings.export_json)):
            atomic_write_text(settings.export_json, metrics_lines(judgement))
    if settings.export_md is not None:
        with writer.artifact(str(settings.export_md)):
            atomic_write_text(settings.export_md, audit(histories, judgement))
    return tuple(writer.trouble)


class _Writer:
    """Makes and writes artifacts one by one; what goes wrong with one costs that one."""

    def __init__(self) -> None:
        self.trouble: list[str] = []

    @contextmanager
    def artifact(self, name: str) -> Iterator[None]:
        try:
            yield
        except (StoreError, OSError) as error:
            self.trouble.append(f"{name}: {error}")
        except Exception as error:
            text = scrubbed(f"{type(error).__name__}: {error}")
            self.trouble.append(f"{name} could not be made: {text}")

    def text(self, directory: ArtifactDirectory, name: str, make: Callable[[], str]) -> None:
        with self.artifact(name):
            directory.write_text(name, make())

    def json(self, directory: ArtifactDirectory, name: str, make: Callable[[], Any]) -> None:
        with self.artifact(name):
            directory.write_json(name, make())


def _write_sweep(
    writer: _Writer, directory: ArtifactDirectory, histories: Sequence[History], settings: Settings
) -> None:
    with writer.artifact("the maps of the sweep"):
        sweeps = sweeps_of(histories, mock=settings.mock)
        writer.text(directory, names.SWEEP, lambda: sweep_markdown(sweeps))
        writer.text(directory, names.SWEEP_TABLE, lambda: sweep_csv(sweeps))
        writer.text(directory, names.SWEEP_PICTURE, lambda: sweep_svg(sweeps))


def _write_missing(writer: _Writer, directory: LaneDirectory, history: History) -> None:
    """Summaries that a crash or a person removed come back from the journal, without a time."""
    for iteration in history.iterations:
        if iteration.decision is not None and not directory.has_summary(iteration.number):
            name = names.iteration_summary(iteration.number)
            writer.json(directory, name, partial(iteration_summary, iteration, None))


def _write_lane(
    writer: _Writer, directory: ArtifactDirectory, history: History, lane: LaneJudgement
) -> None:
    """What there is once per lane."""
    writer.json(directory, names.TUNING_REPORT, lambda: tuning_report(history))
    writer.json(directory, names.DELTA_VERIFY, lambda: delta_verify(lane.delta))
    writer.text(
        directory, names.DELTA_VERIFY_REPORT, lambda: delta_report(lane.lane_id, lane.delta)
    )


def _write_run(
    writer: _Writer,
    directory: ArtifactDirectory,
    judgement: RunJudgement,
    histories: Sequence[History],
    snapshots: Sequence[Mapping[str, Any]],
) -> None:
    """What there is per lane and, over several lanes, once more on top."""
    document: dict[str, Any] = {}
    with writer.artifact(names.SNAPSHOT):
        document = run_snapshot(snapshots, judgement)
    writer.text(directory, names.SNAPSHOT, lambda: snapshot_text(document))
    writer.text(directory, names.SNAPSHOT_PRETTY, lambda: snapshot_text(document, pretty=True))
    writer.text(directory, names.METRICS, lambda: metrics_text(judgement))
    writer.text(directory, names.AUDIT, lambda: audit(histories, judgement))
    writer.text(directory, names.RECOMMENDATIONS, lambda: recommendations(histories, judgement))
    writer.text(directory, names.FAILURES, lambda: failures(histories, judgement))
