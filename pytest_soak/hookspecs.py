"""What a conftest may answer during a soak. Each hook is shown at work in ``examples/``."""

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

    Called once per lane, in the process that runs it, before its first iteration. It is asked only
    when neither ``--soak-target`` nor ``--soak-mock`` names one. The first answer that is not None
    wins. See :class:`pytest_soak.protocol.Target` for what a target is.
    """


@pytest.hookspec(firstresult=True)
def pytest_soak_propose(
    lane: Lane,
    kpis: Mapping[str, float | None],
    headroom: Mapping[str, Headroom],
    history: Sequence[Iteration],
) -> Mapping[str, Any] | None:
    """Propose parameter changes in place of the profile's rules.

    :param kpis: KPIs of the iteration just observed; None is *no data*.
    :param room: key to how far it may move now, in the parameter's unit.
    :param history: up to 50 iterations before this one, oldest first.
    :return: key to change (added to the value), or key to
        ``{"delta": x, "kpis": [names it rests on], "rule": name}``. An empty mapping proposes
        nothing; None leaves the matter to the next hook, and in the end to the rules.

    The guards see every proposal: nothing that is returned, or raised, here can move a parameter
    out of its bounds, faster than its cap, or while it is frozen.
    """


@pytest.hookspec
def pytest_soak_gate(lane: Lane, history: History) -> Iterable[CriterionResult] | None:
    """Add criteria of one's own to the gate of one lane.

    Called once per lane at the end, in the process that judges. Each result is shown, counted and
    merged like the built-in ones; make them with :func:`pytest_soak.criterion`.
    """


@pytest.hookspec
def pytest_soak_iteration(lane: Lane, iteration: Iteration) -> None:
    """Look at an iteration after it has been observed, judged, decided and recorded.

    Called in the process that runs the lane. What it raises makes the iteration's item an error;
    what was decided stands.
    """
