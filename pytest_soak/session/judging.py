"""The end of a run: read its journals, judge, write the artifacts. Plain and xdist alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace

import pytest

from pytest_soak.gate.baseline import Reference
from pytest_soak.gate.criteria import CriterionResult
from pytest_soak.gate.judge import LaneJudgement, RunJudgement, judge_lane, judge_run
from pytest_soak.loop.model import History, Verdict
from pytest_soak.session.artifacts import write_artifacts
from pytest_soak.session.outcomes import no_outcomes
from pytest_soak.session.plan import Plan
from pytest_soak.store.errors import StoreError
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.stored import inputs_to_store, read_lane

_BUILT_IN = {"delta_quality", "completeness", "pytest_soak_gate"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")


@dataclass(frozen=True, slots=True)
class Judged:
    run: RunJudgement
    histories: tuple[History, ...]
    trouble: str = ""
    """Why the artifacts could not be written; the verdict stands without them."""


def judge_and_write(
    config: pytest.Config,
    plan: Plan,
    lost: Mapping[str, str],
    fresh_targets: Mapping[str, int],
    references: Mapping[str, Reference],
) -> Judged:
    """Judge every lane of the run from its journal, and write what follows from it.

    ``lost`` names the lanes whose worker died, with the item it was running; ``fresh_targets``
    those that were resumed with a target that could not be restored, with the iteration;
    ``references`` has the noise to judge a lane by.
    """
    settings = plan.settings
    run = RunDirectory.resume(settings.directory)
    histories = tuple(read_lane(run, item.lane.id) for item in plan.lanes)
    extra = {history.lane.id: _from_hooks(config, history) for history in histories}
    judgements = tuple(
        _naming_the_crash(
            judge_lane(
                history,
                mock=settings.mock,
                strict=settings.strict,
                reference=references.get(history.lane.id),
                extra=extra[history.lane.id],
            ),
            lost,
        )
        for history in histories
    )
    judgement = judge_run(judgements)
    trouble = write_artifacts(run, judgement, histories, settings)
    try:
        run.update(
            verdict=str(judgement.verdict),
            fresh_targets={**run.about.get("fresh_targets", {}), **fresh_targets},
            judged_with=inputs_to_store(references, extra),
        )
    except (StoreError, OSError) as error:
        trouble = (*trouble, str(error))
    return Judged(judgement, histories, "\n".join(trouble))


def _from_hooks(config: pytest.Config, history: History) -> tuple[CriterionResult, ...]:
    """Criteria of the user's own. What goes wrong in a hook costs that hook, not the gate."""
    if not config.hook.pytest_soak_gate.get_hookimpls():
        return ()  # and no copy of a long history for nobody
    taken = {criterion.kpi for criterion in history.profile.gate.criteria} | _BUILT_IN
    results: list[CriterionResult] = []
    try:
        with no_outcomes("pytest_soak_gate"):
            answers: list[Iterable[CriterionResult] | None] = config.hook.pytest_soak_gate(
                lane=history.lane,
                history=deepcopy(history),  # what a hook does to it is not judged
            )
        for answer in reversed(answers):
            for result in answer or ():
                if not isinstance(result, CriterionResult):
                    raise TypeError(f"it answered {result!r:.60}, not what criterion() makes")
                if not _NAME.fullmatch(result.name) or result.name in taken:
                    raise ValueError(f"the name {result.name!r} is taken, or is none")
                taken.add(result.name)
                results.append(result)
    except Exception as error:
        text = f"the hook could not be judged: {type(error).__name__}: {error}"
        results.append(CriterionResult("pytest_soak_gate", Verdict.INCONCLUSIVE, reason=text))
    return tuple(results)


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
