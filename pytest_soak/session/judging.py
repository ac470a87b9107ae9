"""The end of a run: read its journals, judge, write the artifacts. Plain and xdist alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import pytest

from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.judge import LaneJudgement, RunJudgement, judge_lane, judge_run
from pytest_soak.loop.history import read_history
from pytest_soak.loop.model import History
from pytest_soak.session.artifacts import write_artifacts
from pytest_soak.session.plan import Plan
from pytest_soak.session.references import read_references, reference_for
from pytest_soak.store.journal import read_journal
from pytest_soak.store.rundir import RunDirectory


@dataclass(frozen=True, slots=True)
class Judged:
    run: RunJudgement
    histories: tuple[History, ...]


def judge_and_write(
    config: pytest.Config, plan: Plan, lost: Mapping[str, str], fresh_targets: Mapping[str, int]
) -> Judged:
    """Judge every lane of the run from its journal, and write what follows from it.

    ``lost`` names the lanes whose worker died, with the item it was running; ``fresh_targets``
    those that were resumed with a target that could not be restored, with the iteration.
    """
    settings = plan.settings
    run = RunDirectory.resume(settings.directory)
    histories = tuple(
        read_history(read_journal(run.lane_directory(item.lane.id).journal_path).entries)
        for item in plan.lanes
    )
    references = read_references(settings.compare) if settings.compare else {}
    judgements = tuple(
        _naming_the_crash(
            judge_lane(
                history,
                mock=settings.mock,
                strict=settings.strict,
                reference=reference_for(history, references),
                extra=_from_hooks(config, history),
            ),
            lost,
        )
        for history in histories
    )
    judged = Judged(judge_run(judgements), histories)
    write_artifacts(run, judged.run, histories, settings)
    run.update(
        verdict=str(judged.run.verdict),
        fresh_targets={**run.about.get("fresh_targets", {}), **fresh_targets},
    )
    return judged


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
