"""The check of a session that has none of its own: it lets every iteration happen.

The verdict of an iteration colours its item; whether the session passes is the gate's to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_soak.session.checks import SoakIteration


def iteration(soak_iteration: SoakIteration) -> None:
    """One iteration."""
