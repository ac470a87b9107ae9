"""The rules that ``profile check`` warns of, in whole lanes: what can never fire never does."""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from pytest_soak import run_lane
from tests.unit.profile.test_profile_warnings import BASE, CASES, Case

VALUES: Mapping[str, tuple[float, ...]] = {
    "p95": (0.0, 40.0, 70.0, 89.0, 90.0, 90.5, 100.0, 104.0, 109.0, 111.0, 150.0, 390.0),
    "cpu": (0.0, 0.2, 0.35, 0.55, 0.7, 0.94, 0.999, 1.0),
    "requests": (5.0, 10.0, 15.0),
}
"""Around the limits of the cases; few of them FAIL, so that no panic rules the lane."""

OF_NEVER = [case for case in CASES if case.kind in ("rule_never", "rule_stopped")]
TOO_LATE = [case for case in CASES if case.kind == "rule_too_late"]
ALWAYS = [case for case in CASES if case.kind == "rule_always"]


class Service:
    """Reports drawn values inside the ranges of the KPIs."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def run(self, iteration: int, runtime: Mapping[str, Any]) -> dict[str, Any]:
        totals = {name: self._random.choice(values) for name, values in VALUES.items()}
        queue = self._random.choice((0, 3, 5, 9, 10))
        return {"totals": totals, "block_reasons": {"queue": queue, "other": 10 - queue}}


def fired(
    folder: Path, addition: str, iterations: int, seed: int = 1, workers: int = 8
) -> list[bool]:
    """Whether the rule NEW fired, for each iteration of a lane that starts with ``workers``."""
    reasons = "block_reasons: [queue, other]\n"
    (folder / "base.yaml").write_text(BASE + reasons)
    moves_alone = addition.replace("{workers: {add: 1}}", "{spare: {add: 1}}")
    (folder / "own.yaml").write_text(
        f"extends: ./base.yaml\n{moves_alone}\nworkers: {workers}\n{FREE}"
    )
    history = run_lane(
        Service(seed), profile=str(folder / "own.yaml"), iterations=iterations, seed=seed
    )
    decisions = [item.decision for item in history.iterations]
    return ["NEW" in decision.rules for decision in decisions if decision is not None]


FREE = """
guards: {panic: null, hold_last: 1, cooldown: null, oscillation: null, rollback: null,
         velocity_window_s: 1}
parameters: {spare: {path: pool, start: 0, min: 0, max: 1000}}
"""
"""Nothing but the rule itself keeps it from firing, and no other rule moves its parameter."""


@pytest.mark.parametrize(
    "case", OF_NEVER, ids=[f"{n}-{case.kind}" for n, case in enumerate(OF_NEVER)]
)
def test_a_rule_that_can_never_fire(tmp_path: Path, case: Case) -> None:
    lanes = list(product((8, 9, 64), range(6)))

    def fires(addition: str) -> bool:
        return any(any(fired(tmp_path, addition, 40, seed, workers)) for workers, seed in lanes)

    assert not fires(case.bad)
    assert fires(case.good)


@pytest.mark.parametrize("case", TOO_LATE, ids=[str(n) for n, _ in enumerate(TOO_LATE)])
def test_a_rule_that_is_too_late(tmp_path: Path, case: Case) -> None:
    iterations = case.iterations or 0
    assert not any(any(fired(tmp_path, case.bad, iterations, seed)) for seed in range(20))


@pytest.mark.parametrize("case", ALWAYS, ids=[str(n) for n, _ in enumerate(ALWAYS)])
def test_a_rule_that_always_fires(tmp_path: Path, case: Case) -> None:
    # The last decision changes nothing.
    assert all(fired(tmp_path, case.bad, iterations=40)[:-1])
    assert not all(fired(tmp_path, case.good, iterations=40)[:-1])
