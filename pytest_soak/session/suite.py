"""The check of a session that has none of its own: an item per iteration, without an assertion.

The verdict of an iteration marks its item; only the gate decides whether the session passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_soak.session.checks import SoakIteration


def iteration(soak_iteration: SoakIteration) -> None:
    """One iteration."""
