"""From ``--soak-target`` to a target: the built-in ones, and a user's own factory."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_soak.lane.driver import announce
from pytest_soak.profile.scenarios import Scheduled
from pytest_soak.protocol import Lane, Target
from pytest_soak.settings import BUILT_IN_TARGETS

Factory = Callable[[Lane], Target]


def check(name: str, lane: Lane) -> None:
    """Refuse, before iteration 1, a target that cannot be made.

    Raises pytest.UsageError naming the option and the reason.
    """
    factory = factory_of(name)
    if name == "replay":
        try:
            factory(lane)
        except ValueError as error:
            raise pytest.UsageError(f"soak: --soak-target=replay: {error}") from error


def check_scenarios(name: str, lane: Lane, planned: Sequence[Scheduled]) -> None:
    """Refuse, before iteration 1, scenarios that a built-in target cannot make.

    A user's own target is not made before its lane begins; it is asked there. Raises
    pytest.UsageError.
    """
    if not planned or name not in BUILT_IN_TARGETS:
        return
    try:
        announce(factory_of(name)(lane), planned)
    except ValueError as error:
        raise pytest.UsageError(f"soak: scenarios with --soak-target={name}: {error}") from error


def factory_of(name: str) -> Factory:
    """The factory behind ``mock``, ``replay`` or ``module:factory``."""
    if name == "mock":
        from pytest_soak.targets.mock import make_mock

        return make_mock
    if name == "replay":
        from pytest_soak.targets.replay import make_replay

        return make_replay
    return _import_factory(name)


def _import_factory(name: str) -> Factory:
    module_name, _, attribute = name.partition(":")
    where = str(Path.cwd())
    if where not in sys.path:
        # The bot under test usually lies where pytest was called, which pytest itself adds only
        # when it is run as a module.
        sys.path.insert(0, where)
    found: Any
    try:
        found = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise pytest.UsageError(
            f"soak: --soak-target={name}: cannot import it: {type(error).__name__}: {error}"
        ) from error
    if not callable(found):
        raise pytest.UsageError(
            f"soak: --soak-target={name}: {attribute} is {type(found).__name__}, not a "
            "factory(lane) that returns a target"
        )
    factory: Factory = found
    return factory
