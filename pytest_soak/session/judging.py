"""The end of a run: read its journals, judge, seal, write the artifacts. Plain and xdist alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pytest

from pytest_soak.gate.judge import RunJudgement
from pytest_soak.gate.result import CriterionResult
from pytest_soak.loop.model import History, Verdict
from pytest_soak.sealed import Inputs, LaneInputs, judge_stored, seal
from pytest_soak.session.artifacts import write_artifacts
from pytest_soak.session.hook_criteria import answering_files, hook_criteria
from pytest_soak.session.plan import Plan
from pytest_soak.store.errors import StoreError
from pytest_soak.store.rundir import RunDirectory
from pytest_soak.stored import StoredReference, check_directories, read_lane


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
    failed_items: Mapping[str, Collection[str]],
) -> RunResult:
    """Judge every lane of the run from its journal, seal it, and write what follows from it.

    ``lost`` names the lanes whose worker died, with the item it was running; ``fresh_targets``
    those that were resumed with a target that could not be restored, with the iteration;
    ``references`` has the noise to judge a lane by; ``failed_items`` the items of a lane that the
    session failed.
    """
    settings = plan.settings
    run = RunDirectory.resume(settings.directory)
    check_directories(run)
    lanes = tuple(read_lane(run, item.lane.id) for item in plan.lanes)
    inputs = Inputs(
        strict=settings.strict,
        mock=settings.mock,
        lanes={
            stored.id: LaneInputs(
                reference=references.get(stored.id),
                criteria=(
                    *_items_criterion(stored.history, failed_items.get(stored.id, ())),
                    *hook_criteria(config, stored.history),
                ),
                lost=lost.get(stored.id, ""),
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
        seal(run, lanes, inputs, judgement, answering_files(config))
    except (StoreError, OSError) as error:
        trouble.append(("run/seal", f"the judgement could not be sealed: {error}"))
    failed = write_artifacts(run, judgement, histories, settings)
    if failed:
        trouble.append(("run/artifacts", "\n".join(failed)))
    return RunResult(judgement, histories, tuple(trouble))


def _items_criterion(history: History, failed: Collection[str]) -> tuple[CriterionResult, ...]:
    """The items that failed the session where the journal has no failure to say so.

    Failed checks and halts are criteria of their own. What is left failed after the decision: in
    a hook ``pytest_soak_iteration`` or in a teardown.
    """
    halted = history.halt is not None and history.halt.kind != "end_of_data"
    if not failed or halted or any(item.failed_checks for item in history.iterations):
        return ()
    names = sorted(failed)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (
        CriterionResult(
            "items",
            Verdict.FAIL,
            float(len(names)),
            "<= 0",
            float(-len(names)),
            len(history.iterations),
            reason=f"items: failed after their decision: {', '.join(names[:3])}{more}",
            lane=history.lane.id,
        ),
    )
