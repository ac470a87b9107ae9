"""The end of a run: read its journals, judge, seal, write the artifacts. Plain and xdist alike."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.canonical import scrubbed
from pytest_soak.gate.judge import LaneJudgement, RunJudgement
from pytest_soak.gate.result import CriterionResult
from pytest_soak.loop.model import Halt, History, Verdict
from pytest_soak.masking import Masker
from pytest_soak.report.audit import audit
from pytest_soak.report.delta_text import delta_report
from pytest_soak.report.deltas import delta_verify
from pytest_soak.report.export import export_lines
from pytest_soak.report.failures import failures
from pytest_soak.report.log_lines import gate_lines, lane_gate_line
from pytest_soak.report.metric_values import RunFigures, figures_of
from pytest_soak.report.metrics import metrics_text
from pytest_soak.report.recommend import recommendations
from pytest_soak.report.snapshot import run_snapshot, snapshot, snapshot_text
from pytest_soak.report.step_summary import step_summary
from pytest_soak.report.summary import iteration_summary, tuning_report_parts
from pytest_soak.report.sweep import sweeps_of
from pytest_soak.report.sweep_picture import sweep_svg
from pytest_soak.report.sweep_text import sweep_csv, sweep_markdown
from pytest_soak.report.view.collect import LaneCollector, watch_of
from pytest_soak.report.view.model import RunView
from pytest_soak.sealed import (
    Inputs,
    LaneInputs,
    NotSealed,
    judge_stored,
    read_seal,
    seal,
    with_halt,
)
from pytest_soak.session.hook_criteria import hook_criteria
from pytest_soak.session.plan import Plan
from pytest_soak.session.sources import Source, answering_files
from pytest_soak.settings import Settings
from pytest_soak.store import names
from pytest_soak.store.atomic import atomic_write_text, make_directory
from pytest_soak.store.errors import StoreError
from pytest_soak.store.journal import JournalRead
from pytest_soak.store.lines import append_lines, append_paragraphs
from pytest_soak.store.rundir import ArtifactDirectory, LaneDirectory, RunDirectory
from pytest_soak.stored import StoredReference, check_directories, read_lane
from pytest_soak.stored_report import session_report
from pytest_soak.stored_view import session_view

ITEMS = "items"
"""The criterion of items that failed after the decision of their iteration."""


@dataclass(frozen=True, slots=True)
class RunResult:
    run: RunJudgement
    histories: tuple[History, ...]
    trouble: tuple[tuple[str, str], ...] = ()
    """What could not be written: the name of the report that says so, and why. The verdict stands
    without artifacts; without a seal no command gives it again."""


def judge_and_write(
    config: pytest.Config,
    plan: Plan,
    lost: Mapping[str, str],
    fresh_targets: Mapping[str, int],
    references: Mapping[str, StoredReference],
    journals: Mapping[str, JournalRead],
    failed_items: Mapping[str, Collection[str]],
    halts: Mapping[str, Halt],
    sources: Sequence[Source],
    mask: Masker,
) -> RunResult:
    """Judge every lane of the run from its journal, seal it, and write what follows from it.

    ``lost`` names the lanes whose worker died, with the item it was running; ``fresh_targets``
    those that were resumed with a target that could not be restored, with the iteration;
    ``references`` has the noise to judge a lane by; ``journals`` what the session has read of them
    already; ``failed_items`` the items of a lane that the
    session failed; ``halts`` are those that a lane's journal could not take; ``sources`` are the
    places that answered the hooks; ``mask`` masks the secrets in the texts of hooks.
    """
    settings = plan.settings
    run = RunDirectory.resume(settings.directory)
    check_directories(run)
    ids = [item.lane.id for item in plan.lanes]
    collected = {lane_id: LaneCollector() for lane_id in ids} if settings.report else {}
    lanes = tuple(
        with_halt(
            read_lane(run, lane_id, journals.get(lane_id), watch_of(collected.get(lane_id))),
            halts.get(lane_id),
        )
        for lane_id in ids
    )
    earlier = _items_of_earlier_sessions(run) if settings.resume else {}
    inputs = Inputs(
        strict=settings.strict,
        mock=settings.mock,
        lanes={
            stored.id: LaneInputs(
                reference=references.get(stored.id),
                criteria=(
                    *_items_criterion(
                        stored.history, failed_items.get(stored.id, ()), earlier.get(stored.id, ())
                    ),
                    *hook_criteria(config, stored.history, mask),
                ),
                lost=lost.get(stored.id, ""),
                halt=halts.get(stored.id),
            )
            for stored in lanes
        },
    )
    judgement = judge_stored(lanes, inputs)
    histories = tuple(stored.history for stored in lanes)
    trouble: list[tuple[str, str]] = []
    try:
        run.update(
            verdict=str(judgement.verdict),
            fresh_targets={**run.about.get("fresh_targets", {}), **fresh_targets},
        )
        # Last of what is judged from, and before anything that shows the verdict.
        seal(run, lanes, inputs, judgement, answering_files(sources))
    except (StoreError, OSError) as error:
        trouble.append(("run/seal", f"the judgement could not be sealed: {error}"))
    failed = write_artifacts(run, judgement, histories, settings)
    failed += write_summary(run, judgement, histories, settings)
    if settings.report:
        failed += write_page(run, lambda: session_view(run, collected, judgement, histories, lost))
    if failed:
        trouble.append(("run/artifacts", "\n".join(failed)))
    return RunResult(judgement, histories, tuple(trouble))


def _items_of_earlier_sessions(run: RunDirectory) -> dict[str, tuple[CriterionResult, ...]]:
    """Lane to its criterion ``items`` in the last judgement of the run, as far as there is one.

    Only that judgement has it, so a resumed session must not forget it.
    """
    try:
        lanes = read_seal(run).inputs.lanes
    except NotSealed:
        return {}
    except StoreError as error:
        unknown = CriterionResult(
            ITEMS, Verdict.INCONCLUSIVE, reason=f"{ITEMS}: those of an earlier session: {error}"
        )
        return {str(record["id"]): (unknown,) for record in run.lanes}
    return {
        lane_id: tuple(item for item in lane.criteria if item.name == ITEMS)
        for lane_id, lane in lanes.items()
    }


def _items_criterion(
    history: History, failed: Collection[str], earlier: Sequence[CriterionResult]
) -> tuple[CriterionResult, ...]:
    """The items that failed a session where the journal has no failure to say so.

    Failed checks and halts are criteria of their own. What is left failed after the decision: in
    a hook ``pytest_soak_iteration`` or in a teardown. ``earlier`` is the criterion of the sessions
    that a resumed one goes on from.
    """
    halted = history.halt is not None and history.halt.kind != "end_of_data"
    if not failed or halted or any(item.failed_checks for item in history.iterations):
        return tuple(replace(item, lane=history.lane.id) for item in earlier)
    names = sorted(failed)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (
        CriterionResult(
            ITEMS,
            Verdict.FAIL,
            float(len(names)),
            "<= 0",
            float(-len(names)),
            len(history.iterations),
            reason="; ".join(
                [
                    f"{ITEMS}: failed after their decision: {', '.join(names[:3])}{more}",
                    *(f"before: {item.reason}" for item in earlier),
                ]
            ),
            lane=history.lane.id,
        ),
    )


def write_artifacts(
    run: RunDirectory, judgement: RunJudgement, histories: Sequence[History], settings: Settings
) -> tuple[str, ...]:
    """One set a lane; with several lanes the run's own snapshot, audit and metrics on top.

    Returns a line for each artifact that could not be made or written. Every other one is written.
    """
    writer = _Writer()
    snapshots: list[Mapping[str, Any]] = []
    sources = run.about.get("hooks", ())
    for history, lane in zip(histories, judgement.lanes, strict=True):
        document: Mapping[str, Any] = {"lane": lane.lane_id, "verdict": str(lane.verdict)}
        with writer.artifact(f"{lane.lane_id}: the snapshot"):
            document = snapshot(history, lane, run.about.get("versions", {}))
        snapshots.append(document)
    for history, lane, document in zip(histories, judgement.lanes, snapshots, strict=True):
        directory = run.lane_directory(history.lane.id)
        _write_lane(writer, directory, history, lane)
        _write_missing(writer, directory, history)
        if len(histories) > 1:
            of_lane = RunJudgement(lane.verdict, (lane,))
            _write_run(writer, directory, of_lane, [history], [document], sources)
            _write_metrics(writer, directory, figures_of(of_lane, run.about, whole=False), settings)
    figures = figures_of(judgement, run.about)
    _write_run(writer, run.top, judgement, histories, snapshots, sources)
    _write_metrics(writer, run.top, figures, settings)
    _write_log(writer, run, judgement)
    if settings.sweep:
        _write_sweep(writer, run.top, histories, settings)
    if settings.export_json is not None:
        with writer.artifact(str(settings.export_json)):
            make_directory(settings.export_json.parent)
            atomic_write_text(settings.export_json, export_lines(figures, settings.metrics))
    if settings.export_md is not None:
        with writer.artifact(str(settings.export_md)):
            make_directory(settings.export_md.parent)
            atomic_write_text(settings.export_md, audit(histories, judgement, sources))
    return tuple(writer.trouble)


def write_summary(
    run: RunDirectory, judgement: RunJudgement, histories: Sequence[History], settings: Settings
) -> tuple[str, ...]:
    """The summary for the page of a CI job, where the settings ask for it.

    Returns a line if it could not be made or written.
    """
    path = settings.summary
    if path is None:
        return ()
    writer = _Writer()
    with writer.artifact(f"the summary {path}"):
        text = step_summary(histories, judgement, _from(settings.root, run.path))
        if settings.appends_summary:
            append_paragraphs(path, text)
        else:
            make_directory(path.parent)
            atomic_write_text(path, text)
    return tuple(writer.trouble)


def _from(folder: Path, path: Path) -> str:
    """``path`` as seen from ``folder``, if it is below it."""
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _write_metrics(
    writer: _Writer, directory: ArtifactDirectory, figures: RunFigures, settings: Settings
) -> None:
    writer.text(directory, names.METRICS, lambda: metrics_text(figures, settings.metrics))


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


def write_page(run: RunDirectory, view: Callable[[], RunView]) -> tuple[str, ...]:
    """REPORT.html of the ``view``. Returns a line if it could not be made or written."""
    writer = _Writer()
    writer.text(run.top, names.REPORT, lambda: session_report(run, view()))
    return tuple(writer.trouble)


def _write_log(writer: _Writer, run: RunDirectory, judgement: RunJudgement) -> None:
    """The verdicts, as the last lines of the run's log, and of the log of each of several lanes."""
    with writer.artifact(names.LOG):
        append_lines(run.path / names.LOG, *gate_lines(judgement))
    for lane in judgement.lanes:
        path = run.lane_directory(lane.lane_id).path
        if path != run.path:
            with writer.artifact(f"{lane.lane_id}: {names.LOG}"):
                append_lines(path / names.LOG, lane_gate_line(lane))


