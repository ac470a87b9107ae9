"""Whether a run really waits: its iterations take time that a person notices."""

from __future__ import annotations

import math
from typing import Final

from pytest_soak.session.plan import Plan
from pytest_soak.settings import LIVE

LEAST_S = 1.0
"""A run waits if each of its iterations takes so long."""
_SIMULATED: Final = "mock"


def is_paced(plan: Plan) -> bool:
    """Whether its target starts one iteration per interval of real time, as a live target does."""
    settings = plan.settings
    return settings.target == LIVE and settings.interval_s >= LEAST_S


class Waiting:
    """Decides it for the lanes of one process, from the target and from measured calls of it.

    The shortest call counts: a first call that compiles or loads something does not make a
    simulation wait.
    """

    def __init__(self, plan: Plan) -> None:
        self._is_paced = is_paced(plan)
        self._is_simulated = plan.target == _SIMULATED
        self._shortest_s = math.inf

    def is_waiting(self, run_s: float | None) -> bool:
        """``run_s``: seconds of the newest call of the target's ``run``; None without a call."""
        if run_s is not None:
            self._shortest_s = min(self._shortest_s, run_s)
        if self._is_paced:
            return True
        return not self._is_simulated and LEAST_S <= self._shortest_s < math.inf
