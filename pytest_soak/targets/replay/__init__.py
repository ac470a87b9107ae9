"""Recorded market data as a target: the quoting bot on hftbacktest (extra ``replay``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_soak.protocol import Lane
    from pytest_soak.targets.replay.report import ReplaySettings
    from pytest_soak.targets.replay.target import ReplayTarget

__all__ = ["make_replay"]


def make_replay(lane: Lane, settings: ReplaySettings | None = None) -> ReplayTarget:
    """The replay of ``lane.data``, which is checked here, before iteration 1.

    Raises ValueError, one line: no data option, missing or unusable file, extra not installed.
    """
    from pytest_soak.targets.replay.target import ReplayTarget

    return ReplayTarget(lane, settings)
