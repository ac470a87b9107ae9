"""From ``--soak-target`` to a target: the built-in ones, and a user's own factory."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_soak.lane.driver import announce
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.protocol import Lane
from pytest_soak.settings import LIVE
from pytest_soak.targets import registry
from pytest_soak.targets.registry import BUILT_IN, Factory


def check(name: str, lane: Lane, folder: Path) -> tuple[str, ...]:
    """Refuse, before iteration 1, a target that cannot be made.

    Returns what a replay says about its recorded data, for the header. Raises pytest.UsageError
    naming the option and the reason.
    """
    factory_of(name, folder)
    if name != "replay":
        return ()
    from pytest_soak.targets.replay import make_replay

    try:
        return make_replay(lane).describe()
    except ValueError as error:
        raise pytest.UsageError(f"soak: --soak-target=replay: {error}") from error


def check_scenarios(name: str, lane: Lane, planned: Sequence[Scheduled]) -> None:
    """Refuse, before iteration 1, scenarios that a built-in target cannot make.

    A user's own target is not made before its lane begins; it gets its schedule there. Raises
    pytest.UsageError.
    """
    if not planned or name not in BUILT_IN:
        return
    if name == LIVE:
        names = ", ".join(dict.fromkeys(entry.name for entry in planned))
        raise pytest.UsageError(
            f"soak: scenarios with --soak-target=live: a live target cannot make {names}; the "
            "mock market can"
        )
    try:
        announce(registry.factory_of(name)(lane), planned)
    except ValueError as error:
        raise pytest.UsageError(f"soak: scenarios with --soak-target={name}: {error}") from error


def factory_of(name: str, folder: Path) -> Factory:
    """The factory behind a registered name or ``module:factory``. Raises pytest.UsageError.

    The module may lie in ``folder``: where pytest was called, or beside the ini file that names it.
    """
    where = str(folder)
    if where not in sys.path:
        # Last, so that a file there never takes the place of a module that the plugin or its
        # libraries import later.
        sys.path.append(where)
    try:
        return registry.factory_of(name)
    except TypeError as error:
        raise pytest.UsageError(f"soak: --soak-target={name}: {error}") from error
    except Exception as error:
        raise pytest.UsageError(
            f"soak: --soak-target={name}: cannot import it: {type(error).__name__}: {error}"
        ) from error
