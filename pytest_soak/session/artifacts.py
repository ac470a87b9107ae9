"""Writes the artifacts of a finished run: projections of its journals and judgement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
from pytest_soak.store.rundir import ArtifactDirectory, LaneDirectory, RunDirectory


def write_artifacts(
    run: RunDirectory, judgement: RunJudgement, histories: Sequence[History], settings: Settings
) -> None:
    """One set a lane; with several lanes the run's own snapshot, audit and metrics on top."""
    snapshots = [
        snapshot(history, lane, versions())
        for history, lane in zip(histories, judgement.lanes, strict=True)
    ]
    for history, lane, stored in zip(histories, judgement.lanes, snapshots, strict=True):
        directory = run.lane_directory(history.lane.id)
        _write_lane(directory, history, lane)
        _write_missing(directory, history)
        if len(histories) > 1:
            _write_run(directory, RunJudgement(lane.verdict, (lane,)), [history], [stored])
    _write_run(run.top, judgement, histories, snapshots)
    if settings.sweep:
        _write_sweep(run.top, histories, settings)
    if settings.export_json:
        atomic_write_text(settings.export_json, metrics_lines(judgement))
    if settings.export_md:
        atomic_write_text(settings.export_md, audit(histories, judgement))


def _write_sweep(
    directory: ArtifactDirectory, histories: Sequence[History], settings: Settings
) -> None:
    sweeps = sweeps_of(histories, mock=settings.mock)
    directory.write_text(names.SWEEP, sweep_markdown(sweeps))
    directory.write_text(names.SWEEP_TABLE, sweep_csv(sweeps))
    directory.write_text(names.SWEEP_PICTURE, sweep_svg(sweeps))


def _write_missing(directory: LaneDirectory, history: History) -> None:
    """Summaries that a crash or a person removed come back from the journal, without a time."""
    for iteration in history.iterations:
        if iteration.decision is not None and not directory.summary_path(iteration.number).exists():
            name = names.iteration_summary(iteration.number)
            directory.write_json(name, iteration_summary(iteration, None))


def _write_lane(directory: ArtifactDirectory, history: History, lane: LaneJudgement) -> None:
    """What there is once per lane."""
    directory.write_json(names.TUNING_REPORT, tuning_report(history))
    directory.write_json(names.DELTA_VERIFY, delta_verify(lane.delta))
    directory.write_text(names.DELTA_VERIFY_REPORT, delta_report(lane.lane_id, lane.delta))


def _write_run(
    directory: ArtifactDirectory,
    judgement: RunJudgement,
    histories: Sequence[History],
    snapshots: Sequence[Mapping[str, Any]],
) -> None:
    """What there is per lane and, over several lanes, once more on top."""
    document = run_snapshot(snapshots, judgement)
    directory.write_text(names.SNAPSHOT, snapshot_text(document))
    directory.write_text(names.SNAPSHOT_PRETTY, snapshot_text(document, pretty=True))
    directory.write_text(names.METRICS, metrics_text(judgement))
    directory.write_text(names.AUDIT, audit(histories, judgement))
    directory.write_text(names.RECOMMENDATIONS, recommendations(histories, judgement))
    directory.write_text(names.FAILURES, failures(histories, judgement))
