"""The hooks that a conftest may implement in a soak. ``examples/`` uses each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_soak.gate.criteria import CriterionResult
    from pytest_soak.loop.model import Headroom, History, Iteration
    from pytest_soak.protocol import Lane, Target


@pytest.hookspec(firstresult=True)
def pytest_soak_target(lane: Lane) -> Target | None:
    """Make the target of one lane.

    Called once per lane, in the process that runs it, before its first iteration, and only if
    neither ``--soak-target`` nor ``--soak-mock`` names a target. Only one conftest may answer it.
    :class:`pytest_soak.protocol.Target` describes a target.
    """


@pytest.hookspec(firstresult=True)
def pytest_soak_propose(
    lane: Lane,
    kpis: Mapping[str, float | None],
    headroom: Mapping[str, Headroom],
    history: Sequence[Iteration],
) -> Mapping[str, Any] | None:
    """Propose parameter changes in place of the profile's rules.

    :param kpis: KPIs of the iteration just measured; None is *no data*.
    :param headroom: key to how far the parameter may move now, in its own unit.
    :param history: up to 50 iterations before this one, oldest first.
    :return: key to change (added to the value), or key to
        ``{"delta": x, "kpis": [KPIs it is based on], "rule": name}``. An empty mapping proposes
        nothing; None leaves the decision to the next hook, and in the end to the rules.

    The guards check every proposal: no result and no error of this hook can move a parameter out
    of its bounds, faster than its cap, or while it is frozen.
    """


@pytest.hookspec
def pytest_soak_gate(lane: Lane, history: History) -> Iterable[CriterionResult] | None:
    """Add your own criteria to the gate of one lane.

    Called once per lane at the end, in the process that judges. Each result is shown and counted
    like a built-in one; make it with :func:`pytest_soak.criterion`.
    """


@pytest.hookspec
def pytest_soak_iteration(lane: Lane, iteration: Iteration) -> None:
    """Read an iteration after it is measured, judged, decided and recorded.

    Called in the process that runs the lane. An exception makes the iteration's item an error and
    changes no decision.
    """
