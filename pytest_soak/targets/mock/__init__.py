"""The mock market, see ``docs/mock.md``. Importing this package imports no numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_soak.protocol import Lane

if TYPE_CHECKING:
    from pytest_soak.targets.mock.target import MockTarget


def make_mock(lane: Lane) -> MockTarget:
    """The mock market of one lane: the factory behind ``--soak-mock``."""
    from pytest_soak.targets.mock.target import MockTarget

    return MockTarget(lane)


__all__ = ["make_mock"]