def _write_missing(writer: _Writer, directory: LaneDirectory, history: History) -> None:
    """Summaries that a crash or a person removed come back from the journal, without a time."""
    present: frozenset[str] = frozenset()
    with writer.artifact(names.iteration_summary(1)):
        present = directory.file_names()
    table = history.profile.parameters
    for iteration in history.iterations if present else ():
        name = names.iteration_summary(iteration.number)
        if iteration.decision is not None and name not in present:
            writer.json(directory, name, partial(iteration_summary, iteration, None, table))


def _write_lane(
    writer: _Writer, directory: ArtifactDirectory, history: History, lane: LaneJudgement
) -> None:
    """What there is once per lane."""
    with writer.artifact(names.TUNING_REPORT):
        directory.write_parts(names.TUNING_REPORT, tuning_report_parts(history))
    writer.json(directory, names.DELTA_VERIFY, lambda: delta_verify(lane.delta))
    writer.text(directory, names.DELTA_VERIFY_REPORT, lambda: delta_report(history, lane.delta))


def _write_run(
    writer: _Writer,
    directory: ArtifactDirectory,
    judgement: RunJudgement,
    histories: Sequence[History],
    snapshots: Sequence[Mapping[str, Any]],
    sources: Sequence[Mapping[str, Any]],
) -> None:
    """What there is per lane and, over several lanes, once more on top."""
    document: dict[str, Any] = {}
    with writer.artifact(names.SNAPSHOT):
        document = run_snapshot(snapshots, judgement)
    writer.text(directory, names.SNAPSHOT, lambda: snapshot_text(document))
    writer.text(directory, names.SNAPSHOT_PRETTY, lambda: snapshot_text(document, pretty=True))
    writer.text(directory, names.AUDIT, lambda: audit(histories, judgement, sources))
    writer.text(directory, names.RECOMMENDATIONS, lambda: recommendations(histories, judgement))
    writer.text(directory, names.FAILURES, lambda: failures(histories, judgement))
