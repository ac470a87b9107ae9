"""The end of a run: read its journals, judge, write the artifacts. Plain and xdist alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pytest_soak.gate.baseline import Reference, reference_of
from pytest_soak.gate.judge import (
    CriterionResult,
    LaneJudgement,
    RunJudgement,
    judge_lane,
    judge_run,
)
from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import History
from pytest_soak.session.artifacts import write_artifacts
from pytest_soak.session.plan import Plan
from pytest_soak.store.errors import StoreError
from pytest_soak.store.journal import read_journal
from pytest_soak.store.rundir import RunDirectory


@dataclass(frozen=True, slots=True)
class Judged:
    run: RunJudgement
    histories: tuple[History, ...]


def judge_and_write(config: pytest.Config, plan: Plan, lost: Mapping[str, str]) -> Judged:
    """Judge every lane of the run from its journal, and write what follows from it.

    ``lost`` names the lanes whose worker died, with the item it was running.
    """
    settings = plan.settings
    run = RunDirectory.resume(settings.directory)
    histories = tuple(
        read_history(read_journal(run.lane_directory(item.lane.id).journal_path).entries)
        for item in plan.lanes
    )
    references = read_references(settings.compare) if settings.compare else {}
    judgements = []
    for history in histories:
        judgement = judge_lane(
            history,
            mock=settings.mock,
            strict=settings.strict,
            reference=reference_for(history, references),
            extra=_from_hooks(config, history),
        )
        judgements.append(_naming_the_crash(judgement, lost))
    judged = Judged(judge_run(judgements), histories)
    write_artifacts(run, judged.run, histories, settings)
    return judged


def read_references(path: Path) -> dict[str, Reference]:
    """The noise of every tuner-off lane of a stored run, by lane id and by profile.

    Raises StoreError when there is no such run or none of its lanes ran with the tuner off.
    """
    run = RunDirectory.open(path)
    references: dict[str, Reference] = {}
    for record in run.lanes:
        directory = run.lane_directory(str(record["id"]))
        history = read_history(read_journal(directory.journal_path).entries)
        if not history.tune:
            reference = reference_of(history)
            references[history.lane.id] = reference
            references.setdefault(history.lane.profile, reference)
    if not references:
        raise StoreError(
            f"{path}: no lane of this run had the tuner off; a reference is a run with "
            "--soak-no-tune"
        )
    return references


def reference_for(history: History, references: Mapping[str, Reference]) -> Reference | None:
    """The reference of the same lane, else of the same profile."""
    return references.get(history.lane.id) or references.get(history.lane.profile)


def _from_hooks(config: pytest.Config, history: History) -> tuple[CriterionResult, ...]:
    answers: list[Iterable[CriterionResult] | None] = config.hook.pytest_soak_gate(
        lane=history.lane, history=history
    )
    return tuple(result for answer in reversed(answers) if answer for result in answer)


def _naming_the_crash(judgement: LaneJudgement, lost: Mapping[str, str]) -> LaneJudgement:
    crashed = lost.get(judgement.lane_id)
    if crashed is None:
        return judgement
    criteria = tuple(
        replace(result, reason=f"{result.reason}; its worker died while running {crashed}")
        if result.name == "completeness"
        else result
        for result in judgement.criteria
    )
    return replace(judgement, criteria=criteria)
